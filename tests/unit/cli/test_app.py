"""The command as a whole: version, help, manifests, plugins, other connectors, completion, interrupts."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from kosha_connector_openai import Connector
from kosha_connector_openai.cli import main
from kosha_connector_openai.cli.app import COMMANDS, SECTIONS
from kosha_connector_openai.cli.command import LazyCommand
from kosha_connector_openai.cli.examples import EXAMPLES
from kosha_connector_openai.flows.tasks import list_tasks
from tests.recorder import Recorder, events
from tests.unit.cli.conftest import Cli

TINY = """
schema_version: 1
id: tiny
title: Tiny
version: 1.0.0
tagline: A pretend provider.
publisher: {name: Nobody}
license: Apache-2.0
spec: {file: openapi.json}
servers: {default: "https://tiny.example"}
"""
DESCRIPTION = {
    "openapi": "3.1.0",
    "info": {"title": "Tiny", "version": "1"},
    "paths": {"/ping": {"get": {"operationId": "ping", "responses": {"200": {"description": "ok"}}}}},
}


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """The folder of another connector."""
    (tmp_path / "connector.yaml").write_text(TINY)
    (tmp_path / "openapi.json").write_text(json.dumps(DESCRIPTION))
    return tmp_path


def test_version(cli: Cli) -> None:
    """The installed version, alone on its line."""
    assert cli("--version").stdout == f"{version('kosha-connector-openai')}\n"


@pytest.mark.parametrize("arguments", [("--help",), ("run", "--help"), ("actions", "-h"), ("actions", "show", "--help")])
def test_help(cli: Cli, arguments: tuple[str, ...]) -> None:
    """Every command explains itself."""
    done = cli(*arguments)
    assert (done.exit_code, "Usage" in done.stdout) == (0, True)


@pytest.mark.parametrize("arguments", [("walk",), ("run",), ("run", "--nope", "x"), ("run", "listModels", "--timeout", "0")])
def test_usage(cli: Cli, arguments: tuple[str, ...]) -> None:
    """A wrong command line ends with 2."""
    assert cli(*arguments).exit_code == 2


def test_manifest(cli: Cli) -> None:
    """The manifest as it was read, defaults included."""
    found = json.loads(cli("manifest").stdout)
    assert (found["id"], found["spec"]["file"], found["defaults"]["timeouts"]["connect"]) == ("openai", "openapi.json", 5)


def test_manifest_schema(cli: Cli, root: Path) -> None:
    """The JSON Schema of manifests."""
    found = json.loads(cli("manifest", "--schema").stdout)
    assert {"id", "title", "groups"} <= found["properties"].keys()


def test_manifest_check(cli: Cli, tiny: Path) -> None:
    """A manifest that is being written: valid, or each fault with its pointer."""
    assert cli("manifest", "--check", str(tiny / "connector.yaml")).exit_code == 0
    (tiny / "connector.yaml").write_text(TINY + "titel: x\n")
    done = cli("manifest", "--check", str(tiny / "connector.yaml"))
    assert done.exit_code == 10
    assert "/titel" in done.stderr
    (tiny / "connector.yaml").write_text("a text")
    assert "It must be an object." in cli("manifest", "--check", str(tiny / "connector.yaml")).stderr


def test_another_connector(cli: Cli, tiny: Path) -> None:
    """A folder with a manifest is a connector."""
    assert cli("--connector", str(tiny), "actions", "list").stdout.startswith("ping\t")


def test_unknown_connector(cli: Cli) -> None:
    """An id that no plugin offers ends with 10 and lists those loaded."""
    done = cli("--connector", "nobody", "actions", "list")
    assert done.exit_code == 10
    assert "Loaded: openai" in done.stderr


@pytest.mark.parametrize(("options", "names"), [(["--plugin", "no-such"], ""), ([], "no-such, openai")])
def test_unknown_plugin(cli: Cli, options: list[str], names: str) -> None:
    """A plugin that is not installed is named, whether it was listed by an option or by KOSHA_PLUGINS."""
    done = cli(*options, "actions", "list", env={"KOSHA_PLUGINS": names})
    assert done.exit_code == 10
    assert "no-such" in done.stderr


def test_our_own_plugin_is_always_there(cli: Cli) -> None:
    """Listing it changes nothing."""
    assert cli("--plugin", "openai", "actions", "search", "speech").exit_code == 0


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("kosha-openai run createT", "createTranscription"),
        ("kosha-openai run createCompletion model=x pro", "prompt="),
        ("kosha-openai actions show listM", "listModels"),
    ],
)
def test_completion(cli: Cli, words: str, expected: str) -> None:
    """A shell completes ids of actions and names of inputs."""
    environ = {"_KOSHA_OPENAI_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": words}
    assert expected in cli(env=environ).stdout


def test_interrupt(tmp_path: Path) -> None:
    """Ctrl-C in a stream keeps what came, closes the upstream connection and ends with 130."""
    first = b'data: {"choices":[{"delta":{"content":"Hello"}}]}\n\n'
    with Recorder(events(first, b"", b"", b"", pause=2.0)) as upstream:
        environ = {**os.environ, "OPENAI_API_KEY": "test-key-0123456789", "OPENAI_BASE_URL": upstream.url}
        command = [sys.executable, "-m", "kosha_connector_openai.cli", "run", "createChatCompletion", "model=m", "stream=true"]
        messages = 'messages=[{"role":"user","content":"hi"}]'
        with subprocess.Popen([*command, messages], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ) as process:
            assert process.stdout is not None
            assert process.stdout.read(5) == b"Hello"
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 130


STREAMS = [
    ("actions list > /dev/full", 9),
    ("--help > /dev/full", 9),
    ("--version > /dev/full", 9),
    ("sandbox --port 0 > /dev/full", 9),
    ("nope 2> /dev/full", 9),
    ("actions list | true", 141),
    ("manifest >&-", 0),
    ("actions show nope 2>&-", 3),
    ("run createCompletion --input - <&-", 3),
]


@pytest.mark.skipif(shutil.which("bash") is None or not Path("/dev/full").exists(), reason="needs bash and /dev/full")
def test_streams_that_take_nothing() -> None:
    """A full output, a reader that has gone and a closed stream end with their documented codes, and none is called a fault of ours."""
    command = f"{shlex.quote(sys.executable)} -m kosha_connector_openai.cli"
    wrong = []
    for line, code in STREAMS:
        done = subprocess.run(["bash", "-o", "pipefail", "-c", f"{command} {line}"], capture_output=True, text=True, check=False)
        told = "the output cannot be written" in done.stderr
        if done.returncode != code or told != (" > /dev/full" in line) or re.search("report it|Traceback", done.stderr):
            wrong.append((line, done.returncode, done.stderr))
    assert wrong == []


def test_sandbox() -> None:
    """The sandbox prints its address first, says how to reach it, and ends with 0 when it is interrupted; a port in use is no start."""
    command = [sys.executable, "-m", "kosha_connector_openai.cli", "sandbox", "--port"]
    with subprocess.Popen([*command, "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url.startswith("http://127.0.0.1:")
        taken = subprocess.run([*command, url.rpartition(":")[2]], capture_output=True, text=True, check=False)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        assert process.stderr is not None
        assert f"OPENAI_BASE_URL={url}" in process.stderr.read()
    assert (taken.returncode, taken.stdout, "export" in taken.stderr) == (2, "", False)


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("typed", "expected"), [("wor", "workflow"), ("actions sho", "show"), ("run createTranscripti", "createTranscription")]
)
def test_a_shell_completes(tmp_path: Path, typed: str, expected: str) -> None:
    """bash, with the script that the command prints: commands, commands of a group, and ids of actions."""
    program = tmp_path / "kosha-openai"
    program.write_text(f"#!{sys.executable}\nfrom kosha_connector_openai.cli import main\nmain()\n")
    program.chmod(0o700)
    words = ["kosha-openai", *typed.split()]
    script = f"""
