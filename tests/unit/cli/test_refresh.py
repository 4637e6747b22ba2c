"""``spec refresh``: a client's source or a file in; a description in the user's folder out, pinned by its digest."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import yaml

from kosha_connector_openai.cli.exit_codes import ExitCode
from tests.tools.client.source import IMPORTS, RESOURCE_IMPORTS, files
from tests.unit.cli.conftest import Cli

MANIFEST = {
    "id": "acme",
    "title": "Acme",
    "version": "1.0.0",
    "tagline": "Things.",
    "publisher": {"name": "Acme tests"},
    "license": "Apache-2.0",
    "spec": {"file": "openapi.json"},
    "servers": {"default": "https://api.acme.example"},
    "groups": [{"id": "Things", "title": "Things"}],
    "actions": {"createThing": {"title": "Make a thing"}},
    "parts": {
        "sdk": {
            "package": "acme",
            "title": "acme-python",
            "server": "https://api.acme.example/v1",
            "ids": {"verbs": {"create": "create"}, "singular": {"s": ""}},
        }
    },
}
TEXT = {"type": "string", "description": "What it is called."}
OWN: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Acme", "version": "1"},
    "servers": [{"url": "/"}],
    "paths": {
        "/v1/things": {
            "post": {
                "operationId": "createThing",
                "tags": ["Things"],
                "summary": "Our line.",
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"type": "object", "properties": {"name": TEXT}, "required": ["name"]}}},
                },
                "responses": {"200": {"description": "d", "content": {"application/json": {"schema": {"type": "object"}}}}},
            }
        }
    },
    "components": {"schemas": {}},
}
PARAMS = """
class CreateParams(TypedDict, total=False):
    name: Required[str]
    color: Literal["red", "blue"]
"""
THINGS = """
class Things(SyncAPIResource):
    def create(self, *, name: str, color: str) -> Thing:
        return self._post(
            "/things", body=maybe_transform({"name": name, "color": color}, thing_params.CreateParams), cast_to=Thing)
    def pause(self, thing_id: str) -> Thing:
        return self._post(path_template("/things/{thing_id}/pause", thing_id=thing_id), cast_to=Thing)
"""
STRANGE = """
class Strange(SyncAPIResource):
    def create(self) -> Nowhere:
        return self._post("/strange", cast_to=Nowhere)
"""
WORKFLOW = {
    "arazzo": "1.0.1",
    "info": {"title": "w", "version": "1"},
    "sourceDescriptions": [{"name": "acme", "url": "./openapi.json", "type": "openapi"}],
    "workflows": [
        {
            "workflowId": "w",
            "steps": [
                {
                    "stepId": "s",
                    "operationId": "createThing",
                    "requestBody": {"contentType": "application/json", "payload": {"name": "n"}},
                    "successCriteria": [{"condition": "$statusCode == 200"}],
                }
            ],
        }
    ],
}
Acme = Callable[..., Any]


@pytest.fixture
def acme(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Acme:
    """Runs a command of a small connector whose user has a folder of their own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    folder = tmp_path / "acme"
    folder.mkdir()
    (folder / "connector.yaml").write_text(yaml.safe_dump(MANIFEST))
    (folder / "openapi.json").write_text(json.dumps(OWN))
    return lambda *arguments: cli("--connector", str(folder), *arguments)


def client(tmp_path: Path, more: Mapping[str, str] = MappingProxyType({})) -> str:
    """The folder of a client with a field and an operation more than the connector's description."""
    texts = files({"resources/things": RESOURCE_IMPORTS + THINGS, "types/thing_params": IMPORTS + PARAMS, **more})
    for name, text in texts.items():
        path = tmp_path / "client" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(tmp_path / "client")


def written(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "config" / "kosha" / "descriptions").glob("*.json"))


def test_a_client_brings_what_is_new(acme: Acme, tmp_path: Path) -> None:
    """The field and the operation are there for who asks, with our texts; for anybody else nothing changes."""
    done = acme("spec", "refresh", "--from", client(tmp_path))
    assert done.exit_code == 0, done.output
    assert "color: The field is new" in done.stdout
    assert "acme-python 9.1.0 is in" in done.stdout
    (file,) = written(tmp_path)
    assert file.stat().st_mode & 0o077 == 0
    assert json.loads(acme("actions", "schema", "createThing", "--spec", "refreshed").stdout)["properties"].keys() == {"name", "color"}
    assert json.loads(acme("actions", "schema", "createThing").stdout)["properties"].keys() == {"name"}
    listed = acme("actions", "list", "--spec", "refreshed", "--json").stdout
    assert {(each["id"], each["title"], each["group"]) for each in json.loads(listed)} == {
        ("createThing", "Make a thing", "Things"),
        ("pauseThing", "Pause thing", "Things"),
    }
    assert "What it is called." in acme("actions", "form", "createThing", "--spec", "refreshed", "--json").stdout
    assert "The operation is new." in acme("spec", "diff", "ours", "refreshed").stdout


def test_twice_is_once(acme: Acme, tmp_path: Path) -> None:
    """The same source gives the same bytes, and another one takes the place of the first."""
    source = client(tmp_path)
    acme("spec", "refresh", "--from", source)
    first = written(tmp_path)
    acme("spec", "refresh", "--from", source)
    assert written(tmp_path) == first
    changed = {"types/thing_params": IMPORTS + PARAMS, "resources/things": RESOURCE_IMPORTS + THINGS}
    client(tmp_path, {name: text.replace("color", "colour") for name, text in changed.items()})
    acme("spec", "refresh", "--from", source)
    assert len(written(tmp_path)) == 1
    assert written(tmp_path) != first


