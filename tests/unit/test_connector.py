"""The facade: what is really sent for an action, what comes back, what is recorded, and what it refuses to do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pytest_httpx import HTTPXMock, IteratorStream

from kosha_connector_openai import CallOptions, Connection, Connector, ConnectorError
from kosha_connector_openai.core.record import Record
from kosha_connector_openai.errors import (
    AccessError,
    InputError,
    OriginError,
    OutcomeUnknownError,
    RejectedError,
    SecretMissingError,
    SecretRefusedError,
    SetupError,
    UnavailableError,
    UnknownActionError,
)
from tests.recorder import Recorder, reply

TINY = Path(__file__).parents[1] / "tiny_provider"
SEED = {"model": "text-davinci-003", "prompt": "Say this is a test", "max_tokens": 7, "temperature": 0}
SERVER = "https://tiny.example"
KEY = "tiny-key-0123456789"
WIDGET = {"name": "n", "owner": None}
STREAM = {"content-type": "text/event-stream"}
TICK = b'data: {"kind":"tick","word":"tick"}\n\n'
END = b"data: THE END\n\n"


@pytest.fixture
def records() -> list[Record]:
    """What the connector recorded."""
    return []


@pytest.fixture
def tiny(records: list[Record], monkeypatch: pytest.MonkeyPatch) -> Iterator[Connector]:
    """The pretend provider's connector, its key in the environment."""
    monkeypatch.setenv("TINY_KEY", KEY)
    with Connector(TINY, record=records.append) as connector:
        yield connector


@pytest.fixture
def connection(tiny: Connector) -> Connection:
    return tiny.connection({"server_url": SERVER, "api_key": "env:TINY_KEY"}, engine="httpx", tenant="blue")


def sent(httpx_mock: HTTPXMock) -> httpx.Request:
    """The one request that left."""
    (request,) = httpx_mock.get_requests()
    return request


# What is sent


def test_the_seed_example(connector: Connector, key: str, httpx_mock: HTTPXMock) -> None:
    """Method, URL, every header and every byte of the completion call; the answer whole."""
    httpx_mock.add_response(url="https://api.openai.com/v1/completions", method="POST", json={"id": "c", "choices": [{"text": "yes"}]})
    result = connector.run("createCompletion", SEED, connector.connection())
    request = sent(httpx_mock)
    assert request.content == b'{"model":"text-davinci-003","prompt":"Say this is a test","max_tokens":7,"temperature":0}'
    assert request.headers.raw == [
        (b"Host", b"api.openai.com"),
        (b"User-Agent", f"kosha-connector-openai/{connector.manifest.version}".encode()),
        (b"Accept-Encoding", b"identity"),
        (b"Accept", b"application/json, text/event-stream"),
        (b"Content-Type", b"application/json"),
        (b"Authorization", f"Bearer {key}".encode()),
        (b"Content-Length", b"89"),
    ]
    assert (result.value, result.text) == ({"id": "c", "choices": [{"text": "yes"}]}, "yes")


def test_what_is_previewed_is_what_is_sent(tiny: Connector, httpx_mock: HTTPXMock) -> None:
    """The preview has the same method, URL, headers and body; the key's value alone is masked, and is not read."""
    connection = tiny.connection({"server_url": f"{SERVER}/base", "api_key": "env:TINY_KEY", "workspace": "w"})
    preview = tiny.preview("createWidget", WIDGET, connection)
    httpx_mock.add_response(json={})
    tiny.run("createWidget", WIDGET, connection)
    request = sent(httpx_mock)
    assert (preview.method, preview.url) == (request.method, str(request.url)) == ("POST", f"{SERVER}/base/widgets")
    assert preview.body() == request.content == b'{"name":"n","owner":null}'
    ours = [(name.decode(), value.decode()) for name, value in request.headers.raw if name not in (b"Host", b"Content-Length")]
    assert [*preview.headers] == [(name, "********" if name == "X-Tiny-Key" else value) for name, value in ours]
    assert ("X-Tiny-Key", KEY) in ours


