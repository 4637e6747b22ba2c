"""The error tree: drawn as it is, values instead of text, nothing that holds a request."""

from __future__ import annotations

import pickle
import re

import pytest

from kosha_connector_openai import errors
from kosha_connector_openai.errors import (
    ApiError,
    ConnectorError,
    Fault,
    InputError,
    JobEndedError,
    JobPendingError,
    NotSentError,
    PagingError,
    RejectedError,
)

CLASSES = [
    item
    for item in vars(errors).values()
    if isinstance(item, type) and issubclass(item, ConnectorError) and not item.__name__.startswith("_")
]


def test_the_drawing_is_the_tree() -> None:
    """Each class stands once in the drawing at the top of the module, below its parent."""
    lines = [line for line in (errors.__doc__ or "").splitlines() if re.search(r"[├└│]|^ConnectorError", line)]
    drawn = {match[2]: len(match[1]) // 4 for line in lines if (match := re.match(r"([├└│─ ]*)(\w+)", line))}
    depth = {item.__name__: len([base for base in item.__mro__ if base in CLASSES]) - 1 for item in CLASSES}
    assert drawn == depth


def test_codes_are_stable_and_unique() -> None:
    """Programs tell errors apart by code."""
    codes = [item.code for item in CLASSES]
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize(
    "error", [InputError("m", [Fault("/a", "type", "must be a number.")]), RejectedError("m", status=400, category="c", param="n")]
)
def test_errors_are_json_ready(error: ConnectorError) -> None:
    """``to_dict`` gives what a program needs."""
    values = error.to_dict()
    assert values["message"] == "m"
    assert "retryable" in values


def test_faults_are_shown_one_a_line() -> None:
    """The text names each place, the rule broken and the fix."""
    error = InputError(
        "Two faults:", [Fault("/a", "type", "must be a number.", "Remove the quotes."), Fault("", "required", "is missing.")]
    )
    assert str(error) == "Two faults:\n  /a: must be a number. Remove the quotes.\n  /: is missing."


def test_an_api_error_says_status_and_category() -> None:
    """The first words tell what kind of trouble it is."""
    assert str(ApiError("Too fast.", status=429, category="rate_limit", hint="Wait.")) == "429 rate_limit: Too fast. Wait."


@pytest.mark.parametrize(
    "error",
    [
        InputError("m", [Fault("/a", "type", "t")]),
        RejectedError("m", status=400, category="c"),
        NotSentError("m", phase="connect"),
        PagingError("m", cursor="c"),
        JobPendingError("m", handle={"kind": "k"}, cause=NotSentError("n", phase="connect")),
        JobEndedError("m", handle={}, state="failed", end="failure"),
    ],
)
def test_errors_survive_pickling(error: ConnectorError) -> None:
    """A worker process can hand an error to its parent."""
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.to_dict()) == (type(error), str(error), error.to_dict())
