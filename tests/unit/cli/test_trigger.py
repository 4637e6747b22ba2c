"""kosha-openai trigger: events, samples, deliveries checked, lists asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.recorder import Recorder, reply

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def signed(cli: Any, monkeypatch: pytest.MonkeyPatch) -> tuple[str, list[str]]:
    """A signed sample: its body and its headers as options."""
    monkeypatch.setenv("HOOK", SECRET)
    found = json.loads(cli("trigger", "sample", "batch.completed", "--signed-by", "env:HOOK", "--json").stdout)
    return found["body"], [part for pair in found["headers"].items() for part in ("-H", ": ".join(pair))]


def test_list_names_every_event(cli: Any) -> None:
    """As a table and as JSON."""
    lines = cli("trigger", "list").stdout.splitlines()
    assert len(lines) == 31
    assert lines[0].split("\t")[0] == "batch.completed"
    assert len(json.loads(cli("trigger", "list", "--json").stdout)) == 31


def test_a_signed_sample_is_verified(cli: Any, signed: tuple[str, list[str]]) -> None:
    """What `sample` signs `verify` takes, and tells which action goes on."""
    body, headers = signed
    result = cli("trigger", "verify", "-", "--signed-by", "env:HOOK", *headers, input=body)
    assert result.exit_code == 0
    assert "kosha-openai run retrieveBatch batch_id=batch_" in result.stdout
    event = json.loads(cli("trigger", "verify", "-", "--signed-by", "env:HOOK", "--json", *headers, input=body).stdout)
    assert (event["type"], event["end"], event["fetch"]["action"]) == ("batch.completed", "success", "retrieveBatch")


def test_a_changed_body_is_told_and_has_an_exit_code(cli: Any, signed: tuple[str, list[str]]) -> None:
    """The secret is not in the message."""
    body, headers = signed
    result = cli("trigger", "verify", "-", "--signed-by", "env:HOOK", *headers, input=body + " ")
    assert result.exit_code == 15
    assert "does not fit" in result.stderr
    assert SECRET not in result.output


def test_a_sample_is_shown_with_a_command_to_send_it(cli: Any, signed: tuple[str, list[str]]) -> None:
    """The command has the signature and not the secret; a misspelt type ends with 3."""
    assert json.loads(cli("trigger", "sample", "batch.failed").stdout)["type"] == "batch.failed"
    command = cli("trigger", "sample", "batch.failed", "--signed-by", "env:HOOK").stdout
    assert command.startswith("curl ")
    assert SECRET not in command
    assert cli("trigger", "sample", "batch.faild").exit_code == 3


def test_poll_keeps_its_place_in_a_file(cli: Any, tmp_path: Path) -> None:
    """Each poll goes on from the file that the one before wrote, so a job's end is told once; only the owner may read the file."""

    def batches(state: str) -> Any:
        return reply(200, {"object": "list", "data": [{"id": "b1", "status": state, "created_at": 1_750_000_000}], "has_more": False})

    place = tmp_path / "state.json"
    with Recorder(batches("in_progress"), batches("completed"), batches("completed")) as upstream:
        common = ["--state", str(place), "--set", f"server_url={upstream.url}", "--set", "auth_type=NONE"]
        assert cli("trigger", "poll", "batch", *common).stdout == ""
        assert json.loads(cli("trigger", "poll", "batch", *common).stdout)["type"] == "batch.completed"
        assert cli("trigger", "poll", "batch", *common).stdout == ""
    assert place.stat().st_mode & 0o777 == 0o600


def test_a_secret_itself_is_refused_and_not_shown(cli: Any) -> None:
    """Others can read command lines: the option takes a reference."""
    result = cli("trigger", "sample", "batch.failed", "--signed-by", SECRET)
    assert result.exit_code == 4
    assert SECRET not in result.output
    assert SECRET[8:] not in result.output
