"""Rows P1 to P16: what a workflow author who is not trusted can put into inputs, paths, headers and bodies."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kosha_connector_openai import Connector, ConnectorError
from kosha_connector_openai.core.actions.sample_inputs import action_sample
from kosha_connector_openai.errors import DocumentError, InputError, SetupError
from kosha_connector_openai.text.json_text import loads_strict
from tests.cap import capped
from tests.recorder import Recorder, reply
from tests.threats.conftest import CHAT, House, document, failure, parameter, without_frames

Place = tuple[str, str, Mapping[str, Any]]
"""An action, one of its path parameters, and inputs that are valid otherwise."""


@pytest.fixture(scope="module")
def places(ours: Connector) -> list[Place]:
    """Every path parameter of every action."""
    return [
        (action.id, name, inputs)
        for action in ours.catalog.values()
        if "{" in action.operation.path
        for inputs in [action_sample(action)]
        for name, declared in action.inputs.parameters.items()
        if declared.location == "path"
    ]


CLIMBING = [
    pytest.param(value, id=f"{row}-{name}")
    for row, name, value in [
        ("P1", "climb", "../../admin/x?"),
        ("P1", "slash-climb", "/../x"),
        ("P1", "backslashes", "..\\..\\admin"),
        ("P1", "middle", "a/../b"),
        ("P1", "end", "a/.."),
        ("P1", "root", "/.."),
        ("P1", "mixed", "a\\..\\b"),
        ("P1", "many", "../" * 40 + "etc"),
        ("P2", "dot-dot", ".."),
        ("P2", "dot", "."),
        ("P2", "dot-slash", "./"),
        ("P2", "blank-before", " .."),
        ("P2", "blank-after", ".. "),
        ("P3", "encoded", "%2e%2e"),
        ("P3", "encoded-case", "%2E%2e"),
        ("P3", "encoded-one", "%2e"),
        ("P3", "half-encoded", ".%2e"),
        ("P3", "encoded-slash", "..%2fadmin"),
        ("P3", "encoded-backslash", "..%5cadmin"),
        ("P3", "twice", "%252e%252e"),
        ("P3", "three-times", "%25252e%25252e"),
        ("P3", "full-width", "\uff0e\uff0e"),
        ("P3", "full-width-slash", "..\uff0fadmin"),
        ("P3", "two-dot-leader", "\u2025"),
        ("P3", "one-dot-leader", "\u2024\u2024"),
        ("P3", "small-dots", "\ufe52\ufe52"),
        ("P3", "semicolon", "..;"),
        ("P3", "parameters", "..;a=b/x"),
        ("P3", "question-mark", "..?x"),
        ("P3", "hash", "..#x"),
        ("P3", "encoded-nul", "..%00/"),
        ("P4", "line-break", "a\r\nX-Evil: 1"),
        ("P4", "encoded-line-break", "a%0d%0aX-Evil:%201"),
        ("P4", "nul", "a\x00b"),
        ("P4", "delete", "a\x7fb"),
        ("P4", "next-line", "a\x85b"),
        ("P5", "empty", ""),
        ("P5", "blank", " "),
        ("P5", "tab", "\t"),
        ("P5", "no-break-space", "\u00a0"),
        ("P5", "null", None),
        ("P5", "list", ["a"]),
        ("P5", "empty-list", []),
        ("P5", "object", {"a": "b"}),
        ("P5", "empty-object", {}),
        ("P5", "true", True),
        ("P5", "false", False),
        ("P5", "number", 1.5),
        ("P10", "surrogate", "a\ud800"),
    ]
]


SHARE = 6
"""Each value is tried in each sixth place, and each place with a sixth of the values."""


@pytest.mark.parametrize(("number", "value"), [pytest.param(number, *row.values, id=row.id) for number, row in enumerate(CLIMBING)])
def test_a_path_value_that_could_leave_its_segment_is_refused(village: House, places: list[Place], number: int, value: Any) -> None:
    """P1-P5: in every path parameter of every action it is refused by its name, before a connection is made or the key is read."""
    connection = village.connection()
    before = village.store.reads, village.upstream.connections
    errors = {
        (action, name): failure(lambda: village.connector.run(action, {**inputs, name: value}, connection))  # noqa: B023
        for action, name, inputs in places[number % SHARE :: SHARE]
    }
    assert (village.store.reads, village.upstream.connections) == before
    assert {type(error) for error in errors.values()} == {InputError}
    assert all(f"/{name}" in [fault.pointer for fault in error.faults] for (_, name), error in errors.items())  # type: ignore[attr-defined]


def test_a_missing_path_value_is_refused(village: House, places: list[Place]) -> None:
    """P5: neither ``{id}`` nor ``None`` is ever sent for it."""
    before = village.store.reads, village.upstream.connections
    connection = village.connection()
    for action, name, inputs in places:
        given = {other: value for other, value in inputs.items() if other != name}
        assert f"/{name}: is missing" in str(failure(lambda: village.connector.run(action, given, connection)))  # noqa: B023
    assert (village.store.reads, village.upstream.connections) == before


STAYING = [
    pytest.param(value, id=f"P4-{name}")
    for name, value in [
        ("query", "a?x=1"),
        ("fragment", "a#f"),
        ("slash", "a/b"),
        ("parameter", "a;b=c"),
        ("ampersand", "a&b=c"),
        ("percent", "a%zz%2Fb"),
        ("url", "https://attacker.invalid/x"),
        ("network-path", "//attacker.invalid"),
        ("user", "@attacker.invalid"),
        ("colon", "x:y@z"),
        ("dots-inside", "a..b"),
        ("dots-before", "..a"),
        ("three-dots", "..."),
        ("blank", "a b+c"),
        ("accent", "\u00e9\u20ac\U0001f600"),
        ("template", "{id}"),
        ("reserved", "!$&'()*+,;=:@~[]|^`\"<>"),
    ]
]


@pytest.mark.parametrize(("number", "value"), [pytest.param(number, *row.values, id=row.id) for number, row in enumerate(STAYING)])
def test_a_path_value_stays_one_segment(village: House, places: list[Place], number: int, value: str) -> None:
    """P4: on the wire the raw target has the segments of its template, no query of the value's, and the value whole."""
    for action, name, inputs in places[number % SHARE :: SHARE]:
        sent = village.sent(action, {**inputs, name: value})
        path, _, _ = sent.target.partition("?")
        template = village.connector.catalog[action].operation.path.split("/")
        wire = path.split("/")
        assert len(wire) == len(template)
        assert [unquote(part) for part, slot in zip(wire, template, strict=True) if slot == f"{{{name}}}"] == [value]
        assert [part for part, slot in zip(wire, template, strict=True) if "{" not in slot] == [
            slot for slot in template if "{" not in slot
        ]
        assert not set(path) & set("#;\\ ")


