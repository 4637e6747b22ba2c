"""Sandbox: the server as a process of its own, for as long as a ``with`` block lasts."""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

DEFAULT_KEY = "sandbox-key-0123456789"
_KEPT = frozenset({"PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "VIRTUAL_ENV", "XDG_CACHE_HOME"})
_START = 30.0
_STOP = 10.0


def _environment() -> dict[str, str]:
    """What Python needs to start the same package; no key, token or address of the caller's."""
    kept = {name: value for name, value in os.environ.items() if name in _KEPT or name.startswith(("PYTHON", "COVERAGE_"))}
    root = str(Path(__file__).parents[2])
    return {**kept, "PYTHONPATH": os.pathsep.join(filter(None, (root, kept.get("PYTHONPATH"))))}


class Sandbox:
    """Starts the offline upstream on a free loopback port; ``url`` and ``key`` say how to reach it.

    ``connector`` is a folder with ``connector.yaml``; without it the bundled connector is used. ``retired`` makes operations
    answer that the vendor has shut down; ``any_id`` answers for objects that were never made. Times are in seconds. Raises RuntimeError
    where the server does not start.
    """

    def __init__(
        self, *, key: str = DEFAULT_KEY, connector: Path | None = None, retired: bool = False, any_id: bool = False, port: int = 0
    ) -> None:
        self.key = key
        self.url = ""
        self._process: subprocess.Popen[str] | None = None
        self._arguments = ["--port", str(port), "--key", key, *(["--retired"] if retired else []), *(["--any-id"] if any_id else [])]
        self._arguments += ["--connector", str(connector)] if connector else []

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._process.pid if self._process else None

    def start(self) -> Self:
        """Starts the server and waits until it listens."""
        # -P: nothing in the working folder is imported.
        command = [sys.executable, "-P", "-m", "kosha_connector_openai.sandbox", *self._arguments]
        pipe, none = subprocess.PIPE, subprocess.DEVNULL
        self._process = subprocess.Popen(command, stdout=pipe, stdin=none, text=True, env=_environment())  # noqa: S603 - an absolute path and words of ours # nosec B603
        self.url = self._first_line()
        if not self.url.startswith("http://127.0.0.1:"):
            self.stop()
            raise RuntimeError("The sandbox did not start.")
        return self

    def stop(self) -> None:
        """Ends the server: asks first, and does not wait for ever."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()

    def _first_line(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            started = time.monotonic()
            while time.monotonic() - started < _START:
                if selector.select(timeout=0.5):
                    return self._process.stdout.readline().strip()
        return ""
