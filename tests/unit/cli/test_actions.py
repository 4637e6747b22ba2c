"""``actions``: finding an action and seeing what it takes."""

from __future__ import annotations

import json
import shlex

import pytest
from jsonschema import Draft202012Validator

from kosha_connector_openai import Connector
from tests.unit.cli.conftest import Cli


def test_list(cli: Cli, connector: Connector) -> None:
    """One line for each action, ids first, in the order of the groups."""
    lines = [line.split("\t") for line in cli("actions", "list", "--all").stdout.splitlines()]
    assert [line[0] for line in lines] == list(connector.catalog)
    assert lines[0] == ["createCompletion", "Create completion", "Completions", "paid, streams"]
    assert {len(line) for line in lines} == {4}


def test_actions_without_their_credential_are_hidden(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Administration actions are listed once their key is configured, and are counted before."""
    hidden = cli("actions", "list")
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "some-administration-key")
    shown = cli("actions", "list")
    assert "list-users" not in hidden.stdout
    assert "146 more need a credential" in hidden.stderr
    assert "list-users" in shown.stdout


def test_list_for_programs(cli: Cli) -> None:
    """The same as JSON, with the hints by name."""
    found = json.loads(cli("actions", "list", "--json").stdout)
    assert (found[0]["id"], found[0]["method"], found[0]["path"]) == ("createCompletion", "POST", "/v1/completions")
    assert found[0]["hints"]["paid"] is True


@pytest.mark.parametrize("group", ["Images", "images"])
def test_group(cli: Cli, group: str) -> None:
    """One group, in any case."""
    lines = cli("actions", "list", "--group", group).stdout.splitlines()
    assert [line.split("\t")[0] for line in lines] == ["createImage", "createImageEdit", "createImageVariation"]


def test_unknown_group(cli: Cli) -> None:
    """A misspelt group gets the nearest one."""
    done = cli("actions", "list", "--group", "Imagse")
    assert done.exit_code == 3
    assert "`Images`" in done.stderr


def test_featured(cli: Cli) -> None:
    """The few that most people need."""
    lines = cli("actions", "list", "--featured").stdout.splitlines()
    assert 10 <= len(lines) < 25


def test_search(cli: Cli) -> None:
    """All words must occur."""
    done = cli("actions", "search", "speech")
    assert done.stdout.startswith("createSpeech\t")
    assert cli("actions", "search", "speech", "zebra").stdout == ""


def test_show(cli: Cli) -> None:
    """What it does, its inputs with those needed first, and an example that names them."""
    lines = cli("actions", "show", "createTranscription").stdout.splitlines()
    assert lines[0] == "createTranscription: Create transcription"
    assert lines[2] == "POST /v1/audio/transcriptions (paid, streams, file in)"
    assert lines[5].startswith("file\ta file\tyes\t")
    assert lines[-1] == "kosha-openai run createTranscription file=@PATH model=gpt-4o-transcribe"


def test_the_example_can_be_pasted(cli: Cli) -> None:
    """A shell's words of the last line of `actions show` are taken by `validate`, and stand for the sample's values."""
    for action in ("createChatCompletion", "createEmbedding", "createFineTuningJob", "createBatch", "createModeration"):
        command = shlex.split(cli("actions", "show", action).stdout.splitlines()[-1])
        assert command[:3] == ["kosha-openai", "run", action]
        done = cli("validate", *command[2:], "--json")
        assert (done.exit_code, "..." in command[3:]) == (0, False), done.stdout


def test_show_retired(cli: Cli) -> None:
    """A retired action says so, and what to use."""
    assert "Retired: use " in cli("actions", "show", "createEdit").stdout


def test_show_for_programs(cli: Cli) -> None:
    """The inputs as JSON."""
    found = json.loads(cli("actions", "show", "createCompletion", "--json").stdout)
    assert {key: value for key, value in found["inputs"][-3].items() if key != "help"} == {
        "name": "temperature",
        "kinds": ["number", "null"],
        "required": False,
    }


@pytest.mark.parametrize("options", [(), ("--output",)])
def test_schema(cli: Cli, options: tuple[str, ...]) -> None:
    """A JSON Schema that holds all it refers to."""
    schema = json.loads(cli("actions", "schema", "createChatCompletion", *options).stdout)
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_no_output_schema(cli: Cli) -> None:
    """Sound has no JSON Schema."""
    assert cli("actions", "schema", "createSpeech", "--output").exit_code == 3