@settings(deadline=None, max_examples=300)
@given(st.text(alphabet=st.sampled_from("./\\%25eEfF;?#@: a\uff0e\u2025\x00\r\n\u00e9"), max_size=12))
def test_two_parsers_see_one_segment(ours: Connector, value: str) -> None:
    """P3: whatever the value, it is refused, or two independent URL parsers see the template's prefix and one segment more."""
    connection = ours.connection({"server_url": "https://api.example.com/v1", "api_key": "test:key"}, environ={})
    try:
        url = ours.preview("retrieveModel", {"model": value}, connection).url
    except InputError:
        return
    by_standard, by_client = urlsplit(url), httpx.URL(url)
    assert (by_standard.hostname, by_client.host) == ("api.example.com", "api.example.com")
    assert by_standard.path == by_client.raw_path.decode()
    assert by_standard.path.split("/")[:3] == ["", "v1", "models"]
    assert [unquote(part) for part in by_standard.path.split("/")[3:]] == [value]
    assert not by_standard.query + by_standard.fragment


HEADER_VALUES = [
    ("crlf", "a\r\nAuthorization: Bearer evil"),
    ("lf", "a\nX: y"),
    ("cr", "a\rX: y"),
    ("fold", "a\r\n b"),
    ("nul", "a\x00b"),
    ("bell", "a\x07"),
    ("delete", "a\x7f"),
    ("next-line", "a\x85b"),
    ("separator", "a\u2028b"),
    ("accent", "caf\u00e9"),
    ("wide", "\u560a\u560dX: y"),
    ("surrogate", "\ud800"),
    ("blank-before", " a"),
    ("tab-after", "a\t"),
    ("long", "a" * 8193),
]


