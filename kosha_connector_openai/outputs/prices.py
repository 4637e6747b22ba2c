"""A price file: what the operator pays, as of a date. The connector ships none, since prices change and contracts differ."""

from __future__ import annotations

import datetime
import fnmatch
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

from kosha_connector_openai.errors import ManifestError, SetupError
from kosha_connector_openai.manifest import Constraint, Field, Part, parse_part

Amount = Annotated[Decimal, Constraint(ge=0, le=1_000_000)]
Most = Annotated[int, Constraint(ge=0, le=1_000_000_000)]


class Price(Part):
    """Prices of one model, for a million tokens of each kind, and for other things one by one.

    A kind without a price costs what its whole costs: ``cached``, ``cache_write``, ``audio_input`` and ``image_input`` are parts of
    ``input``; ``reasoning``, ``audio_output`` and ``image_output`` of ``output``. The ``most_`` values are what one answer can use at
    most, for calls whose inputs do not limit it.
    """

    input: Amount | None = None
    output: Amount | None = None
    cached: Amount | None = None
    cache_write: Amount | None = None
    reasoning: Amount | None = None
    audio_input: Amount | None = None
    audio_output: Amount | None = None
    image_input: Amount | None = None
    image_output: Amount | None = None
    second: Amount | None = Field(default=None, description="A second of sound.")
    each: Amount | None = Field(default=None, description="An answer, such as a picture.")
    call: Amount | None = None
    most_input: Most | None = None
    most_output: Most | None = None
    most_seconds: Most | None = None


class Prices(Part):
    """A price file. Model names may hold ``*`` and ``?``; the first that fits counts."""

    date: datetime.date
    currency: Annotated[str, Constraint(pattern=r"^[A-Z]{3}$")] = "USD"
    source: str = ""
    batch: Amount | None = Field(default=None, description="What a batch costs, as a part of these prices.")
    models: Mapping[str, Price]

    def to_dict(self) -> dict[str, Any]:
        """The file's values as JSON has them; amounts as texts, to the last digit."""
        models = {
            name: {kind: value if isinstance(value, int) else str(value) for kind, value in vars(price).items() if value is not None}
            for name, price in self.models.items()
        }
        batch = None if self.batch is None else str(self.batch)
        return {"date": self.date.isoformat(), "currency": self.currency, "source": self.source, "batch": batch, "models": models}

    def of(self, model: str | None) -> Price | None:
        """The prices of a model; None where no name fits."""
        name = model or ""
        return next((price for pattern, price in self.models.items() if fnmatch.fnmatchcase(name, pattern)), None)


def read_prices(path: Path) -> Prices:
    """The price file at ``path``, YAML or JSON; raises SetupError with every fault."""
    try:
        return parse_part(path.expanduser().read_bytes(), Prices, name=path.name)
    except OSError as error:
        reason = error.strerror
    except ManifestError as error:
        raise SetupError("The price file is wrong.", error.faults) from None
    raise SetupError(f"The price file cannot be read: {reason}.", hint="Name a file that you may read.")
