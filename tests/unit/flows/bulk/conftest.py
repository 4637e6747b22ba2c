"""A loopback upstream that counts what was sent for each row, and runs over it."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import orjson
import pytest

from kosha_connector_openai import Connector, open_connector
from kosha_connector_openai.flows.bulk import Bulk, BulkResult, RowOptions, SendOptions
from kosha_connector_openai.sandbox import DEFAULT_KEY, App
from kosha_connector_openai.sandbox.limits import LimitRules
from tests.offline import offline
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


class SandboxUpstream:
    """A sandbox of its own, and what its batches hold."""

    def __init__(self, app: App, url: str) -> None:
        self.app, self.url = app, url

    def limit(self, **rules: Any) -> None:
        self.app.limits.set(LimitRules.read(rules))

    @property
    def _store(self) -> Any:
        return self.app._operations._resources.store

    def batches(self) -> list[Any]:
        return [item for item in self._store.collection("/v1/batches").values() if item.object["id"] != "batch_id"]

    def lines(self, name: str | None) -> list[Any]:
        item = self._store.find(f"/v1/files/{name}")
        return [json.loads(line) for line in bytes(item.content).splitlines()] if item else []

    def size(self, name: str) -> int:
        return len(bytes(self._store.find(f"/v1/files/{name}").content))

    def write(self, name: str, data: bytes) -> None:
        self._store.find(f"/v1/files/{name}").content = type(self._store.find(f"/v1/files/{name}").content).of(data)

    def ran(self) -> Counter[str]:
        """How often each key was answered in any batch."""
        found: Counter[str] = Counter()
        for batch in self.batches():
            for file in ("output_file_id", "error_file_id"):
                found.update(line["custom_id"] for line in self.lines(batch.object.get(file)) if line["response"])
        return found

    def twice(self) -> list[str]:
        """The keys that are in a batch after one that did not say that they had not run."""
        seen: defaultdict[str, list[str]] = defaultdict(list)
        for batch in self.batches():
            not_run = {line["custom_id"] for line in self.lines(batch.object.get("error_file_id")) if not line["response"]}
            keys = {line["custom_id"] for line in self.lines(batch.object["input_file_id"])}
            refused = batch.status == "failed"
            ran = self.ran_in(batch) if batch.status == "cancelled" else keys - not_run
            for key in set() if refused else ran:
                seen[key].append(batch.object["id"])
        return [key for key, names in seen.items() if len(names) > 1]

    def ran_in(self, batch: Any) -> set[str]:
        return {line["custom_id"] for line in self.lines(batch.object.get("output_file_id"))}


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxUpstream]:
    monkeypatch.setenv("OPENAI_API_KEY", DEFAULT_KEY)
    with offline() as running:
        yield SandboxUpstream(running.app, running.url)