@pytest.mark.parametrize("value", [pytest.param(value, id=f"P6-{name}") for name, value in HEADER_VALUES])
def test_a_header_value_that_could_break_out_is_refused(cottage: Callable[..., House], value: str) -> None:
    """P6: control characters, line breaks and what is not ASCII are refused before any transport sees them, and not repeated."""
    house = cottage(document(parameters=[parameter("X-Trace", "header")]))
    error = house.refused("go", {"X-Trace": house.canary.key + value if value[:1].isalpha() else value})
    assert isinstance(error, InputError)
    assert error.faults[0].pointer == "/X-Trace"
    house.canary.scan(str(error))


@pytest.mark.parametrize("value", [pytest.param(value, id=f"P6-{name}") for name, value in HEADER_VALUES[:12]])
@pytest.mark.parametrize("field", ["organization", "project"])
def test_a_connection_field_that_becomes_a_header_is_checked(house: House, field: str, value: str) -> None:
    """P6: fields of the connection form and an operator's own headers keep to the same characters."""
    house.values = {field: value}
    error = failure(house.connection)
    assert isinstance(error, SetupError)
    assert error.faults[0].pointer == f"/{field}"
    house.values = {}
    assert isinstance(failure(lambda: house.connection(headers={"X-Team": value})), SetupError)


PROTECTED = [
    "authorization", "Authorization", "AUTHORIZATION", "aUtHoRiZaTiOn", "Authorization ", " Authorization", "Authorization\t",
    "Host", "host", "api-key", "Api_Key", "x-api-key", "Content-Length", "content-type", "transfer-encoding", "Transfer_Encoding",
    "connection", "Proxy-Authorization", "proxy-connection", "cookie", "Set-Cookie", "te", "Trailer", "upgrade", "expect",
    "x-forwarded-for", "X-Forwarded-Host", "forwarded", "x-real-ip", "x-http-method-override", "x-original-url", "accept-encoding",
    "X-Bad:Authorization", "X Bad", "X-Bad\r\nAuthorization", "X-\u00e9", "sec-fetch-site", "via", "keep-alive",
]  # fmt: skip


@pytest.mark.parametrize("name", [pytest.param(name, id=f"P7-{name!r}") for name in PROTECTED])
def test_a_protected_header_cannot_be_set(cottage: Callable[..., House], name: str) -> None:
    """P7: not even where the description declares it: the declaration is ignored (OpenAPI 3.1.1, 4.8.12.2.1) or the input refused."""
    house = cottage(document(parameters=[parameter(name, "header")]))
    refused = None
    try:
        house.run("go", {name: "evil"})
    except InputError as error:
        refused = [fault.rule for fault in error.faults]
    assert refused in (None, ["protected"])
    assert house.upstream.silent if refused else "evil" not in [value for _, value in house.upstream.last.headers]


@pytest.mark.parametrize(
    "name", ["authorization", "Authorization", "Host", "api-key", "Content-Length", "transfer-encoding", "x-forwarded-for"]
)
def test_an_unknown_input_is_no_header(house: House, name: str) -> None:
    """P7: an input that is named like a header goes where unknown inputs go; each header of ours is there exactly once."""
    sent = house.sent("createCompletion", {"model": "m", "prompt": "p", name: "evil"})
    names = [header.lower() for header, _ in sent.headers]
    assert sorted(names) == sorted(set(names))
    assert sent.header("Authorization") == f"Bearer {house.canary.key}"
    assert sent.json() == {"model": "m", "prompt": "p", name: "evil"}


def test_a_cookie_cannot_be_set(cottage: Callable[..., House]) -> None:
    """P7: a cookie is refused by name, also where the description declares it."""
    error = cottage(document(parameters=[parameter("session", "cookie")])).refused("go", {"session": "evil"})
    assert [fault.pointer for fault in error.faults] == ["/session"]  # type: ignore[attr-defined]


OUTSIDE = [
    "https://attacker.invalid/x", "http:x", "@attacker.invalid/x", "@attacker.invalid", ".attacker.invalid", ":1@attacker.invalid/x",
    "x", "", "{p}", "{p}/x", "\\\\attacker.invalid/x", "/a b", "/x HTTP/1.1\r\nX-Evil: 1", "/x\x00", "/\u00e9", "/a/../b", "/..",
    "/%2e%2e/b", "/a/%2e", "/a\\b", "/%zz", "/{p", "/<x>",
]  # fmt: skip


