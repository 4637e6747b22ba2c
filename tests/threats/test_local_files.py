"""Files of this machine: what a reply, a text or the working folder cannot make the command line open, and whose files it trusts."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from kosha_connector_openai import CallOptions, Connector, ConnectorError
from kosha_connector_openai.cli.app import make_app
from kosha_connector_openai.errors import SetupError, WorkflowError
from kosha_connector_openai.flows.jobs import JobStore
from kosha_connector_openai.flows.tasks import run_task
from kosha_connector_openai.flows.tasks.child_process import Bounds, find_program, run_program
from kosha_connector_openai.flows.workflows import FileJournal, read_workflows, run_workflow
from kosha_connector_openai.gateway import read_settings
from kosha_connector_openai.gateway.access.ownership import SqliteIds
from kosha_connector_openai.gateway.observe.logs import AccessLog
from kosha_connector_openai.secrets.stores.environment import EnvironmentStore
from kosha_connector_openai.trusted_files import open_trusted, read_trusted
from tests.gateway import KEY, ROOT
from tests.recorder import Recorder, reply

WORDS = b"WORDS-OF-A-PRIVATE-FILE"
OWN = ("--set", "api_key=env:OPENAI_API_KEY")
Cli = Callable[..., Result]


def steps(payload: Any, **inputs: Any) -> dict[str, Any]:
    """A model's description, then a transcription of ``payload``."""
    source = {"name": "openai", "url": "openapi.json", "type": "openapi"}
    say = {
        "stepId": "say",
        "operationId": "retrieveModel",
        "parameters": [{"name": "model", "in": "path", "value": "tts-1"}],
        "outputs": {"sound": "$response.body"},
    }
    hear = {
        "stepId": "hear",
        "operationId": "createTranscription",
        "requestBody": {"contentType": "multipart/form-data", "payload": {"model": "whisper-1", "file": payload}},
    }
    flow = {"workflowId": "w", "inputs": {"type": "object", "properties": inputs}, "steps": [say, hear]}
    return {"arazzo": "1.0.1", "info": {"title": "t", "version": "1"}, "sourceDescriptions": [source], "workflows": [flow]}


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A file that nobody named."""
    file = tmp_path / "id_ed25519"
    file.write_bytes(WORDS)
    file.chmod(0o600)
    return file


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's settings; the key is in the environment and the working folder is another's."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    (tmp_path / "repository").mkdir()
    monkeypatch.chdir(tmp_path / "repository")
    return tmp_path / "home" / "kosha"


@pytest.fixture
def cli(home: Path) -> Cli:
    def run(*arguments: str, **more: Any) -> Result:
        return CliRunner().invoke(make_app(), list(arguments), prog_name="kosha-openai", **more)

    return run


SHAPES = ["$steps.say.outputs.sound", {"path": "$steps.say.outputs.sound#/path"}, {"path": "{$steps.say.outputs.sound#/path}"}]


@pytest.mark.parametrize("payload", [*SHAPES, {"path": "VICTIM"}])
def test_b07_what_a_reply_or_a_document_says_is_never_a_path(victim: Path, tmp_path: Path, payload: Any, cli: Cli) -> None:
    """By the command line and by a host that allows the folder: nothing is opened, and the error names the place."""
    given = steps(json.loads(json.dumps(payload).replace("VICTIM", str(victim))))
    file = tmp_path / "flow.json"
    file.write_text(json.dumps(given))
    for by_host in (False, True):
        with Recorder(reply(body={"id": "m", "path": str(victim)}), reply(body={"text": "x"})) as upstream:
            if by_host:
                with Connector(ROOT, stores=[EnvironmentStore(["KEY"], {"KEY": KEY})]) as connector:
                    values = {"server_url": upstream.url, "api_key": "env:KEY"}
                    connection = connector.connection(values, environ={}, roots=(tmp_path,))
                    with pytest.raises(WorkflowError) as caught:
                        run_workflow(read_workflows(given, connector), connector, connection)
                assert [fault.rule for fault in caught.value.faults] in (["path"], ["file"])
            else:
                assert cli("workflow", "run", str(file), "--set", f"server_url={upstream.url}", *OWN).exit_code != 0
            assert len(upstream.requests) == 1


@pytest.mark.parametrize("task", ["transcribe"])
def test_b07_a_task_inside_a_workflow_takes_no_path_from_a_reply(victim: Path, tmp_path: Path, task: str) -> None:
    """B7: a path in a value opens no file where files may not be named, and no request is made."""
    with Recorder(reply(body={"text": "x"})) as upstream, Connector(ROOT, stores=[EnvironmentStore(["KEY"], {"KEY": KEY})]) as connector:
        connection = connector.connection({"server_url": upstream.url, "api_key": "env:KEY"}, environ={}, roots=(tmp_path,))
        with pytest.raises(ConnectorError):
            run_task(connector, task, {"audio": {"path": str(victim)}}, connection, options=CallOptions(named_files=False))
        assert not upstream.requests


def test_b07_a_file_comes_in_among_the_inputs(victim: Path, tmp_path: Path, cli: Cli) -> None:
    """By ``@`` on the command line, and from a host by its path below the folder that is allowed."""
    given = steps("$inputs.sound", sound={"format": "binary"})
    file = tmp_path / "flow.json"
    file.write_text(json.dumps(given))
    with Recorder(
        reply(body={"id": "m", "path": "x"}), reply(body={"text": "x"}), reply(body={"id": "m", "path": "x"}), reply(body={"text": "x"})
    ) as upstream:
        done = cli("workflow", "run", str(file), f"sound=@{victim}", "--set", f"server_url={upstream.url}", *OWN)
        assert done.exit_code == 0, done.output
        assert WORDS in upstream.last.body
        with Connector(ROOT, stores=[EnvironmentStore(["KEY"], {"KEY": KEY})]) as connector:
            connection = connector.connection({"server_url": upstream.url, "api_key": "env:KEY"}, environ={}, roots=(tmp_path,))
            run_workflow(read_workflows(given, connector), connector, connection, {"sound": {"path": victim.name}})
        assert WORDS in upstream.last.body


def test_b07_json_names_no_file_on_the_command_line(victim: Path, tmp_path: Path, cli: Cli) -> None:
    """B7: JSON with a path opens no file; `@` of the user's own does."""
    (tmp_path / "in.json").write_text(json.dumps({"model": "whisper-1", "file": {"path": str(victim)}}))
    with Recorder(reply(body={"text": "x"})) as upstream:
        server = ("--set", f"server_url={upstream.url}", *OWN)
        assert cli("run", "createTranscription", "--input", str(tmp_path / "in.json"), *server).exit_code != 0
        assert cli("run", "createTranscription", "model=m", f"file:={json.dumps({'path': str(victim)})}", *server).exit_code != 0
        assert not upstream.requests
        assert cli("run", "createTranscription", "model=m", f"file=@{victim}", *server).exit_code == 0
        assert WORDS in upstream.last.body


