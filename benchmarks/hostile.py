"""One client without a token against the gateway: what it costs, and what a caller with a token gets meanwhile.

``python -m benchmarks.hostile [--seconds 10] [--attack NAME ...]``. Loopback only; each attack ends by itself, and so does the run. 1 where
the gateway's memory grows by more than 20 MiB, or a call with a token gets no answer.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import selectors
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

from benchmarks.soak.processes import ROOT, Upstream, Watched, write_key

TOKEN = "kosha_hostile-token-0123456789abcdefghijklmnop"
_MIB = 2**20
_MOST = 20 * _MIB
_CONNECTIONS = 600
"""Open at once, each attack."""
_LONGEST = 30.0
"""Seconds for one answer to a caller with a token."""
_BODY = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Say hello"}]}).encode()

Attack = tuple[bytes, bytes | None, float]
"""What a connection sends first; what it sends again and again, or None where it leaves then; and the seconds between two times."""


def attacks(port: int) -> dict[str, Attack]:
    """The attacks by name."""
    host = b"Host: 127.0.0.1:%d\r\n" % port
    post = b"POST /v1/chat/completions HTTP/1.1\r\n" + host + b"Content-Type: application/json\r\n"
    get = b"GET /v1/models HTTP/1.1\r\n" + host
    chunked = post + b"Transfer-Encoding: chunked\r\n\r\n"
    return {
        "trailers": (chunked + b"1\r\nx\r\n0\r\n", b"a: " + b"y" * 64 + b"\r\n", 0.0),
        "one endless trailer": (chunked + b"1\r\nx\r\n0\r\na: ", b"y" * 16_384, 0.0),
        "chunk extensions": (chunked, b"1;" + b"e" * 8_192, 0.0),
        "slow bodies after 401": (post + b"Content-Length: 100000000\r\n\r\n", b" ", 0.2),
        "large bodies after 401": (post + b"Content-Length: 100000000\r\n\r\n", b" " * 65_536, 0.0),
        "slow bodies after 404": (b"POST /nowhere HTTP/1.1\r\n" + host + b"Content-Length: 100000000\r\n\r\n", b" ", 0.2),
        "bodies after 408": (b"GET /v1/mod", b"x", 0.5),
        "heads in a row": (b"", (get + b"a: b\r\n" * 20 + b"\r\n") * 100, 0.0),
        "large heads": (b"", get + (b"a: " + b"y" * 240 + b"\r\n") * 120 + b"\r\n", 0.0),
        "many fields": (get + b"a: b\r\n" * 120, b"", 1.0),
        "many fields in a row": (b"", (get + b"a: b\r\n" * 120 + b"\r\n") * 10, 0.0),
        "sent and left": (get + b"a: b\r\n" * 120 + b"\r\n", None, 0.0),
        "half-open": (b"POST /v1/models HTTP/1.1\r\n" + host + b"x: ", b"y" * 1_024, 0.05),
        "silent": (b"", b"", 1.0),
        "unread replies": (b"", (get + b"\r\n") * 20, 0.0),
        "big names": (b"GET /v1/" + b"n" * 16_000 + b" HTTP/1.1\r\n" + host, (b"n" * 4_000 + b": v\r\n") * 2, 0.0),
    }


class Crowd:
    """Connections that carry one attack out; a connection that was cut is opened again."""

    def __init__(self, port: int, attack: Attack, connections: int) -> None:
        self._port = port
        self._first, self._again, self._pause = attack
        self._most = connections
        self.sent = 0
        self.opened = 0

    def run(self, seconds: float) -> None:
        """Goes on for so long, and closes all."""
        chooser = selectors.DefaultSelector()
        end = time.monotonic() + seconds
        with chooser:
            while time.monotonic() < end:
                while len(chooser.get_map()) < self._most and time.monotonic() < end:
                    if not self._open(chooser):
                        break
                for key, _ in chooser.select(0.05):
                    self._push(chooser, key.fileobj)
                time.sleep(self._pause or 0.001)
            for key in list(chooser.get_map().values()):
                self._close(chooser, key.fileobj)

    def _open(self, chooser: selectors.BaseSelector) -> bool:
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)  # what is not read fills up soon
        try:
            connection.settimeout(1)
            connection.connect(("127.0.0.1", self._port))
            connection.setblocking(False)
            if self._first:
                self.sent += connection.send(self._first)
        except OSError:
            connection.close()
            return False
        self.opened += 1
        chooser.register(connection, selectors.EVENT_WRITE)
        return True

    def _push(self, chooser: selectors.BaseSelector, connection: Any) -> None:
        if self._again is None:
            self._close(chooser, connection)
        if not self._again:
            return
        try:
            self.sent += connection.send(self._again)
        except BlockingIOError:
            pass
        except OSError:
            self._close(chooser, connection)

    def _close(self, chooser: selectors.BaseSelector, connection: Any) -> None:
        chooser.unregister(connection)
        connection.close()


class Caller:
    """A caller with a token, a call after the other, each on a new connection; in a thread."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.times: list[float] = []
        self.lost: list[str] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(0.1):
            began = time.monotonic()
            try:
                status = call(self._port)
            except OSError as error:
                self.lost.append(type(error).__name__)
            else:
                if status != 200:
                    self.lost.append(str(status))
                self.times.append(time.monotonic() - began)


