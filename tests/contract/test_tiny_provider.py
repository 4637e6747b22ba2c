"""A second provider is a folder of data: a pretend one that uses every style and body of OpenAPI is loaded and run, each byte compared."""

from __future__ import annotations

import email
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from kosha_connector_openai import CallOptions, Connection, Connector, ConnectorError
from kosha_connector_openai.errors import AccessError, DocumentError, InputError, UnavailableError
from tests.recorder import Received, Recorder, events, reply

FOLDER = Path(__file__).parents[1] / "tiny_provider"
KEY = "tiny-key-0123456789"
POINT = {"x": 1, "y": 2}
FROM_THE_CLIENT = {"user-agent", "accept-encoding", "accept", "host", "connection", "content-length"}


@pytest.fixture(scope="module")
def tiny() -> Iterator[Connector]:
    """The pretend provider's connector, made from its folder alone."""
    with Connector(FOLDER) as connector:
        yield connector


@pytest.fixture
def upstream() -> Iterator[Recorder]:
    with Recorder(reply()) as recorder:
        yield recorder


@pytest.fixture
def connection(tiny: Connector, upstream: Recorder, monkeypatch: pytest.MonkeyPatch) -> Connection:
    monkeypatch.setenv("TINY_KEY", KEY)
    return tiny.connection({"server_url": upstream.url, "api_key": "env:TINY_KEY"})


def own_headers(sent: Received) -> list[tuple[str, str]]:
    return [(name, value) for name, value in sent.headers if name.lower() not in FROM_THE_CLIENT]


@pytest.mark.parametrize(
    ("action", "inputs", "target"),
    [
        pytest.param("simplePath", {"list": [3, 4], "point": POINT}, "/simple/3,4/x=1,y=2", id="simple"),
        pytest.param("simplePath", {"list": [3], "point": {"x": 1}}, "/simple/3/x=1", id="simple-one"),
        pytest.param("labelPath", {"list": [3, 4], "point": POINT}, "/label/.3,4/.x=1.y=2", id="label"),
        pytest.param(
            "matrixPath",
            {"list": [3, 4], "more": ["a", "b c"], "point": POINT},
            "/matrix/;list=3,4/;more=a;more=b%20c/;x=1;y=2",
            id="matrix",
        ),
        pytest.param("getWidgetsById", {"id": "a/b?c#d%2e"}, "/widgets/a%2Fb%3Fc%23d%252e", id="one-segment"),
        pytest.param("queryStyles", {}, "/query", id="nothing-given"),
        pytest.param("queryStyles", {"list": [3, 4]}, "/query?list=3&list=4", id="form-array-exploded"),
        pytest.param("queryStyles", {"joined": [3, 4]}, "/query?joined=3,4", id="form-array"),
        pytest.param("queryStyles", {"point": POINT}, "/query?x=1&y=2", id="form-object-exploded"),
        pytest.param("queryStyles", {"flatPoint": POINT}, "/query?flatPoint=x,1,y,2", id="form-object"),
        pytest.param("queryStyles", {"spaced": ["a", "b"]}, "/query?spaced=a%20b", id="space-delimited"),
        pytest.param("queryStyles", {"piped": ["a", "b"]}, "/query?piped=a%7Cb", id="pipe-delimited"),
        pytest.param("queryStyles", {"deep": {"size": POINT}}, "/query?deep%5Bsize%5D%5Bx%5D=1&deep%5Bsize%5D%5By%5D=2", id="deep-object"),
        pytest.param("queryStyles", {"filter": POINT}, "/query?filter=%7B%22x%22%3A1%2C%22y%22%3A2%7D", id="json-content"),
        pytest.param("queryStyles", {"raw": "a/b?c&d#e%2F"}, "/query?raw=a/b?c%26d%23e%252F", id="reserved-allowed"),
        pytest.param("queryStyles", {"flag": False, "ratio": 0.5}, "/query?flag=false&ratio=0.5", id="boolean-and-number"),
        pytest.param("queryStyles", {"list": []}, "/query", id="empty-array"),
        pytest.param("search", {"q": "a&mode=b"}, "/search?mode=full&empty=&q=a%26mode%3Db", id="path-with-a-query"),
    ],
)
def test_paths_and_queries(
    tiny: Connector, connection: Connection, upstream: Recorder, action: str, inputs: Mapping[str, Any], target: str
) -> None:
    """Each style and explode of RFC 6570 and OpenAPI 3.0.3 stands on the request line as the standard's table has it."""
    tiny.run(action, inputs, connection)
    assert (upstream.last.method, upstream.last.target) == ("GET", target)
    assert own_headers(upstream.last) == [("X-Tiny-Key", KEY)]
    assert upstream.last.body == b""


