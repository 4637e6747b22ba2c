"""``kosha-openai spec diff``: files or our own description in; text, JSON or Markdown out; 1 where something breaks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.cli.conftest import Cli


def description(schema: dict[str, Any], path: str = "/echo") -> dict[str, Any]:
    """One operation that takes a value; it answers with another."""
    return {
        "openapi": "3.1.0",
        "paths": {
            path: {
                "post": {
                    "operationId": "echo",
                    "requestBody": {"content": {"application/json": {"schema": schema}}},
                    "responses": {"200": {"description": "ok"}},
                }
            }
        },
    }


@pytest.fixture
def wide(tmp_path: Path) -> str:
    """A file that allows two values, in YAML."""
    path = tmp_path / "wide.yaml"
    path.write_text(yaml.safe_dump(description({"enum": ["a", "b\u001b[31m"]})))
    return str(path)


@pytest.fixture
def narrow(tmp_path: Path) -> str:
    """A file that allows one of them, in JSON."""
    path = tmp_path / "narrow.json"
    path.write_text(json.dumps(description({"enum": ["a"]})))
    return str(path)


def test_what_breaks_ends_with_1(cli: Cli, wide: str, narrow: str) -> None:
    """A value less breaks senders; the report says where, and shows no escape sequence of a description."""
    done = cli("spec", "diff", wide, narrow)
    assert done.exit_code == 1
    assert done.stdout.splitlines() == [
        "wide.yaml -> narrow.json (1 and 1 operations)",
        "",
        "echo",
        '  breaking     request.body.application/json: Fewer values are allowed. was ["b\\u001b[31m"]',
        "",
        "Requests: 1 breaking, 0 compatible, 0 information",
        "Responses: 0 breaking, 0 compatible, 0 information",
        "Breaking.",
    ]


def test_what_does_not_break_ends_with_0(cli: Cli, wide: str, narrow: str) -> None:
    """A value more is compatible, and no difference is none."""
    assert cli("spec", "diff", narrow, wide).exit_code == 0
    done = cli("spec", "diff", wide, wide)
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (0, "No difference.")


def test_only_one_direction_decides(cli: Cli, wide: str, narrow: str) -> None:
    """With --only responses, what breaks requests is neither shown nor counted."""
    done = cli("spec", "diff", wide, narrow, "--only", "responses")
    assert done.exit_code == 0
    assert "echo" not in done.stdout


def test_json_is_one_value(cli: Cli, wide: str, narrow: str) -> None:
    """Programs read the verdict and each change."""
    done = cli("spec", "diff", wide, narrow, "--json")
    found = json.loads(done.stdout)
    assert done.exit_code == 1
    assert found["breaking"] is True
    assert [change["kind"] for change in found["changes"]] == ["values-removed"]


def test_markdown_is_for_reviews(cli: Cli, wide: str, narrow: str) -> None:
    """The same as tables."""
    done = cli("spec", "diff", wide, narrow, "--markdown")
    assert done.stdout.startswith("# wide.yaml -\\> narrow.json (1 and 1 operations)\n\n## echo\n")
    assert "| **breaking** | `request.body.application/json` |" in done.stdout


def test_ours_is_the_connectors_own_description(cli: Cli) -> None:
    """`ours` needs no path, and does not differ from itself."""
    done = cli("spec", "diff", "ours", "ours")
    assert (done.exit_code, done.stdout.splitlines()[0]) == (0, "openapi.json -> openapi.json (395 and 395 operations)")


def test_intended_differences_are_left_out(cli: Cli, wide: str, narrow: str, tmp_path: Path) -> None:
    """A listed difference is not told and does not count; an entry without a difference is named."""
    intended = tmp_path / "intended.yaml"
    intended.write_text("- {reason: Meant., kinds: [values-removed]}\n- {reason: Old., kinds: [field-added]}\n")
    done = cli("spec", "diff", wide, narrow, "--intended", str(intended))
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (0, "No difference.")
    assert done.stderr == "Explains nothing: Old.\n"


def test_a_prefix_can_be_left_out(cli: Cli, narrow: str, tmp_path: Path) -> None:
    """--strip-prefix makes paths equal; an empty one finds that the operation moved."""
    moved = tmp_path / "moved.json"
    moved.write_text(json.dumps(description({"enum": ["a"]}, "/v1/echo")))
    assert cli("spec", "diff", narrow, str(moved), "--strip-prefix", "/v1").exit_code == 0
    assert "another method or path" in cli("spec", "diff", narrow, str(moved), "--strip-prefix", "").stdout


def test_texts_are_told_where_they_are_asked_for(cli: Cli, narrow: str, tmp_path: Path) -> None:
    """--texts adds changed descriptions, which break nobody."""
    told = tmp_path / "told.json"
    told.write_text(json.dumps(description({"enum": ["a"], "description": "One."})))
    assert cli("spec", "diff", narrow, str(told)).stdout.splitlines()[-1] == "No difference."
    done = cli("spec", "diff", narrow, str(told), "--texts")
    assert (done.exit_code, "The description changed." in done.stdout) == (0, True)


@pytest.mark.parametrize("arguments", [[], ["one.json"], ["a", "b", "--only", "both"], ["ours", "ours", "--json", "--markdown"]])
def test_a_wrong_command_line_ends_with_2(cli: Cli, arguments: list[str]) -> None:
    """Missing files, unknown words and two formats at once are refused before anything is read."""
    assert cli("spec", "diff", *arguments).exit_code == 2


def test_a_file_that_cannot_be_read_ends_with_10(cli: Cli, narrow: str, tmp_path: Path) -> None:
    """As everywhere, a faulty description is told by name, and as an object for programs."""
    done = cli("spec", "diff", narrow, str(tmp_path / "none.json"), "--json")
    assert done.exit_code == 10
    assert json.loads(done.stdout)["error"]["code"] == "document"
    assert "Name a file that you may read." in cli("spec", "diff", narrow, str(tmp_path / "none.json")).stderr
    (tmp_path / "rows.csv").write_text("id,text")
    told = cli("spec", "diff", narrow, str(tmp_path / "rows.csv"))
    assert (told.exit_code, told.stderr) == (10, "Error: rows.csv is no OpenAPI description.\n  It must be an object.\n")
