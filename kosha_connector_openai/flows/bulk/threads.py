"""The facade of bulk for threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kosha_connector_openai.connector import Connection, Connector
from kosha_connector_openai.errors import SetupError
from kosha_connector_openai.flows.bulk.bulk import AsyncBulk
from kosha_connector_openai.flows.bulk.files import shared_name
from kosha_connector_openai.flows.bulk.opening import has_run, ledger_of
from kosha_connector_openai.flows.bulk.options import BulkResult, Place, RowCheck, RowOptions, Rows, SendOptions, Watch

if TYPE_CHECKING:
    from kosha_connector_openai.flows.temporal_place import TemporalPlace
    from kosha_connector_openai.outputs import Prices


class Bulk:
    """Runs of an action, a task or a workflow over rows, through one connection, for threads; ``AsyncBulk`` is the same for event loops."""

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
        out: Place,
        options: RowOptions = RowOptions(),
        send: SendOptions = SendOptions(),
        *,
        go_on: bool = False,
    ) -> BulkResult:
        """Sends every row to ``target``: an action's id, a task's name, or the path of an Arazzo document; writes the answers to ``out``.

        ``rows`` are a file or folder by its path, an open binary file of JSON lines (or of ``options.format``), or an iterable of
        mappings; these two are kept in ``OUT.input``. ``out`` ends in ``.jsonl``, ``.csv`` or ``.parquet`` and must not be there; the
        ledger is kept in ``OUT.ledger``, rows that failed in ``OUT.failed.jsonl``. Raises InputError or SetupError with every fault before
        anything is sent; what happens to rows later is in the result, and no error. With ``go_on`` as ``resume`` where the run
        is there already.
        """
        path = ledger_of(shared_name(Path(out), options.share))
        if go_on and has_run(path):
            return self.resume(path, send)
        return self._wait(lambda: self._bulk.run(target, rows, out, options, send))

    def resume(self, path: Place, send: SendOptions = SendOptions(), *, adopt: bool = False, retry_failed: bool = False) -> BulkResult:
        """Goes on with the run whose output or ledger is at ``path``; nothing that is done is sent again. ``send`` is not kept from before.

        Raises InputError where its input has changed, with the numbers of rows that are new, missing and other; with ``adopt`` the
        unchanged keep their answers and the others are sent. ``retry_failed``: rows that failed are sent again. Raises SetupError where
        the ledger is not there, damaged, or held by another process.
        """
        return self._wait(lambda: self._bulk.resume(path, send, adopt=adopt, retry_failed=retry_failed))

    def check(
        self, target: str, rows: Rows, options: RowOptions = RowOptions(), *, prices: Prices | None = None, show: int = 2
    ) -> RowCheck:
        """Checks every row, and sends nothing: counts, faults by line, tokens and cost as a range, the first ``show`` rows as requests.

        ``prices`` is what ``connector.outputs.prices(path)`` gives. Raises InputError and SetupError where rows cannot be read at all.
        """
        return self._bulk.check(target, rows, options, prices=prices, show=show)

    def request(self, path: Place, row: int) -> dict[str, Any]:
        """The request of a row of the run at ``path``: its ``method``, ``url`` and ``body``; of a task or a workflow its name and
        ``inputs``. ``row`` counts from 1. Nothing is sent. Raises InputError where there is no such row."""
        return self._bulk.request(path, row)

    def stop(self) -> None:
        """Ends sending: nothing new leaves, and what is under way is finished and kept within 30 seconds. From a signal handler or another
        thread."""
        self._bulk.stop()

    def _wait(self, begin: Callable[[], Coroutine[Any, Any, BulkResult]]) -> BulkResult:
        """What comes of the work, on an event loop of its own. Raises SetupError on one that runs."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(self._closing(begin()))
        raise SetupError("Bulk would hold up the event loop that it was called on; nothing was sent.", hint="Await AsyncBulk instead.")

    async def _closing(self, work: Coroutine[Any, Any, BulkResult]) -> BulkResult:
        try:
            return await work
        finally:
            await self._bulk.connector.aclose()