def test_headers(tiny: Connector, connection: Connection, upstream: Recorder) -> None:
    """Header parameters in style simple, exploded or not, and as JSON; the credential in the header that the manifest names."""
    inputs = {"X-Trace": "t", "X-List": [1, 2], "X-Point": POINT, "X-Filter": POINT}
    tiny.run("headerStyles", inputs, connection)
    assert own_headers(upstream.last) == [
        ("X-Trace", "t"),
        ("X-List", "1,2"),
        ("X-Point", "x=1,y=2"),
        ("X-Filter", '{"x":1,"y":2}'),
        ("X-Tiny-Key", KEY),
    ]


def test_a_cookie_parameter_is_no_input(tiny: Connector, connection: Connection, upstream: Recorder) -> None:
    """A declared cookie is neither offered nor sent as a cookie."""
    assert "session" not in tiny.catalog["headerStyles"].input_schema["properties"]
    tiny.run("headerStyles", {"X-Trace": "t"}, connection)
    assert upstream.last.header("Cookie") is None


@pytest.mark.parametrize(
    ("action", "inputs", "request_line", "content_type", "body"),
    [
        pytest.param(
            "createWidget",
            {"owner": None, "name": "n", "parts": [{"name": "ä", "owner": "o"}]},
            "POST /widgets",
            "application/json",
            '{"owner":null,"name":"n","parts":[{"name":"ä","owner":"o"}]}'.encode(),
            id="json-object",
        ),
        pytest.param(
            "patchWidgets",
            {"body": [{"name": "n", "owner": None}]},
            "PATCH /widgets",
            "application/merge-patch+json",
            b'[{"name":"n","owner":null}]',
            id="json-array-of-another-json-type",
        ),
        pytest.param(
            "postForm",
            {"title": "a b&c", "list": [1, 2], "piped": ["a", "b"], "point": POINT, "place": POINT},
            "POST /form",
            "application/x-www-form-urlencoded",
            b"title=a%20b%26c&list=1&list=2&piped=a%7Cb&point=%7B%22x%22%3A1%2C%22y%22%3A2%7D&place%5Bx%5D=1&place%5By%5D=2",
            id="form",
        ),
        pytest.param("postNote", {"body": "Grüße"}, "POST /note", "text/plain; charset=utf-8", "Grüße".encode(), id="text"),
        pytest.param("putBlob", {"body": b"\x00\xff"}, "PUT /blob", "application/octet-stream", b"\x00\xff", id="bytes"),
        pytest.param(
            "postLines", {"body": [{"x": 1}, {"y": 2}]}, "POST /lines", "application/x-ndjson", b'{"x":1}\n{"y":2}\n', id="json-lines"
        ),
    ],
)
def test_bodies(
    tiny: Connector,
    connection: Connection,
    upstream: Recorder,
    action: str,
    inputs: Mapping[str, Any],
    request_line: str,
    content_type: str,
    body: bytes,
) -> None:
    """Each media type is written as it is, byte by byte, with its length and its Content-Type."""
    tiny.run(action, inputs, connection)
    sent = upstream.last
    assert f"{sent.method} {sent.target}" == request_line
    assert own_headers(sent) == [("Content-Type", content_type), ("X-Tiny-Key", KEY)]
    assert (sent.header("Content-Length"), sent.body) == (str(len(body)), body)


