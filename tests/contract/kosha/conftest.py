"""The gateway in front of an upstream that keeps raw bytes, shared by the tests of a module; each begins with nothing received."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from kosha_connector_openai.gateway.observe.exchange_record import ExchangeRecord
from tests.gateway import Running, serving
from tests.recorder import Recorder, Script, reply

CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
CHAT_PATH = "/v1/chat/completions"


@dataclass
class House:
    """The upstream and the gateway before it."""

    upstream: Recorder
    gateway: Running
    request_id: str | None = None
    """Of the last answer."""

    def begin(self) -> None:
        """Forgets what came before, which is noted just after its reply."""
        time.sleep(0.02)
        self.request_id = None
        self.upstream.requests.clear()
        self.upstream.connections = 0
        self.upstream.closed_early.clear()
        self.gateway.exchanges.clear()
        self.answers(reply())

    def answers(self, *scripts: Script) -> None:
        self.upstream.scripts = list(scripts)

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        self.request_id = None
        answer = self.gateway.call(method, path, **options)
        self.request_id = answer.headers["x-kosha-request-id"]
        return answer

    def chat(self, **options: Any) -> httpx.Response:
        return self.call("POST", CHAT_PATH, **{"json": CHAT, **options})

    def exchange(self, number: int = 1) -> ExchangeRecord:
        """The record of the last request; it is written just after its reply."""
        found = self.gateway.exchanges
        if self.request_id is None:
            return eventually(lambda: found[number - 1 :] and found[-1])
        return eventually(lambda: next((each for each in found if each.request_id == self.request_id), None))


def eventually(look: Callable[[], Any], *, seconds: float = 5.0) -> Any:
    """The first truth that ``look`` tells; fails where it tells none in time."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.005)
    return found


@pytest.fixture(scope="module")
def _shared() -> Iterator[House]:
    with Recorder() as upstream, serving(upstream.url) as gateway:
        yield House(upstream, gateway)


@pytest.fixture
def house(_shared: House) -> House:
    """The gateway and its upstream, which answers an empty JSON object."""
    _shared.begin()
    return _shared
