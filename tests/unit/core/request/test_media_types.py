"""Bodies by media type."""

import io
from pathlib import Path
from urllib.parse import parse_qsl, unquote

import pytest

from kosha_connector_openai.core.request.files import FilePolicy, read_file_input
from kosha_connector_openai.core.request.media_types import WRITERS, BytesBody, write_body
from kosha_connector_openai.core.request.multipart import MultipartBody
from kosha_connector_openai.errors import InputError
from kosha_connector_openai.manifest import RequestRules
from kosha_connector_openai.openapi.operation import Encoding, MediaType

POLICY = FilePolicy()
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"


def write(name, value, schema=None, encoding=None, **more):
    return write_body(MediaType(name, schema, encoding or {}), value, POLICY, **more)


def sent(body):
    return b"".join(body.chunks())


def parts(value, **more):
    """(name, file name, content type, bytes) of each part as it stands in the body."""
    body = write(MULTIPART, value, **more)
    assert isinstance(body, MultipartBody)
    return [
        (part.name, part.value if isinstance(part.value, bytes) else (part.value.name, b"".join(part.value.chunks())), part.content_type)
        for part in body.parts
    ]


def refused(name, value, **more):
    with pytest.raises(InputError) as error:
        write(name, value, **more)
    return [(fault.pointer, fault.rule) for fault in error.value.faults]


@pytest.mark.parametrize(
    ("name", "value", "content_type", "content"),
    [
        ("application/json", {"b": 1, "a": "é"}, "application/json", '{"b":1,"a":"é"}'.encode()),
        ("application/json; charset=utf-8", [2**70], "application/json; charset=utf-8", b"[1180591620717411303424]"),
        ("application/merge-patch+json", None, "application/merge-patch+json", b"null"),
        ("Application/JSON", 1, "Application/JSON", b"1"),
        ("text/plain", "é", "text/plain; charset=utf-8", "é".encode()),
        ("text/csv; charset=ascii", "a", "text/csv; charset=ascii", b"a"),
        ("text/*", "a", "text/plain; charset=utf-8", b"a"),
        ("application/sdp", "v=0\r\n", "application/sdp", b"v=0\r\n"),
        ("application/sdp", b"v=0\r\n", "application/sdp", b"v=0\r\n"),
        ("application/octet-stream", b"\0\xff", "application/octet-stream", b"\0\xff"),
        ("application/octet-stream", {"base64": "AP8="}, "application/octet-stream", b"\0\xff"),
        ("audio/mpeg", b"ID3", "audio/mpeg", b"ID3"),
        ("image/*", b"\xff\xd8\xff", "image/jpeg", b"\xff\xd8\xff"),
        ("*/*", ("a.gif", io.BytesIO(b"x")), "image/gif", b"x"),
        ("*/*", {"kind": "Pod"}, "application/json", b'{"kind":"Pod"}'),
        ("*/*", [1], "application/json", b"[1]"),
        ("*/*", "words", "text/plain; charset=utf-8", b"words"),
        ("*/*", {"text": "x", "filename": "a.json"}, "application/json", b"x"),
        ("application/*", {"a": 1}, "application/json", b'{"a":1}'),
        ("text/json", {"a": 1}, "text/json", b'{"a":1}'),
        ("application/yaml", {"a": 1}, "application/yaml", b'{"a":1}'),
        ("application/yaml", "a: 1\n", "application/yaml", b"a: 1\n"),
        ("application/xml", "<a/>", "application/xml", b"<a/>"),
        ("application/atom+xml", "<a/>", "application/atom+xml", b"<a/>"),
        ("application/jsonl", [{"a": 1}, "é"], "application/jsonl", '{"a":1}\n"é"\n'.encode()),
        ("application/jsonl", "{}\n", "application/jsonl", b"{}\n"),
        ("application/x-ndjson", b"{}\n", "application/x-ndjson", b"{}\n"),
    ],
)
def test_each_media_type_has_its_bytes(name, value, content_type, content):
    """JSON, text, SDP, octets, lines of JSON and files, with type and length told."""
    body = write(name, value)
    assert (body.content_type, sent(body), body.length, body.replayable) == (content_type, content, len(content), True)


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("application/json", {"a": float("nan")}, ("/a", "finite")),
        ("text/plain", "\ud800", ("/body", "surrogate")),
        ("text/plain", 7, ("/body", "file")),
        ("application/octet-stream", "text", ("/body", "file")),
        ("application/xml", {"a": 1}, ("/body", "file")),
        ("audio/mpeg", Path("/etc/hostname"), ("/body", "path")),
        (FORM, [1], ("/body", "type")),
        (FORM, "a=1", ("/body", "type")),
        (MULTIPART, None, ("/body", "type")),
        (MULTIPART, {1: 2}, ("", "type")),
        (MULTIPART, {"\ud800": 2}, ("", "surrogate")),
        (FORM, {"a": {"b]": 2}}, ("/a", "key")),
        (MULTIPART, {"a": ["\ud800"]}, ("/a/0", "surrogate")),
        (MULTIPART, {"a": object()}, ("/a", "type")),
        (FORM, {"a": {"b": float("inf")}}, ("/a/b", "finite")),
        (FORM, {"a": b"bytes"}, ("/a", "type")),
    ],
)
def test_values_that_a_media_type_cannot_carry(name, value, fault):
    """The fault stands at the value, and nothing is written."""
    assert refused(name, value) == [fault]


