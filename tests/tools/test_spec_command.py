"""The generator as a command: what it writes, and when it does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tools.spec.__main__ import as_text, main
from tools.spec.texts import Texts


def test_document_is_written_one_key_a_line() -> None:
    """So that a change reads as a diff; letters beyond ASCII stay readable."""
    assert as_text({"a": {"b": "é"}}) == '{\n "a": {\n  "b": "é"\n }\n}\n'


def test_command_writes_the_committed_document(reference: Path, client_folder: Path, tmp_path: Path, capsys: Any) -> None:
    """The same input gives the same bytes as are committed."""
    out = tmp_path / "openapi.json"
    assert main(["--from", str(reference), str(client_folder), "--out", str(out), "--facts", str(tmp_path)]) == 0
    committed = Path(__file__).resolve().parents[2] / "openapi.json"
    assert out.read_bytes() == committed.read_bytes()
    assert "395 operations" in capsys.readouterr().out


def test_command_writes_nothing_when_an_operation_is_gone(merged_facts: Path, tmp_path: Path) -> None:
    """A source that lost an operation of the selection is refused by name."""
    document = json.loads(merged_facts.read_text(encoding="utf-8"))
    del document["paths"]["/models"]
    smaller = tmp_path / "smaller.json"
    smaller.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(ValueError, match="listModels"):
        main(["--from", str(smaller), "--out", str(tmp_path / "out.json")])
    assert not (tmp_path / "out.json").exists()


def test_command_writes_nothing_while_an_operation_has_no_group(
    merged_facts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A new operation of the source is named, so that it can be placed."""
    document = json.loads(merged_facts.read_text(encoding="utf-8"))
    document["paths"]["/news"] = {"get": {"operationId": "listNews", "responses": {}}}
    larger = tmp_path / "larger.json"
    larger.write_text(json.dumps(document), encoding="utf-8")
    assert main(["--from", str(larger), "--out", str(tmp_path / "out.json")]) == 1
    assert "no group for listNews" in capsys.readouterr().err
    assert not (tmp_path / "out.json").exists()


def test_command_writes_nothing_while_texts_are_missing(
    merged_facts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Unless a draft is asked for; the list says what to write."""
    monkeypatch.setattr("tools.spec.document.read_texts", lambda _: Texts())
    out = tmp_path / "openapi.json"
    assert main(["--from", str(merged_facts), "--out", str(out)]) == 1
    assert not out.exists()
    assert "no text for schemas.CreateEmbeddingRequest.dimensions" in capsys.readouterr().err
    assert main(["--from", str(merged_facts), "--out", str(out), "--draft"]) == 0
    assert out.exists()
