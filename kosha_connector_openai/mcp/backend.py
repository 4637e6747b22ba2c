"""What tools stand on: who runs actions, and who keeps the files that they make. One for a process, one for each caller of a gateway."""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from kosha_connector_openai.connector import CallOptions, Connection, Connector, Result
from kosha_connector_openai.core.actions import Action
from kosha_connector_openai.core.result import Event, FileSink

SCOPE: Final = "kosha.mcp"
"""The key in an ASGI scope of the session that its request belongs to."""
EventSink = Callable[[Event], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file that a tool made: where it lies, what it is, and where a client can fetch it besides."""

    path: Path
    content_type: str
    address: str


class Backend(Protocol):
    """Runs actions for one caller."""

    @property
    def connector(self) -> Connector:
        """The connector."""

    async def connection(self) -> Connection:
        """The caller's connection; raises SetupError."""

    def offers(self, action: Action) -> bool:
        """Whether the caller can call the action at all."""

    async def run(self, action: Action, inputs: Mapping[str, Any], options: CallOptions, sink: EventSink | None = None) -> Result:
        """One call; ``sink`` is given the events of a stream as they come. Cancelling it closes the upstream connection."""

    def keep(self, name: str, content_type: str, data: bytes) -> str | None:
        """Keeps a file for the caller and returns its URI; None where there is no room for it."""

    def find(self, uri: str) -> KeptFile | None:
        """The file with this URI, if it is the caller's and still kept."""


class LocalBackend:
    """The backend of one process: its user is the only caller."""

    def __init__(self, connector: Connector, connect: Callable[[], tuple[Connector, Connection]], folder: Path | None = None) -> None:
        """``connect`` is asked at the first call, so that tools can be listed without a key; ``folder`` is where files are saved."""
        self.connector = connector
        self._connect = connect
        self._opened: tuple[Connector, Connection] | None = None
        self._folder = folder
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._kept: dict[str, KeptFile] = {}

    async def connection(self) -> Connection:
        """The connection that the command line names; raises SetupError."""
        return self._open()[1]

    def offers(self, action: Action) -> bool:
        """Whether the connection could have the action's credential; all where there is no connection yet."""
        return action.id in self.connector.catalog.document

    async def run(self, action: Action, inputs: Mapping[str, Any], options: CallOptions, sink: EventSink | None = None) -> Result:
        """One call over the connection."""
        connector, connection = self._open()
        async with connector.astream(action.id, inputs, connection, options) as stream:
            async for event in stream:
                if sink is not None:
                    await sink(event)
        assert stream.result is not None
        return stream.result

    def keep(self, name: str, content_type: str, data: bytes) -> str | None:
        """Saves the file under a name that is free and returns its ``file:`` URI (RFC 8089)."""
        folder = self._folder or self._temporary_folder()
        path = next(free for number in range(10_000) if not (free := folder / _numbered(name, number)).exists())
        sink = FileSink(path)
        sink.check()
        sink.write(data)
        sink.commit(content_type)
        uri = path.resolve().as_uri()
        self._kept[uri] = KeptFile(path, content_type, uri)
        return uri

    def find(self, uri: str) -> KeptFile | None:
        """A file that was made by a tool of this process."""
        return self._kept.get(uri)

    async def aclose(self) -> None:
        """Closes the upstream connections, and removes the files for which no folder was named."""
        if self._opened is not None:
            await self._opened[0].aclose()
        if self._temporary is not None:
            self._temporary.cleanup()

    def _open(self) -> tuple[Connector, Connection]:
        if self._opened is None:
            self._opened = self._connect()
        return self._opened

    def _temporary_folder(self) -> Path:
        if self._temporary is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="kosha-mcp-")
        return Path(self._temporary.name)


def _numbered(name: str, number: int) -> str:
    stem, dot, ending = name.rpartition(".")
    return name if not number else f"{stem or name}-{number}{dot if stem else ''}{ending if stem else ''}"
