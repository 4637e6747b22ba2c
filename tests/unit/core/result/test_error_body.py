"""One reader for errors: what the server said is found in every shape that servers send, by the paths of the manifest."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kosha_connector_openai import Connector
from kosha_connector_openai.core.result.api_error import to_api_error
from kosha_connector_openai.core.result.error_body import read_error, read_error_bytes, shows_error
from kosha_connector_openai.core.result.result import Facts
from kosha_connector_openai.errors import AccessError, ApiError, RejectedError, UnavailableError
from kosha_connector_openai.manifest import ErrorBody, ErrorRule, Manifest
from kosha_connector_openai.plugin import folder

FACTS = Facts({}, None, {})


MANIFEST = Connector(folder()).manifest


@pytest.fixture
def manifest() -> Manifest:
    """The connector's own."""
    return MANIFEST


def error(manifest: Manifest, status: int, value: Any) -> ApiError:
    said = read_error(value, manifest.error_body)
    return to_api_error(status, said, facts=FACTS, rules=manifest.errors, scrub=lambda text: text)


@pytest.mark.parametrize(
    ("value", "message", "code"),
    [
        ({"error": {"message": "Too long.", "code": "c"}}, "Too long.", "c"),
        ({"error": "Unauthorized", "message": "The key has expired", "statusCode": 401}, "Unauthorized: The key has expired", None),
        ({"errors": ["no such voice", "speed is too high"]}, "no such voice; speed is too high", None),
        ({"type": "https://x/out", "title": "Out of credit", "detail": "Your balance is 3.", "status": 403}, "Your balance is 3.", None),
        ({"object": "error", "message": {"detail": [{"loc": ["body", "n"], "msg": "too large"}]}}, "body.n: too large", None),
        ({"detail": {"error": {"message": "The queue is full", "code": "queue"}}}, "The queue is full", None),
        ({"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}, "insufficient balance", None),
        ({"error": "invalid_grant", "error_description": "The code was used"}, "invalid_grant: The code was used", None),
        ({"error": {"code": 400, "message": None}, "message": "temperature is out of range"}, "temperature is out of range", "400"),
        ({"Message": "The security token is invalid"}, "The security token is invalid", None),
        ({"message": '{"error": {"message": "No GPU is free"}}'}, "No GPU is free", None),
        ([{"error": "first"}, {"error": "second"}], "first; second", None),
        ([[{"message": "deep"}]], "deep", None),
        ({"errors": {"model": ["is not known"], "n": ["too large", "no number"]}}, "model: is not known; n: too large; no number", None),
        ({"fault": {"faultstring": "Bad key", "detail": {"errorcode": "k"}}}, "Bad key", None),
        ({"error": {"type": "overloaded_error", "message": "Overloaded"}, "type": "error"}, "Overloaded", None),
        ({"error": {}, "message": "beside nothing"}, "beside nothing", None),
        ({"error": {"message": None, "type": "server_error", "details": "Out of memory"}}, "Out of memory", None),
        ({"error": "Insufficient balance", "requiredBalance": 0.0035, "status": 402}, "Insufficient balance", None),
        (
            {"error": {"message": "Provider error", "metadata": {"raw": '{"error": {"message": "bad tool"}}'}}},
            "Provider error: bad tool",
            None,
        ),
        ({"success": False}, "", None),
        ("words", "words", None),
        (None, "", None),
        (42, "", None),
    ],
)
def test_the_words_are_found(manifest: Manifest, value: Any, message: str, code: str | None) -> None:
    """Objects, lists, texts, JSON inside texts, words beside the object: the reason that the server gave is the message."""
    said = read_error(value, manifest.error_body)
    assert (said.message, said.code) == (message, code)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<html><head><title>504 Gateway Time-out</title></head><body>nginx</body></html>", "504 Gateway Time-out"),
        (b"<!doctype html><style>p{color:red}</style><h1>Sign in</h1><p>x</p>", "Sign in"),
        (b"<p>Only\n a  <b>word</b></p>", "Only a word"),
        (b'event: error\ndata: {"error": {"message": "in an event"}}\n\n', "in an event"),
        (b': ping\n\ndata: x\n\ndata: {"message": "the second"}\n\n', "the second"),
        (b'{"error": "the first line"}\n{"done": true}\n', "the first line"),
        (b"upstream connect error", "upstream connect error"),
        (b"", ""),
        (b"\xff", "\ufffd"),
    ],
)
def test_bodies_that_are_no_json(manifest: Manifest, body: bytes, message: str) -> None:
    """A web page has a title, a stream has an event, a text is itself."""
    assert read_error_bytes(body, manifest.error_body).message == message


def test_lines_of_a_file_are_named(manifest: Manifest) -> None:
    """Of errors that name their lines the first is told, with its code, and how many more there are."""
    data = [{"code": "invalid_json_line", "line": 3, "message": "This line is not JSON."}, {"code": "x", "line": 9, "message": "m"}]
    assert read_error({"errors": {"object": "list", "data": data}}, manifest.error_body).message == (
        "Line 3 (invalid_json_line): This line is not JSON; and 1 more"
    )
    fields = [{"loc": ["body", name], "msg": "is missing"} for name in "abcdefg"]
    assert read_error({"detail": fields}, manifest.error_body).message.endswith("body.e: is missing; and 2 more")