def test_multipart(tiny: Connector, connection: Connection, upstream: Recorder) -> None:
    """RFC 7578: a file part with its bytes, plain text; by OpenAPI 3.1.1, 4.8.15.1 objects are JSON and lists repeat their name."""
    inputs = {"picture": ("p.png", b"\x89PNG\r\n"), "title": "ä", "point": POINT, "place": POINT, "tags": ["a", "b"]}
    tiny.run("uploadPicture", inputs, connection)
    sent = upstream.last
    message = email.message_from_bytes(f"Content-Type: {sent.header('Content-Type')}\r\n\r\n".encode() + sent.body)
    parts = [(part["Content-Disposition"], part["Content-Type"], part.get_payload(decode=True)) for part in message.get_payload()]
    assert parts == [
        ('form-data; name="picture"; filename="p.png"', "image/png", b"\x89PNG\r\n"),
        ('form-data; name="title"', None, "ä".encode()),
        ('form-data; name="point"', "application/json", b'{"x":1,"y":2}'),
        ('form-data; name="place"', "application/json", b'{"x":1,"y":2}'),
        ('form-data; name="tags"', None, b"a"),
        ('form-data; name="tags"', None, b"b"),
    ]


@pytest.mark.parametrize(
    ("action", "inputs", "pointer", "rule"),
    [
        ("createWidget", {"name": None, "owner": None}, "/name", "type"),
        ("createWidget", {"name": "n"}, "/owner", "required"),
        ("queryStyles", {"ratio": 0}, "/ratio", "exclusiveMinimum"),
        ("getWidgetsById", {"id": ".."}, "/id", "dot-segment"),
        ("headerStyles", {}, "/X-Trace", "required"),
        ("headerStyles", {"X-Trace": "a\r\nX: y"}, "/X-Trace", "control"),
    ],
)
def test_refused_inputs_send_nothing(
    tiny: Connector, connection: Connection, upstream: Recorder, action: str, inputs: Mapping[str, Any], pointer: str, rule: str
) -> None:
    """OpenAPI 3.0's ``nullable`` and boolean ``exclusiveMinimum`` are understood, and what breaks the schema stays here."""
    with pytest.raises(InputError) as caught:
        tiny.run(action, inputs, connection)
    assert [(fault.pointer, fault.rule) for fault in caught.value.faults] == [(pointer, rule)]
    assert upstream.silent


def test_an_operation_that_asks_for_no_credential_gets_none(tiny: Connector, connection: Connection, upstream: Recorder) -> None:
    """An empty ``security`` of an operation takes away what the description asks of all (OpenAPI 3.0.3, Operation Object)."""
    tiny.run("openStatus", {}, connection)
    assert own_headers(upstream.last) == []