def call(port: int) -> int:
    """The status of one call with a token."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=_LONGEST)) as client:
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        client.request("POST", "/v1/chat/completions", _BODY, headers)
        answer = client.getresponse()
        answer.read()
        return answer.status


@contextlib.contextmanager
def gateway() -> Iterator[tuple[int, Watched]]:
    """The service as it is served, with the limits of default, before the sandbox; its port and its process."""
    from kosha_connector_openai.gateway.access import hash_token

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_key(folder / "key", "sk-hostile-key-0123456789")
        upstream = Upstream(_free_port(), folder / "key")
        port = _free_port()
        settings = {
            "token_hashes": [hash_token(TOKEN)],
            "connections": {"default": {"values": {"server_url": upstream.url, "api_key": f"file:{folder / 'key'}"}}},
            "access_log": "off",
        }
        (folder / "gateway.json").write_text(json.dumps(settings))
        arguments = ("serve", str(folder / "tasks"), "serve", "--config", str(folder / "gateway.json"), "--port", str(port))
        process = Watched("benchmarks.soak.processes", *arguments, quiet=True)
        try:
            _until(lambda: call(port) == 200)
            yield port, process
        finally:
            process.stop()
            upstream.stop()


def measure(port: int, process: Watched, attack: str, seconds: float, connections: int = _CONNECTIONS) -> dict[str, Any]:
    """One attack: the growth of memory, and what a caller with a token got."""
    before = peak = process.resident()
    command = [sys.executable, "-m", "benchmarks.hostile", "--crowd", attack, str(port), str(seconds), str(connections)]
    with Caller(port) as caller, subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as crowd:
        while crowd.poll() is None:
            peak = max(peak, process.resident())
            time.sleep(0.1)
        told = json.loads(crowd.stdout.read()) if crowd.stdout else {}
    times = sorted(caller.times)
    return {
        "grown_mib": round((peak - before) / _MIB, 1),
        **told,
        "calls": len(times),
        "slowest_seconds": round(times[-1], 3) if times else None,
        "lost": caller.lost,
    }


def _until(ready: Callable[[], bool]) -> None:
    for _ in range(300):
        with contextlib.suppress(OSError):
            if ready():
                return
        time.sleep(0.1)
    raise RuntimeError("the gateway did not start")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def main() -> int:
    """Runs the attacks one after the other and prints what each did."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hostile", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10, help="for each attack")
    parser.add_argument("--attack", action="append", choices=list(attacks(0)), help="all of them if left out")
    parser.add_argument("--crowd", nargs=4, metavar=("NAME", "PORT", "SECONDS", "CONNECTIONS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.crowd:
        name, port, seconds, connections = options.crowd
        crowd = Crowd(int(port), attacks(int(port))[name], int(connections))
        crowd.run(float(seconds))
        print(json.dumps({"sent_mib": round(crowd.sent / _MIB, 1), "connections": crowd.opened}))
        return 0
    broken = 0
    print(f"load average {os.getloadavg()[0]:.1f}", flush=True)
    with gateway() as (port, process):
        for _ in range(200):  # what is made once is there before memory is looked at
            call(port)
        for name in options.attack or attacks(port):
            found = measure(port, process, name, options.seconds)
            wrong = found["grown_mib"] * _MIB > _MOST or found["lost"] or not found["calls"]
            broken += bool(wrong)
            print(f"{'BROKEN' if wrong else 'held  '} {name}: {found}", flush=True)
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
