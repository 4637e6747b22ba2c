"""What ARCHITECTURE.md says: the modules that it names are there, and a change of data needs the one file that its table names."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from kosha_connector_openai import Connector
from kosha_connector_openai.flows import list_tasks

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`((?:[a-z_]+/)*(?:[a-z_*]+\.(?:py|yaml|json|toml)|[a-z_]+/))`", TEXT)) - {"connector_spec.json"})


@pytest.mark.parametrize("name", NAMED)
def test_what_the_page_names_is_there(name: str) -> None:
    """Each file and folder in backticks is one of the package or of the repository."""
    assert [place for place in (ROOT, ROOT / "kosha_connector_openai") if any(place.glob(name.rstrip("/")))] != []


def test_the_page_names_every_wing() -> None:
    """A wing that is added has its row."""
    wings = {f"{path.parent.name}/" for path in (ROOT / "kosha_connector_openai").glob("*/__init__.py")}
    assert wings <= set(NAMED)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the connector's data, without any Python."""
    for name in ("connector.yaml", "openapi.json"):
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("connector", "images"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path


def change(file: Path, old: str, new: str) -> None:
    """Writes the file with the first ``old`` as ``new``."""
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_a_label_is_one_line_of_the_forms_part(folder: Path) -> None:
    """``connector/forms.yaml``: the form shows the new label."""
    part = folder / "connector" / "forms.yaml"
    data = yaml.safe_load(part.read_text(encoding="utf-8"))
    data.setdefault("actions", {}).setdefault("createCompletion", {}).setdefault("fields", {}).setdefault("prompt", {})["label"] = (
        "Your text"
    )
    part.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    with Connector(folder) as connector:
        labels = {field["name"]: field["label"] for field in connector.forms["createCompletion"].fields}
    assert labels["prompt"] == "Your text"


def test_an_operation_is_one_entry_of_the_description(folder: Path) -> None:
    """``openapi.json``: the catalog has another action, whose digest the manifest pins."""
    file = folder / "openapi.json"
    data = json.loads(file.read_bytes())
    data["paths"]["/pages"] = {"get": {"operationId": "listPages", "summary": "Pages", "responses": {"200": {"description": "ok"}}}}
    file.write_text(json.dumps(data), encoding="utf-8")
    manifest = folder / "connector.yaml"
    manifest.write_text(re.sub(r"(?m)^  sha256: .*\n", "", manifest.read_text(encoding="utf-8"), count=1), encoding="utf-8")
    with Connector(folder) as connector:
        assert connector.catalog["listPages"].operation.path == "/pages"


def test_a_kind_of_server_is_one_entry_of_the_manifest(folder: Path) -> None:
    """``connector.yaml``: a connection may name it."""
    entry = '    nearby:\n      title: Nearby\n      values: {server_url: "http://localhost:9", auth_type: NONE}\n'
    change(folder / "connector.yaml", "    compatible:\n", f"{entry}    compatible:\n")
    with Connector(folder) as connector:
        assert connector.connection({"server_kind": "nearby"}, environ={}).server.origin.port == 9


def test_a_task_is_one_entry_of_its_part(folder: Path) -> None:
    """``connector/tasks.yaml``: the list has it, with its form."""
    part = folder / "connector" / "tasks.yaml"
    found = re.search(r"(?ms)^  ask:\n.*?(?=^  \S)", part.read_text(encoding="utf-8"))
    assert found is not None
    change(part, found[0], found[0].replace("  ask:", "  ask-again:", 1) + found[0])
    with Connector(folder) as connector:
        assert "ask-again" in [info.name for info in list_tasks(connector)]


SENTENCES = ["The inputs cannot be read.", "The connection exists.", "This action answers with a file."]


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_sentence_is_found_by_its_words(sentence: str) -> None:
    """An error's sentence stands in one module."""
    found = [path for path in (ROOT / "kosha_connector_openai").rglob("*.py") if sentence in path.read_text(encoding="utf-8")]
    assert len(found) == 1
