"""What a run is told, and what it tells: its rows, how they are sent, how it stands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Literal, get_args

from kosha_connector_openai.core.result import Policy
from kosha_connector_openai.errors import ConnectorError, Fault, SetupError
from kosha_connector_openai.flows.bulk.ledger import Sync, answers_folder
from kosha_connector_openai.flows.bulk.output import Order
from kosha_connector_openai.flows.bulk.progress import RunProgress
from kosha_connector_openai.flows.bulk.row import Format

if TYPE_CHECKING:
    from kosha_connector_openai.outputs import Budget

Via = Literal["calls", "batch"]
Unknown = Literal["hold", "retry", "skip"]
Place = Path | str
"""A file by its path."""
Rows = Place | BinaryIO | Iterable[Mapping[str, Any]]
Watch = Callable[[RunProgress], None]
MOST: Final = 100
"""Rows under way at most, unless more are asked for."""


@dataclass(frozen=True, slots=True)
class RowOptions:
    """What belongs to a run and stays the same when it goes on.

    ``map`` are ``field=column`` rules, ``fixed`` inputs that all rows share. ``order`` of the output is that of the input, or as rows were
    ``done``; ``keep`` are columns of the input that the output has too. ``dedupe`` sends one of equal rows. ``if_cut`` says what an
    answer is that was cut, refused or filtered: a failed row, or with ``pass`` an answer. ``share`` is ``i/n``: this process's part.
    ``ledger`` is a secret reference to the DSN of a PostgreSQL database that keeps the ledger; else it is a file beside the output.
    ``via`` ``batch`` sends the rows in files, as batches of the provider. Raises SetupError for other values.
    """

    map: Sequence[str] = ()
    fixed: Mapping[str, Any] = field(default_factory=dict)
    format: Format | None = None
    order: Order = "input"
    keep: Sequence[str] = ()
    dedupe: bool = False
    if_cut: Policy = "fail"
    workflow: str | None = None
    share: str | None = None
    ledger: str | None = None
    via: Via = "calls"

    def __post_init__(self) -> None:
        faults = [
            Fault(f"/{name}", "type", "is one text.", "Give a list of texts.")
            for name in ("map", "keep")
            if isinstance(getattr(self, name), str)
        ]
        _raise(faults + _unlisted(self, _ROW_CHOICES))


@dataclass(frozen=True, slots=True)
class SendOptions:
    """How rows are sent; may differ each time that a run goes on.

    ``in_flight`` is how many rows are under way at most; ``requests`` and ``tokens`` are limits a minute, else replies tell them.
    ``attempts`` counts for each row, ``timeout`` is seconds for each call. ``unknown`` decides, at the end, about rows that were sent and
    whose answer was never seen: ``hold`` leaves them so, ``retry`` sends them again, ``skip`` makes them failed rows. ``sync`` ``full``
    survives a loss of power, too. ``budget`` is what ``connector.outputs.budget(calls=..., tokens=..., cost=..., prices=...)`` gives: what
    the run has spent before counts. Raises SetupError for values out of range.
    """

    in_flight: int = MOST
    requests: float | None = None
    tokens: float | None = None
    attempts: int = 3
    timeout: float | None = None
    unknown: Unknown = "hold"
    sync: Sync = "normal"
    budget: Budget | None = None

    def __post_init__(self) -> None:
        given = {name: getattr(self, name) for name in _BOUNDS}
        faults = [
            Fault(f"/{name}", "range", f"must be a number from {low:g} to {high:g}.")
            for name, (low, high) in _BOUNDS.items()
            if given[name] is not None and not (isinstance(given[name], (int, float)) and low <= given[name] <= high)
        ]
        _raise(faults + _unlisted(self, _SEND_CHOICES))


_ROW_CHOICES: Final = {"format": (None, *get_args(Format)), "order": get_args(Order), "if_cut": get_args(Policy), "via": get_args(Via)}
_SEND_CHOICES: Final = {"unknown": get_args(Unknown), "sync": get_args(Sync)}
_BOUNDS: Final = {"in_flight": (1, 1_000), "attempts": (1, 10), "requests": (1, 1e9), "tokens": (1, 1e12), "timeout": (0.001, 86_400)}


def _unlisted(options: Any, choices: Mapping[str, Sequence[str | None]]) -> list[Fault]:
    return [
        Fault(f"/{name}", "enum", f"must be one of: {', '.join(filter(None, listed))}.", allowed=listed)
        for name, listed in choices.items()
        if getattr(options, name) not in listed
    ]


def _raise(faults: list[Fault]) -> None:
    if faults:
        raise SetupError("The options of the run are wrong.", faults)


@dataclass(frozen=True, slots=True)
class BulkResult:
    """How a run stands when its process ends.

    ``done``, ``failed``, ``unknown`` (sent, and no answer came) and ``waiting`` are numbers of rows and add up to ``total``. ``stop`` is
    "" where nothing is left to send, else why it goes on later: ``signal``, ``budget``, ``access`` (the key or its balance), ``failures``
    (nothing works any more), ``input`` (it was changed) or ``ledger``; ``reason`` is the error behind it. ``categories`` says how many
    rows failed for which cause.
    Of this process alone are ``seconds``, the ``tokens`` of its answers, and ``refused``: calls that a rate limit turned away.
    """

    out: Path
    ledger: Path
    total: int
    done: int
    failed: int
    unknown: int
    waiting: int
    stop: str = ""
    reason: ConnectorError | None = None
    tokens: int = 0
    seconds: float = 0.0
    refused: int = 0
    categories: Mapping[str, int] = field(default_factory=dict)
    unkept: tuple[int, ...] = ()
    """Rows whose answers came and could not be kept: they are told as unknown."""

    @property
    def files(self) -> Path:
        """The folder of answers that are files, or too large for the ledger; it is there where the run has any."""
        return answers_folder(self.ledger)

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON-ready values."""
        values = {name: getattr(self, name) for name in ("total", "done", "failed", "unknown", "waiting", "stop", "tokens", "refused")}
        more = {"categories": dict(self.categories), "unkept": list(self.unkept), "seconds": round(self.seconds, 3)}
        error = {"reason": self.reason.to_dict()} if self.reason else {}
        return {"out": str(self.out), "ledger": str(self.ledger)} | values | more | error


@dataclass(slots=True)
class RowCheck:
    """What a dry run found: how many ``rows``, and how many are ``equal`` to one before; the first ``faults``, of ``fault_count`` in all;
    the ``first`` rows as requests. ``tokens`` to send and ``cost`` (in ``currency``) are ranges, from least to most; ``cost`` is None
    without prices for the rows' models."""

    rows: int = 0
    equal: int = 0
    bytes: int = 0
    tokens: tuple[int, int] = (0, 0)
    cost: tuple[float, float] | None = None
    currency: str | None = None
    faults: tuple[Fault, ...] = ()
    fault_count: int = 0
    first: tuple[dict[str, Any], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The check as JSON-ready values."""
        return asdict(self)