def test_what_cannot_be_read_is_named_and_the_rest_is_done(acme: Acme, tmp_path: Path) -> None:
    """A type that is not known and a file that is no Python: with file and line, exit code 1; nothing of the client is executed."""
    mark = tmp_path / "mark"
    more = {
        "resources/strange": RESOURCE_IMPORTS + STRANGE,
        "resources/broken": "def (",
        "types/loud": f"open({str(mark)!r}, 'w').close()",
    }
    done = acme("spec", "refresh", "--from", client(tmp_path, more))
    assert done.exit_code == 1
    line = (RESOURCE_IMPORTS + STRANGE).splitlines().index('        return self._post("/strange", cast_to=Nowhere)') + 1
    assert f"resources/strange.py:{line}: the name Nowhere is not known; POST /strange is left out" in done.stderr
    assert "resources/broken.py:1: cannot be parsed" in done.stderr
    assert len(written(tmp_path)) == 1
    assert not mark.exists()


def test_a_file_has_our_texts(acme: Acme, tmp_path: Path) -> None:
    """A description in a file replaces the facts; texts apply by operation id and field."""
    newer = json.loads(json.dumps(OWN))
    operation = newer["paths"].pop("/v1/things")
    operation["post"] |= {"summary": "Theirs.", "tags": []}
    schema = operation["post"]["requestBody"]["content"]["application/json"]["schema"]
    schema["properties"] = {"name": {"type": "string", "maxLength": 5}, "size": {"type": "integer", "description": "Theirs."}}
    newer |= {"paths": {"/things": operation}, "servers": [{"url": "https://api.acme.example/v1"}]}
    path = tmp_path / "newer.json"
    path.write_text(json.dumps(newer))
    assert acme("spec", "refresh", "--from", str(path)).exit_code == 0
    shown = json.loads(acme("actions", "schema", "createThing", "--spec", "refreshed").stdout)["properties"]
    assert shown == {
        "name": {"type": "string", "maxLength": 5, "description": "What it is called."},
        "size": {"type": "integer", "description": "Theirs."},
    }
    assert "POST https://api.acme.example/v1/things" in acme("dry-run", "createThing", "name=n", "--spec", "refreshed").stdout


def test_what_was_changed_on_disk_is_refused(acme: Acme, tmp_path: Path) -> None:
    """By its digest, before it is read; so is a description of another digest than the connection names."""
    acme("spec", "refresh", "--from", client(tmp_path))
    (file,) = written(tmp_path)
    file.write_bytes(file.read_bytes().replace(b"blue", b"bleu"))
    done = acme("dry-run", "createThing", "name=n", "--spec", "refreshed")
    assert done.exit_code == ExitCode.DESCRIPTION
    assert "was changed since it was written" in done.stderr
    file.unlink()
    assert "cannot be read" in acme("dry-run", "createThing", "name=n", "--spec", "refreshed").stderr


def test_nothing_was_refreshed_yet(acme: Acme) -> None:
    """The error says what to run."""
    done = acme("actions", "list", "--spec", "refreshed")
    assert (done.exit_code, "Run `spec refresh` first." in done.stderr) == (ExitCode.DESCRIPTION, True)


def test_a_connection_file_asks_for_it(acme: Acme, tmp_path: Path) -> None:
    """`connect --spec refreshed` writes the option that the connection's commands follow."""
    acme("spec", "refresh", "--from", client(tmp_path))
    file = tmp_path / "mine.yaml"
    assert acme("connect", str(file), "--no-test", "--spec", "refreshed").exit_code == 0
    assert yaml.safe_load(file.read_text())["options"] == {"spec": "refreshed"}
    assert "/v1/things/t/pause" in acme("dry-run", "pauseThing", "thing_id=t", "--connection", str(file)).stdout


def test_saved_workflows_that_break_are_named(acme: Acme, tmp_path: Path) -> None:
    """With their faults, and nothing is written unless it is forced; one that was broken before is not the refresh's."""
    folder = tmp_path / "saved"
    folder.mkdir()
    (folder / "good.yaml").write_text(yaml.safe_dump(WORKFLOW))
    (folder / "notes.yaml").write_text("a: 1")
    newer = json.loads(json.dumps(OWN))
    newer["paths"]["/v1/things"]["post"]["operationId"] = "makeThing"
    path = tmp_path / "newer.json"
    path.write_text(json.dumps(newer))
    done = acme("spec", "refresh", "--from", str(path), "--workflows", str(folder))
    assert done.exit_code == 1
    assert "good.yaml" in done.stderr
    assert "/workflows/0/steps/0/operationId" in done.stderr
    assert "notes.yaml" not in done.stderr
    assert written(tmp_path) == []
    assert acme("spec", "refresh", "--from", str(path), "--workflows", str(folder), "--force").exit_code == 1
    assert len(written(tmp_path)) == 1
    told = json.loads(acme("spec", "refresh", "--from", client(tmp_path), "--workflows", str(folder), "--json").stdout)
    assert (told["broken_workflows"], told["left"]) == ({}, [])


@pytest.mark.parametrize("source", ["missing.json", "acme-1.0.tar.gz"])
def test_a_source_that_is_not_there(acme: Acme, source: str) -> None:
    """Its name is said, and nothing is written."""
    done = acme("spec", "refresh", "--from", source)
    assert (done.exit_code, source in done.stderr) == (ExitCode.DESCRIPTION, True)


def test_a_connector_without_a_client(cli: Cli, tmp_path: Path) -> None:
    """It is told to give a description."""
    (tmp_path / "connector.yaml").write_text(yaml.safe_dump({**MANIFEST, "parts": {}}))
    (tmp_path / "openapi.json").write_text(json.dumps(OWN))
    done = cli("--connector", str(tmp_path), "spec", "refresh")
    assert (done.exit_code, "--from FILE" in done.stderr) == (ExitCode.DESCRIPTION, True)
