"""Many open streams through the gateway: is every event there, how late is it, what does it cost?

``python -m benchmarks.gateway_streams [--streams 1000] [--events 30] [--pause 1.0] [--stalled 100]``. Not a part of
``python -m benchmarks``: it takes minutes, and its figures are counts and times.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import resource
import socket
import sys
import time
from collections import Counter
from statistics import median

from benchmarks.gateway import _HEADERS, _STREAM, _child
from benchmarks.relays import EVENT

_READ = 65_536


def main() -> int:
    """Prints what was seen; 1 where an event was lost."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gateway_streams", description=__doc__)
    parser.add_argument("--streams", type=int, default=1_000)
    parser.add_argument("--events", type=int, default=30)
    parser.add_argument("--pause", type=float, default=1.0, metavar="SECONDS")
    parser.add_argument("--first-bytes", type=int, default=0, metavar="N", help="also compare the first byte of N streams, one by one")
    parser.add_argument("--size", type=int, default=0, metavar="BYTES", help="of a comment before each event")
    parser.add_argument("--stalled", type=int, default=0, help="streams more, whose readers read nothing")
    options = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 16_384)), hard))
    with _child("paced", f"{options.events}x{options.pause}x{options.size}") as upstream, _child("ours", upstream.url) as ours:
        before = ours.resident()
        cpu = ours.cpu()
        seen = asyncio.run(_watch(ours.url, options, before, ours.resident))
        spent = ours.cpu() - cpu
    if options.first_bytes:
        with _child("paced", "1x0x0") as upstream, _child("ours", upstream.url) as ours:
            direct, through = asyncio.run(_first_bytes(upstream.url, ours.url, options.first_bytes))
        late = [one - median(direct) for one in through]
        print(f"first byte added: median {median(late) * 1e3:.1f} ms, p99 {_percentile(late):.1f} ms")
        print(f"first byte directly: median {median(direct) * 1e3:.1f} ms, p99 {_percentile(direct):.1f} ms")
    lost = options.streams * options.events - seen.events
    print(f"streams {options.streams}, events each {options.events}, every {options.pause:g} s; stalled readers {options.stalled}")
    print(f"events lost {lost}, streams whole {seen.whole} of {options.streams}")
    late, late_99 = median(seen.lags) * 1e3, _percentile(seen.lags)
    print(f"a stream's events come later than every {options.pause:g} s by: median {late:.1f} ms, p99 {late_99:.1f} ms")
    each = (seen.peak - before) / 1024 / options.streams
    print(f"resident before {before / 2**20:.0f} MiB, at most {seen.peak / 2**20:.0f} MiB, {each:.0f} KiB a stream")
    print(f"refused {dict(seen.refused)}")
    print(f"CPU {spent / max(1, seen.events) * 1e6:.0f} us an event")
    return int(lost != 0)


class _Seen:
    def __init__(self) -> None:
        self.events = 0
        self.whole = 0
        self.peak = 0
        self.lags: list[float] = []
        self.refused: Counter[bytes] = Counter()


async def _watch(url: str, options: argparse.Namespace, before: int, resident: object) -> _Seen:
    seen = _Seen()
    seen.peak = before
    host, _, port = url.removeprefix("http://").partition(":")
    request = _request(host, port)
    stalled = [await _stall(host, int(port), request) for _ in range(options.stalled)]

    async def memory() -> None:
        while True:
            seen.peak = max(seen.peak, resident())  # type: ignore[operator]
            await asyncio.sleep(0.5)

    watching = asyncio.create_task(memory())
    # A few at a time, as callers come.
    tasks = []
    for number in range(options.streams):
        tasks.append(asyncio.create_task(_one(host, int(port), request, options.pause, seen)))
        if number % 50 == 49:
            await asyncio.sleep(0.2)
    await asyncio.gather(*tasks)
    watching.cancel()
    for connection in stalled:
        connection.close()
    return seen


def _request(host: str, port: str) -> bytes:
    lines = ["POST /v1/chat/completions HTTP/1.1", f"Host: {host}:{port}", f"Content-Length: {len(_STREAM)}"]
    return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in _HEADERS.items()), "", ""]).encode() + _STREAM


async def _stall(host: str, port: int, request: bytes) -> socket.socket:
    """A client that asks and then reads nothing."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    connection.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(connection, (host, port))
    await loop.sock_sendall(connection, request)
    return connection


async def _one(host: str, port: int, request: bytes, pause: float, seen: _Seen) -> None:
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(request)
    data, last = b"", 0.0
    with contextlib.suppress(OSError):
        while not data.endswith(b"0\r\n\r\n"):
            piece = await reader.read(_READ)
            if not piece:
                break
            now = time.monotonic()
            if EVENT in piece:
                if last:
                    seen.lags.append(max(0.0, now - last - pause))
                last = now
            data += piece
    if not data.startswith(b"HTTP/1.1 200 "):
        seen.refused[data[:12]] += 1
    seen.events += data.count(EVENT)
    seen.whole += data.endswith(b"0\r\n\r\n") and b"data: [DONE]" in data
    writer.close()


async def _first_bytes(direct: str, through: str, calls: int) -> tuple[list[float], list[float]]:
    """Seconds until the first byte of an event, each way in turn, on connections that are kept."""
    found: dict[str, list[float]] = {direct: [], through: []}
    ways = {}
    for url in found:
        host, _, port = url.removeprefix("http://").partition(":")
        ways[url] = (*await asyncio.open_connection(host, int(port)), _request(host, port))
    for _ in range(calls + 10):
        for url, (reader, writer, request) in ways.items():
            start = time.monotonic()
            writer.write(request)
            await reader.readuntil(b"data: ")
            found[url].append(time.monotonic() - start)
            await reader.readuntil(b"0\r\n\r\n")
    for _, writer, _ in ways.values():
        writer.close()
    return found[direct][10:], found[through][10:]


def _percentile(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)] * 1e3


if __name__ == "__main__":
    sys.exit(main())
