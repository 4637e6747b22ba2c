"""Which calls of a row were answered, where a row makes several."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kosha_connector_openai.core.result import Result


class CallNotes:
    """The calls of one row. They are kept only where a further one follows: a single call is told by the row's own answer."""

    def __init__(self, keep: Callable[[int, list[tuple[int, dict[str, Any]]]], Awaitable[None]], n: int) -> None:
        self._keep, self._n = keep, n
        self._seen = 0
        self._fresh: list[tuple[int, dict[str, Any]]] = []

    async def begin(self) -> None:
        """A call is about to leave. Raises SetupError where what came before cannot be kept."""
        if self._fresh:
            fresh, self._fresh = self._fresh, []
            await self._keep(self._n, fresh)

    def answered(self, result: Result) -> None:
        """A call was answered."""
        self._fresh.append((self._seen, {"action": result.action, "request_id": result.request_id, "usage": result.usage}))
        self._seen += 1
