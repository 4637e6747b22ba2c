"""Every action of ours as an answer: a realistic one arrives whole over the wire, and a refusal is an error with a meaning."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kosha_connector_openai import Connector, Result, open_connector
from kosha_connector_openai.errors import ApiError
from tests.recorder import Recorder, Script, reply
from tests.tables import check_each

PATHS = json.loads((Path(__file__).parents[2] / "openapi.json").read_bytes())["paths"]
IDS = [operation["operationId"] for item in PATHS.values() for operation in item.values()]
TEXTS = {"application/sdp"}
"""Media types that are texts, whatever their names say."""
EVENT = {"type": "session.created"}
REFUSED = {"error": {"message": "No such thing.", "type": "invalid_request_error", "param": None, "code": None}}


@pytest.fixture(scope="module")
def opened() -> Iterator[Connector]:
    """Our own connector, for all actions."""
    with open_connector() as connector:
        yield connector


@pytest.fixture(scope="module")
def upstream() -> Iterator[Recorder]:
    """A server whose answer each test sets."""
    with Recorder() as recorder:
        yield recorder


@pytest.fixture
def run(opened: Connector, upstream: Recorder, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Script], Result]:
    """Runs an action with a sample of its inputs over a connection that both security schemes are met by; the script answers."""
    monkeypatch.setenv("OPENAI_API_KEY", "key-for-everything")
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "admin-for-everything")
    values = {"server_url": upstream.url, "api_key": "env:OPENAI_API_KEY", "admin_key": "env:OPENAI_ADMIN_KEY"}
    connection = opened.connection(values, engine="httpx")

    def call(action: str, script: Script) -> Result:
        upstream.scripts[:] = [script]
        return opened.run(action, opened.forms[action].sample(), connection)

    return call


def answer(connector: Connector, action: str) -> tuple[Any, bytes, str | None]:
    """What the description says of the answer: a value, how it is sent, and its media type."""
    value = connector.outputs.raw_sample(action)
    types = connector.catalog[action].output_types
    if types == ("text/event-stream",):
        return [EVENT], f"event: {EVENT['type']}\ndata: {json.dumps(EVENT)}\n\n".encode(), types[0]
    if isinstance(value, bytes):
        return value, value, types[0].replace("*", "mpeg")
    if isinstance(value, str):
        return value, value.encode(), types[0]
    return value, b"" if value is None else json.dumps(value).encode(), None if value is None else "application/json"


def test_an_answer_arrives_whole(opened: Connector, run: Callable[[str, Script], Result]) -> None:
    """Its value is what was sent, of the kind that its media type says, with the request's id; nothing is lost in between."""

    def arrives(action: str) -> None:
        value, body, content_type = answer(opened, action)
        result = run(action, reply(200, body, [("x-request-id", f"req_{action}")], content_type))
        assert result.action == action
        assert (result.status, result.request_id, result.attempts) == (200, f"req_{action}", 1)
        if content_type in TEXTS:
            value = body.decode()
        assert result.kind == ("empty" if value is None else {bytes: "bytes", str: "text", list: "events"}.get(type(value), "json"))
        assert ([event.data for event in result.value] if result.kind == "events" else result.value) == value

    check_each(IDS, arrives)


def test_a_refusal_is_an_error_with_a_meaning(run: Callable[[str, Script], Result], upstream: Recorder) -> None:
    """It is told once, by its category and the server's words; it is never a result, and is not tried again."""

    def is_told(action: str) -> None:
        before = len(upstream.requests)
        with pytest.raises(ApiError, match="No such thing") as caught:
            run(action, reply(404, REFUSED))
        assert (caught.value.status, caught.value.retryable, len(upstream.requests) - before) == (404, False, 1)
        assert caught.value.category == "not_found"
        assert caught.value.hint

    check_each(IDS, is_told)
