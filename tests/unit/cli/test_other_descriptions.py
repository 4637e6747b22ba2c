"""The option --spec and the connection file's key: another description for one command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kosha_connector_openai.cli.exit_codes import ExitCode
from tests.recorder import Recorder, reply
from tests.unit.cli.conftest import Cli

NEW = {
    "openapi": "3.1.0",
    "info": {"title": "t", "version": "2"},
    "servers": [{"url": "https://api.vendor.example/v1"}],
    "security": [{"ApiKeyAuth": []}],
    "paths": {
        "/news": {
            "get": {
                "operationId": "readNews",
                "summary": "Read the news",
                "parameters": [
                    {"name": "day", "in": "query", "required": True, "schema": {"type": "integer"}},
                    {"name": "edition", "in": "query", "schema": {"type": "string", "enum": ["morning"]}},
                ],
                "responses": {"200": {"description": "d", "content": {"application/json": {"schema": {"type": "object"}}}}},
            }
        }
    },
}


@pytest.fixture
def spec(tmp_path: Path) -> str:
    """A description of one new operation."""
    file = tmp_path / "new.json"
    file.write_text(json.dumps(NEW))
    return str(file)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("actions", "list"), "readNews"),
        (("actions", "search", "news"), "Read the news"),
        (("actions", "show", "readNews"), "GET /v1/news"),
        (("actions", "schema", "readNews"), '"day"'),
        (("validate", "readNews", "day:=1"), "valid"),
        (("dry-run", "readNews", "day:=1"), "https://api.openai.com/v1/news?day=1"),
        (("actions", "form", "readNews"), "Day"),
        (("actions", "sample", "readNews"), '"day"'),
        (("actions", "options", "readNews", "edition"), "morning"),
    ],
)
def test_commands_take_another_description(cli: Cli, spec: str, arguments: tuple[str, ...], words: str) -> None:
    """Each command that knows actions knows those of the named file."""
    done = cli(*arguments, "--spec", spec)
    assert done.exit_code == 0, done.stderr
    assert words in done.stdout
    assert cli(*arguments).exit_code != 0 or "readNews" not in cli(*arguments).stdout


def test_the_digest_is_told(cli: Cli, spec: str) -> None:
    """Whoever lists a new description learns what to pin."""
    assert "SHA-256" in cli("actions", "list", "--spec", spec).stderr
    assert cli("actions", "list", "--spec", spec, "--json").stderr == ""


def test_inputs_are_checked_by_it(cli: Cli, spec: str) -> None:
    """A fault in an input of a new operation is told before anything is sent."""
    done = cli("validate", "readNews", "day=soon", "--spec", spec)
    assert (done.exit_code, "/day" in done.stderr) == (ExitCode.INPUT, True)


def run(cli: Cli, *arguments: str) -> Any:
    done = cli(*arguments)
    assert done.exit_code == 0, done.stderr
    return done


def test_a_run_takes_it_from_the_option_or_the_connection(cli: Cli, spec: str, tmp_path: Path) -> None:
    """--spec for one call, the key ``spec`` under ``options`` for all of a connection."""
    with Recorder() as upstream:
        values = ("--set", f"server_url={upstream.url}", "--set", "auth_type=NONE")
        run(cli, "run", "readNews", "day:=1", "--spec", spec, *values)
        file = tmp_path / "work.yaml"
        file.write_text(f"values: {{server_url: '{upstream.url}', auth_type: NONE}}\noptions: {{spec: '{spec}'}}\n")
        run(cli, "run", "readNews", "day:=2", "--connection", str(file))
        run(cli, "validate", "readNews", "day:=2", "--connection", str(file))
        assert "readNews" in run(cli, "actions", "list", "--connection", str(file)).stdout
    assert [request.target for request in upstream.requests] == ["/v1/news?day=1", "/v1/news?day=2"]


def test_a_url_in_a_connection_file_needs_leave(cli: Cli, tmp_path: Path) -> None:
    """A file that somebody sent must not make this machine call anywhere."""
    file = tmp_path / "work.yaml"
    file.write_text("values: {auth_type: NONE}\noptions: {spec: 'https://example.com/openapi.json'}\n")
    done = cli("run", "listModels", "--connection", str(file))
    assert done.exit_code != 0
    assert "spec_url" in done.stderr


def test_a_workflow_is_read_and_run_by_it(cli: Cli, spec: str, tmp_path: Path) -> None:
    """Steps may name the operations of the named description, in check, show and run; without it they are unknown."""
    steps = [
        {
            "stepId": "read",
            "operationId": "readNews",
            "parameters": [{"name": "day", "in": "query", "value": 1}],
            "outputs": {"headline": "$response.body#/headline"},
        }
    ]
    workflow = {"workflowId": "news", "steps": steps, "outputs": {"headline": "$steps.read.outputs.headline"}}
    file = tmp_path / "news.arazzo.json"
    source = {"name": "openai", "url": "./new.json", "type": "openapi"}
    file.write_text(
        json.dumps({"arazzo": "1.0.1", "info": {"title": "t", "version": "1"}, "sourceDescriptions": [source], "workflows": [workflow]})
    )
    assert cli("workflow", "check", str(file)).exit_code == ExitCode.DESCRIPTION
    assert "1 step" in run(cli, "workflow", "check", str(file), "--spec", spec).stdout
    assert "readNews" in run(cli, "workflow", "show", str(file), "--spec", spec).stdout
    with Recorder(reply(200, {"headline": "rain"})) as upstream:
        values = ("--set", f"server_url={upstream.url}", "--set", "auth_type=NONE")
        done = run(cli, "workflow", "run", str(file), "--spec", spec, *values)
        assert json.loads(done.stdout) == {"headline": "rain"}
        assert upstream.last.target.endswith("/news?day=1")
