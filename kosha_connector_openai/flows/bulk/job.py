"""One run, put together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from kosha_connector_openai.connector import Connection
from kosha_connector_openai.errors import InputError
from kosha_connector_openai.flows.bulk.entry import RowEntry, RowState
from kosha_connector_openai.flows.bulk.keys import base_of, read_share
from kosha_connector_openai.flows.bulk.ledger import Ledger
from kosha_connector_openai.flows.bulk.mapping import RowMap
from kosha_connector_openai.flows.bulk.options import RowOptions
from kosha_connector_openai.flows.bulk.row import FaultList, Row, RowSource, Start, changed, row_of
from kosha_connector_openai.flows.bulk.rows import digest_of
from kosha_connector_openai.flows.bulk.targets import RowTarget

_EACH: Final = 1_000


@dataclass(slots=True)
class RowJob:
    """One run, put together: what is sent where, from which rows, kept where."""

    target: RowTarget
    source: RowSource
    row_map: RowMap
    options: RowOptions
    out: Path
    starts: list[tuple[int, int, int]] = field(default_factory=list)
    """Where reading can begin, at each thousandth row; known when all rows have been read."""

    def bases(self, faults: FaultList) -> Iterator[tuple[Row, bytes]]:
        """Each row of this process's share with the digest of its inputs; rows with faults are noted and left out."""
        part, parts = read_share(self.options.share)
        encode = base_of(self.target.kind, self.target.name, self.options.fixed)
        self.starts.clear()
        for row in self.source.rows():
            if row.number % _EACH == 1:
                self.starts.append((row.number - 1, row.line - 1, row.place))
            if (row.number - 1) % parts != part:
                continue
            if row.fault is not None:
                faults.add(row.fault)
                continue
            try:
                base = encode(self.row_map.digest_bytes(row))
            except InputError as error:
                faults.add(error)
                continue
            yield row, base

    def input_digest(self) -> str | None:
        """The digest of the input's bytes; None where the rows are more than these: of a folder, and where columns name files."""
        return None if self.row_map.names_files else digest_of(self.source)

    def first_waiting(self, ledger: Ledger) -> Start | None:
        """Where the first row stands that waits; None where input and ledger differ. Every row of the ledger is checked.

        An input of the same bytes has the same rows, and is not read again.
        """
        known = ledger.kept("input") or {}
        if known.get("digest") is not None and known["digest"] == self.input_digest():
            waiting = min((n for n, _, state in ledger.places() if state == RowState.PENDING), default=1)
            return Start(*known["starts"][(waiting - 1) // _EACH])
        faults, places = FaultList(), ledger.places()
        start: Start | None = None
        for row, base in self.bases(faults):
            found = next(places, None)
            if found is None or found[:2] != (row.number, base):
                return None
            if start is None and found[2] == RowState.PENDING:
                start = Start(row.number - 1, row.line - 1, row.place)
        if faults.count or next(places, None) is not None:
            return None
        if known.get("digest") is not None:  # what no row sends has changed
            ledger.keep("input", {"digest": self.input_digest(), "starts": self.starts})
        return start or Start()

    def feed(self, ledger: Ledger, start: Start) -> Iterator[tuple[RowEntry, Row]]:
        """The rows that wait, each with its entry, from ``start`` on. Raises InputError where one is another than before."""
        waiting = ledger.entries(RowState.PENDING, after=start.number)
        yield from self.rows_of((entry for entry in waiting if not (self.options.dedupe and entry.occurrence)), start)

    def rows_of(self, entries: Iterable[RowEntry], start: Start) -> Iterator[tuple[RowEntry, Row]]:
        """The row of each entry, in order, from ``start`` on. Raises InputError where one is another than before."""
        rows = iter(self.source.rows(start))
        encode = base_of(self.target.kind, self.target.name, self.options.fixed)
        for entry in entries:
            row, base = row_of(rows, entry.n), entry.base
            try:
                base = encode(self.row_map.digest_bytes(row))
            except InputError:  # such as a file that is gone: a row that waits fails alone
                if entry.state == RowState.SENT:
                    raise
            if base != entry.base:
                raise changed(f"has another row {entry.n} than before")
            yield entry, row


def wide(connection: Connection, in_flight: int) -> Connection:
    """The connection with a place in its pool for each row that is under way."""
    limits = connection.limits
    return (
        connection
        if limits.connections >= in_flight
        else replace(connection, limits=type(limits)(**{**vars(limits), "connections": in_flight}))
    )
