"""The upstream of every benchmark: a process of its own on loopback that answers from memory and ends with its parent.

``POST /v1/completions`` gives 1 KB of JSON, ``POST /v1/chat/completions`` gives 1,000 events. Requests are read just far
enough to find their end, so that the CPU time of both sides of a comparison is their own.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import orjson

EVENTS = 1_000
_SIZE = 1_024
_LENGTH = b"content-length:"


def json_body() -> bytes:
    """A completion of exactly 1 KB."""
    usage = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}
    choice = {"index": 0, "text": "", "logprobs": None, "finish_reason": "length"}
    value = {"id": "cmpl-1", "object": "text_completion", "created": 1_700_000_000, "model": "m", "choices": [choice], "usage": usage}
    choice["text"] = "x" * (_SIZE - len(orjson.dumps(value)))
    return orjson.dumps(value)


def event_bodies() -> list[bytes]:
    """The events of one streamed chat answer; the last but one says why it ended, the last one that it did."""
    shared = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "m"}
    words = [{"index": 0, "delta": {"content": f"word{index} "}, "finish_reason": None} for index in range(EVENTS - 1)]
    last = {"index": 0, "delta": {}, "finish_reason": "stop"}
    return [orjson.dumps(shared | {"choices": [choice]}) for choice in (*words, last)] + [b"[DONE]"]


def replies() -> dict[bytes, bytes]:
    """Request target -> the whole answer; each event is a chunk of its own (RFC 9112, section 7.1)."""
    body = json_body()
    whole = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nx-request-id: req_1\r\nContent-Length: %d\r\n\r\n%b"
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nx-request-id: req_1\r\nTransfer-Encoding: chunked\r\n\r\n"
    events = [b"data: " + event + b"\n\n" for event in event_bodies()]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(event), event) for event in events)
    return {b"/v1/completions": whole % (len(body), body), b"/v1/chat/completions": head + chunks + b"0\r\n\r\n"}


class _Answer(asyncio.Protocol):
    """One connection, kept alive."""

    def __init__(self, answers: dict[bytes, bytes]) -> None:
        self._answers = answers
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (end := self._end()) is not None:
            target = self._data.split(b" ", 2)[1]
            self._data = self._data[end:]
            self._transport.write(self._answers[target])

    def _end(self) -> int | None:
        """Where the first request ends, once all of it is here."""
        head = self._data.find(b"\r\n\r\n") + 4
        at = self._data.lower().find(_LENGTH, 0, head)
        if head < 4 or at < 0:
            return None
        end = head + int(self._data[at + len(_LENGTH) : self._data.index(b"\r", at)])
        return end if len(self._data) >= end else None


async def _serve() -> None:
    """Answers until standard input closes, which the parent's end does too."""
    loop = asyncio.get_running_loop()
    answers = replies()
    server = await loop.create_server(lambda: _Answer(answers), "127.0.0.1", 0, backlog=256)
    print(server.sockets[0].getsockname()[1], flush=True)
    closed = asyncio.Event()
    loop.add_reader(sys.stdin, closed.set)
    await closed.wait()
    server.close()


@contextlib.contextmanager
def upstream() -> Iterator[str]:
    """Runs the upstream in a process of its own; gives its origin."""
    command = [sys.executable, "-m", "benchmarks.upstream"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        process.communicate(timeout=10)


if __name__ == "__main__":
    asyncio.run(_serve())