def test_nesting_without_end_is_refused():
    """A list that holds itself meets the depth limit of forms."""
    cycle = []
    cycle.append(cycle)
    assert [rule for _, rule in refused(FORM, {"a": cycle})] == ["depth"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": 1, "b": "x y&z", "c": True, "d": None}, "a=1&b=x%20y%26z&c=true"),
        ({"a": {"b": {"c": 1}}}, "a%5Bb%5D%5Bc%5D=1"),
        ({"a": [1, 2], "b[]": [3]}, "a=1&a=2&b%5B%5D=3"),
        ({"a": [{"b": 1}, {"b": 2}]}, "a%5B0%5D%5Bb%5D=1&a%5B1%5D%5Bb%5D=2"),
        ({}, ""),
        ({"a": []}, ""),
    ],
)
def test_form_bodies(value, text):
    """Brackets for nesting, repeated names for arrays (OpenAPI 3.0.4, section 4.7.15.1), an index where items have parts, null left out."""
    body = write(FORM, value)
    assert (body.content_type, sent(body).decode()) == (FORM, text)


@pytest.mark.parametrize(
    ("rules", "value", "text"),
    [
        (RequestRules(lists="name[]"), {"a": [1, 2], "b[]": [3]}, "a[]=1&a[]=2&b[]=3"),
        (RequestRules(lists="name[]"), {"a": [{"b": 1}], "c": {"d": [1]}}, "a[][b]=1&c[d][]=1"),
        (RequestRules(lists="name[0]"), {"a": [1, {"b": [2]}]}, "a[0]=1&a[1][b][0]=2"),
        (RequestRules(objects="json"), {"a": {"b": [1]}, "c": [1]}, 'a={"b":[1]}&c=1'),
    ],
)
def test_a_manifest_says_how_forms_write_lists_and_objects(rules, value, text):
    """OpenAPI leaves it open; what the rules do not name stays as it is."""
    assert unquote(sent(write_body(MediaType(FORM), value, POLICY, rules=lambda _: rules)).decode()) == text


@pytest.mark.parametrize(
    ("rules", "names"),
    [
        (RequestRules(), ["l", "l", "f", "f", "o"]),
        (RequestRules(lists="name[]", objects="name[key]"), ["l[]", "l[]", "f[]", "f[]", "o[k]", "o[e][]"]),
        (RequestRules(lists="name[0]", objects="name[key]"), ["l[0]", "l[1]", "f[0]", "f[1]", "o[k]", "o[e][0]"]),
        (RequestRules(lists="name[0]", objects="json"), ["l[0]", "l[1]", "f[0]", "f[1]", "o"]),
    ],
)
def test_a_manifest_says_how_multipart_writes_lists_and_objects(rules, names):
    """The same for parts, files among them."""
    value = {"l": ["x", "y"], "f": [b"1", b"2"], "o": {"k": 1, "e": [2]}}
    body = write_body(MediaType(MULTIPART), value, POLICY, is_file={"f"}.__contains__, rules=lambda _: rules)
    assert [part.name for part in body.parts] == names


def test_form_bodies_follow_their_encoding():
    """A property with a style is written in it; one of JSON content as JSON."""
    encoding = {
        "a": Encoding(style="form", explode=False),
        "b": Encoding(style="form"),
        "c": Encoding(content_type="application/json"),
        "d": Encoding(style="deepObject"),
    }
    body = write(FORM, {"a": [1, 2], "b": [1, 2], "c": {"x": [1]}, "d": {"k": 1}}, encoding=encoding)
    assert sent(body) == b"a=1,2&b=1&b=2&c=%7B%22x%22%3A%5B1%5D%7D&d%5Bk%5D=1"
    assert parse_qsl(sent(body).decode())[3] == ("c", '{"x":[1]}')


def test_multipart_fields():
    """Scalars as text, arrays as repeated names, objects as JSON (OpenAPI 3.1.1, section 4.8.15.1), null left out, order kept."""
    value = {"m": "é", "n": 2**70, "t": True, "z": None, "f": 0.5, "a": ["x", "y"], "b[]": [1], "o": {"k": {"l": 1}, "e": [2]}}
    assert parts(value) == [
        ("m", "é".encode(), None),
        ("n", b"1180591620717411303424", None),
        ("t", b"true", None),
        ("f", b"0.5", None),
        ("a", b"x", None),
        ("a", b"y", None),
        ("b[]", b"1", None),
        ("o", b'{"k":{"l":1},"e":[2]}', "application/json"),
    ]


