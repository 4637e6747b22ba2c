"""Error answers: the manifest's table gives them their meaning, and nothing in them harms who reads it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kosha_connector_openai.core.connection.auth import scrub
from kosha_connector_openai.core.result.api_error import to_api_error
from kosha_connector_openai.core.result.error_body import read_error_bytes
from kosha_connector_openai.core.result.result import Facts
from kosha_connector_openai.errors import AccessError, ApiError, RejectedError, UnavailableError
from kosha_connector_openai.manifest import ErrorBody, validated
from kosha_connector_openai.manifest.manifest import ErrorRule
from kosha_connector_openai.secrets.secret import Secret

KEY = "tiny-key-0123456789"
FACTS = Facts({"x-id": "r1"}, "r1", {})
RULES = tuple(
    validated(rule, ErrorRule)
    for rule in (
        {"code": "empty", "category": "quota", "advice": "Pay."},
        {"status": 400, "code": "worn", "category": "overloaded", "retryable": True, "advice": "Rest."},
        {"status": 401, "category": "auth", "advice": "Key."},
        {"status": 403, "category": "permission", "advice": "Ask."},
        {"status": 429, "category": "rate_limit", "retryable": True, "advice": "Wait."},
        {"status": "4XX", "category": "invalid_input", "advice": "Change."},
        {"status": "5XX", "category": "server", "retryable": True, "advice": "Again."},
    )
)


def error(
    status: int, body: Any = b"", *, rules: tuple[ErrorRule, ...] = RULES, hide: Callable[[str], str] = lambda text: text
) -> ApiError:
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    said = read_error_bytes(data, ErrorBody())
    return to_api_error(status, said, facts=FACTS, rules=rules, scrub=hide, retry_after=1.5, attempts=2)


@pytest.mark.parametrize(
    ("status", "code", "kind", "category", "retryable"),
    [
        (429, "empty", AccessError, "quota", False),
        (429, "other", UnavailableError, "rate_limit", True),
        (400, "worn", UnavailableError, "overloaded", True),
        (409, "worn", RejectedError, "invalid_input", False),
        (401, None, AccessError, "auth", False),
        (403, None, AccessError, "permission", False),
        (404, None, RejectedError, "invalid_input", False),
        (500, None, UnavailableError, "server", True),
        (503, "empty", AccessError, "quota", False),
        (200, "empty", AccessError, "quota", False),
    ],
)
def test_the_first_fitting_rule_counts(status: int, code: str | None, kind: type[ApiError], category: str, retryable: bool) -> None:
    """An empty balance is told from a rate limit although both are 429; what a rule leaves out fits all."""
    found = error(status, {"error": {"code": code, "message": "m"}})
    assert (type(found), found.category, found.retryable, found.status) == (kind, category, retryable, status)


def test_a_rules_code_is_the_upstreams_code_or_type() -> None:
    """Providers write the same word in either place."""
    assert error(429, {"error": {"type": "empty", "message": "m"}}).category == "quota"


@pytest.mark.parametrize(("status", "kind"), [(418, RejectedError), (500, UnavailableError), (599, UnavailableError)])
def test_where_the_table_is_silent(status: int, kind: type[ApiError]) -> None:
    """Without a rule the category is unknown, and nobody says that trying again cannot help."""
    found = error(status, b"", rules=())
    assert (type(found), found.category, found.retryable) == (kind, "unknown", None)
    assert found.hint == "The server gave no reason that this connector knows."


@pytest.mark.parametrize(
    ("body", "message", "words"),
    [
        ({"error": {"message": "m", "code": "c", "type": "t", "param": "p"}}, "m", ("c", "t", "p")),
        ({"error": {"message": "m", "code": 17, "param": ["p"]}}, "m", ("17", None, None)),
        ({"error": "words"}, "words", (None, None, None)),
        ({"error": {"detail": "d"}}, "d", (None, None, None)),
        ({"detail": "d"}, "d", (None, None, None)),
        ({"message": "top", "code": "c"}, "top", ("c", None, None)),
        ({"error": None, "message": "top"}, "top", (None, None, None)),
        ({"detail": "d", "message": "m"}, "m", (None, None, None)),
        ({"detail": [{"msg": "x"}]}, "x", (None, None, None)),
        ({"error": ["x"]}, "x", (None, None, None)),
        ({"error": {"message": ""}}, "The server answered 400.", (None, None, None)),
        ({"error": {"message": {"a": 1}}}, "The server answered 400.", (None, None, None)),
        (["x"], "x", (None, None, None)),
        ("a text", "a text", (None, None, None)),
        (b"", "The server answered 400.", (None, None, None)),
        (b"  plain words\r\n", "plain words", (None, None, None)),
        (b"\xff\xfe", "\ufffd\ufffd", (None, None, None)),
        (b"{broken", "{broken", (None, None, None)),
        (b"NaN", "NaN", (None, None, None)),
    ],
)
def test_every_shape_of_error_is_read(body: Any, message: str, words: tuple[str | None, ...]) -> None:
    """Objects, texts, pages, nothing at all: there is always a sentence."""
    found = error(400, body)
    assert (found.message, (found.api_code, found.type, found.param)) == (message, words)


def test_the_facts_are_passed_on() -> None:
    """Request id, headers, the time to wait and the attempts come with the error."""
    found = error(500)
    assert (found.request_id, found.headers, found.retry_after, found.attempts) == ("r1", {"x-id": "r1"}, 1.5, 2)


def test_a_message_is_made_safe() -> None:
    """U14: one line without control, escape and direction characters, and of bounded length."""
    nasty = "a\x1b[31mred\x1b[0m\n\u202eb\x07" + "x" * 100_000
    found = error(400, {"error": {"message": nasty, "code": nasty, "extra": {nasty: [nasty]}}})
    shown = f"{found} {found.api_code} {found.body}"
    assert found.message.startswith("ared bx")
    assert (len(found.message), len(found.api_code or "")) == (1_000, 200)
    assert not set(shown) & set("\x1b\n\u202e\x07")


def test_the_body_is_kept_after_scrubbing() -> None:
    """What else the upstream says is there for programs, with its numbers and nulls; deeper nests and long lists are cut."""
    body = {"error": {"n": 1, "none": None, "yes": True, "list": list(range(200)), "deep": {"a": {"b": {"c": {"d": {"e": 1}}}}}}}
    found = error(400, body).body
    assert (found["n"], found["none"], found["yes"], len(found["list"])) == (1, None, True, 100)
    assert found["deep"] == {"a": {"b": {"c": {"d": None}}}}


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": f"bad {KEY}", "code": KEY, "type": KEY, "param": KEY, KEY: [KEY, {"x": KEY}]}},
        {"error": KEY},
        {"detail": KEY},
        KEY.encode(),
        f"<p>{KEY}</p>".encode(),
        {"error": {"message": "\u200b".join(KEY)}},
        {"error": {"message": KEY[:9] + "\x1b[1m" + KEY[9:]}},
    ],
)
def test_a_secret_is_never_repeated(body: Any) -> None:
    """U14: an upstream that echoes the key, in pieces held together by invisible characters too, finds no listener."""
    found = error(401, body, hide=lambda text: scrub(text, [Secret(KEY)]))
    assert KEY not in f"{found!r} {found} {vars(found)} {found.to_dict()}"


@settings(max_examples=200, deadline=None)
@given(
    status=st.integers(400, 599),
    body=st.one_of(
        st.binary(max_size=300),
        st.recursive(
            st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["error", "message", "code", "detail", "x"]), inner)
            ),
            max_leaves=10,
        ).map(orjson.dumps),
    ),
)
def test_any_body_makes_an_error(status: int, body: bytes) -> None:
    """R22: whatever is sent back is an ApiError with a message, and JSON can be made of it."""
    found = error(status, body)
    assert found.message
    orjson.dumps(found.to_dict())