def test_the_connection_form_is_data(tiny: Connector, upstream: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A field of the form becomes the header that the manifest names, and a prefix of the server stands before every path."""
    monkeypatch.setenv("TINY_KEY", KEY)
    values = {"server_url": f"{upstream.url}/base/", "api_key": "env:TINY_KEY", "workspace": "w"}
    tiny.run("queryStyles", {}, tiny.connection(values))
    assert upstream.last.target == "/base/query"
    assert own_headers(upstream.last) == [("X-Tiny-Workspace", "w"), ("X-Tiny-Key", KEY)]


def test_one_broken_operation_does_not_take_the_others_down(tiny: Connector, connection: Connection, upstream: Recorder) -> None:
    """The fault is listed with its pointer, and raised when that operation is asked for."""
    assert [fault.pointer for fault in tiny.catalog.faults()] == ["/paths/~1broken~1{id}/get"]
    assert "brokenOperation" not in list(tiny.catalog)
    with pytest.raises(DocumentError) as caught:
        tiny.run("brokenOperation", {"id": "x"}, connection)
    assert caught.value.pointer == "/paths/~1broken~1{id}/get"
    assert upstream.silent


def test_an_operation_without_an_id_has_one(tiny: Connector) -> None:
    """Method and path make the id, so that the action can be named."""
    assert tiny.catalog["getWidgetsById"].title == "One widget"


def test_errors_mean_what_the_manifest_says(tiny: Connector, connection: Connection, upstream: Recorder) -> None:
    """The table's first fitting rule gives category, advice and class; a rate limit told apart from a wrong key by data alone."""
    upstream.scripts = [reply(400, {"error": {"code": "worn_out", "message": "no"}}), reply(401, {"detail": "who?"})]
    caught: list[ConnectorError] = []
    for _ in range(2):
        with pytest.raises((UnavailableError, AccessError)) as raised:
            tiny.run("createWidget", {"name": "n", "owner": None}, connection)
        caught.append(raised.value)
    assert [(type(e), e.hint, e.retryable) for e in caught] == [
        (UnavailableError, "Let it rest.", True),
        (AccessError, "The key is wrong.", False),
    ]
    assert len(upstream.requests) == 2


def test_results_mean_what_the_manifest_says(tiny: Connector, connection: Connection, upstream: Recorder) -> None:
    """Request id, model, usage, headers and rate limit come from where the manifest says."""
    facts = [("X-Tiny-Id", "t1"), ("X-Tiny-Left", "7"), ("X-Other", "o")]
    upstream.scripts = [reply(201, {"maker": "m", "cost": {"coins": 1}}, facts)]
    result = tiny.run("createWidget", {"name": "n", "owner": None}, connection)
    assert (result.status, result.request_id, result.model, result.usage) == (201, "t1", "m", {"coins": 1})
    assert (result.headers, result.rate_limit) == ({"x-tiny-id": "t1", "x-tiny-left": "7"}, {"left": "7"})


def test_streams_mean_what_the_manifest_says(tiny: Connector, connection: Connection, upstream: Recorder) -> None:
    """The events' types, their text and the end of the stream come from where the manifest says."""
    upstream.scripts = [events(b'data: {"kind":"tick","word":"tick "}\n\ndata: {"kind":"tick","word":"tock"}\n\ndata: THE END\n\n')]
    result = tiny.run("watchTicks", {}, connection, CallOptions(timeout=10))
    assert ([event.type for event in result.value], result.text, result.incomplete) == (["tick", "tick"], "tick tock", None)


def test_a_failing_stream_raises_its_error(tiny: Connector, connection: Connection, upstream: Recorder) -> None:
    """An event that the manifest calls an error becomes the error that its table says."""
    upstream.scripts = [events(b'data: {"kind":"crash","crash":{"code":"worn_out","message":"m"}}\n\n')]
    with pytest.raises(UnavailableError) as caught:
        tiny.run("watchTicks", {}, connection)
    assert (caught.value.api_code, caught.value.hint) == ("worn_out", "Let it rest.")


def test_the_connection_test_is_data(tiny: Connector, connection: Connection, upstream: Recorder) -> None:
    """The action that the manifest names is called, and its failure gets the manifest's advice."""
    upstream.scripts = [reply(200, b"fine", content_type="text/plain"), reply(401, {"detail": "who?"})]
    assert tiny.test(connection).startswith("Tiny answered 200 in ")
    with pytest.raises(AccessError) as caught:
        tiny.test(connection)
    assert caught.value.hint == "The key is not a key of Tiny."
    assert [sent.target for sent in upstream.requests] == ["/open", "/open"]


def test_hidden_actions_can_be_run(tiny: Connector, connection: Connection, upstream: Recorder) -> None:
    """A hidden action is not listed, and answers when it is named; 204 is an empty result."""
    upstream.scripts = [reply(204, b"", content_type=None)]
    assert "removeWidget" not in list(tiny.catalog)
    assert tiny.run("removeWidget", {"id": "a b"}, connection).kind == "empty"
    assert (upstream.last.method, upstream.last.target) == ("DELETE", "/widgets/a%20b")
