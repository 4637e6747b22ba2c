"""``actions form`` and ``actions sample``: what a person sees, and what programs read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from kosha_connector_openai import Connector
from kosha_connector_openai.cli import forms, terminal
from tests.unit.cli.conftest import Cli


def test_a_form_is_a_table(cli: Cli) -> None:
    """One line for each field in the form's order: name, label, widget, needed, default, help with the conditions."""
    lines = [line.split("\t") for line in cli("actions", "form", "createImageEdit").stdout.splitlines()]
    assert {len(line) for line in lines} == {6}
    rows = {line[0]: line for line in lines}
    assert list(rows)[:3] == ["image", "prompt", "mask"]
    assert rows["prompt"][1:5] == ["Prompt", "multiline", "yes", ""]
    assert rows["image"][2:4] == ["file; .png .jpg .jpeg .webp", "if"]
    assert rows["image"][5].endswith("Needed when images is left out. Not with images.")
    assert rows["output_compression"][2] == "slider; 0..100; %"
    assert rows["output_compression"][5].endswith("Shown when output_format is jpeg or webp.")
    assert rows["partial_images"][5].endswith("Shown when stream is true.")
    assert rows["stream"][4] == "false"


def test_a_terminal_shows_the_groups(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the action's help above."""
    monkeypatch.setenv("COLUMNS", "160")
    for module in (terminal, forms):
        monkeypatch.setattr(module, "is_terminal", lambda: True)
    shown = cli("actions", "form", "createTranscription").stdout
    assert shown.startswith("createTranscription: Create transcription\nTurns a recording into text")
    assert [line for line in shown.splitlines() if line in ("Main", "Options", "Advanced")] == ["Main", "Options", "Advanced"]
    assert "variants; Auto or VAD" in " ".join(shown.split())


def test_an_action_without_inputs_says_so(cli: Cli) -> None:
    """In place of an empty table."""
    done = cli("actions", "form", "listModels")
    assert (done.stdout, done.stderr) == ("", "This action takes no inputs.\n")


def test_a_form_for_programs(cli: Cli, connector: Connector) -> None:
    """The document itself, and what react-jsonschema-form takes."""
    assert json.loads(cli("actions", "form", "createSpeech", "--json").stdout) == connector.forms["createSpeech"].to_dict()
    drawn = json.loads(cli("actions", "form", "createSpeech", "--rjsf").stdout)
    assert drawn["schema"]["required"] == ["input", "model", "voice"]
    assert drawn["uiSchema"]["input"]["ui:widget"] == "textarea"


def test_a_sample_can_be_run(cli: Cli, tmp_path: Path) -> None:
    """What it prints, the command takes as inputs."""
    for flags in ([], ["--full"]):
        sample = tmp_path / "sample.json"
        sample.write_text(cli("actions", "sample", "createTranscription", *flags).stdout)
        assert cli("validate", "createTranscription", "--input", str(sample)).exit_code == 0, flags
    assert len(json.loads(sample.read_text())) > 3


def test_a_sample_of_the_answer(cli: Cli, connector: Connector) -> None:
    """Valid under the answer's schema."""
    made = json.loads(cli("actions", "sample", "createEmbedding", "--output").stdout)
    assert made["data"]
    schema = connector.catalog["createEmbedding"].output_schema
    assert schema is not None
    assert Draft202012Validator(schema).is_valid(made)


def test_an_answer_that_is_no_json_has_no_sample(cli: Cli) -> None:
    """The message says what it is."""
    done = cli("actions", "sample", "createSpeech", "--output")
    assert (done.exit_code, "audio/mpeg" in done.stderr) == (3, True) or "application/octet-stream" in done.stderr


@pytest.mark.parametrize("command", ["form", "sample"])
def test_an_unknown_action(cli: Cli, command: str) -> None:
    """The nearest id is named."""
    done = cli("actions", command, "createSpeach")
    assert (done.exit_code, "createSpeech" in done.stderr) == (3, True)
