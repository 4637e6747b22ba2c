"""Large bodies are read and checked in processes of their own: one interpreter would stop for all while it reads one of them."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import DEVNULL
from typing import Any, Final, Literal

import orjson

from kosha_connector_openai.errors import Fault, InputError
from kosha_connector_openai.manifest import Validation
from kosha_connector_openai.outputs import Extent

_AT_ONCE: Final = 3
"""Processes; further bodies wait for their turn."""
_OF_ONE: Final = 2
"""Processes that one token may keep busy: the bodies of others do not wait behind all of its own."""
_SECONDS: Final = 30.0
"""For one body, its turn left out; one that takes longer is refused."""
_PRIORITY: Final = 5
"""How much nicer than the service, from their start on, imports included. No more: a busy machine too checks a body in time."""
_PIECE: Final = 64 * 1024
_ANSWER: Final = 8 * 1024 * 1024
"""Bytes of an answer's head: some hundred faults."""
_ENVIRONMENT: Final = ("PATH", "PYTHONPATH", "HOME", "XDG_CACHE_HOME", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT", "LD_LIBRARY_PATH")
"""All that the processes get of ours: none of it is a secret."""
_COSTLY: Final = Fault("", "too-complex", "takes too long or too much memory to check.", "Send it in smaller parts.")


@dataclass(frozen=True, slots=True)
class BodyQuestion:
    """What is to be found out about a body."""

    kind: Literal["body", "inputs", "page"]
    """An operation's own body, the object with an action's inputs that `run` and `validate` take, or any JSON that a page takes."""
    action: str = ""
    limit: int = 0
    """Bytes of an operation's own body; pages have limits of their own."""
    media_type: str = ""
    check: bool = True
    texts: bool = False
    """Whether all texts in it that may be ids are wanted."""
    refused: tuple[str, ...] = ()
    validation: Validation = "on"
    """How strictly the connection holds bodies to the description."""
    extent: bool = False
    """Whether it is wanted how much the call can use at most."""


@dataclass(frozen=True, slots=True)
class BodyAnswer:
    """What was found."""

    faults: tuple[Fault, ...] = ()
    warnings: tuple[Fault, ...] = ()
    unread: bool = False
    """Whether the body is no JSON within the limits, and ``faults`` says why."""
    refused: str | None = None
    """A field by which the caller would choose the upstream."""
    message: str = ""
    texts: set[str] = field(default_factory=set)
    extent: Extent = Extent()


class CheckProcesses:
    """Starts the processes when they are first needed; ``aclose`` ends them."""

    def __init__(self, folder: Path) -> None:
        """``folder`` is the connector's."""
        self._folder = folder
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._idle: list[Process] = []
        self._own: dict[str, tuple[asyncio.Semaphore, int]] = {}

    async def ask(self, question: BodyQuestion, raw: bytes, token: str = "") -> BodyAnswer:
        """What is wrong with a token's body. Raises InputError where that cannot be told in time, and OSError where no process starts."""
        async with self._turn_of(token), self._turns:
            process = self._idle.pop() if self._idle else await self._start()
            try:
                async with asyncio.timeout(_SECONDS):
                    answer = await _exchange(process, question, raw)
            except (TimeoutError, OSError, EOFError, ValueError):
                await _end(process)
                raise InputError("The body cannot be checked.", [_COSTLY]) from None
            except BaseException:
                await _end(process)
                raise
            self._idle.append(process)
            return answer

    @asynccontextmanager
    async def _turn_of(self, token: str) -> AsyncIterator[None]:
        """One of the token's own turns, until the block is left."""
        own, users = self._own.get(token) or (asyncio.Semaphore(_OF_ONE), 0)
        self._own[token] = own, users + 1
        try:
            async with own:
                yield
        finally:
            _, users = self._own[token]
            self._own[token] = own, users - 1
            if users == 1:
                del self._own[token]

    async def aclose(self) -> None:
        """Ends the processes."""
        idle, self._idle = self._idle, []
        for process in idle:
            await _end(process)

    async def _start(self) -> Process:
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        command = (sys.executable, "-m", "kosha_connector_openai.gateway.exchange.check_worker", str(self._folder))
        process = await asyncio.create_subprocess_exec(
            *command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=environment, limit=_ANSWER, start_new_session=True
        )
        with suppress(AttributeError, OSError):  # no such thing on Windows; or it has ended already
            os.setpriority(os.PRIO_PROCESS, process.pid, os.getpriority(os.PRIO_PROCESS, 0) + _PRIORITY)
        return process


async def _exchange(process: Process, question: BodyQuestion, raw: bytes) -> BodyAnswer:
    assert process.stdin is not None
    assert process.stdout is not None
    head = {name: getattr(question, name) for name in question.__slots__}
    process.stdin.write(orjson.dumps({**head, "size": len(raw)}) + b"\n")
    view = memoryview(raw)
    for start in range(0, len(raw), _PIECE):
        process.stdin.write(view[start : start + _PIECE])
        await process.stdin.drain()
    found: dict[str, Any] = orjson.loads(await process.stdout.readline())
    named = await _texts(process, found.pop("texts"))
    faults, warnings = (tuple(map(_fault, found.pop(name))) for name in ("faults", "warnings"))
    return BodyAnswer(faults=faults, warnings=warnings, texts=named, extent=Extent(**found.pop("extent", {})), **found)


async def _texts(process: Process, size: int) -> set[str]:
    """The texts, taken in piece by piece: there may be many."""
    assert process.stdout is not None
    found: set[str] = set()
    held = b""
    while size:
        piece = await process.stdout.readexactly(min(size, _PIECE))
        size -= len(piece)
        *whole, held = (held + piece).split(b"\n")
        found.update(text.decode() for text in whole)
    if held:
        found.add(held.decode())
    return found


def _fault(values: Mapping[str, Any]) -> Fault:
    return Fault(values["pointer"], values["rule"], values["message"], values["fix"], values["allowed"])


async def _end(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()
