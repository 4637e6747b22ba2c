"""kosha-openai workflow: every fault of a document, its tree, and a run whose failure is no success."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from kosha_connector_openai.cli.exit_codes import ExitCode
from tests.recorder import Recorder, reply

FOLDER = Path(__file__).parents[2] / "contract" / "arazzo"
MODERATE = str(FOLDER / "02-moderate-then-answer.yaml")
CHOICE = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Blue."}}


def moderated(flagged: bool) -> Any:
    return reply(200, {"id": "m", "model": "m", "results": [{"flagged": flagged, "categories": {}, "category_scores": {}}]})


@pytest.fixture
def run(cli: Any) -> Any:
    def run(upstream: Recorder, *arguments: str) -> Any:
        return cli("workflow", "run", *arguments, "--set", f"server_url={upstream.url}", "--set", "auth_type=NONE")

    return run


def test_check_says_that_a_document_can_be_run(cli: Any) -> None:
    """One sentence with the counts for people, one object for programs."""
    result = cli("workflow", "check", MODERATE)
    assert (result.exit_code, result.stdout) == (0, "The document can be run: 1 workflow, 2 steps.\n")
    assert json.loads(cli("workflow", "check", MODERATE, "--json").stdout) == {"valid": True, "workflows": ["answer"], "warnings": []}


def test_check_lists_every_fault_with_its_pointer(cli: Any) -> None:
    """All faults of a document come at once, and the exit code is that of a wrong file."""
    result = cli("workflow", "check", str(FOLDER / "26-mistakes.yaml"))
    assert result.exit_code == 10
    for pointer in ("/workflows/0/steps/0/operationId", "/workflows/0/steps/1/successCriteria/0/condition", "/workflows/0/outputs/lost"):
        assert f"  {pointer}: " in result.stderr
    listed = json.loads(cli("workflow", "check", str(FOLDER / "26-mistakes.yaml"), "--json").stdout)
    assert listed["valid"] is False
    assert len(listed["faults"]) == 14


def test_check_warns_of_what_has_no_effect(cli: Any, tmp_path: Path) -> None:
    """An extension of another tool is let through with a warning."""
    file = tmp_path / "flow.yaml"
    file.write_text((FOLDER / "01-happy.yaml").read_text().replace("workflowId: list", "workflowId: list\n    x-other-tool: 1"))
    result = cli("workflow", "check", str(file))
    assert result.exit_code == 0
    assert "/workflows/0/x-other-tool" in result.stderr


def test_show_draws_the_steps(cli: Any) -> None:
    """The tree has each step, when it is repeated and what it gives."""
    lines = cli("workflow", "show", str(FOLDER / "08-retry.yaml")).stdout.splitlines()
    assert lines == [
        "Try again while the server is busy 1.0.0",
        "└─ again",
        "   ├─ 1. models -> listModels",
        "   │  ├─ on failure: retry 3x after 2 s if $statusCode == 503",
        "   │  └─ gives first",
        "   └─ output first",
    ]


def test_run_gives_the_outputs_and_tells_of_each_step(run: Any, tmp_path: Path) -> None:
    """Outputs go to standard output, steps to standard error and to the record; the first request has the question alone."""
    record = tmp_path / "runs.jsonl"
    with Recorder(moderated(False), reply(200, {"id": "c", "object": "chat.completion", "choices": [CHOICE]})) as upstream:
        result = run(upstream, MODERATE, "question=Which colour?", "--record", str(record))
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"answer": "Blue."}
    assert [line.split(" · ")[0] for line in result.stderr.splitlines()] == ["ok   moderate", "ok   ask"]
    assert [json.loads(line).get("step") for line in record.read_text().splitlines()] == ["moderate", "ask", None]
    assert upstream.requests[0].json() == {"input": "Which colour?"}


def test_a_flagged_text_ends_with_a_code_of_its_own(run: Any) -> None:
    """The criterion that failed is named by its pointer, and the second step is not sent."""
    with Recorder(moderated(True)) as upstream:
        result = run(upstream, MODERATE, "question=?")
        assert result.exit_code == 14
        assert result.stdout == ""
        assert "/workflows/0/steps/0/successCriteria/1" in result.stderr
        told = json.loads(run(upstream, MODERATE, "question=?", "--json").stdout)
    assert (told["outcome"], told["error"]["step"], told["outputs"]) == ("failed", "moderate", {})
    assert len(upstream.requests) == 2


def test_inputs_are_checked_before_anything_is_sent(run: Any) -> None:
    """A wrong type and an unknown workflow end with 3, and no request is made."""
    with Recorder() as upstream:
        result = run(upstream, str(FOLDER / "24-wrong-inputs.yaml"), "count:=true")
        assert result.exit_code == 3
        assert "  /count: " in result.stderr
        assert run(upstream, MODERATE, "--workflow", "anser", "question=x").exit_code == 3
        assert upstream.silent


def test_a_source_may_have_another_name(cli: Any, tmp_path: Path) -> None:
    """A document made for another tool is taken once its source is named."""
    file = tmp_path / "flow.yaml"
    file.write_text(
        (FOLDER / "01-happy.yaml").read_text().replace("name: openai, url: ./openapi.json", "name: vendor, url: https://x.example/api")
    )
    assert cli("workflow", "check", str(file)).exit_code == 10
    assert cli("workflow", "check", str(file), "--source", "vendor").exit_code == 0
    assert cli("workflow", "check", str(tmp_path / "missing.yaml")).exit_code == 10


def test_a_budget_holds_for_all_steps(run: Any) -> None:
    """The step that could pass the cap is not sent, and fails the run; the steps before it were."""
    with Recorder(moderated(False)) as upstream:
        result = run(upstream, MODERATE, "question=Which colour?", "--budget", "calls=1")
    assert result.exit_code == 14
    assert "FAIL ask" in result.stderr
    assert [request.target for request in upstream.requests] == ["/v1/moderations"]


def test_what_all_steps_cost(run: Any, tmp_path: Path) -> None:
    """By the price file, on standard error; without --quiet only."""
    (tmp_path / "prices.yaml").write_text('date: 2026-11-01\nmodels:\n  "gpt-4o*": {input: 2, output: 10}\n  m: {input: 0}\n')
    usage = {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500}
    answer = reply(200, {"id": "c", "object": "chat.completion", "model": "gpt-4o-mini", "choices": [CHOICE], "usage": usage})
    with Recorder(moderated(False), answer) as upstream:
        result = run(upstream, MODERATE, "question=Which colour?", "--prices", str(tmp_path / "prices.yaml"))
    assert "About 0.007000 USD in all by the prices of 2026-11-01." in result.stderr


def test_files_among_the_outputs_are_saved_or_told_never_printed(run: Any, tmp_path: Path) -> None:
    """A picture in JSON is told by type and size; with --files it is saved under the output's name, and never over another file."""
    picture = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(60)).decode()
    outputs = {"picture": "$response.body#/data/0/b64_json"}
    step = {"stepId": "draw", "operationId": "createImage", "requestBody": {"payload": {"prompt": "x"}}, "outputs": outputs}
    workflow = {"workflowId": "w", "steps": [step], "outputs": {"picture": "$steps.draw.outputs.picture"}}
    sources = [{"name": "openai", "url": "openapi.json", "type": "openapi"}]
    document = {"arazzo": "1.0.1", "info": {"title": "T", "version": "1"}, "sourceDescriptions": sources, "workflows": [workflow]}
    file = tmp_path / "flow.json"
    file.write_text(json.dumps(document))
    with Recorder(reply(body={"created": 1, "data": [{"b64_json": picture}]})) as upstream:
        told = run(upstream, str(file))
        assert (told.exit_code, picture in told.stdout) == (0, False)
        assert json.loads(told.stdout)["picture"]["content_type"] == "image/png"
        saved = run(upstream, str(file), "--files", str(tmp_path / "out"), "--json")
        path = Path(json.loads(saved.stdout)["outputs"]["picture"]["path"])
        assert (path.name, base64.b64encode(path.read_bytes()).decode()) == ("picture.png", picture)
        asked = len(upstream.requests)
        again = run(upstream, str(file), "--files", str(tmp_path / "out"))
        assert (again.exit_code, "has picture.png already" in again.output, len(upstream.requests)) == (ExitCode.INPUT, True, asked)
        assert run(upstream, str(file), "--files", str(tmp_path / "out"), "--force").exit_code == 0


def test_how_strictly_the_steps_are_held_to_the_description(cli: Any, tmp_path: Path) -> None:
    """A value of another server is a fault of the document, unless ``--validation`` lets it pass."""
    document = {
        "arazzo": "1.0.1",
        "info": {"title": "T", "version": "1"},
        "sourceDescriptions": [{"name": "openai", "url": "./openapi.json", "type": "openapi"}],
        "workflows": [
            {
                "workflowId": "w",
                "steps": [
                    {
                        "stepId": "s",
                        "operationId": "createChatCompletion",
                        "requestBody": {
                            "payload": {"model": "m", "messages": [{"role": "user", "content": "x"}], "service_tier": "on_demand"}
                        },
                    }
                ],
            }
        ],
    }
    path = tmp_path / "flow.json"
    path.write_text(json.dumps(document))
    refused, passed = cli("workflow", "check", str(path)), cli("workflow", "check", str(path), "--validation", "open")
    assert ("service_tier" in refused.stderr, refused.exit_code) == (True, 10)
    assert passed.exit_code == 0