def test_a_preview_without_a_credential_and_without_a_body(tiny: Connector) -> None:
    """Nothing is masked where nothing is added."""
    preview = tiny.preview("openStatus", {}, tiny.connection({"server_url": SERVER}, environ={}))
    assert (preview.body(), [name for name, _ in preview.headers]) == (b"", ["User-Agent", "Accept-Encoding", "Accept"])


def test_checking_sends_nothing(tiny: Connector, httpx_mock: HTTPXMock) -> None:
    """Warnings come back, faults are raised, and no request leaves."""
    assert tiny.check("createWidget", WIDGET) == ()
    assert [fault.pointer for fault in tiny.check("search", {"q": "x", "colour": "blue"})] == ["/colour"]
    with pytest.raises(InputError):
        tiny.check("createWidget", {"name": 1, "owner": None})
    assert httpx_mock.get_requests() == []


@pytest.mark.parametrize(
    ("action", "inputs", "kind"),
    [("createWidget", {}, InputError), ("crateWidget", {}, UnknownActionError), ("getWidgetsById", {"id": ".."}, InputError)],
)
def test_what_is_refused_sends_nothing_and_reads_no_secret(
    tiny: Connector, connection: Connection, httpx_mock: HTTPXMock, records: list[Record], action: str, inputs: Any, kind: type[Exception]
) -> None:
    """R21: the inputs are checked before anything else; no call was made, so none is recorded."""
    with pytest.raises(kind):
        tiny.run(action, inputs, connection)
    assert (httpx_mock.get_requests(), records) == ([], [])


def test_an_unknown_action_is_a_missing_key_with_advice(tiny: Connector) -> None:
    """A catalog is a mapping, and a slip gets the nearest name."""
    with pytest.raises(KeyError) as caught:
        tiny.catalog["crateWidget"]
    assert str(caught.value) == "No action has this id. Did you mean `createWidget`?"


# Connections


def test_a_connection_comes_from_the_environment(tiny: Connector, httpx_mock: HTTPXMock) -> None:
    """A field that is not given is taken from the variables that the manifest names."""
    httpx_mock.add_response(url=f"{SERVER}/query", match_headers={"X-Tiny-Key": KEY}, json={})
    tiny.run("queryStyles", {}, tiny.connection({"server_url": SERVER, "api_key": "env:TINY_KEY"}))


def test_a_key_of_the_environment_does_not_follow_to_another_server(connector: Connector, key: str, httpx_mock: HTTPXMock) -> None:
    """U1: whoever names a server names its key, too; else nothing is sent."""
    connection = connector.connection({"server_url": "https://elsewhere.example"})
    with pytest.raises(OriginError):
        connector.run("listModels", {}, connection)
    assert httpx_mock.get_requests() == []


