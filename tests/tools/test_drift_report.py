"""`make drift`: what a newer client or description says, as one report, and an exit code that a scheduled run can follow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kosha_connector_openai.sdk.reader import SOURCE
from tests.tools.client.source import method
from tools.drift import DRIFT, NONE, UNREADABLE, main

CALL = 'return self._post("/things", body=maybe_transform({{{table}}}, thing_params.P), cast_to=Thing)'
OLD = "class P(TypedDict, total=False):\n    name: Literal['a']\n    size: int\n"
NEW = "class P(TypedDict, total=False):\n    name: Literal['a', 'b|c']\n    color: str\n"
ADDED = """
    def list(self) -> Thing:
        return self._get("/others", cast_to=Thing)
"""
UNKNOWN = """
    def retrieve(self) -> Nowhere:
        return self._get("/nowhere", cast_to=Nowhere)
"""


def client(root: Path, params: str, more: str = "", **files: str) -> str:
    names = [line.split(":")[0].strip() for line in params.splitlines()[1:]]
    texts = method(
        CALL.format(table=", ".join(f'"{name}": {name}' for name in names)),
        params=params,
        arguments="self, *, name: str, size: int, color: str",
    )
    texts["resources/things.py"] += more
    for name, text in {**texts, **files}.items():
        path = root / "openai" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return str(root)


@pytest.fixture
def ours(tmp_path: Path) -> str:
    """A description that has what the older client has."""
    body = {"type": "object", "properties": {"name": {"type": "string", "enum": ["a"]}, "size": {"type": "integer"}}}
    thing = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
    operation = {
        "operationId": "createThing",
        "requestBody": {"content": {"application/json": {"schema": body}}},
        "responses": {"200": {"description": "d", "content": {"application/json": {"schema": thing}}}},
    }
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "Ours", "version": "1"},
        SOURCE: {"client": {"version": "9.1.0"}},
        "servers": [{"url": "/"}],
        "security": [{"ApiKeyAuth": []}],
        "paths": {"/v1/things": {"post": operation}},
        "components": {"schemas": {}, "securitySchemes": {"ApiKeyAuth": {"type": "http", "scheme": "bearer"}}},
    }
    path = tmp_path / "ours.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return str(path)


def test_nothing_has_changed(tmp_path: Path, ours: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code is 0, and the report says so of each comparison."""
    source = client(tmp_path / "c", OLD)
    assert main(["--client", source, "--base", source, "--ours", ours]) == NONE
    assert capsys.readouterr().out.count("No difference.") == 2


def test_what_has_changed_is_told_with_verdicts(tmp_path: Path, ours: str) -> None:
    """A field that went, one that came, a value and an operation: by operation and field, once between the clients and once to ours."""
    out = tmp_path / "drift.md"
    arguments = [
        "--client",
        client(tmp_path / "new", NEW, ADDED),
        "--base",
        client(tmp_path / "old", OLD),
        "--ours",
        ours,
        "--out",
        str(out),
    ]
    assert main(arguments) == DRIFT
    changed, lacks = out.read_text().split("### Every change")[0].split("## Ours to")
    assert "| breaking | request | The field is gone | size | integer |  | createThing |" in changed
    assert "| compatible | request | The field is new | color |  | string | createThing |" in changed
    assert '["b\\|c"]' in changed
    assert "The operation is new" in changed
    assert "| compatible | request | The field is new | color |  | string | createThing |" in lacks
    assert "The operation is new" in lacks
    assert "The field is gone" not in lacks  # a refresh takes nothing away
    before = out.read_bytes()
    assert main(arguments) == DRIFT
    assert out.read_bytes() == before


def test_what_cannot_be_read_is_named_and_the_rest_compared(tmp_path: Path, ours: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is no Python and a type that is not known, with file and line; the exit code is 1."""
    source = client(tmp_path / "new", NEW, UNKNOWN, **{"types/broken.py": "def (", "resources/broken.py": "x = ("})
    assert main(["--client", source, "--base", client(tmp_path / "old", OLD), "--ours", ours]) == UNREADABLE
    done = capsys.readouterr()
    for words in (
        "types/broken.py:1: cannot be parsed",
        "resources/broken.py:1: cannot be parsed",
        "the name Nowhere is not known; GET /nowhere",
    ):
        assert words in done.err
        assert words in done.out
    assert "resources/things.py:" in done.err
    assert "The field is new | color" in done.out


def test_a_client_that_is_not_there(tmp_path: Path, ours: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Its name is said; nothing is written."""
    out = tmp_path / "drift.md"
    assert (
        main(["--client", str(tmp_path / "none.whl"), "--base", client(tmp_path / "c", OLD), "--ours", ours, "--out", str(out)])
        == UNREADABLE
    )
    assert "none.whl" in capsys.readouterr().err
    assert not out.exists()


def test_a_description_is_compared_with_ours(tmp_path: Path, ours: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Merged with the client; what it has and ours lacks is drift."""
    newer = json.loads(Path(ours).read_text())
    newer["paths"] = {"/things": newer["paths"]["/v1/things"]}
    newer["servers"] = [{"url": "https://api.vendor.example/v1"}]
    body = newer["paths"]["/things"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    body["properties"]["weight"] = {"type": "number"}
    path = tmp_path / "newer.json"
    path.write_text(json.dumps(newer))
    source = client(tmp_path / "c", OLD)
    assert main(["--client", source, "--base", source, "--ours", ours, "--description", str(path)]) == DRIFT
    assert "weight" in capsys.readouterr().out
