"""Rows against an upstream that enforces its limits: how much of them is used, how much is refused, what is sent before the time told.

200 requests or 10,000 tokens a second, 20 ms an answer; one request in the middle is refused with a second to wait. ``python -m benchmarks
pace`` measures some cases, ``python -m benchmarks.pace`` each combination, which takes a quarter of an hour.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from benchmarks import upstream as quick
from benchmarks.clients import ENVIRONMENT, INPUTS, connection
from benchmarks.measure import Bar, Effort, Figure
from kosha_connector_openai import open_connector
from kosha_connector_openai.flows import Bulk, RowOptions, SendOptions
from kosha_connector_openai.sandbox.error_replies import RequestFailure
from kosha_connector_openai.sandbox.limits import EnforcedLimits, LimitRules

EFFORT = Effort(rounds=1, calls=2_400)
REQUESTS: Final = 12_000
TOKENS: Final = 600_000
EACH: Final = 50
"""Tokens of an answer."""
DELAY: Final = 0.02
TOLD: Final = 1.0
GRACE: Final = 0.3
"""Seconds in which what was on its way when a refusal left still arrives."""


@dataclass(frozen=True, slots=True)
class Case:
    """One upstream, and how many processes send."""

    name: str
    depth: float = 1.0
    tokens: bool = False
    halved: bool = False
    told: bool = True
    processes: int = 1
    least: float = 0.95


CASES: Final = (
    Case("requests, depth 1 s"),
    Case("tokens, depth 1 s", tokens=True),
    Case("requests, depth 0.3 s", depth=0.3),
    Case("tokens, depth 0.3 s", depth=0.3, tokens=True),
    Case("requests, halved midway", halved=True),
    Case("requests, 4 processes", processes=4),
    Case("requests, no header tells", told=False, least=0.85),
)


def _every() -> Iterator[Case]:
    """Each combination of depth, what binds, limits halved midway, processes, and headers that tell the limits or do not."""
    for told, processes, halved, tokens, depth in itertools.product((True, False), (1, 4), (False, True), (False, True), (1.0, 0.3)):
        words = ["tokens" if tokens else "requests", f"depth {depth:g} s", "halved midway" * halved]
        words += [f"{processes} processes" * (processes > 1), "no header tells" * (not told)]
        name = ", ".join(filter(None, words))
        yield Case(name, depth, tokens, halved, told, processes, 0.95 if told else 0.85)


def run(url: str, effort: Effort) -> list[Figure]:
    """What was used and refused in each case, and what was sent before the time told."""
    del url  # its upstream has no limits
    return [figure for case in CASES for figure in _figures(case, effort)]


def _print_every() -> None:
    for case in _every():
        for figure in _figures(case, EFFORT):
            print(f"{figure.name}: {figure.ours:.4f}{'' if figure.met else ', which is not what was promised'}", flush=True)


def _figures(case: Case, effort: Effort) -> list[Figure]:
    rows = effort.calls * (3 if not case.told else 1)
    with tempfile.TemporaryDirectory(prefix="kosha-bench-") as name, _limited(case, rows) as (origin, seen):
        source = Path(name) / "rows.jsonl"
        source.write_bytes(b"".join(orjson.dumps({"prompt": f"Say {number}"}) + b"\n" for number in range(rows)))
        words = [sys.executable, "-m", "benchmarks.pace", "send", origin, str(source)]
        shares = [f"{part}/{case.processes}" for part in range(1, case.processes + 1)] if case.processes > 1 else ["-"]
        senders = [subprocess.Popen([*words, str(Path(name) / f"out{part}.jsonl"), share]) for part, share in enumerate(shares)]
        if sum(sender.wait() for sender in senders):
            raise RuntimeError(f"{case.name}: a run has not ended")
    bars = {"used": Bar(least=case.least), "refused": Bar(most=0.01), "sent too early": Bar(most=0.0)}
    if case.processes > 1:
        del bars["sent too early"]  # the time was told to one of them
    return [Figure(f"pace, {case.name}: {name}", seen[name], bar=bar) for name, bar in bars.items()]


def _send(origin: str, source: str, out: str, share: str) -> int:
    with open_connector() as connector:
        bulk = Bulk(connector, connection(connector, origin, "auto"))
        fixed = {name: value for name, value in INPUTS.items() if name != "prompt"}
        options = RowOptions(fixed=fixed, if_cut="pass", share=None if share == "-" else share)
        result = bulk.run("createCompletion", Path(source), Path(out), options, SendOptions())
    if result.done != result.total:
        print(result.to_dict(), file=sys.stderr)
    return int(result.done != result.total)


class _Limited(quick._Answer):
    """Answers as the limits allow, and counts."""

    state: _State

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (end := self._end()) is not None:
            self._data = self._data[end:]
            asyncio.get_running_loop().call_later(DELAY, self._transport.write, self.state.answer())


class _State:
    """The limits of one case, and what was seen of them."""

    def __init__(self, case: Case, rows: int) -> None:
        self._case, self._rows = case, rows
        self._limits = EnforcedLimits()
        self._scale(1.0)
        self._since = self._first = self._last = self._until = self._told_at = 0.0
        self._served = self._refused = self._early = 0
        self._allowed = 0.0
        self._rate = TOKENS / 60 / EACH if case.tokens else REQUESTS / 60
        self._forced = False

    def _scale(self, part: float) -> None:
        limits = (
            {"tokens": TOKENS * part, "requests": REQUESTS * 10}
            if self._case.tokens
            else {"requests": REQUESTS * part, "tokens": TOKENS * 10}
        )
        self._limits.set(LimitRules(**limits, depth=self._case.depth))

    def answer(self) -> bytes:
        """The whole answer to one request."""
        now = time.monotonic()
        self._first = self._first or now
        self._since = self._since or now
        if self._told_at + GRACE < now < self._until:
            self._early += 1
        if self._case.halved and self._served == self._rows // 2:
            self._allowed += (now - self._since) * self._rate
            self._since, self._rate = now, self._rate / 2
            self._scale(0.5)
        if not self._forced and self._served == self._rows // 3:
            self._forced = True
            self._told_at, self._until = now, now + TOLD
            return _reply(429, {"error": {"message": "Later.", "code": "rate_limit_exceeded"}}, {"retry-after-ms": str(int(TOLD * 1000))})
        try:
            self._limits.admit()
        except RequestFailure as failure:
            self._refused += 1
            headers = dict(failure.facts["headers"])
            self._told_at, self._until = now, now + int(headers["retry-after-ms"]) / 1000
            return _reply(429, {"error": {"message": "Slow.", "code": "rate_limit_exceeded"}}, headers if self._case.told else {})
        self._served, self._last = self._served + 1, now
        usage = {"prompt_tokens": 5, "completion_tokens": EACH - 5, "total_tokens": EACH}
        choice = {"index": 0, "text": "x", "logprobs": None, "finish_reason": "stop"}
        value = {"id": "c", "object": "text_completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}
        return _reply(200, value, self._limits.used(EACH) if self._case.told else self._limits.used(EACH) and {})

    def seen(self) -> dict[str, float]:
        """Of what was allowed the part that was used, of what came the part that was refused, and what came before the time told."""
        allowed = self._allowed + max(0.001, self._last - self._since - TOLD) * self._rate
        refused = self._refused / max(1, self._served + self._refused)
        return {"used": self._served / allowed, "refused": refused, "sent too early": float(self._early)}


def _reply(status: int, value: Any, headers: dict[str, str]) -> bytes:
    body = orjson.dumps(value)
    lines = [f"HTTP/1.1 {status} X", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, *(f"{name}: {text}" for name, text in headers.items()), "", ""]).encode() + body


async def _serve(case: Case, rows: int) -> None:
    state = _State(case, rows)
    _Limited.state = state
    server = await asyncio.get_running_loop().create_server(lambda: _Limited({}), "127.0.0.1", 0, backlog=256)
    print(server.sockets[0].getsockname()[1], flush=True)
    closed = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, closed.set)
    await closed.wait()
    print(json.dumps(state.seen()), flush=True)
    server.close()


@contextlib.contextmanager
def _limited(case: Case, rows: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Runs the upstream in a process of its own; what it has seen is known when the block ends."""
    command = [sys.executable, "-m", "benchmarks.pace", "serve", json.dumps(asdict(case)), str(rows)]
    seen: dict[str, Any] = {}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}", seen
        seen |= json.loads(process.communicate(timeout=10)[0])


if __name__ == "__main__":
    if not sys.argv[1:]:
        os.environ.update(ENVIRONMENT)
        _print_every()
    elif sys.argv[1] == "serve":
        asyncio.run(_serve(Case(**json.loads(sys.argv[2])), int(sys.argv[3])))
    else:
        sys.exit(_send(*sys.argv[2:]))
