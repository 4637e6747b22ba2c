"""The facade of bulk for threads."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kosha_connector_openai.connector import Connection, Connector
from kosha_connector_openai.flows.bulk.bulk import AsyncBulk
from kosha_connector_openai.flows.bulk.files import shared_name
from kosha_connector_openai.flows.bulk.opening import ledger_of
from kosha_connector_openai.flows.bulk.options import BulkResult, RowCheck, RowOptions, Rows, SendOptions, Watch

if TYPE_CHECKING:
    from kosha_connector_openai.flows.temporal_place import TemporalPlace
    from kosha_connector_openai.outputs import Prices


class Bulk:
    """Bulk runs over one connection, for threads."""

    def __init__(
        self,
        connector: Connector,
        connection: Connection,
        *,
        watch: Watch | None = None,
        temporal: TemporalPlace | None = None,
        span: int = 500,
    ) -> None:
        """``watch`` is told how a run stands, four times a second. With ``temporal``, workers there send the rows, ``span`` at a time."""
        if temporal is None:
            self._bulk = AsyncBulk(connector, connection, watch=watch)
        else:
            from kosha_connector_openai.flows.bulk.temporal import TemporalBulk

            self._bulk = TemporalBulk(connector, connection, watch=watch, place=temporal, span=span)

    def run(
        self,
        target: str,
        rows: Rows,
        out: Path,
        options: RowOptions = RowOptions(),
        send: SendOptions = SendOptions(),
        *,
        go_on: bool = False,
    ) -> BulkResult:
        """As AsyncBulk.run; with ``go_on`` as AsyncBulk.resume where the run is there already."""
        path = ledger_of(shared_name(out, options.share))
        if go_on and path.exists():
            return self.resume(path, send)
        return asyncio.run(self._closing(self._bulk.run(target, rows, out, options, send)))

    def resume(self, path: Path, send: SendOptions = SendOptions(), *, adopt: bool = False, retry_failed: bool = False) -> BulkResult:
        """As AsyncBulk.resume."""
        return asyncio.run(self._closing(self._bulk.resume(path, send, adopt=adopt, retry_failed=retry_failed)))

    def check(
        self, target: str, rows: Rows, options: RowOptions = RowOptions(), *, prices: Prices | None = None, show: int = 2
    ) -> RowCheck:
        """As AsyncBulk.check."""
        return self._bulk.check(target, rows, options, prices=prices, show=show)

    def request(self, path: Path, row: int) -> dict[str, Any]:
        """As AsyncBulk.request."""
        return self._bulk.request(path, row)

    def stop(self) -> None:
        """As AsyncBulk.stop; from a signal handler or another thread."""
        self._bulk.stop()

    async def _closing(self, work: Any) -> BulkResult:
        try:
            result: BulkResult = await work
            return result
        finally:
            await self._bulk.connector.aclose()
