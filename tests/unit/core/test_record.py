"""The audit line: one line for one call, whatever is in its values."""

from __future__ import annotations

import json
import logging
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kosha_connector_openai.core.record import LOGGER, LONGEST, Record, drop, is_heard, log

RECORD = Record(
    connector="tiny",
    action="search",
    method="GET",
    path="/search",
    origin="https://tiny.example",
    tenant="blue",
    credential="env:TINY_KEY",
    outcome="ok",
    status=200,
    request_id="r1",
    attempts=1,
    duration=0.25,
    spec_digest="ab12",
)


def test_a_record_is_a_line_of_json() -> None:
    """The whole line, its names in order."""
    assert RECORD.to_json() == (
        '{"action":"search","attempts":1,"connector":"tiny","credential":"env:TINY_KEY","duration":0.25,"method":"GET",'
        '"origin":"https://tiny.example","outcome":"ok","path":"/search","request_id":"r1","spec_digest":"ab12","status":200,"tenant":"blue"}'
    )


@pytest.mark.parametrize(
    "nasty",
    [
        'x\n{"outcome":"ok","tenant":"admin"}',
        "a\r\nb",
        "a\x1b[2Jb",
        "a\x9b2Jb",
        "a\x85b",
        "a\u2028b\u2029c",
        "a\u202eb",
        "a\x7fb",
        "a\x00b",
        'a"}\\b',
        "\ud800",
        "\u00e9\U0001f600",
    ],
)
@pytest.mark.parametrize("name", ["action", "path", "tenant", "request_id", "credential"])
def test_no_value_can_start_a_second_line(name: str, nasty: str) -> None:
    """C14: one line of visible ASCII, and the value is still the value."""
    line = replace(RECORD, **{name: nasty}).to_json()
    assert [char for char in line if not " " <= char <= "~"] == []
    assert json.loads(line)[name] == nasty


@settings(max_examples=200, deadline=None)
@given(value=st.text(st.characters(), max_size=50))
def test_any_value_stays_in_its_place(value: str) -> None:
    """C14: any text at all."""
    line = replace(RECORD, request_id=value).to_json()
    assert line.splitlines() == [line]
    assert line.isascii()
    assert json.loads(line) == json.loads(RECORD.to_json()) | {"request_id": value}


def test_long_values_are_cut() -> None:
    """C14: what an upstream sends does not fill the log."""
    assert len(json.loads(replace(RECORD, request_id="x" * 60_000).to_json())["request_id"]) == LONGEST


def test_what_is_not_known_is_null() -> None:
    """A call that never got an answer has neither status nor request id."""
    assert {"status": None, "request_id": None}.items() <= json.loads(replace(RECORD, status=None, request_id=None).to_json()).items()


def test_a_record_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """At INFO, to the logger that is documented, as the line and nothing else."""
    caplog.set_level(logging.INFO, "kosha.connector.calls")
    log(RECORD)
    assert [(entry.name, entry.levelname, entry.getMessage()) for entry in caplog.records] == [
        ("kosha.connector.calls", "INFO", RECORD.to_json())
    ]


def test_nothing_is_logged_unless_it_is_wanted(caplog: pytest.LogCaptureFixture) -> None:
    """Below INFO no line is made."""
    caplog.set_level(logging.WARNING, "kosha.connector.calls")
    log(RECORD)
    assert caplog.records == []


def test_a_record_names_no_body_and_no_secret() -> None:
    """The fields are these, and there is no room for an input."""
    assert sorted(json.loads(RECORD.to_json())) == [
        "action",
        "attempts",
        "connector",
        "credential",
        "duration",
        "method",
        "origin",
        "outcome",
        "path",
        "request_id",
        "spec_digest",
        "status",
        "tenant",
    ]


@pytest.mark.parametrize(("level", "heard"), [(logging.INFO, True), (logging.WARNING, False)])
def test_a_record_is_made_where_somebody_takes_it(level: int, heard: bool, caplog: pytest.LogCaptureFixture) -> None:
    """The logger takes it at INFO; a sink of the host's always does, and ``drop`` never."""
    caplog.set_level(level, LOGGER.name)
    assert is_heard(log) is heard
    assert is_heard(lambda record: None)
    assert not is_heard(drop)