@pytest.mark.parametrize("path", [pytest.param(path, id=f"P8-{path!r}") for path in OUTSIDE])
def test_a_path_of_the_description_stays_below_the_server(cottage: Callable[..., House], path: str) -> None:
    """P8, S4: a path that is a URL, or would change the server's host once written after it, is refused when its action is asked for."""
    house = cottage(document(path, parameters=[parameter("p", "path")]))
    assert isinstance(house.refused("go", {"p": "ab.attacker.invalid"}), DocumentError)


@pytest.mark.parametrize(
    "field", ["server_url", "base_url", "api_base", "url", "host", "api_key", "headers", "extra_headers", "Authorization"]
)
def test_an_input_does_not_choose_the_server(house: House, field: str) -> None:
    """P8: names that other clients take for settings are fields of the body here, and the request goes where the connection says."""
    with Recorder() as attacker:
        inputs = {"model": "m", "prompt": "p", field: attacker.url}
        assert house.sent("createCompletion", inputs).json() == inputs
        assert attacker.silent


@pytest.mark.parametrize(
    ("inputs", "pointer"),
    [
        pytest.param({"include[]": ["x"] * 1_000_000}, "/include[]", id="P9-million"),
        pytest.param({"include[]": ["x" * 100] * 100}, "/include[]", id="P9-long"),
        pytest.param({"metadata": {f"k{number}": "v" for number in range(5_000)}}, "/metadata", id="P9-keys"),
        pytest.param({"metadata": {"a]": "b"}}, "/metadata", id="P9-closing"),
        pytest.param({"metadata": {"a][b": "c"}}, "/metadata", id="P9-both"),
        pytest.param({"text": "x" * 8_193}, "/text", id="P9-url"),
        pytest.param({"text": "\u20ac" * 3_000}, "/text", id="P9-encoded-url"),
        pytest.param({"text": "\ud800"}, "/text", id="P10-query"),
    ],
)
def test_a_query_has_limits(cottage: Callable[..., House], inputs: dict[str, Any], pointer: str) -> None:
    """P9: too many items, too long a URL and keys that would be read as other keys are refused, naming the input."""
    error = cottage(_query_document()).refused("go", inputs)
    assert isinstance(error, InputError)
    assert error.faults[0].pointer == pointer


@pytest.mark.parametrize(
    ("inputs", "query"),
    [
        pytest.param({"include[]": ["a", "b&c=d"]}, "include%5B%5D=a&include%5B%5D=b%26c%3Dd", id="P9-array"),
        pytest.param({"metadata": {"a": "b", "c&d": "e=f"}}, "metadata%5Ba%5D=b&metadata%5Bc%26d%5D=e%3Df", id="P9-deep"),
        pytest.param({"text": "a&b=c#d?e+f g\r\nh"}, "text=a%26b%3Dc%23d%3Fe%2Bf%20g%0D%0Ah", id="P9-text"),
        pytest.param({"include[]": []}, "", id="P9-empty"),
    ],
)
def test_a_query_value_stays_a_value(cottage: Callable[..., House], inputs: dict[str, Any], query: str) -> None:
    """P9: each value is written in its style and starts no pair of its own."""
    assert cottage(_query_document()).sent("go", inputs).target.partition("?")[2] == query


def _query_document() -> dict[str, Any]:
    include = parameter("include[]", "query", schema={"type": "array", "items": {"type": "string"}})
    metadata = parameter("metadata", "query", style="deepObject", explode=True, schema={"type": "object"})
    return document(parameters=[include, metadata, parameter("text", "query")])


@pytest.mark.parametrize(
    ("inputs", "pointer"),
    [
        pytest.param({"prompt": "\ud800"}, "/prompt", id="P10-body"),
        pytest.param({"prompt": "\udc00\ud800"}, "/prompt", id="P10-swapped"),
        pytest.param({"prompt": ["ok", "\udfff"]}, "/prompt/1", id="P10-item"),
        pytest.param({"logit_bias": {"\ud800": 1}}, "/logit_bias", id="P10-key"),
        pytest.param({"unknown": {"a": "\ud800"}}, "", id="P10-unknown"),
        pytest.param({"extra_body": {"x": "\ud800"}}, "", id="P10-extra"),
    ],
)
def test_half_a_character_in_a_body_is_refused(house: House, inputs: dict[str, Any], pointer: str) -> None:
    """P10: a lone surrogate is told by its pointer, and no text of the body with it."""
    error = house.refused("createCompletion", {"model": "m", "prompt": house.canary.key, **inputs})
    assert isinstance(error, InputError)
    assert any(fault.pointer.startswith(pointer) for fault in error.faults)
    house.canary.scan(without_frames(error))


