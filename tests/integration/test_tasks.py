"""Tasks over real HTTP: each one's own example against the sandbox, from a thread and from an event loop, and from the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kosha_connector_openai import Connection, Connector, open_connector
from kosha_connector_openai.errors import RefusedAnswerError
from kosha_connector_openai.flows.tasks import TaskResult, arun_task, find_task, list_tasks, run_task
from kosha_connector_openai.sandbox.audio import wav
from kosha_connector_openai.sandbox.media import picture
from kosha_connector_openai.schema.validator import SchemaValidator
from tests.offline import Offline, offline

SPOKEN = "This is a test (sandbox)."
FILES = {"image": picture("png", 8, 8), "audio": wav()}


def _names() -> tuple[str, ...]:
    with open_connector() as connector:
        return tuple(info.name for info in list_tasks(connector))


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Offline]:
    """The offline upstream."""
    with offline() as running:
        yield running


@pytest.fixture
def connection(connector: Connector, sandbox: Offline, monkeypatch: pytest.MonkeyPatch) -> Connection:
    """A connection to it."""
    monkeypatch.setenv("OPENAI_API_KEY", sandbox.key)
    return connector.connection({"server_url": sandbox.url, "api_key": "env:OPENAI_API_KEY"})


def example(connector: Connector, name: str) -> dict[str, Any]:
    """The task's own example, with a file where it takes one."""
    info = find_task(connector, name)
    return {**info.example, **{field: FILES[field] for field, entry in info.rules.inputs.items() if entry.file}}


def check(connector: Connector, name: str, result: TaskResult, inputs: dict[str, Any]) -> None:
    """The result is whole, typed, and tells what it took."""
    schema = find_task(connector, name).output_schema(inputs)
    assert (result.outcome, result.warnings) == ("ok", ())
    assert SchemaValidator(schema).check(result.value).faults == ()
    assert result.calls == len(result.request_ids) == 1
    json.dumps(result.to_dict())


@pytest.mark.parametrize("name", _names())
def test_each_example_runs(name: str, connector: Connector, connection: Connection) -> None:
    """What the form shows as an example gives a result that fits the task's own output schema."""
    inputs = example(connector, name)
    check(connector, name, run_task(connector, name, inputs, connection), inputs)


@pytest.mark.parametrize("name", _names())
async def test_each_example_runs_in_an_event_loop(name: str, connector: Connector, connection: Connection) -> None:
    """The same over asyncio."""
    inputs = example(connector, name)
    check(connector, name, await arun_task(connector, name, inputs, connection), inputs)
    await connector.aclose()


@pytest.mark.parametrize(("form", "starts"), [("text", SPOKEN), ("srt", "1\n00:00:00,000 --> 00:00:01,000\n"), ("vtt", "WEBVTT\n\n")])
def test_forms_of_a_transcript(form: str, starts: str, connector: Connector, connection: Connection) -> None:
    """Each from one call, written here from the times that the answer gives."""
    for name in ("transcribe", "translate-audio"):
        assert run_task(connector, name, {"audio": wav(), "format": form}, connection).value.startswith(starts)


def test_extract_fills_a_schema_of_several_levels(connector: Connector, connection: Connection) -> None:
    """Lists, alternatives, references and optional properties come back in the form of the user's own schema."""
    schema = {
        "type": "object",
        "properties": {
            "people": {"type": "array", "items": {"$ref": "#/$defs/person"}, "minItems": 1},
            "note": {"type": "string"},
            "size": {"anyOf": [{"type": "integer"}, {"type": "string", "enum": ["small", "large"]}]},
        },
        "required": ["people", "size"],
        "$defs": {
            "person": {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}, "required": ["name"]}
        },
    }
    result = run_task(connector, "extract", {"text": "Anna and Bo", "schema": schema}, connection)
    assert SchemaValidator(schema).check(result.value).faults == ()
    assert result.value["people"]


def test_answers_that_are_not_what_was_asked_for(connector: Connector, connection: Connection) -> None:
    """The sandbox refuses and cuts on request, so that both can be tried without a key."""
    with pytest.raises(RefusedAnswerError):
        run_task(connector, "ask", {"question": "Refuse this"}, connection)
    cut = run_task(connector, "ask", {"question": "Say this is a test", "max_tokens": 2}, connection, on_incomplete="warn")
    assert (cut.outcome, cut.value) == ("incomplete", "This is")


def command(sandbox: Offline, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "OPENAI_API_KEY": sandbox.key, "OPENAI_BASE_URL": sandbox.url, "HOME": str(folder)}
    program = [sys.executable, "-m", "kosha_connector_openai.cli", "task", *arguments]
    return subprocess.run(program, capture_output=True, text=True, env=environment, cwd=folder, timeout=60, check=False)


def test_the_command(sandbox: Offline, tmp_path: Path) -> None:
    """As a person types it: text in, text out; a file by either way of naming it; subtitles into a file."""
    (tmp_path / "x.png").write_bytes(FILES["image"])
    (tmp_path / "talk.wav").write_bytes(wav())
    done = command(sandbox, "run", "ask", "question=Say this is a test", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"{SPOKEN}\n")
    assert "1 call in" in done.stderr
    for arguments in (["image=@x.png"], ["--file", "image=@x.png"]):
        done = command(sandbox, "run", "describe-image", "question=Say a square", *arguments, folder=tmp_path)
        assert (done.returncode, done.stdout) == (0, "A square (sandbox).\n")
    done = command(sandbox, "run", "transcribe", "audio=@talk.wav", "format=srt", "--out", "talk.srt", folder=tmp_path)
    assert (done.returncode, done.stdout) == (0, "talk.srt: saved\n")
    assert (tmp_path / "talk.srt").read_text().startswith("1\n00:00:00,000 --> 00:00:01,000\nThis is a test")
