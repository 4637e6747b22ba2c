"""Where bulk runs of callers are kept, and how much of them, as the settings say it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from kosha_connector_openai.errors import Fault
from kosha_connector_openai.manifest import Constraint, Field, Part

_Some = Annotated[int, Constraint(ge=1, le=1_000)]


class BulkEntry(Part):
    """Runs over rows. A path alone stands for ``folder``."""

    folder: Path | None = Field(
        default=None,
        description="Where rows, ledgers and answers are kept, for the service alone to read; none: no runs over rows.",
    )
    bytes: int = Field(default=64 * 1024 * 1024, ge=1, description="Bytes of the rows of one run.")
    rows: int = Field(default=100_000, ge=1, le=10_000_000, description="Rows of one run.")
    in_flight: _Some = Field(default=16, description="Rows of one run under way at once; each takes one of its token's places for calls.")
    running: _Some = Field(default=2, description="Runs of one token under way at once.")
    kept: _Some = Field(default=50, description="Runs of one token that are kept until it removes them.")
    disk: int = Field(
        default=4 * 1024 * 1024 * 1024, ge=1, description="Bytes of all runs on disk; a token has half of what the others leave."
    )

    @classmethod
    def accept(cls, raw: Any) -> Any:
        """A path as ``folder``."""
        return {"folder": raw} if isinstance(raw, (str, Path)) else raw


def bulk_faults(entry: BulkEntry) -> Iterator[Fault]:
    """What single values do not show."""
    if entry.folder is not None and not entry.folder.is_absolute():
        yield Fault("/bulk/folder", "path", "is no absolute path.", "Write /path/to/folder.")
