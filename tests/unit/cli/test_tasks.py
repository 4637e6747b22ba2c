"""``task``: what is listed, shown and run, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pytest_httpx import HTTPXMock

from tests.canary import Canary
from tests.unit.cli.conftest import Cli
from tests.unit.flows.tasks.conftest import said, sent

ASK = ("task", "run", "ask", "question=Which colour?")
PERSON = '{"type":"object","properties":{"name":{"type":"string"}},"required":["name"]}'


def test_list(cli: Cli) -> None:
    """A line for each, its name first; as JSON with both schemas."""
    lines = cli("task", "list").stdout.splitlines()
    assert [line.split("\t")[0] for line in lines[:2]] == ["ask", "extract"]
    found = json.loads(cli("task", "list", "--json").stdout)
    assert len(found) == len(lines) == 10
    assert {"input_schema", "output_schema", "example", "sample"} <= found[0].keys()


def test_show(cli: Cli) -> None:
    """The inputs with their defaults, the result, and a command that runs."""
    shown = cli("task", "show", "classify").stdout
    assert "Runs createChatCompletion" in shown
    assert "several\ttrue or false\tfalse\t" in shown
    assert "kosha-openai task run classify" in shown
    assert json.loads(cli("task", "show", "classify", "--json").stdout)["name"] == "classify"


@pytest.mark.parametrize("name", ["show", "run"])
def test_an_unknown_task(name: str, cli: Cli) -> None:
    """The nearest name is offered; it is an input that was wrong."""
    done = cli("task", name, "clasify")
    assert done.exit_code == 3
    assert done.stderr.splitlines()[-1] == "  It is not a task. Did you mean `classify`?"


def test_the_answer(cli: Cli, httpx_mock: HTTPXMock, canary: Canary) -> None:
    """The text on standard output, cleaned; what it took on standard error; the key nowhere."""
    httpx_mock.add_response(json=said("Blue\u0007."), headers={"x-request-id": "req_7"})
    done = cli(*ASK)
    assert (done.exit_code, done.stdout) == (0, "Blue.\n")
    assert "1 call in" in done.stderr
    assert "total_tokens 5" in done.stderr
    assert "req_7" in done.stderr
    canary.scan(done.stdout, done.stderr)


def test_the_envelope(cli: Cli, httpx_mock: HTTPXMock, canary: Canary) -> None:
    """``--json`` prints the result and nothing else."""
    httpx_mock.add_response(json=said("Blue."), headers={"x-request-id": "req_7"})
    done = cli(*ASK, "--json")
    found = json.loads(done.stdout)
    assert done.stderr == ""
    assert (found["value"], found["outcome"], found["request_ids"], found["calls"]) == ("Blue.", "ok", ["req_7"], 1)


def test_a_schema_from_a_file(cli: Cli, httpx_mock: HTTPXMock, canary: Canary, tmp_path: Path) -> None:
    """An object is given as JSON, inline or from a file; the result is JSON."""
    (tmp_path / "person.json").write_text(PERSON)
    httpx_mock.add_response(json=said('{"name": "Anna"}'), is_reusable=True)
    for schema in (f"schema={PERSON}", f"schema:={PERSON}", f"schema=@{tmp_path}/person.json"):
        done = cli("task", "run", "extract", "text=I am Anna", schema)
        assert json.loads(done.stdout) == {"name": "Anna"}
    assert len({json.dumps(body) for body in sent(httpx_mock)}) == 1


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (said("Once", reason="length"), 9),
        (said(None, refusal="No."), 5),
        (said("x", reason="content_filter"), 5),
    ],
    ids=["cut", "refused", "filtered"],
)
def test_an_answer_that_is_not_what_was_asked_for(
    answer: dict[str, object], code: int, cli: Cli, httpx_mock: HTTPXMock, canary: Canary
) -> None:
    """An exit code of its own by default and with a warning; none where it is to pass."""
    httpx_mock.add_response(json=answer, is_reusable=True)
    failed = cli(*ASK)
    assert (failed.exit_code, failed.stdout) == (code, "")
    assert failed.stderr.startswith("Error: ")
    warned = cli(*ASK, "--on-incomplete", "warn")
    assert warned.exit_code == code
    assert "Warning: " in warned.stderr
    passed = cli(*ASK, "--on-incomplete", "pass", "--json")
    assert passed.exit_code == 0
    assert json.loads(passed.stdout)["outcome"] in ("incomplete", "refused")


def test_an_error_for_programs(cli: Cli, httpx_mock: HTTPXMock, canary: Canary) -> None:
    """It says what the answer cost."""
    httpx_mock.add_response(json=said("Once", reason="length"))
    error = json.loads(cli(*ASK, "--json").stdout)["error"]
    assert (error["code"], error["usage"]["total_tokens"]) == ("incomplete_answer", 5)


def test_wrong_inputs(cli: Cli) -> None:
    """All faults, before a connection is made: no key is needed to learn of them."""
    done = cli("task", "run", "summarise", "length=huge", "texts=x")
    assert done.exit_code == 3
    assert "/length: must be one of: sentence, short, long." in done.stderr
    assert "/texts: is not a known field. Did you mean `text`?" in done.stderr


@pytest.mark.parametrize("text", ["image", "=@x", "image="])
def test_a_file_is_named(text: str, cli: Cli) -> None:
    """What is no NAME=@PATH is a wrong command line."""
    assert cli("task", "run", "describe-image", "--file", text).exit_code == 2


def test_out_is_not_replaced(cli: Cli, httpx_mock: HTTPXMock, canary: Canary, tmp_path: Path) -> None:
    """A file that is there stays, unless ``--force`` says otherwise; nothing is sent before that is clear."""
    path = tmp_path / "answer.txt"
    path.write_text("mine")
    assert cli(*ASK, "--out", str(path)).exit_code == 3
    assert path.read_text() == "mine"
    httpx_mock.add_response(json=said("Blue."))
    assert cli(*ASK, "--out", str(path), "--force").exit_code == 0
    assert path.read_text() == "Blue."


def test_a_failed_task_leaves_no_file(cli: Cli, httpx_mock: HTTPXMock, canary: Canary, tmp_path: Path) -> None:
    """Neither the file nor a part of it."""
    httpx_mock.add_response(500, is_reusable=True)
    assert cli(*ASK, "--out", str(tmp_path / "answer.txt"), "--attempts", "1").exit_code == 7
    assert list(tmp_path.iterdir()) == []


def test_a_budget_holds_for_all_calls_of_a_task(cli: Cli, httpx_mock: HTTPXMock, canary: Canary) -> None:
    """What the caps do not cover is not sent; the second batch of a search is one call too many for a budget of one."""
    assert cli(*ASK, "--budget", "tokens=1").exit_code != 0
    vectors = [{"index": index, "embedding": [1.0]} for index in range(1024)]
    httpx_mock.add_response(json={"data": vectors, "usage": {"prompt_tokens": 3, "total_tokens": 3}})
    inputs = json.dumps({"query": "q", "texts": ["t"] * 1500})
    done = cli("task", "run", "semantic-search", "--json-input", inputs, "--budget", "calls=1", "--json")
    assert json.loads(done.stdout)["error"]["code"] == "budget"
    assert len(httpx_mock.get_requests()) == 1
