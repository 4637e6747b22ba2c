"""The input of a run as its ledger keeps it in a database, for hosts that do not have the file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kosha_connector_openai.flows.bulk.ledger import Ledger
from kosha_connector_openai.flows.bulk.row import Format, Row, RowSource, Start
from kosha_connector_openai.flows.bulk.rows import open_source


@dataclass(slots=True)
class KeptRows:
    """Rows of a ledger. ``path`` is where the file was, or is on another host."""

    ledger: Ledger
    path: Path
    format: Format

    @property
    def digest(self) -> str | None:
        """That of the file's bytes, from which the rows were kept."""
        known = self.ledger.kept("input") or {}
        found: str | None = known.get("digest")
        return found

    def columns(self) -> tuple[str, ...] | None:
        first = next(self.ledger.inputs(most=1), None) if self.format != "jsonl" else None
        return tuple(first.values) if first else None

    def rows(self, start: Start = Start()) -> Iterator[Row]:
        first = next(self.ledger.inputs(after=start.number, most=1), None)  # often no other is asked for
        if first is not None:
            yield first
            yield from self.ledger.inputs(after=first.number)


def source_of(ledger: Ledger) -> RowSource:
    """The input of a run: its file, or where that is not on this host, the rows that its ledger keeps. Raises InputError without both."""
    settings = ledger.kept("settings")
    path, form = Path(settings["input"]), settings["options"]["format"]
    kept = KeptRows(ledger, path, form)
    return kept if not path.exists() and next(kept.rows(), None) is not None else open_source(path, form)
