"""AUDIT: fails on every file opened, address connected to, name looked up and process started that is not on a list."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

_CODE = tuple({Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve(), Path(__file__).parents[1].resolve()})
"""The interpreter, what is installed in it and the project: imports and tracebacks read from there."""


class ForbiddenError(AssertionError):
    """Something was touched that is not on the list."""


def _file(args: tuple[Any, ...]) -> str | None:
    # An open descriptor is wrapped, not opened; what is opened below a descriptor has a relative name.
    return None if isinstance(args[0], int) else str(Path(str(args[0])).absolute())


def _address(args: tuple[Any, ...]) -> str:
    return str(args[1][0] if isinstance(args[1], tuple) else args[1])


def _host(args: tuple[Any, ...]) -> str:
    return str(args[0])


def _process(_: tuple[Any, ...]) -> str:
    return "a process"


_WATCHED: dict[str, tuple[str, Callable[[tuple[Any, ...]], str | None]]] = {
    "open": ("files", _file),
    "socket.connect": ("hosts", _address),
    **dict.fromkeys(("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"), ("hosts", _host)),
    **dict.fromkeys(("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "pty.spawn"), ("none", _process)),
}


class Audit:
    """One watched stretch; ``forbidden`` lists what was touched and is not allowed, ``files`` every file opened."""

    def __init__(self, files: Collection[Path], hosts: Collection[str]) -> None:
        self._allowed_files = tuple(path.resolve() for path in files) + _CODE
        self._allowed_hosts = frozenset(hosts)
        self.forbidden: list[str] = []
        self.files: list[str] = []

    def see(self, event: str, args: tuple[Any, ...]) -> None:
        """Raises ForbiddenError inside whatever is about to happen."""
        if event not in _WATCHED:
            return
        kind, describe = _WATCHED[event]
        what = describe(args)
        if what is None or self._permits(kind, what):
            return
        self.forbidden.append(f"{event} {what}")
        raise ForbiddenError(f"{event} {what}")

    def _permits(self, kind: str, what: str) -> bool:
        if kind == "files":
            self.files.append(what)
            return Path(what).is_relative_to("/dev/null") or any(Path(what).is_relative_to(allowed) for allowed in self._allowed_files)
        return kind == "hosts" and what in self._allowed_hosts


@cache
def _watching() -> list[Audit]:
    """The stretches under watch. An audit hook stays for good, so there is one, and it is inert while the list is empty."""
    active: list[Audit] = []

    def hook(event: str, args: tuple[Any, ...]) -> None:
        for watch in active:
            watch.see(event, args)

    sys.addaudithook(hook)
    return active


@contextmanager
def audit(*, files: Collection[Path] = (), hosts: Collection[str] = ()) -> Iterator[Audit]:
    """``with audit(files=[...], hosts=["127.0.0.1"])``: fails at once, and again at the end where the failure was swallowed."""
    watch = Audit(files, hosts)
    active = _watching()
    active.append(watch)
    try:
        yield watch
    finally:
        active.remove(watch)
    if watch.forbidden:
        raise ForbiddenError("; ".join(watch.forbidden))