@pytest.mark.parametrize(
    ("value", "status", "kind", "category", "retryable"),
    [
        ({"error": {"code": "rate_limit_exceeded", "message": "m"}}, 429, UnavailableError, "rate_limit", True),
        ({"error": {"type": "server_error", "message": "m"}}, 500, UnavailableError, "server", True),
        ({"error": {"type": "overloaded_error", "message": "m"}}, 529, UnavailableError, "overloaded", True),
        ({"error": {"code": 402, "message": "m"}}, 402, AccessError, "quota", False),
        ({"error": {"code": "502", "message": "m"}}, 502, UnavailableError, "server", True),
        ({"message": "m", "statusCode": 401}, 401, AccessError, "auth", False),
        ({"error": {"code": 8, "status": "RESOURCE_EXHAUSTED", "message": "m"}}, 429, UnavailableError, "rate_limit", True),
        ({"error": {"type": "invalid_request_error", "message": "m"}}, 400, RejectedError, "invalid_input", False),
        ({"error": {"code": 501, "message": "m"}}, 501, RejectedError, "unsupported", False),
        ({"error": {"innererror": {"code": "ResponsibleAIPolicyViolation"}, "message": "m"}}, 400, RejectedError, "content_policy", False),
    ],
)
def test_the_same_error_means_the_same_however_it_comes(
    manifest: Manifest, value: Any, status: int, kind: type[ApiError], category: str, retryable: bool
) -> None:
    """With its own status, in a 200 and in a stream: one category, one class, one answer to whether trying again helps."""
    for seen in (status, 200):
        found = error(manifest, seen, value)
        assert (type(found), found.category, found.retryable, found.status) == (kind, category, retryable, seen)


def test_an_error_that_says_nothing_known_is_not_the_inputs_fault(manifest: Manifest) -> None:
    """In a 200 nobody knows whose fault an unknown error is: it may pass, and it is never told as a refused input."""
    found = error(manifest, 200, {"error": {"message": "boom"}})
    assert (type(found), found.category, found.retryable, found.message) == (UnavailableError, "unknown", None, "boom")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"error": "x"}, True),
        ({"error": True, "message": "m"}, True),
        ({"object": "error", "message": "m"}, True),
        ({"success": False}, True),
        ([{"error": {"message": "m"}}], True),
        ({"error": None}, False),
        ({"error": {"message": None, "code": None}}, False),
        ({"success": True}, False),
        ({"base_resp": {"status_code": 0, "status_msg": ""}}, False),
        ([], False),
        (None, False),
    ],
)
def test_what_shows_that_a_body_is_an_error(manifest: Manifest, value: Any, shown: bool) -> None:
    """Empty places, as servers write them beside good answers, show nothing."""
    assert shows_error(value, manifest.error_body) is shown


def test_without_paths_of_its_own_a_manifest_reads_the_usual_shapes() -> None:
    """A provider's manifest need not say what is usual."""
    said = read_error({"error": {"message": "m", "code": "c", "type": "t", "param": "p", "status": 429}}, ErrorBody())
    assert (said.message, said.code, said.type, said.param, said.status, said.place) == ("m", "c", "t", "p", 429, "/error")


def test_a_rule_may_name_several_codes(manifest: Manifest) -> None:
    """One line of the table for all words that mean the same."""
    rules = (ErrorRule(code=("a", "b"), category="quota", advice="Pay."),)
    for code, category in (("a", "quota"), ("b", "quota"), ("c", "unknown")):
        said = read_error({"error": {"code": code}}, manifest.error_body)
        assert to_api_error(400, said, facts=FACTS, rules=rules, scrub=str).category == category


SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20)
NAMES = st.sampled_from(["error", "errors", "message", "code", "detail", "msg", "line", "loc", "metadata", "raw", "data", "x"])


@settings(max_examples=200, deadline=None)
@given(st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=20))
def test_any_value_is_read(value: Any) -> None:
    """Whatever a server sends is read without an exception, also as JSON inside a text."""
    rules = MANIFEST.error_body
    said = read_error(value, rules)
    assert isinstance(said.message, str)
    read_error({"error": json.dumps(value)}, rules)
    shows_error(value, rules)


@pytest.mark.parametrize(
    ("status", "value", "category", "retryable"),
    [
        (400, {"__type": "ThrottlingException", "message": "Too many requests"}, "rate_limit", True),
        (200, {"__type": "ThrottlingException", "message": "Too many requests"}, "rate_limit", True),
        (200, {"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "Exceeded the workspace's limit"}, "rate_limit", True),
        (200, {"error": "Insufficient balance", "requiredBalance": 0.0035, "status": 402}, "quota", False),
        (200, {"error": "`inputs` must have less than 4096 tokens", "error_type": "validation"}, "invalid_input", False),
        (200, {"status": 404, "title": "Not Found", "detail": "The model does not exist"}, "not_found", False),
    ],
)
def test_what_an_error_means_beside_its_text(manifest: Manifest, status: int, value: Any, category: str, retryable: bool) -> None:
    """A code, a type or a status beside the words counts, with a status of its own and in a 200 or a stream alike."""
    found = error(manifest, status, value)
    assert (found.category, found.retryable) == (category, retryable)