@pytest.mark.parametrize(
    "file",
    [
        pytest.param(("\ud800.txt", b"x"), id="P10-name"),
        pytest.param({"text": "\ud800"}, id="P10-text"),
        pytest.param({"base64": "\ud800"}, id="P10-base64"),
    ],
)
def test_half_a_character_in_a_file_is_refused_or_left_out(house: House, file: Any) -> None:
    """P10: nothing that UTF-8 cannot write reaches a multipart body."""
    try:
        sent = house.sent("createFile", {"purpose": "batch", "file": file})
    except InputError:
        assert house.upstream.silent
    else:
        assert b'filename=".txt"' in sent.body or b'filename="txt"' in sent.body


NUMBERS = [
    pytest.param("seed", math.inf, "1e400", True, id="P11-overflow"),
    pytest.param("temperature", math.nan, "NaN", True, id="P11-nan"),
    pytest.param("temperature", -math.inf, "-Infinity", True, id="P11-infinity"),
    pytest.param("seed", 10**400, "1" + "0" * 400, True, id="P11-401-digits"),
    pytest.param("seed", 10**4999, "1" + "0" * 4999, True, id="P11-5000-digits"),
    pytest.param("n", 1.5, "1.5", True, id="P11-fraction"),
    pytest.param("n", "1", '"1"', True, id="P11-text"),
    pytest.param("n", True, "true", True, id="P11-boolean"),
    pytest.param("n", 0, "0", True, id="P11-below"),
    pytest.param("n", -1, "-1", True, id="P11-negative"),
    pytest.param("n", 1.0, "1.0", False, id="P11-whole-float"),
    pytest.param("n", None, "null", False, id="P11-null"),
    pytest.param("temperature", -0.0, "-0", False, id="P11-minus-zero"),
    pytest.param("temperature", -0.0, "-0.0", False, id="P11-minus-zero-float"),
    pytest.param("temperature", 2.0000001, "2.0000001", True, id="P11-just-above"),
    pytest.param("temperature", 5e-324, "5e-324", False, id="P11-smallest"),
    pytest.param("seed", 2**64, str(2**64), False, id="P11-64-bit"),
    pytest.param("unknown", 10**400, "1" + "0" * 400, True, id="P11-unknown-digits"),
    pytest.param("unknown", math.nan, "NaN", True, id="P11-unknown-nan"),
]


@pytest.mark.parametrize(("name", "value", "text", "bad"), NUMBERS)
def test_a_number_has_one_verdict(house: House, name: str, value: Any, text: str, bad: bool) -> None:
    """P11, R24: a Python value and the same value in JSON text are both refused or both sent as the same bytes."""
    inputs = {"model": "m", "prompt": "p", name: value}
    written = f'{{"model":"m","prompt":"p","{name}":{text}}}'.encode()
    verdicts = [_verdict(house, lambda: inputs), _verdict(house, lambda: loads_strict(written))]
    assert [verdict is None for verdict in verdicts] == [bad, bad]
    assert orjson.loads(verdicts[0] or b"1") == orjson.loads(verdicts[1] or b"1")


def _verdict(house: House, read: Callable[[], Any]) -> bytes | None:
    """The body that is sent; None where the inputs are refused and nothing is sent."""
    before = house.upstream.connections, house.store.reads
    try:
        return house.sent("createCompletion", read()).body
    except InputError:
        assert (house.upstream.connections, house.store.reads) == before
        return None


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b'{"model":"m","model":"n","prompt":"p"}', id="P11-twice"),
        pytest.param(b'{"model":"m","prompt":"p",}', id="P11-comma"),
        pytest.param(b'{"model":"m","prompt":"\xff"}', id="P10-utf-8"),
        pytest.param(b'{"model":"m","prompt":"\\ud800"}', id="P10-escape"),
        pytest.param(b"[" * 100_000, id="P12-open"),
        pytest.param(b'{"a":' * 10_000 + b"1" + b"}" * 10_000, id="P12-deep"),
        pytest.param(b"[" + b"0," * 2_000_000 + b"0]", id="P12-many"),
        pytest.param(b'"' + b"x" * (81 << 20) + b'"', id="P12-large"),
    ],
)
def test_hostile_json_text_is_refused(text: bytes) -> None:
    """P11, P12: what a parser would guess at, or die of, is refused before it is a value."""
    assert isinstance(failure(lambda: loads_strict(text)), InputError)


