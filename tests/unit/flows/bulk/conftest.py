"""A loopback upstream that counts what was sent for each row, and runs over it."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import orjson
import pytest

from kosha_connector_openai import Connector, open_connector
from kosha_connector_openai.flows.bulk import Bulk, BulkResult, RowOptions, SendOptions
from tests.recorder import Received, Recorder, Script, reply

SHARED: Mapping[str, Any] = {"model": "m"}


class Upstream:
    """Answers each completion with its prompt; ``special`` scripts answer the prompts that they are named by, each once and in turn."""

    def __init__(self, special: Mapping[str, list[Script]] = {}, delay: float = 0.0, headers: list[tuple[str, str]] | None = None) -> None:
        self.special = {prompt: list(scripts) for prompt, scripts in special.items()}
        self.delay, self.headers = delay, headers or []
        self.seen: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.times: list[float] = []
        self.most = self._now = 0
        self._lock = threading.Lock()
        self._recorder = Recorder(self._answer)

    def _answer(self, connection: socket.socket, request: Received) -> bool:
        body: Any = request.json()
        prompt = body.get("prompt") if "prompt" in body else body.get("input", body.get("messages", [{}])[-1].get("content"))
        name = prompt if isinstance(prompt, str) else orjson.dumps(prompt).decode()
        with self._lock:
            self.seen[name] += 1
            self.times.append(time.monotonic())
            self._now += 1
            self.most = max(self.most, self._now)
            scripts = self.special.get(name)
            script = scripts.pop(0) if scripts else None
        try:
            time.sleep(self.delay)
            if script is not None:
                return script(connection, request)
            with self._lock:
                self.answered[name] += 1
            return reply(200, completion(name), self.headers)(connection, request)
        finally:
            with self._lock:
                self._now -= 1

    @property
    def url(self) -> str:
        return self._recorder.url

    @property
    def requests(self) -> list[Received]:
        return self._recorder.requests

    def __enter__(self) -> Self:
        self._recorder.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._recorder.__exit__(*exception)


def completion(prompt: str) -> dict[str, Any]:
    """An answer that the description promises."""
    choice = {"index": 0, "text": f"echo {prompt}", "finish_reason": "stop", "logprobs": None}
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    return {"id": "c", "object": "text_completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}


@pytest.fixture(scope="session")
def opened() -> Iterator[Connector]:
    with open_connector() as connector:
        yield connector


Run = Callable[..., BulkResult]


@pytest.fixture
def bulk(opened: Connector, key: str) -> Callable[[Upstream], Bulk]:
    """Bulk over an upstream."""

    def make(upstream: Upstream) -> Bulk:
        return Bulk(opened, opened.connection({"server_url": f"{upstream.url}/v1", "api_key": "env:OPENAI_API_KEY"}))

    return make


@pytest.fixture
def run(bulk: Callable[[Upstream], Bulk], tmp_path: Path) -> Run:
    """Runs completions over rows; ``out.jsonl`` has the answers."""

    def start(upstream: Upstream, rows: Any, send: SendOptions = SendOptions(), out: str = "out.jsonl", **options: Any) -> BulkResult:
        return bulk(upstream).run("createCompletion", rows, tmp_path / out, RowOptions(**{"fixed": SHARED, **options}), send)

    return start


def prompts(count: int) -> list[dict[str, Any]]:
    """Rows of different prompts."""
    return [{"prompt": f"t{number}"} for number in range(1, count + 1)]


def texts(path: Path) -> list[tuple[int, str]]:
    """The rows of an output, each with its text."""
    lines = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    return [(line["row"], line["answer"]["choices"][0]["text"]) for line in lines]
