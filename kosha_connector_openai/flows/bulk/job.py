"""One run, put together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kosha_connector_openai.connector import Connection
from kosha_connector_openai.errors import InputError
from kosha_connector_openai.flows.bulk.keys import base_of, read_share
from kosha_connector_openai.flows.bulk.mapping import RowMap
from kosha_connector_openai.flows.bulk.options import RowOptions
from kosha_connector_openai.flows.bulk.row import FaultList, Row, RowSource
from kosha_connector_openai.flows.bulk.targets import RowTarget


@dataclass(slots=True)
class RowJob:
    """One run, put together: what is sent where, from which rows, kept where."""

    target: RowTarget
    source: RowSource
    row_map: RowMap
    options: RowOptions
    out: Path

    def bases(self, faults: FaultList) -> Iterator[tuple[Row, bytes]]:
        """Each row of this process's share with the digest of its inputs; rows with faults are noted and left out."""
        part, parts = read_share(self.options.share)
        encode = base_of(self.target.kind, self.target.name, self.options.fixed)
        for row in self.source.rows():
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


def total_of(usage: Any, part: Any) -> float | None:
    """All tokens that a usage object counts, by the rules of the part ``outputs``."""
    from kosha_connector_openai.outputs import normalised_usage

    found = normalised_usage(usage, part) if isinstance(usage, Mapping) else None
    return found.get("total") if found else None


def wide(connection: Connection, in_flight: int) -> Connection:
    """The connection with a place in its pool for each row that is under way."""
    limits = connection.limits
    return (
        connection
        if limits.connections >= in_flight
        else replace(connection, limits=type(limits)(**{**vars(limits), "connections": in_flight}))
    )