BOMBS = """
from kosha_connector_openai import open_connector, ConnectorError
connector = open_connector()
connection = connector.connection({"server_url": "http://127.0.0.1:9", "api_key": "env:NOT_SET"}, environ={})
deep, doubled, cyclic = [], "x", {}
for _ in range(10_000):
    deep = [deep]
for _ in range(40):
    doubled = [doubled, doubled]
cyclic["a"] = cyclic
bombs = (
    lambda: deep, lambda: doubled, lambda: cyclic, lambda: "x" * (200 << 20), lambda: {"x" * (200 << 20): 1}, lambda: [0] * 2_100_000,
    lambda: {str(number): 0 for number in range(3_000_000)}, lambda: 10 ** 100_000, lambda: [object()] * 1000, lambda: {1, 2}, lambda: b"x",
)
for bomb in bombs:
    try:
        connector.run("createChatCompletion", {"model": "m", "messages": [{"role": "user", "content": "hi"}], field: bomb()}, connection)
    except ConnectorError as error:
        print(type(error).__name__, len(str(error)) < 20_000)
"""


@pytest.mark.parametrize("field", [pytest.param(name, id=f"P12-{name}") for name in ("metadata", "unknown")])
def test_bodies_that_would_explode_are_refused(field: str) -> None:
    """P12: nested, shared, circular, long and endless values, in bounded memory and time, in fields that the schema knows and others."""
    done = capped(BOMBS, memory=1536, field=field)
    assert (done.output.split("\n"), done.errors) == (["InputError True"] * 11 + [""], "")


def test_no_refusal_repeats_a_value(house: House) -> None:
    """P13: with the key in every field of every action, in a shape that fits none, no error and no cause of it holds a trace."""
    key = house.canary.key
    connection = house.connection()
    errors = []
    for action in house.connector.catalog.values():
        for wrong in ({"a": [key, {"b": key}]}, [key, [key]], key):
            try:
                house.connector.preview(action.id, dict.fromkeys(action.inputs.fields, wrong), connection)
            except ConnectorError as error:
                errors.append(without_frames(error))
    assert len(errors) > len(house.connector.catalog)
    house.canary.scan(errors, [str(error) for error in errors], [orjson.dumps(error.to_dict(), default=str) for error in errors])  # type: ignore[attr-defined]
    assert house.upstream.silent


@pytest.mark.parametrize("name", ["server_url", "auth_type", "api_key"])
@pytest.mark.parametrize("form", ["{}", "{}\n", "https://{}@host", "https://host/?{}", "test:{}", " {} "])
def test_no_refusal_of_a_connection_repeats_a_value(house: House, name: str, form: str) -> None:
    """P13, C1: a key that is pasted into a field of a connection that refuses it is in no error."""
    house.values = {name: form.format(house.canary.key)}
    error = failure(house.connection)
    house.canary.scan(without_frames(error), str(error.to_dict()))


@pytest.mark.parametrize(
    "option", ["timeouts", "limits", "engine", "networks", "roots", "loopback", "headers", "allowed_origins", "ca_file"]
)
def test_no_refusal_of_options_repeats_a_value(house: House, option: str) -> None:
    """P13: the library that checks options would print the value; our faults do not."""
    error = failure(lambda: house.connection(**{option: {"a": {house.canary.key: [house.canary.key]}}}))
    assert isinstance(error, SetupError)
    house.canary.scan(without_frames(error), str(error.to_dict()))


TEMPLATES = [
    pytest.param(text, id=f"P14-{name}")
    for name, text in [
        ("braces", "{{ secrets.openai }}"),
        ("statement", "{% for x in y %}{% endfor %}"),
        ("environment", "${env:HOME}"),
        ("shell", "$HOME `id` $(id) ${IFS}"),
        ("format", "{0.__class__.__mro__} {inputs[model]}"),
        ("percent", "%(x)s %s %n %5x"),
        ("expression", "={{ $json.key }}"),
        ("reference", "env:OPENAI_API_KEY"),
        ("pointer", '{"$ref": "#/x"}'),
    ]
]