eval "$(_KOSHA_OPENAI_COMPLETE=source_bash kosha-openai)"
COMP_WORDS=({" ".join(words)}); COMP_CWORD={len(words) - 1}
_kosha_openai_completion kosha-openai {words[-1]}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    environ = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, env=environ)
    assert done.stdout.split() == [expected]


LIGHT = [
    (("--version",), {}, ("typer",)),
    (("--help",), {}, ("kosha_connector_openai.connector", "kosha_connector_openai.cli.run", "pydantic", "rich")),
    (("jobs", "--help"), {}, ("kosha_connector_openai.connector", "kosha_connector_openai.cli.jobs", "pydantic", "rich")),
    (
        (),
        {"_KOSHA_OPENAI_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "kosha-openai r"},
        ("kosha_connector_openai.connector", "pydantic"),
    ),
]


@pytest.mark.parametrize(("arguments", "environ", "absent"), LIGHT, ids=["version", "help", "help of a group", "completion"])
def test_what_needs_no_command_loads_none(arguments: tuple[str, ...], environ: dict[str, str], absent: tuple[str, ...]) -> None:
    """The version needs no typer; help and the completion of commands need no command, no connector and no model library."""
    code = f"import sys; sys.argv = ['kosha-openai', *{arguments!r}]\nfrom kosha_connector_openai.cli import main\n"
    code += f"try: main()\nfinally: sys.stderr.write(str([name for name in {absent!r} if name in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, **environ})
    assert (done.stderr, bool(done.stdout)) == ("[]", True)


@pytest.mark.parametrize("group", ["", *(name for name, (what, _) in COMMANDS.items() if not isinstance(what, str))])
def test_the_help_of_a_group_is_whole(cli: Cli, group: str) -> None:
    """Every command has its line, and none is cut at 80 columns."""
    shown = cli(*group.split(), "--help").stdout.partition("--help")[2].splitlines()[1:]
    lines = [line for line in shown if line.startswith("  ")]
    assert sorted(line.split()[0] for line in lines) == sorted(COMMANDS[group][0] if group else COMMANDS)
    assert [line for line in lines if len(line.split()) < 2 or not line.endswith(".") or line.endswith("...")] == []
    assert [line[:-1] for line in shown if line.endswith(":")] == ([*SECTIONS] if not group else ["Commands"])


def test_a_command_of_a_group_is_found_by_its_own_name(cli: Cli) -> None:
    """The error names every group that has the command; a misspelt command gets the nearest."""
    for name, words in (("form", "'actions form'?"), ("worker", "'bulk worker', 'workflow worker'?"), ("rnu", "'run'?")):
        done = cli(name)
        assert (done.exit_code, done.stderr.rstrip().endswith(f"Did you mean {words}")) == (2, True), done.stderr


def test_the_examples_of_the_help_are_true(cli: Cli, connector: Connector) -> None:
    """Each stands in the help on a line of its own, parses as its command, and names actions and tasks that there are."""
    known = {*connector.catalog, *(task.name for task in list_tasks(connector))}
    wrong = []
    for name, lines in EXAMPLES.items():
        shown = cli(*name.split(), "--help").stdout
        wrong += [line for line in lines if f"  kosha-openai {line}\n" not in shown or len(line) > 63]  # 80 columns
        for group, *rest in map(shlex.split, lines):
            what = COMMANDS[group][0]
            place = what if isinstance(what, str) else what[rest.pop(0)][0]
            given = LazyCommand(group, place, "").load().make_context(group, rest).params
            wrong += [given[word] for word in ("action", "task", "target") if given.get(word) and given[word] not in known]
    assert wrong == []


LEAVES = [(name,) for name, (what, _) in COMMANDS.items() if isinstance(what, str)]
LEAVES += [(name, inner) for name, (what, _) in COMMANDS.items() if not isinstance(what, str) for inner in what]


@pytest.mark.parametrize("names", LEAVES, ids=" ".join)
def test_every_command_of_the_table_is_there(cli: Cli, names: tuple[str, ...]) -> None:
    """The table names functions that exist, and each explains itself."""
    done = cli(*names, "--help")
    assert (done.exit_code, " ".join(names) in done.stdout, "--help" in done.stdout) == (0, True, True)


def test_programs_do_not_wait_for_decoration() -> None:
    """What programs call loads no library for tables and colours."""
    code = "import sys; from kosha_connector_openai.cli.app import make_app\n"
    code += "try: make_app()(['actions', 'list', '--json'])\n"
    code += "except SystemExit as end: sys.exit(end.code or ('rich' in sys.modules) * 50)"
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=False).returncode == 0


def test_the_commands_whose_inputs_are_the_users_say_how_strictly_they_are_checked() -> None:
    """``--validation`` stands beside the connection in all of them."""
    lacking = []
    for group in ("run", "dry-run", "task", "workflow", "jobs"):
        found = COMMANDS[group][0]
        for target, _ in [(found, "")] if isinstance(found, str) else found.values():
            module, _, function = target.partition(":")
            made = inspect.signature(getattr(importlib.import_module(f"kosha_connector_openai.cli.{module}"), function))
            notes = {str(each.annotation) for each in made.parameters.values()}
            lacking += [target] if "opt.Values" in notes and "opt.Validation" not in notes else []
    assert lacking == []


def test_ctrl_c_while_the_program_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """No traceback: the exit code of an interruption, as from a command."""

    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("kosha_connector_openai.cli._run", interrupted)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 130
