"""uvicorn's flow control whose reads take turns with those of the other connections."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.flow_control import FlowControl

from kosha_connector_openai.gateway.rounds import Rounds


class TurnedFlow(FlowControl):
    """Reads on when it is this connection's turn."""

    def __init__(self, transport: asyncio.Transport, reads: Rounds) -> None:
        super().__init__(transport)
        self._reads = reads
        self._asked = False

    @property
    def waits(self) -> bool:
        """Whether the connection's turn has not come yet."""
        return self._asked

    def resume_reading(self) -> None:
        """Asks for a turn; until it comes, the connection stays paused."""
        if self.read_paused and not self._asked:
            self._asked = True
            self._reads.take(self._resume)

    def end(self) -> None:
        """Waits for no turn: the connection has ended."""
        self._reads.drop(self._resume)
        self._asked = True

    def _resume(self) -> None:
        self._asked = False
        super().resume_reading()
