"""`make spec` with a client: what is written, what is said, and the exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kosha_connector_openai.sdk.node import Node
from tests.tools.client.source import files, method
from tools.spec.__main__ import main

GET = 'return self._get("/things", cast_to=Thing)'


def unpacked(root: Path, texts: dict[str, str]) -> str:
    for name, text in texts.items():
        path = root / "openai" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return str(root)


def run(tmp_path: Path, *sources: str, out: Path | None = None) -> int:
    return main(["--from", *sources, "--facts", str(tmp_path / "facts"), "--out", str(out or tmp_path / "openapi.json")])


def facts(tmp_path: Path) -> Node:
    found: Node = json.loads((tmp_path / "facts" / "openai-python-9.1.0.json").read_text(encoding="utf-8"))
    return found


def test_client_alone_gives_its_facts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In the folder for facts, twice the same bytes, and no openapi.json."""
    source = unpacked(tmp_path / "client", method(GET))
    written = []
    for _ in range(2):
        assert run(tmp_path, source) == 0
        written.append((tmp_path / "facts" / "openai-python-9.1.0.json").read_bytes())
    assert written[0] == written[1]
    assert "1 operations, 1 schemas" in capsys.readouterr().out
    assert not (tmp_path / "openapi.json").exists()


def test_ids_are_those_of_openapi_json(tmp_path: Path) -> None:
    """Where that has the operation."""
    out = tmp_path / "openapi.json"
    out.write_text(json.dumps({"paths": {"/v1/things": {"get": {"operationId": "getThings"}}}}), encoding="utf-8")
    assert run(tmp_path, unpacked(tmp_path / "client", method(GET)), out=out) == 0
    assert facts(tmp_path)["paths"]["/things"]["get"]["operationId"] == "getThings"


def test_fault_is_said_and_the_rest_is_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With file and line, and exit code 1."""
    texts = method(GET)
    texts["resources/things.py"] += '\n    def list(self) -> Thing:\n        return self._get("/others", cast_to=Unknown)\n'
    assert run(tmp_path, unpacked(tmp_path / "client", texts)) == 1
    assert list(facts(tmp_path)["paths"]) == ["/things"]
    error = capsys.readouterr().err
    assert error.startswith("resources/things.py:")
    assert "Unknown" in error
    assert "GET /others is left out" in error


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        (("nothing.tar.gz",), "nothing.tar.gz: no such file"),
        (("openai==1.0", "openai==2.0"), "one description, one client"),
        (("a.json", "b.json"), "one description, one client"),
    ],
)
def test_source_that_cannot_be_used_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], sources: tuple[str, ...], said: str
) -> None:
    """Exit code 1, nothing written."""
    assert run(tmp_path, *sources) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "facts").exists()


def test_folder_that_is_no_client_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder without `resources` and `types`."""
    assert run(tmp_path, unpacked(tmp_path / "client", {"a.py": ""})) == 1
    assert "no client" in capsys.readouterr().err


def test_description_and_client_are_merged(merged_facts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The merged facts and every difference are written; what the client has new wants a group before openapi.json is."""
    resource = {
        "types/thing_params.py": "",
        "resources/things.py": method('return self._post("/things", body={"name": name}, cast_to=Thing)', arguments="self, *, name: str")[
            "resources/things.py"
        ],
    }
    out = tmp_path / "openapi.json"
    assert run(tmp_path, str(merged_facts), unpacked(tmp_path / "client", files({}) | resource), out=out) == 1
    said = capsys.readouterr()
    assert "no group for createThing" in said.err
    assert "1 operations are the client's alone" in said.out
    assert not out.exists()
    merged = json.loads((tmp_path / "facts" / "merged.json").read_text(encoding="utf-8"))
    assert merged["paths"]["/things"]["post"]["x-kosha-source"] == "openai-python 9.1.0"
    assert "createThing operation-only-client" in (tmp_path / "facts" / "differences.txt").read_text(encoding="utf-8")