@pytest.mark.parametrize("text", TEMPLATES)
def test_inputs_are_never_evaluated(house: House, text: str) -> None:
    """P14: in a body, a path, a query, a form field, a file and its name a template arrives byte for byte."""
    assert house.sent("createCompletion", {"model": text, "prompt": [text]}).json() == {"model": text, "prompt": [text]}
    assert unquote(house.sent("retrieveModel", {"model": text}).target) == f"/v1/models/{text}"
    assert unquote(house.sent("listFineTuningEvents", {"fine_tuning_job_id": "f", "after": text}).target.partition("after=")[2]) == text
    body = house.sent("createTranscription", {"model": text, "prompt": text, "file": ("a.wav", text.encode())}).body
    assert body.count(f"\r\n\r\n{text}\r\n".encode()) == 3


@pytest.mark.parametrize(
    ("inputs", "pointer", "near"),
    [
        pytest.param({"max_token": 1}, "/max_token", "max_tokens", id="P15-letter"),
        pytest.param({"maxTokens": 1}, "/maxTokens", "max_tokens", id="P15-case"),
        pytest.param({"temprature": 1}, "/temprature", "temperature", id="P15-missing"),
        pytest.param({"stream_option": {}}, "/stream_option", "stream_options", id="P15-plural"),
    ],
)
def test_a_misspelt_field_is_refused(house: House, inputs: dict[str, Any], pointer: str, near: str) -> None:
    """P15: what is nearly a known name is a fault with that name, and nothing is sent without it."""
    error = house.refused("createChatCompletion", {**CHAT, **inputs})
    assert isinstance(error, InputError)
    assert [(fault.pointer, fault.fix) for fault in error.faults] == [(pointer, f"Did you mean `{near}`?")]


def test_a_misspelt_field_further_in_is_refused(cottage: Callable[..., House]) -> None:
    """P15: the same inside a closed object; what is nearly nothing there is passed on."""
    closed = {"type": "object", "properties": {"include_usage": {}}, "additionalProperties": False}
    house = cottage(document(schema={"type": "object", "properties": {"options": closed}}))
    error = house.refused("go", {"options": {"include_usages": True}})
    assert isinstance(error, InputError)
    assert [(fault.pointer, fault.fix) for fault in error.faults] == [("/options/include_usages", "Did you mean `include_usage`?")]
    assert house.sent("go", {"options": {"zebra": 1}}).json() == {"options": {"zebra": 1}}


@pytest.mark.parametrize(
    "inputs",
    [
        pytest.param({"brand_new_field": [1, {"x": None}]}, id="P15-new"),
        pytest.param({"extra_body": {"a": 1}}, id="P15-extra"),
        pytest.param({"a": None}, id="P15-null"),
    ],
)
def test_an_unknown_field_is_never_dropped(house: House, inputs: dict[str, Any]) -> None:
    """P15: what is no misspelling is sent as it is, in its place, with a warning where nobody asked for it."""
    result = house.run("createCompletion", {"model": "m", "prompt": "p", **inputs})
    extra = inputs.get("extra_body", inputs)
    assert house.upstream.last.json() == {"model": "m", "prompt": "p", **extra}
    told = [warning.pointer for warning in result.warnings if warning.pointer]
    assert told == [f"/{name}" for name in inputs if name != "extra_body"]


REPLIES = [
    pytest.param({"id": 1, "object": "brand.new", "choices": [{"finish_reason": "tired"}]}, id="P16-enum"),
    pytest.param({"choices": "none"}, id="P16-type"),
    pytest.param([1, 2], id="P16-list"),
    pytest.param("text", id="P16-text"),
    pytest.param(None, id="P16-null"),
    pytest.param({"model": {"a": 1}, "usage": [1]}, id="P16-facts"),
]


@pytest.mark.parametrize("body", REPLIES)
def test_a_reply_may_be_other_than_described(house: House, body: Any) -> None:
    """P16: requests are checked strictly, replies are kept as they come, bytes and all."""
    house.upstream.scripts = [reply(body=body)]
    result = house.run("createCompletion", {"model": "m", "prompt": "p"})
    assert (result.value, result.raw) == (body, orjson.dumps(body))
