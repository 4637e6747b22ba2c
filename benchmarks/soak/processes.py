"""The processes of a soak: an upstream whose key changes, the gateway as it is served, and what can be seen of one from outside.

``python -m benchmarks.soak.processes upstream PORT KEYFILE`` and ``... serve STATE ARGUMENTS``; SIGUSR1 makes the latter write its tasks
to STATE.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


class Watched:
    """A process that runs: what it holds, read from ``/proc``."""

    def __init__(self, *arguments: str, environ: dict[str, str] | None = None, quiet: bool = False) -> None:
        out = subprocess.DEVNULL if quiet else subprocess.PIPE
        command = [sys.executable, "-m", *arguments]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out, env=environ or dict(os.environ), text=True, cwd=ROOT)
        self._place = Path(f"/proc/{self.process.pid}")

    def line(self) -> str:
        """The next line that it prints."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def resident(self) -> int:
        """Bytes of memory."""
        return int((self._place / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def descriptors(self) -> int:
        """Open files and sockets."""
        return len(list((self._place / "fd").iterdir()))

    def threads(self) -> int:
        """Threads of the system."""
        return len(list((self._place / "task").iterdir()))

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Ends it, and waits."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


class Upstream:
    """The sandbox at one port, over and over again; it takes the key that its file holds at that moment, and no other."""

    def __init__(self, port: int, key: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._key = key
        self.absences: list[tuple[float, float]] = []
        self._arguments = ("benchmarks.soak.processes", "upstream", str(port), str(key))
        self._running = self._start()

    def restart(self, number: int) -> None:
        """Ends it by a signal and starts it anew; it has forgotten everything."""
        down = time.monotonic()
        self._running.stop(number)
        self._running = self._start()
        self.absences.append((down, time.monotonic()))

    def slow(self, seconds: float) -> None:
        """Makes all calls that follow take so long."""
        headers = {"Authorization": f"Bearer {self._key.read_text()}", "Content-Type": "application/json"}
        fault = json.dumps({"fault": f"slow={seconds}", "times": 1_000_000}).encode()
        asked = urllib.request.Request(f"{self.url}/__sandbox__/faults", fault, headers)
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked, timeout=10).close()

    def stop(self) -> None:
        """Ends it."""
        self._running.stop()

    def _start(self) -> Watched:
        found = Watched(*self._arguments)
        assert found.line() == self.url, "the upstream did not start"
        return found


def write_key(place: Path, key: str) -> None:
    """Puts a key in the place of the last one, at once."""
    new = place.with_suffix(".new")
    new.touch(mode=0o600)
    new.write_text(key)
    new.replace(place)


def serve_upstream(port: int, key: Path) -> None:
    """The sandbox, until SIGTERM."""
    from kosha_connector_openai.plugin import folder
    from kosha_connector_openai.sandbox import App, SandboxServer

    class Rotated(App):
        def _check_key(self, request: Any) -> None:
            self._key = key.read_text()
            super()._check_key(request)

    with SandboxServer(Rotated(folder(), key="none-yet"), port) as server:
        signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
        print(server.url, flush=True)
        server.serve_forever(poll_interval=0.1)
        server.drain()


def serve_gateway(state: Path, arguments: list[str]) -> None:
    """The command line of the product; the signal handler runs in the loop's own thread."""
    import asyncio

    from kosha_connector_openai.cli import main

    def tell(*_: object) -> None:
        try:
            state.write_text(str(len(asyncio.all_tasks())))
        except RuntimeError:
            state.write_text("")

    signal.signal(signal.SIGUSR1, tell)
    sys.argv = ["kosha-openai", *arguments]
    main()


if __name__ == "__main__":
    if sys.argv[1] == "upstream":
        serve_upstream(int(sys.argv[2]), Path(sys.argv[3]))
    else:
        serve_gateway(Path(sys.argv[2]), sys.argv[3:])
