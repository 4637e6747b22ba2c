"""Reply bodies by their Content-Type."""

import pytest

from kosha_connector_openai.core.result.decode import DECODERS, Decoded, decode_body, safe_text
from kosha_connector_openai.errors import MalformedReplyError
from kosha_connector_openai.text import JsonLimits


@pytest.mark.parametrize(
    ("content_type", "body", "decoded"),
    [
        ("application/json", b'{"a":1}', Decoded("json", {"a": 1})),
        ("Application/JSON; charset=UTF-8", b"[1]", Decoded("json", [1])),
        ("application/problem+json", b"null", Decoded("json", None)),
        ("application/json", b"\xef\xbb\xbf1", Decoded("json", 1)),
        ("application/json", b'{"n":123456789012345678901}', Decoded("json", {"n": 123456789012345678901})),
        ("text/plain", b"42", Decoded("text", "42")),
        ("text/plain; charset=utf-8", b"\xef\xbb\xbf{}", Decoded("text", "{}")),
        ("text/vtt", b"WEBVTT", Decoded("text", "WEBVTT")),
        ("application/x-subrip", b"1\n", Decoded("text", "1\n")),
        ("application/sdp", b"v=0\r\n", Decoded("text", "v=0\r\n")),
        ("text/plain; charset=iso-8859-1", b"\xe9", Decoded("text", "é")),
        ('text/plain; charset="windows-1252"', b"\x80", Decoded("text", "€")),
        ("text/plain; charset=unicode_escape", b"\\u0041", Decoded("text", "\\u0041")),
        ("text/plain; charset=nonsense", b"\xc3\xa9\xff", Decoded("text", "é\ufffd")),
        ("application/json; charset=iso-8859-1", b'{"a": "\xe9"}', Decoded("json", {"a": "é"})),
        ("application/json; charset=iso-8859-1", '{"a": "é"}'.encode(), Decoded("json", {"a": "é"})),
        ("application/json; charset=utf-16", '{"a": 1}'.encode("utf-16"), Decoded("json", {"a": 1})),
        ("application/jsonl", b'{"a":1}\n', Decoded("bytes", b'{"a":1}\n')),
        ("application/x-ndjson", b"{}", Decoded("bytes", b"{}")),
        ("audio/mpeg", b"ID3", Decoded("bytes", b"ID3")),
        ("nonsense", b"x", Decoded("bytes", b"x")),
        ("", b"{}", Decoded("bytes", b"{}")),
        (None, b'{"a":1}', Decoded("bytes", b'{"a":1}')),
    ],
)
def test_the_content_type_decides(content_type, body, decoded):
    """A body is read as its type says, and as bytes where the type says nothing that is known."""
    assert decode_body(content_type, body, status=200) == decoded


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json", b"", 204),
        ("application/json", b"ignored", 204),
        (None, b"", 205),
        ("text/html", b"x", 304),
        (None, b"", 200),
        ("text/plain", b"", 200),
        ("audio/mpeg", b"", 201),
    ],
)
def test_no_content_is_empty(content_type, body, status):
    """Statuses without content, and empty bodies without a promise of JSON, are empty."""
    assert decode_body(content_type, body, status=status) == Decoded("empty", None)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "is empty"),
        (b"<html>down</html>", "line 1, column 1"),
        (b'{"a":', "is not JSON"),
        (b'"\xff"', "is not JSON"),
        (b"[NaN]", "is not JSON"),
        (b"[" * 200 + b"]" * 200, "deeper than 128"),
        (b"[" * 100_000, "is not JSON"),
    ],
)
def test_a_broken_promise_of_json_is_malformed(body, says):
    """HTML, nothing, half, invalid UTF-8 or too deep: a typed error with status and request id."""
    with pytest.raises(MalformedReplyError) as error:
        decode_body("application/json", body, status=502, request_id="req_1")
    assert says in str(error.value)
    assert (error.value.status, error.value.request_id) == (502, "req_1")
    assert len(error.value.excerpt) <= 200
    assert error.value.__cause__ is None


def test_the_size_limit_is_the_callers():
    """A body over the given limit is refused."""
    with pytest.raises(MalformedReplyError, match="larger than 2 bytes"):
        decode_body("application/json", b"[1]", status=200, limits=JsonLimits(bytes=2))


def test_the_excerpt_is_scrubbed_after_it_is_cleaned():
    """Invisible characters inside a secret do not carry it past the scrubber; nor does the cut."""
    body = "<p>key k\u200be\x1b[1my-1\u202e23</p>".encode() + b"x" * 500
    with pytest.raises(MalformedReplyError) as error:
        decode_body("application/json", body, status=200, scrub=lambda text: text.replace("key-123", "[secret]"))
    assert error.value.excerpt.startswith("<p>key [secret]</p>xxx")
    assert len(error.value.excerpt) == 200


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("plain é 😀", "plain é 😀"),
        ("two\r\nlines\tand  blanks", "two lines and blanks"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07shown", "shown"),
        ("\x1b]8;;http://x\x1b\\link", "link"),
        ("a\x1b", "a"),
        ("a\u202eb\u2066c\u200bd\ufeffe", "abcde"),
        ("nul\0 bell\x07 c1\x9b del\x7f", "nul bell c1 del"),
        ("line\u2028separator", "line separator"),
        ("\ud800torn", "torn"),
    ],
)
def test_safe_text_keeps_only_what_can_be_read(text, clean):
    """Control, ANSI, bidirectional and invisible characters go, and lines become one."""
    assert safe_text(text) == clean


def test_safe_text_is_cut():
    """A long text ends with an ellipsis inside the limit."""
    assert safe_text("a" * 300) == "a" * 199 + "…"
    assert safe_text("abcdef", 4) == "abc…"
    assert safe_text("abcd", 4) == "abcd"


def test_the_table_is_the_whole_list():
    """Types are read by this table and by nothing else."""
    assert list(DECODERS) == [
        "application/json",
        "application/*+json",
        "text/json",
        "text/*",
        "application/x-subrip",
        "application/sdp",
        "application/jsonl",
        "application/x-ndjson",
    ]
