"""``run --result``, ``--if-cut``, ``--budget``, ``--prices``, warnings about the model, and ``actions options``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from pytest_httpx import HTTPXMock

from kosha_connector_openai.cli.exit_codes import ExitCode
from tests.canary import Canary
from tests.unit.cli.conftest import Cli

EXAMPLES = Path(__file__).parents[3] / "examples" / "workflows"
CHAT = ("run", "createChatCompletion", 'messages=[{"role":"user","content":"hi"}]')
USAGE = {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500, "prompt_tokens_details": {"cached_tokens": 200}}
ANSWER = {
    "id": "c",
    "model": "gpt-4o",
    "choices": [{"index": 0, "message": {"content": '{"a": 1}'}, "finish_reason": "stop"}],
    "usage": USAGE,
}
CUT = {"choices": [{"index": 0, "message": {"content": "Half"}, "finish_reason": "length"}]}


@pytest.fixture
def prices(tmp_path: Path) -> str:
    """A price file."""
    path = tmp_path / "prices.yaml"
    path.write_text('date: 2026-11-01\nmodels:\n  "gpt-4o*": {input: 2, cached: 1, output: 10}\n')
    return str(path)


def test_the_short_result(cli: Cli, httpx_mock: HTTPXMock, canary: Canary, prices: str) -> None:
    """One JSON value: the result, the usage by one set of names, the cost with the date of its prices."""
    httpx_mock.add_response(json=ANSWER)
    done = cli(*CHAT, "model=gpt-4o", "--result", "--prices", prices)
    told = json.loads(done.stdout)
    assert (told["result"]["json"], told["outcome"], told["usage"]["cached"]) == ({"a": 1}, "complete", 200)
    assert told["cost"] == {"amount": 0.0068, "currency": "USD", "prices_of": "2026-11-01"}
    assert done.stderr == ""
    canary.scan(done.stdout)


def test_what_a_call_cost(cli: Cli, httpx_mock: HTTPXMock, canary: Canary, prices: str) -> None:
    """Beside the answer, on standard error; or that it is not known."""
    httpx_mock.add_response(json=ANSWER, is_reusable=True)
    assert "About 0.006800 USD by the prices of 2026-11-01." in cli(*CHAT, "model=gpt-4o", "--prices", prices).stderr
    httpx_mock.reset()
    httpx_mock.add_response(json={**ANSWER, "model": "other"})
    assert "not known" in cli(*CHAT, "model=other", "--prices", prices).stderr


def test_a_cut_answer(cli: Cli, httpx_mock: HTTPXMock, canary: Canary) -> None:
    """A warning and what there is; with ``--if-cut fail`` an error and nothing else; with ``pass`` no word."""
    httpx_mock.add_response(json=CUT, is_reusable=True)
    warned, failed, passed = (cli(*CHAT, "model=gpt-4o", "--if-cut", policy) for policy in ("warn", "fail", "pass"))
    assert (warned.stdout, warned.exit_code) == ("Half\n", 0)
    assert "limit of tokens" in warned.stderr
    assert (failed.stdout, failed.exit_code) == ("", ExitCode.REPLY)
    assert "limit of tokens" in failed.stderr
    assert (passed.exit_code, "limit of tokens" in passed.stderr) == (0, False)


@pytest.mark.parametrize("form", ["--result", "--json", "--quiet"])
def test_an_answer_that_is_none(cli: Cli, httpx_mock: HTTPXMock, canary: Canary, form: str) -> None:
    """An exit code of its own and the server's words, in every form of output; ``pass`` asks for what there is."""
    httpx_mock.add_response(json="the service is busy", is_reusable=True)
    done, passed = cli(*CHAT, "model=m", form), cli(*CHAT, "model=m", form, "--if-cut", "pass")
    assert (done.exit_code, passed.exit_code) == (ExitCode.REPLY, 0)
    assert "the service is busy" in done.stdout + done.stderr


