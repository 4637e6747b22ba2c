"""Our own replies: the error shape, the right status, what to do next, and nothing of what is inside."""

from __future__ import annotations

import orjson
import pytest

from kosha_connector_openai import errors
from kosha_connector_openai.errors import Fault
from kosha_connector_openai.gateway import replies

ERRORS = [
    (errors.NotSentError("x", phase="connect"), 502, "upstream_unreachable", "true"),
    (errors.NotSentError("x", phase="pool"), 503, "overloaded", "true"),
    (errors.OutcomeUnknownError("x", phase="read"), 502, "upstream_broken", "false"),
    (errors.OutcomeUnknownError("x", phase="deadline"), 504, "upstream_timeout", "false"),
    (errors.TruncatedReplyError("x"), 502, "upstream_truncated", "false"),
    (errors.ReplyTooLargeError("x"), 502, "upstream_too_large", "false"),
    (errors.RedirectRefusedError("x"), 502, "upstream_redirect", "false"),
    (errors.MalformedReplyError("x"), 502, "upstream_malformed", "false"),
    (errors.SecretMissingError("The environment variable OPENAI_API_KEY is not set."), 500, "connection", "false"),
]


@pytest.mark.parametrize(("error", "status", "code", "again"), ERRORS, ids=lambda value: getattr(value, "code", str(value)))
def test_errors_of_a_call(error: errors.ConnectorError, status: int, code: str, again: str) -> None:
    """Only what surely did not run may be tried again, unless repeating changes nothing; the error's own text stays here."""
    refusal = replies.of_error(error, repeatable=False, hint="x-should-retry")
    assert (refusal.status, refusal.code, dict(refusal.headers)["x-should-retry"]) == (status, code, again)
    assert error.message not in refusal.message
    repeated = replies.of_error(error, repeatable=True, hint="x-should-retry")
    assert dict(repeated.headers)["x-should-retry"] == ("false" if isinstance(error, errors.SetupError) else "true")
    assert "x-should-retry" not in dict(replies.of_error(error, repeatable=False, hint=None).headers)


@pytest.mark.parametrize(
    ("pointer", "param"),
    [
        ("/model", "model"),
        ("/messages/0/role", "messages[0].role"),
        ("", None),
        ("/a~1b/~0", "a/b.~"),
        ("/0", "0"),
        ("/" + "a" * 500, "a" * 200),
    ],
)
def test_places_are_written_as_the_error_shape_does(pointer: str, param: str | None) -> None:
    """From JSON Pointers."""
    assert replies.bad_fields([Fault(pointer, "type", "is wrong.")]).param == param


def test_many_faults_are_cut() -> None:
    """Twenty are told, the rest is counted."""
    refusal = replies.bad_fields([Fault(f"/f{number}", "type", "is wrong.") for number in range(30)])
    assert refusal.message.count("is wrong.") == 20
    assert refusal.message.endswith("And 10 more.")


def test_the_shape_has_all_its_keys() -> None:
    """message, type, param, code, and the request's id."""
    error = orjson.loads(replies.error_body(replies.NOT_FOUND, "kosha-1"))["error"]
    assert error == {
        "message": "There is no such path here.",
        "type": "invalid_request_error",
        "param": None,
        "code": "unknown_path",
        "request_id": "kosha-1",
    }


@pytest.mark.parametrize("status", [429, 503])
def test_sheds_say_when_to_come_back(status: int) -> None:
    """In whole seconds, one at least."""
    assert dict(replies.shed(status, "x", 0.2).headers) == {"retry-after": "1"}
    assert dict(replies.shed(status, "x", 2.2).headers) == {"retry-after": "3"}
