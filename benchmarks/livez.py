"""How long the gateway's event loop is held up: ``/livez`` while 200 callers send the largest and the worst bodies that it takes.

``python -m benchmarks.livez [--seconds 10] [--body NAME ...]``. Loopback only; 1 where ``/livez`` waits longer than 50 ms above its longest
wait at rest. On a busy machine the wait at rest tells how far the figures can be trusted.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.hostile import ROOT, TOKEN, gateway

_CALLERS = 200
_MOST = 0.05
"""Seconds."""
_EVERY = 0.01
_MIB = 2**20
_WORDS = " ".join(f"word{number}" for number in range(3_000))

Request = tuple[str, Callable[[], Any]]
"""A path, and what makes the body; None for a GET."""


def _names(number: int) -> dict[str, int]:
    return {f"max_tokenz{each}": each for each in range(number)}


def _deep(levels: int) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = [value]
    return value


def bodies() -> dict[str, Request]:
    """The bodies by name."""
    chat, run = "/v1/chat/completions", "/kosha/v1/actions/createChatCompletion/run"
    said = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    large = {**said, "messages": [{"role": "user", "content": "x" * (8 * _MIB)}]}
    many = {**said, "messages": [{"role": "user", "content": "x"}] * 20_000}
    return {
        "small": (chat, lambda: said),
        "unknown names": (chat, lambda: {**said, **_names(2_500)}),
        "many unknown names": (chat, lambda: {**said, **_names(100_000)}),
        "one long text": (chat, lambda: large),
        "many messages": (chat, lambda: many),
        "deep": (chat, lambda: {**said, "messages": _deep(60)}),
        "run, unknown names": (run, lambda: {"inputs": {**said, **_names(2_000)}}),
        "run, one long text": (run, lambda: {"inputs": large}),
        "run, many messages": (run, lambda: {"inputs": many}),
        "validate, many unknown names": (run.replace("/run", "/validate"), lambda: {"inputs": {**said, **_names(50_000)}}),
        "task, one long text": ("/kosha/v1/tasks/ask/run", lambda: {"inputs": {"question": "x" * (8 * _MIB)}}),
        "workflow, long": ("/kosha/v1/workflows/check", lambda: {"document": "a: " + "[" * 20_000 + "x" * (4 * _MIB)}),
        "options, long search": ("/kosha/v1/actions/createBatch/options/input_file_id", lambda: {"search": "a " * 30_000}),
        "search of many words": (f"/kosha/v1/actions?search={_WORDS.replace(' ', '+')}", lambda: None),
    }


async def crowd(port: int, request: Request, seconds: float) -> dict[str, int]:
    """200 callers, each with one call after the other; how many answers of each status came."""
    path, make = request
    body = b"" if (value := make()) is None else json.dumps(value).encode()
    method = "GET" if value is None else "POST"
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n"
    data = f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    found: dict[str, int] = {}

    async def caller() -> None:
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                with contextlib.closing(writer):
                    writer.write(data)
                    status = (await reader.readline())[9:12].decode() or "cut"
                    await reader.read()
            except OSError as error:
                status = type(error).__name__
            found[status] = found.get(status, 0) + 1

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
            for _ in range(_CALLERS):
                group.create_task(caller())
    return found


def waits(port: int, over: Callable[[], bool]) -> list[float]:
    """How long ``/livez`` took, asked anew each time, as a probe does, until it is over; sorted."""
    asked = f"GET /livez HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode()
    times = []
    while not over():
        began = time.perf_counter()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            connection.sendall(asked)
            connection.recv(65_536)
        times.append(time.perf_counter() - began)
        time.sleep(_EVERY)
    return sorted(times)


def main() -> int:
    """Sends the bodies one after the other and prints what ``/livez`` did meanwhile."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.livez", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10, help="for each body")
    parser.add_argument("--body", action="append", choices=list(bodies()), help="all of them if left out")
    parser.add_argument("--crowd", nargs=3, metavar=("NAME", "PORT", "SECONDS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.crowd:
        name, port, seconds = options.crowd
        print(json.dumps(asyncio.run(crowd(int(port), bodies()[name], float(seconds)))))
        return 0
    broken = 0
    with gateway() as (port, _):
        end = time.monotonic() + options.seconds
        rest = waits(port, lambda: time.monotonic() > end)[-1]
        print(f"load average {os.getloadavg()[0]:.1f}; at rest the longest wait was {rest * 1000:.0f} ms", flush=True)
        for name in options.body or bodies():
            command = [sys.executable, "-m", "benchmarks.livez", "--crowd", name, str(port), str(options.seconds)]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
                times = waits(port, lambda process=process: process.poll() is not None)  # type: ignore[misc]
                told = process.stdout.read().strip() if process.stdout else ""
            longest, usual = times[-1], times[int(len(times) * 0.99)]
            wrong = longest > rest + _MOST
            broken += wrong
            print(
                f"{'OVER  ' if wrong else 'held  '} {name}: p99 {usual * 1000:.0f} ms, longest {longest * 1000:.0f} ms, {told}", flush=True
            )
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