@pytest.mark.parametrize("budget", ["tokens=20", "tokens=0", "calls=0", "cost=0.0001"])
def test_a_budget_that_is_too_small(cli: Cli, canary: Canary, prices: str, budget: str) -> None:
    """Nothing is sent; the cap is named, and the exit code is its own."""
    done = cli(*CHAT, "model=gpt-4o", "max_completion_tokens=50", "--budget", budget, "--prices", prices)
    assert (done.exit_code, done.stdout) == (ExitCode.BUDGET, "")
    assert f"cap on {budget.partition('=')[0]}" in done.stderr


@pytest.mark.parametrize("budget", ["token=5", "tokens", "tokens=many", "tokens=-1", "cost=inf", "cost=nan"])
def test_a_budget_of_another_form(cli: Cli, canary: Canary, budget: str) -> None:
    """A misspelt cap is no cap, and is refused."""
    assert cli(*CHAT, "model=gpt-4o", "--budget", budget).exit_code == ExitCode.USAGE


def test_a_cap_on_cost_needs_prices(cli: Cli, canary: Canary) -> None:
    """Without them nobody can keep it."""
    done = cli(*CHAT, "model=gpt-4o", "--budget", "cost=1")
    assert (done.exit_code, "/prices" in done.stderr) == (ExitCode.SETUP, True)


@pytest.mark.parametrize("command", [(*CHAT, "model=gpt-4o"), ("task", "run", "ask", "question=hi")], ids=["run", "task"])
def test_a_price_file_is_read_before_anything_is_sent(cli: Cli, canary: Canary, command: tuple[str, ...]) -> None:
    """A paid answer is never followed by a complaint about the file."""
    done = cli(*command, "--prices", "nowhere.yaml")
    assert (done.exit_code, done.stdout) == (ExitCode.SETUP, "")
    assert "The price file cannot be read" in done.stderr


def test_what_a_task_cost(cli: Cli, httpx_mock: HTTPXMock, canary: Canary, prices: str) -> None:
    """All its calls together, without a cap as well; or that it is not known."""
    httpx_mock.add_response(json=ANSWER)
    ask = ("task", "run", "ask", "question=hi", "--prices", prices)
    assert "About 0.006800 USD in all by the prices of 2026-11-01." in cli(*ask, "model=gpt-4o").stderr
    httpx_mock.add_response(json={**ANSWER, "model": "other"})
    assert "not known" in cli(*ask, "model=other").stderr


def test_warnings_about_the_model_come_before_the_call(cli: Cli, httpx_mock: HTTPXMock, canary: Canary) -> None:
    """Where the model refuses, the warning already says why; ``--quiet`` and ``--json`` keep standard error clean."""
    httpx_mock.add_response(status_code=400, json={"error": {"message": "Unsupported parameter"}}, is_reusable=True)
    done = cli(*CHAT, "model=o3", "max_tokens=5")
    assert done.stderr.index("Use `max_completion_tokens`") < done.stderr.index("Unsupported parameter")
    assert "max_completion_tokens" not in cli(*CHAT, "model=o3", "max_tokens=5", "--quiet").stderr
    assert json.loads(httpx_mock.get_requests()[0].content)["max_tokens"] == 5


def test_warnings_about_the_model_elsewhere(cli: Cli, httpx_mock: HTTPXMock, canary: Canary) -> None:
    """``validate``, ``dry-run`` and ``run --json`` have them too."""
    arguments = ("createChatCompletion", 'messages=[{"role":"user","content":"hi"}]', "model=o3", "max_tokens=5")
    checked = json.loads(cli("validate", *arguments, "--json").stdout)
    assert (checked["valid"], [warning["pointer"] for warning in checked["warnings"]]) == (True, ["/max_tokens"])
    assert "max_completion_tokens" in cli("dry-run", *arguments).stderr
    httpx_mock.add_response(json=ANSWER)
    envelope = json.loads(cli("run", *arguments, "--json").stdout)
    assert [warning["pointer"] for warning in envelope["warnings"]] == ["/max_tokens"]


