"""docs/tasks.md is true: its program prints what it says, its commands run, its own task loads and works."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from kosha_connector_openai import Connector
from kosha_connector_openai.flows.tasks import list_tasks, run_task
from kosha_connector_openai.sandbox import Sandbox
from kosha_connector_openai.sandbox.audio import wav
from kosha_connector_openai.sandbox.media import picture
from tests.offline import PASTED
from tests.recorder import Recorder, reply

BLOCK = re.compile(r"^```(\w+)(?: file=\S+)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(root: Path, kind: str) -> list[str]:
    """The page's blocks of one kind."""
    page = (root / "docs" / "tasks.md").read_text(encoding="utf-8")
    return [content for found, content in BLOCK.findall(page) if found == kind]


def test_the_program_prints_what_the_page_says(root: Path, tmp_path: Path) -> None:
    """As it stands, without a key and without a network."""
    (program,), (output,) = blocks(root, "python"), blocks(root, "text")
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(root), **PASTED}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == (output, "")


@pytest.mark.slow
def test_the_commands_run(root: Path, tmp_path: Path) -> None:
    """Each of them, with the files that they name."""
    (commands,) = blocks(root, "sh")
    (tmp_path / "letter.txt").write_text("I am Anna.")
    (tmp_path / "person.json").write_text('{"type": "object", "properties": {"name": {"type": "string"}}}')
    (tmp_path / "x.png").write_bytes(picture("png", 8, 8))
    (tmp_path / "talk.wav").write_bytes(wav())
    with Sandbox() as sandbox:
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(root), "OPENAI_API_KEY": sandbox.key, "OPENAI_BASE_URL": sandbox.url}
        for line in commands.splitlines():
            program, *arguments = shlex.split(line)
            assert program == "kosha-openai"
            command = [sys.executable, "-m", "kosha_connector_openai.cli", *arguments]
            done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=60, check=False)
            assert done.returncode == 0, (line, done.stderr)
            assert done.stdout
    assert (tmp_path / "talk.srt").is_file()


@pytest.fixture
def own(root: Path, tmp_path: Path) -> Path:
    """A connector with the page's own task."""
    (yaml,) = blocks(root, "yaml")
    (tmp_path / "tasks.yaml").write_text(yaml)
    (tmp_path / "connector.yaml").write_text(
        "id: acme\ntitle: Acme\nversion: 1.0.0\ntagline: Says it.\npublisher: {name: Acme}\nlicense: Apache-2.0\n"
        "spec: {file: openapi.yaml}\nparts: {tasks: tasks.yaml}\nresult: {text: [/said]}\n"
        "connection: {fields: [{name: server_url, label: Server, role: server, required: true}]}\n"
    )
    (tmp_path / "openapi.yaml").write_text(
        "openapi: 3.1.0\ninfo: {title: Acme, version: '1'}\npaths:\n  /echo:\n    post:\n      operationId: echo\n"
        "      requestBody: {required: true, content: {application/json: {schema: {type: object, properties: {text: {type: string}}}}}}\n"
        "      responses: {'200': {description: ok, content: {application/json: {schema: {type: object}}}}}\n"
    )
    return tmp_path


def test_a_task_of_another_provider(own: Path) -> None:
    """The page's file, over a connector of ten lines: nothing in the code knows the provider."""
    with Connector(own) as connector, Recorder(reply(body={"said": "hello!"})) as upstream:
        assert [info.name for info in list_tasks(connector)] == ["shout"]
        connection = connector.connection({"server_url": upstream.url})
        assert run_task(connector, "shout", {"text": "hello"}, connection).value == "hello!"
        assert upstream.last.json() == {"text": "hello!"}