def connection_file(path: Path, server: str) -> Path:
    path.write_text(f"values: {{server_url: '{server}', api_key: 'env:OPENAI_API_KEY'}}\n")
    return path


def test_b08_a_bare_name_is_the_saved_connection(cli: Cli, home: Path) -> None:
    """A file of that name in the working folder is used only where a path names it."""
    with Recorder(reply(body={"data": []})) as honest, Recorder(reply(body={"data": []})) as other:
        assert (
            cli("connect", "work", "--set", f"server_url={honest.url}", "--set", "api_key=env:OPENAI_API_KEY", "--no-test").exit_code == 0
        )
        connection_file(Path("work"), other.url)
        assert cli("run", "listModels", "--connection", "work").exit_code == 0
        assert (len(honest.requests), len(other.requests)) == (1, 0)
        assert cli("run", "listModels", "--connection", "./work").exit_code == 0
        assert len(other.requests) == 1
        connection_file(Path("other.yaml"), other.url)
        done = cli("run", "listModels", "--connection", "other.yaml")
        assert done.exit_code != 0
        assert "./other.yaml" in done.output
        assert len(other.requests) == 1


def test_b08_a_bare_name_is_the_loaded_connector(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of that name, whose manifest could read any variable and name any server, is opened only as a path."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "aws-secret-0123456789")
    for name in ("openai", "another"):
        folder = Path(name)
        shutil.copytree(ROOT / "connector", folder / "connector")
        shutil.copytree(ROOT / "images", folder / "images")
        shutil.copy(ROOT / "openapi.json", folder)
        text = (ROOT / "connector.yaml").read_text()
        (folder / "connector.yaml").write_text(text.replace("env: [OPENAI_API_KEY,", "env: [AWS_SECRET_ACCESS_KEY, OPENAI_API_KEY,"))
    with Recorder(reply(body={"data": []})) as upstream:
        monkeypatch.setenv("OPENAI_BASE_URL", upstream.url)
        assert cli("--connector", "openai", "run", "listModels").exit_code == 0
        assert upstream.last.header("authorization") == f"Bearer {KEY}"
        done = cli("--connector", "another", "run", "listModels")
        assert done.exit_code != 0
        assert "./another" in done.output
        assert cli("--connector", "./openai", "run", "listModels").exit_code == 0
        assert "aws-secret" in str(upstream.last.header("authorization"))


@pytest.mark.parametrize("fault", ["mode", "link"])
def test_b08_a_connection_that_others_may_write_is_refused(cli: Cli, home: Path, fault: str) -> None:
    """B8: its mode and a link are told, and no request is made."""
    with Recorder(reply(body={"data": []})) as upstream:
        file = connection_file(Path("mine.yaml"), upstream.url)
        if fault == "mode":
            file.chmod(0o666)
        else:
            file.rename("real.yaml")
            file.symlink_to("real.yaml")
        done = cli("run", "listModels", "--connection", "./mine.yaml")
        assert (done.exit_code != 0, len(upstream.requests)) == (True, 0)
        assert {"mode": "others than its owner may write it", "link": "it is a link"}[fault] in done.output


def test_b08_a_workflow_that_others_may_write_is_not_run(cli: Cli, tmp_path: Path) -> None:
    """B8: the mode is told, and no request is made."""
    file = tmp_path / "flow.json"
    file.write_text(json.dumps(steps("$steps.say.outputs.sound")))
    file.chmod(0o666)
    with Recorder(reply(body={})) as upstream:
        done = cli("workflow", "run", str(file), "--set", f"server_url={upstream.url}", *OWN)
        assert (done.exit_code != 0, len(upstream.requests)) == (True, 0)
        assert "others than its owner may write it" in done.output


OPENERS: dict[str, tuple[Callable[[Path], Any], type[Exception]]] = {
    "access log": (AccessLog, SetupError),
    "ids": (SqliteIds, SetupError),
    "journal": (FileJournal, SetupError),
    "settings": (lambda path: read_settings({}, file=path), SetupError),
    "any": (read_trusted, OSError),
}


@pytest.mark.parametrize("name", OPENERS)
def test_b28_state_files_are_the_owners_and_no_links(name: str, tmp_path: Path) -> None:
    """A file that others may write, or a link, is refused for each of them alike; settings may be links, as they are mounted."""
    opener, error = OPENERS[name]
    loose, link, target = tmp_path / "loose", tmp_path / "link", tmp_path / "target"
    for file in (loose, target):
        file.touch(0o600)
    loose.chmod(0o666)
    link.symlink_to(target)
    for wrong in (loose, *([] if name == "settings" else [link])):
        with pytest.raises(error):
            opener(wrong)
    assert (loose.read_bytes(), target.read_bytes()) == (b"", b"")


def test_b28_a_new_state_file_is_the_owners_alone(tmp_path: Path) -> None:
    """B28: the mode is 600 from the start."""
    for number, opener in enumerate((AccessLog, SqliteIds)):
        file = tmp_path / str(number)
        with contextlib.closing(opener(file)):
            pass
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_b28_a_lock_is_no_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock of a job is opened like its handle."""
    os.close(open_trusted(tmp_path / "own", os.O_RDWR | os.O_CREAT))
    (tmp_path / "pipe").unlink(missing_ok=True)
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(OSError, match="no plain file"):
        open_trusted(tmp_path / "pipe")
    assert list(JobStore(tmp_path)) == []


def test_b34_literal_texts_open_nothing(victim: Path, cli: Cli) -> None:
    """With ``--literal`` a text that begins with ``@`` is sent as it is, and no file is opened for any field."""
    with Recorder(
        reply(body={"data": [{"object": "embedding", "index": 0, "embedding": [0.5]}], "object": "list", "model": "m"}),
        reply(body={"text": "x"}),
    ) as upstream:
        server = ("--set", f"server_url={upstream.url}", *OWN)
        assert cli("run", "createEmbedding", "--literal", "model=m", f"input=@{victim}", *server).exit_code == 0
        assert upstream.last.json() == {"model": "m", "input": f"@{victim}"}
        assert cli("run", "createTranscription", "--literal", "model=m", f"file=@{victim}", *server).exit_code != 0
        assert len(upstream.requests) == 1
        assert cli("task", "run", "transcribe", "--literal", "--file", f"audio=@{victim}", *server).exit_code == 0
        assert WORDS in upstream.last.body


SHOW = """#!/bin/sh
env > "$PWD/environment"
ulimit -v > "$PWD/memory"
head -c 4096 /dev/zero > "$PWD/large"
exit 0
"""


def test_b27_a_child_process_gets_what_it_needs_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No key and no token in its environment; an end to its memory and to what it writes; its program by an absolute path."""
    program, work = tmp_path / "bin" / "show", tmp_path / "work"
    program.parent.mkdir()
    work.mkdir()
    program.write_text(SHOW)
    program.chmod(0o755)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("VAULT_TOKEN", "hvs.0123456789")
    monkeypatch.setenv("PATH", f".:{program.parent}:/usr/bin:/bin")
    monkeypatch.chdir(tmp_path / "bin")
    assert find_program("show") == str(program)
    monkeypatch.setenv("PATH", ".")
    assert find_program("show") is None
    code = run_program([str(program)], work, Bounds(seconds=20, memory=1024**3, file=1024))
    names = (
        {line.partition("=")[0] for line in (work / "environment").read_text().splitlines()} if (work / "environment").exists() else set()
    )
    assert names <= {"PATH", "LC_ALL", "PWD", "SHLVL", "_", "OLDPWD", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"}
    assert code in (0, 127) or code < 0


def test_b27_the_sandbox_gets_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """B27: the process of the sandbox has none of the user's secrets in its environment."""
    from kosha_connector_openai.sandbox.process import _environment

    for name in ("OPENAI_API_KEY", "VAULT_TOKEN", "AWS_SECRET_ACCESS_KEY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "x")
    assert not {"OPENAI_API_KEY", "VAULT_TOKEN", "AWS_SECRET_ACCESS_KEY", "HTTPS_PROXY"} & _environment().keys()