def test_only_one_form_of_output(cli: Cli) -> None:
    """The envelope, the body, or the short result."""
    assert cli(*CHAT, "model=m", "--json", "--result").exit_code == ExitCode.USAGE


def test_options_of_a_field(cli: Cli, httpx_mock: HTTPXMock, canary: Canary) -> None:
    """A line for each, the value first; a search narrows them."""
    httpx_mock.add_response(json={"data": [{"id": "gpt-4o", "owned_by": "system"}, {"id": "odd"}, {"id": "whisper-1"}]}, is_reusable=True)
    done = cli("actions", "options", "createChatCompletion", "model")
    assert done.stdout.splitlines() == ["gpt-4o\t\tsystem", "odd\t\t(not known here)"]
    assert cli("actions", "options", "createChatCompletion", "model", "--search", "4O").stdout == "gpt-4o\t\tsystem\n"
    canary.scan(done.stdout, done.stderr)


def test_options_without_a_key(cli: Cli) -> None:
    """What is known anyway, its date, and what is missing."""
    done = cli("actions", "options", "createTranscription", "model")
    assert (done.exit_code, done.stdout.splitlines()[0].split("\t")[0]) == (0, "whisper-1")
    assert "/api_key" in done.stderr
    assert "2026-08-21" in done.stderr


def test_options_that_cannot_be_had(cli: Cli, httpx_mock: HTTPXMock, canary: Canary) -> None:
    """With nothing to fall back on the exit code tells, and the reason stands in the JSON."""
    httpx_mock.add_response(status_code=401, json={"error": {"message": "no"}})
    done = cli("actions", "options", "retrieveFile", "file_id", "--json")
    told = json.loads(done.stdout)
    assert (done.exit_code, told["problem"]["status"], told["problem"]["category"]) == (ExitCode.UNAVAILABLE, 401, "auth")
    assert cli("actions", "options", "retrieveFile", "file").exit_code == ExitCode.INPUT


def test_files_of_a_result(cli: Cli, httpx_mock: HTTPXMock, canary: Canary, tmp_path: Path) -> None:
    """Each picture is a file in the folder, none is replaced unasked, and one that the server keeps is named."""
    picture = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    httpx_mock.add_response(json={"data": [{"b64_json": picture}, {"url": "https://x.example/p"}]}, is_reusable=True)
    arguments = ("run", "createImage", "prompt=p", "--result", "--files", str(tmp_path / "made"))
    done = cli(*arguments)
    assert (done.exit_code, [path.name for path in (tmp_path / "made").iterdir()]) == (0, ["1-image.png"])
    assert "https://x.example/p" in done.stderr
    assert picture not in done.stdout + done.stderr
    asked = len(httpx_mock.get_requests())
    again = cli(*arguments)
    assert (again.exit_code, "has 1-image.png already" in again.output, len(httpx_mock.get_requests())) == (ExitCode.INPUT, True, asked)
    assert cli(*arguments, "--force").exit_code == 0


def test_a_folder_that_cannot_be_made_is_told_before_the_call(
    cli: Cli, httpx_mock: HTTPXMock, canary: Canary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No request is made, since its answer would be paid for and lost; commands that write files of their own say the same, and nothing
    is built for one."""
    monkeypatch.setattr(sys, "executable", "/nowhere/python")  # which builds
    (tmp_path / "file").touch()
    below = str(tmp_path / "file" / "folder")
    commands = [
        ("run", "createImage", "prompt=p", "--files", below),
        ("workflow", "run", str(EXAMPLES / "moderate-then-answer.yaml"), "question=q", "--files", below),
        ("export", "power-platform", "--out", below),
        ("export", "node-red", "--out", below),
        ("package", "--out", below),
    ]
    told = [cli(*command) for command in commands]
    assert [done.exit_code for done in told] == [ExitCode.INPUT] * len(commands)
    assert [done.stderr for done in told if "cannot be made: Not a directory. Name a folder" not in done.stderr] == []
    assert httpx_mock.get_requests() == []