def test_a_named_key_goes_to_the_named_server_whatever_else_the_environment_has(
    connector: Connector, key: str, httpx_mock: HTTPXMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment's other key stays with the environment's server: it is not sent, and does not keep back the one that was named."""
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "admin-key-0123456789")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://first.example/v1")
    named = {"api_key": "env:OPENAI_API_KEY", "server_url": "https://elsewhere.example"}
    httpx_mock.add_response(
        url="https://elsewhere.example/v1/models", match_headers={"Authorization": f"Bearer {key}"}, json={"object": "list", "data": []}
    )
    assert connector.run("listModels", {}, connector.connection(named)).outcome == "complete"
    with pytest.raises(OriginError, match=r"It is for: https://first\.example\."):
        connector.run("list-projects", {}, connector.connection(named))
    assert len(httpx_mock.get_requests()) == 1


def test_a_missing_secret_sends_nothing(tiny: Connector, connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reference is named, and what to do."""
    monkeypatch.delenv("TINY_KEY")
    with pytest.raises(SecretMissingError, match="TINY_KEY is not set"):
        tiny.run("queryStyles", {}, connection)


def test_a_short_key_is_for_servers_that_take_any_word(
    connector: Connector, httpx_mock: HTTPXMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the manifest's own server, however it is written, a key under 8 characters is a torn one and nothing is sent."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    for server in ({}, {"server_url": "https://API.openai.com:443/v1/"}):
        connection = connector.connection({"api_key": "env:OPENAI_API_KEY", **server}, environ={})
        with pytest.raises(SecretRefusedError, match="env:OPENAI_API_KEY is shorter than 8 characters"):
            connector.run("listModels", {}, connection)
    httpx_mock.add_response(match_headers={"Authorization": "Bearer none"}, json={"object": "list", "data": []})
    local = connector.connection({"api_key": "env:OPENAI_API_KEY", "server_url": "https://models.example/v1"}, environ={})
    assert connector.run("listModels", {}, local).outcome == "complete"


def test_options_are_checked(tiny: Connector) -> None:
    """A misspelt option is an error that names the right one."""
    with pytest.raises(SetupError, match="Did you mean `timeouts`"):
        tiny.connection({"server_url": SERVER}, environ={}, timeout={"total": 5})


def test_the_form(tiny: Connector) -> None:
    """The connection form is JSON Schema, made from the manifest."""
    assert list(tiny.form["properties"]) == ["api_key", "workspace", "server_url"]
    assert tiny.form["required"] == ["server_url"]


def test_connections_of_different_reach_share_no_sockets(tiny: Connector) -> None:
    """U7: what one connection may reach, another one that may not cannot reach over the first one's open pool."""
    with Recorder(reply(200, b"up", content_type="text/plain")) as upstream:
        values = {"server_url": upstream.url, "api_key": "env:TINY_KEY"}
        assert tiny.run("openStatus", {}, tiny.connection(values)).text == "up"
        with pytest.raises(OriginError):
            tiny.run("openStatus", {}, tiny.connection(values, loopback=False))
    assert len(upstream.requests) == 1


# Streams


def test_a_stream_is_collected_by_run(tiny: Connector, connection: Connection, httpx_mock: HTTPXMock, records: list[Record]) -> None:
    """Whoever wants no events gets the whole."""
    httpx_mock.add_response(headers=STREAM, stream=IteratorStream([TICK, TICK[:5], TICK[5:], END]))
    result = tiny.run("watchTicks", {}, connection)
    assert (result.kind, result.text, result.incomplete) == ("events", "ticktick", None)
    assert [record.outcome for record in records] == ["ok"]


def test_events_come_one_by_one(tiny: Connector, connection: Connection, httpx_mock: HTTPXMock) -> None:
    """Each event is there before the next one is read; the result is there after the last."""
    read: list[int] = []

    def chunks() -> Iterator[bytes]:
        for number, chunk in enumerate([TICK, TICK, END]):
            read.append(number)
            yield chunk

    httpx_mock.add_response(headers=STREAM, stream=IteratorStream(chunks()))
    with tiny.stream("watchTicks", {}, connection) as stream:
        seen = [(event.text, list(read)) for event in stream]
        assert stream.result is not None
    assert seen == [("tick", [0]), ("tick", [0, 1])]
    assert stream.result.incomplete is None


def test_leaving_a_stream_early(tiny: Connector, connection: Connection, httpx_mock: HTTPXMock, records: list[Record]) -> None:
    """What came is kept and marked; the record says so."""
    httpx_mock.add_response(headers=STREAM, stream=IteratorStream([TICK, TICK, END]))
    with tiny.stream("watchTicks", {}, connection) as stream:
        next(iter(stream))
    assert stream.result is not None
    assert (len(stream.result.value), stream.result.incomplete is None) == (1, False)
    assert [record.outcome for record in records] == ["incomplete"]


def test_a_failure_of_the_reader_closes_the_stream(
    tiny: Connector, connection: Connection, httpx_mock: HTTPXMock, records: list[Record]
) -> None:
    """Foreign code that fails in the block gets its own exception; the call is recorded all the same."""
    httpx_mock.add_response(headers=STREAM, stream=IteratorStream([TICK, END]))

    def read_and_fail() -> None:
        with tiny.stream("watchTicks", {}, connection) as stream:
            next(iter(stream))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        read_and_fail()
    assert [record.outcome for record in records] == ["incomplete"]


def test_what_is_no_stream_has_no_events(tiny: Connector, connection: Connection, httpx_mock: HTTPXMock) -> None:
    """An answer that is not an event stream is there at once."""
    httpx_mock.add_response(json={"ok": True})
    with tiny.stream("queryStyles", {}, connection) as stream:
        assert list(stream) == []
        assert stream.result is not None
    assert stream.result.value == {"ok": True}


# asyncio


async def test_async_is_the_same_call(tiny: Connector, connection: Connection, httpx_mock: HTTPXMock, records: list[Record]) -> None:
    """The same bytes leave, the same result comes back, the same record is made."""
    httpx_mock.add_response(json={"name": "A"}, is_reusable=True)
    there = await tiny.arun("createWidget", WIDGET, connection)
    here = tiny.run("createWidget", WIDGET, connection)
    first, second = httpx_mock.get_requests()
    assert (first.method, first.url, first.headers.raw) == (second.method, second.url, second.headers.raw)
    assert (there.value, there.status, there.kind) == (here.value, here.status, here.kind)
    assert [record.outcome for record in records] == ["ok", "ok"]
    await tiny.aclose()


async def test_async_streams(tiny: Connector, connection: Connection, httpx_mock: HTTPXMock, records: list[Record]) -> None:
    """Events one by one, the result at the end; left early it is marked."""
    httpx_mock.add_response(headers=STREAM, stream=IteratorStream([TICK, TICK, END]), is_reusable=True)
    async with tiny.astream("watchTicks", {}, connection) as stream:
        assert [event.text async for event in stream] == ["tick", "tick"]
    async with tiny.astream("watchTicks", {}, connection) as left:
        async for _ in left:
            break
    assert stream.result is not None
    assert left.result is not None
    assert (stream.result.incomplete, left.result.incomplete is None) == (None, False)
    assert [record.outcome for record in records] == ["ok", "incomplete"]


async def test_async_errors(tiny: Connector, connection: Connection, httpx_mock: HTTPXMock, records: list[Record]) -> None:
    """Errors are the same, and recorded the same."""
    httpx_mock.add_response(status_code=404, json={"error": "none"})
    with pytest.raises(RejectedError):
        await tiny.arun("createWidget", WIDGET, connection)
    assert [(record.outcome, record.status) for record in records] == [("rejected", 404)]


async def test_async_context(httpx_mock: HTTPXMock) -> None:
    """``async with`` closes what the loop has opened."""
    async with Connector(TINY) as tiny:
        httpx_mock.add_response(text="up")
        connection = tiny.connection({"server_url": SERVER}, environ={}, engine="httpx")
        assert (await tiny.arun("openStatus", {}, connection)).text == "up"


# Records


def test_a_record_of_a_call(tiny: Connector, connection: Connection, httpx_mock: HTTPXMock, records: list[Record]) -> None:
    """Who called what where with which reference, and how it went; no input, no body, no secret."""
    httpx_mock.add_response(status_code=201, headers={"x-tiny-id": "t1"}, json={"name": "A"})
    tiny.run("createWidget", {"name": "PROMPT", "owner": None}, connection)
    (record,) = records
    assert (record.connector, record.action, record.method, record.path) == ("tiny", "createWidget", "POST", "/widgets")
    assert (record.origin, record.tenant, record.credential) == (SERVER, "blue", "env:TINY_KEY")
    assert (record.outcome, record.status, record.request_id, record.attempts) == ("ok", 201, "t1", 1)
    assert record.spec_digest == tiny.catalog.document.digest
    assert record.duration >= 0
    assert "PROMPT" not in record.to_json()
    assert KEY not in record.to_json()


def test_a_record_of_a_failure(tiny: Connector, connection: Connection, httpx_mock: HTTPXMock, records: list[Record]) -> None:
    """The error's code, with what is known of the answer and the number of attempts."""
    httpx_mock.add_response(status_code=503, headers={"x-tiny-id": "t2"}, is_reusable=True)
    with pytest.raises(UnavailableError):
        tiny.run("queryStyles", {}, connection, CallOptions(attempts=2))
    assert [(r.outcome, r.status, r.request_id, r.attempts) for r in records] == [("unavailable", 503, "t2", 2)]


def test_a_record_of_a_call_without_an_answer(
    tiny: Connector, connection: Connection, httpx_mock: HTTPXMock, records: list[Record]
) -> None:
    """A doubtful call is recorded as doubtful."""
    httpx_mock.add_exception(httpx.ReadError("reset"))
    with pytest.raises(OutcomeUnknownError):
        tiny.run("createWidget", WIDGET, connection)
    assert [(r.outcome, r.status, r.request_id, r.attempts) for r in records] == [("outcome_unknown", None, None, 1)]


def test_a_record_without_a_credential(tiny: Connector, connection: Connection, httpx_mock: HTTPXMock, records: list[Record]) -> None:
    """An open operation names no reference."""
    httpx_mock.add_response(text="up")
    tiny.run("openStatus", {}, connection)
    assert [record.credential for record in records] == [""]


# Testing a connection


def test_a_connection_that_works(tiny: Connector, connection: Connection, httpx_mock: HTTPXMock) -> None:
    """One harmless call, and a sentence."""
    httpx_mock.add_response(url=f"{SERVER}/open", text="up")
    assert tiny.test(connection).startswith("Tiny answered 200 in 0.")


@pytest.mark.parametrize(
    ("status", "kind", "hint"),
    [(401, AccessError, "The key is not a key of Tiny."), (404, RejectedError, "Change the input.")],
)
def test_a_connection_that_does_not_work(
    tiny: Connector, connection: Connection, httpx_mock: HTTPXMock, status: int, kind: type[ConnectorError], hint: str
) -> None:
    """The form's own advice where it has some for the category, else that of the error table."""
    httpx_mock.add_response(status_code=status)
    with pytest.raises(kind) as caught:
        tiny.test(connection)
    assert caught.value.hint == hint


def test_a_connector_without_a_test_says_so(tmp_path: Path) -> None:
    """There is nothing to call."""
    manifest = (TINY / "connector.yaml").read_text().replace("  test:\n    action: openStatus\n", "").replace("    advice:", "  # advice:")
    (tmp_path / "connector.yaml").write_text(manifest)
    (tmp_path / "openapi.json").write_text('{"openapi": "3.1.0", "paths": {}}')
    bare = Connector(tmp_path)
    with pytest.raises(SetupError, match="no connection test"):
        bare.test(bare.connection({"server_url": SERVER}, environ={}))


# The rest


def test_closing(tiny: Connector, connection: Connection, httpx_mock: HTTPXMock) -> None:
    """Closing twice is closing once, and a closed connector opens again when it is used."""
    httpx_mock.add_response(text="up", is_reusable=True)
    tiny.run("openStatus", {}, connection)
    tiny.close()
    tiny.close()
    assert tiny.run("openStatus", {}, connection).text == "up"


def test_a_connector_tells_who_it_is(connector: Connector, tiny: Connector) -> None:
    """Id, version, logo where there is one."""
    assert (tiny.id, repr(tiny)) == ("tiny", "<Connector tiny 1.0.0>")
    assert tiny.icon() is None
    assert (connector.icon() or b"").startswith(b"<svg")


def test_making_a_connector_reads_only_the_manifest(tmp_path: Path) -> None:
    """The description is read when an action is first asked for."""
    (tmp_path / "connector.yaml").write_text((TINY / "connector.yaml").read_text())
    connection = Connector(tmp_path).connection({"server_url": SERVER}, environ={})
    assert str(connection.server) == SERVER
    assert not (tmp_path / "openapi.json").exists()


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ("https://name.openai.azure.com/openai/v1", "https://name.openai.azure.com/openai/v1/chat/completions"),
        ("http://localhost:11434", "http://localhost:11434/v1/chat/completions"),
        ("http://localhost:8000/v1/", "http://localhost:8000/v1/chat/completions"),
        ("https://gateway.example/tenant/v1", "https://gateway.example/tenant/v1/chat/completions"),
    ],
)
def test_servers_with_the_same_api(connector: Connector, server: str, expected: str) -> None:
    """Compatible servers and gateways are reached by their base URL, with or without /v1; a key may have a header of its own."""
    connection = connector.connection({"server_url": server, "api_key": "env:OPENAI_API_KEY", "auth_type": "API_KEY"}, environ={})
    preview = connector.preview("createChatCompletion", {"model": "m", "messages": [{"role": "user", "content": "hi"}]}, connection)
    assert preview.url == expected
    assert ("api-key", "********") in preview.headers
