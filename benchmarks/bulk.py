"""Rows of a file, 64 under way, against an upstream that takes 50 ms: seconds and CPU time a row, the ledger on.

The peers are the loops that people write: over aiohttp with nothing around it and no ledger, and over the vendor's library.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import orjson

from benchmarks import upstream as quick
from benchmarks.clients import CHAT_TARGET, HEADERS, INPUTS, TARGET, connection
from benchmarks.measure import NO_BAR, Bar, Effort, Figure
from kosha_connector_openai import open_connector
from kosha_connector_openai.flows import Bulk, RowOptions, SendOptions

EFFORT = Effort(rounds=3, calls=2_000)
IN_FLIGHT = 64
DELAY = 0.05
LIMIT = 1_000_000
"""Requests a minute: told, since a run that is told no limit feels its way for some two seconds, whatever its length."""
Cost = tuple[float, float]
"""Seconds, and seconds of CPU time, of one row."""
FLOW = """arazzo: 1.0.1
info: {title: One step, version: '1'}
sourceDescriptions: [{name: openai, url: ./openapi.json, type: openapi}]
workflows:
- workflowId: one
  inputs: {type: object, properties: {word: {type: string}}}
  steps:
  - stepId: complete
    operationId: createCompletion
    requestBody: {payload: {model: m, prompt: $inputs.word, max_tokens: 7}}
    outputs: {text: $response.body#/choices/0/text}
  outputs: {text: $steps.complete.outputs.text}
"""


def run(url: str, effort: Effort) -> list[Figure]:
    """Seconds a row against both loops; CPU time a row against the vendor's library, and of a task and a workflow against the action."""
    del url  # its upstream answers at once
    with slow_upstream() as slow:
        contestants: dict[str, Callable[[str, int], Cost]] = {
            "aiohttp": _loop(_aiohttp),
            "openai": _loop(_sdk),
            "ours": _rows("createCompletion", dict(INPUTS)),
            "task": _rows("ask", {"model": "m"}, column="question"),
            "workflow": _rows("workflow", {}, column="word"),
        }
        series: dict[str, list[Cost]] = {name: [] for name in contestants}
        for _ in range(effort.rounds):
            for name, contestant in contestants.items():
                series[name].append(contestant(slow, effort.calls))
    return [
        _figure("bulk, seconds a row", series, "ours", "aiohttp", 0, Bar(ratio=1 / 0.75)),
        _figure("bulk, seconds a row", series, "ours", "openai", 0, Bar(ratio=1 / 1.4)),
        _figure("bulk, CPU a row", series, "ours", "openai", 1, Bar(ratio=0.40)),
        _figure("bulk, CPU a row", series, "ours", "aiohttp", 1, NO_BAR),
        _figure("bulk, a task a row", series, "task", "ours", 1, Bar(ratio=1.5)),
        _figure("bulk, a workflow a row", series, "workflow", "ours", 1, Bar(ratio=1.5)),
    ]


def _figure(name: str, series: dict[str, list[Cost]], ours: str, peer: str, part: int, bar: Bar) -> Figure:
    first, second = ([cost[part] for cost in series[who]] for who in (ours, peer))
    ratio = median(one / other for one, other in zip(first, second, strict=True))
    return Figure(name, median(first), peer, median(second), ratio, bar)


def _measured(work: Callable[[], object], rows: int) -> Cost:
    start, cpu = time.monotonic(), time.process_time()
    work()
    return (time.monotonic() - start) / rows, (time.process_time() - cpu) / rows


def _rows(target: str, fixed: dict[str, Any], column: str = "prompt") -> Callable[[str, int], Cost]:
    """Ours: a file of rows, a ledger, an output."""

    def once(url: str, rows: int) -> Cost:
        fixed_here = {name: value for name, value in fixed.items() if name != column}
        with tempfile.TemporaryDirectory(prefix="kosha-bench-") as name, open_connector() as connector:
            folder = Path(name)
            source, flow = folder / "rows.jsonl", folder / "flow.yaml"
            source.write_bytes(b"".join(orjson.dumps({column: f"Say {number}"}) + b"\n" for number in range(rows)))
            flow.write_text(FLOW)
            bulk = Bulk(connector, connection(connector, url, "auto"))
            options, send = RowOptions(fixed=fixed_here, if_cut="pass"), SendOptions(in_flight=IN_FLIGHT, requests=LIMIT)
            what = str(flow) if target == "workflow" else target
            bulk.run(what, [{column: "warm"}], folder / "warm.jsonl", options, send)
            found: list[Any] = []
            cost = _measured(lambda: found.append(bulk.run(what, source, folder / "out.jsonl", options, send)), rows)
            if found[0].done != rows:
                raise RuntimeError(f"{target}: {found[0].to_dict()}")
            return cost

    return once


Call = Callable[[], Awaitable[object]]


def _loop(client: Callable[[str], Any]) -> Callable[[str, int], Cost]:
    """A loop over a client: so many workers that take rows in turn."""

    async def all_of(url: str, rows: int) -> None:
        async with client(url) as call:
            waiting = iter(range(rows))

            async def worker() -> None:
                for _ in waiting:
                    await call()

            await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))

    return lambda url, rows: _measured(lambda: asyncio.run(all_of(url, rows)), rows)


@contextlib.asynccontextmanager
async def _aiohttp(url: str) -> Any:
    import aiohttp

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=IN_FLIGHT)) as session:

        async def call() -> object:
            async with session.post(f"{url}{TARGET}", data=orjson.dumps(INPUTS), headers=HEADERS) as answer:
                return orjson.loads(await answer.read())

        yield call


@contextlib.asynccontextmanager
async def _sdk(url: str) -> Any:
    from openai import AsyncOpenAI

    async with AsyncOpenAI(base_url=f"{url}/v1", api_key="benchmark-key-0123456789") as client:

        async def call() -> object:
            return await client.completions.create(**INPUTS)

        yield call


class _Slow(quick._Answer):
    """Answers each request 50 ms after it has come."""

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (end := self._end()) is not None:
            target = self._data.split(b" ", 2)[1]
            self._data = self._data[end:]
            asyncio.get_running_loop().call_later(DELAY, self._transport.write, self._answers[target])


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    message = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "x" * 700}}
    usage = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}
    chat = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [message], "usage": usage}
    body = orjson.dumps(chat)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nx-request-id: req_1\r\nContent-Length: %d\r\n\r\n%b"
    answers = quick.replies() | {CHAT_TARGET.encode(): head % (len(body), body)}
    server = await loop.create_server(lambda: _Slow(answers), "127.0.0.1", 0, backlog=256)
    print(server.sockets[0].getsockname()[1], flush=True)
    closed = asyncio.Event()
    loop.add_reader(sys.stdin, closed.set)
    await closed.wait()
    server.close()


@contextlib.contextmanager
def slow_upstream() -> Iterator[str]:
    """Runs the upstream in a process of its own; gives its origin."""
    command = [sys.executable, "-m", "benchmarks.bulk"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        process.communicate(timeout=10)


if __name__ == "__main__":
    asyncio.run(_serve())