def test_multipart_encodings():
    """A property whose encoding says JSON is one JSON part; another content type is written on its part."""
    encoding = {"o": Encoding(content_type="application/json"), "t": Encoding(content_type="text/csv")}
    assert parts({"o": {"a": [1]}, "t": "x"}, encoding=encoding) == [
        ("o", b'{"a":[1]}', "application/json"),
        ("t", b"x", "text/csv"),
    ]


BINARY = {"type": "string", "format": "binary"}
SCHEMA = {
    "properties": {
        "file": BINARY,
        "image": {"anyOf": [BINARY, {"type": "array", "items": BINARY}]},
        "mask": {"type": "string", "contentMediaType": "application/octet-stream"},
        "note": {"type": "string"},
    }
}


def test_multipart_files_by_schema():
    """Binary properties take every file form; arrays of them repeat the name; other properties keep their text."""
    value = {"file": {"text": "abc"}, "image": [b"1", ("b.png", b"2")], "mask": "data:,3", "note": "data:,4"}
    assert parts(value, schema=SCHEMA) == [
        ("file", ("file.txt", b"abc"), None),
        ("image", ("file.bin", b"1"), None),
        ("image", ("b.png", b"2"), None),
        ("mask", ("file.txt", b"3"), None),
        ("note", b"data:,4", None),
    ]
    assert parts({"image": b"1"}, schema=SCHEMA) == [("image", ("file.bin", b"1"), None)]


def test_multipart_files_by_callable():
    """The caller's word on what is a file wins over the schema, which may hold references."""
    assert parts({"x": "data:,1", "file": "plain"}, schema=SCHEMA, is_file={"x"}.__contains__) == [
        ("x", ("file.txt", b"1"), None),
        ("file", b"plain", None),
    ]


def test_multipart_files_by_value():
    """Bytes, readers and read files are files wherever they stand."""
    file = read_file_input(("a.txt", b"1"), "/a", POLICY)
    assert parts({"a": file, "b": io.BytesIO(b"2"), "c": [b"3"], "d": {"e": b"4"}}) == [
        ("a", ("a.txt", b"1"), None),
        ("b", ("file.bin", b"2"), None),
        ("c", ("file.bin", b"3"), None),
        ("d[e]", ("file.bin", b"4"), None),
    ]


def test_a_string_is_not_a_file():
    """A file property given a path as text is refused at its place, also inside an array."""
    assert refused(MULTIPART, {"file": "/etc/hostname"}, schema=SCHEMA) == [("/file", "file")]
    assert refused(MULTIPART, {"image": [b"1", "/etc/hostname"]}, schema=SCHEMA) == [("/image/1", "file")]


def test_another_table_of_writers():
    """A media type is one more row: the table is an argument, and the fallback takes only files."""
    table = {"application/cbor": lambda value, media_type, context: BytesBody(b"\xa0", media_type.name)}
    assert sent(write("application/cbor", {}, writers=table)) == b"\xa0"
    assert sent(write("image/png", b"x", writers=table)) == b"x"


def test_the_table_is_the_whole_list():
    """Media types are written by this table and by nothing else."""
    assert list(WRITERS) == [
        "application/json",
        "multipart/form-data",
        "application/x-www-form-urlencoded",
        "application/jsonl",
        "application/x-ndjson",
        "application/sdp",
        "application/graphql",
        "application/javascript",
        "application/xml",
        "application/*+xml",
        "application/yaml",
        "application/x-yaml",
        "text/yaml",
        "text/x-yaml",
        "text/*",
        "application/octet-stream",
        "application/*",
        "*/*",
    ]


def test_a_body_from_a_pipe_says_so():
    """A file that cannot seek has no length and cannot be replayed."""
    pipe = io.BufferedReader(io.BytesIO(b"x"))
    pipe.seekable = lambda: False
    body = write("application/octet-stream", pipe)
    assert (body.length, body.replayable, sent(body)) == (None, False, b"x")


def test_a_json_body_has_a_limit_that_can_be_set() -> None:
    """The error names the option and another way; a value as large as the limit passes."""
    media = MediaType("application/json", {})
    policy = FilePolicy(max_json=20, large_body="Give a URL.")
    assert write_body(media, {"a": "x" * 12}, policy).length == 20
    for value, pointer in (({"a": "x" * 21}, "/a"), (["x" * 9, "x" * 9], "")):
        with pytest.raises(InputError) as caught:
            write_body(media, value, policy)
        assert (caught.value.faults[0].pointer, caught.value.faults[0].allowed) == (pointer, 20)
        assert caught.value.faults[0].fix == "Raise `limits.body_json` of the connection. Give a URL."
