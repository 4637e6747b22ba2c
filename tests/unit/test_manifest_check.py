"""A whole manifest is checked: each part's schema, and each name of an action, an input or another entry, with its file and pointer."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kosha_connector_openai import manifest_check
from kosha_connector_openai.manifest.folder import read_folder
from kosha_connector_openai.manifest.manifest import PartName
from kosha_connector_openai.manifest_check import PARTS, ManifestCheck
from kosha_connector_openai.text.yaml_text import YamlLimits, load_yaml

ROOT = Path(__file__).parents[2]
LIMITS = YamlLimits(bytes=4 * 1024 * 1024)
ROWS = [
    *((part, path) for part, paths in manifest_check._ACTIONS.items() for path in paths),
    *((part, path) for part, rows in manifest_check._INPUTS.items() for path, _ in rows),
    *((part, path) for part, rows in manifest_check._NAMES.items() for path, _, _ in rows),
]
ADDED: dict[tuple[str, str], tuple[tuple[str, ...], Any]] = {
    ("paging", "/lists/*/form"): (("lists", "listFiles"), {"form": "x"}),
    ("forms", "/inputs/*/picker"): (("inputs", "stream"), {"picker": "x"}),
    ("forms", "/shapes/*/fields/*/picker"): (("shapes", "Reasoning"), {"fields": {"effort": {"picker": "x"}}}),
    ("forms", "/actions/*/fields/*/picker"): (("actions", "createSpeech", "fields", "input"), {"picker": "x"}),
    ("jobs", "/kinds/*/start/*/refuse/*"): (("kinds", "batch", "start", "createBatch"), {"refuse": ["x"]}),
    ("jobs", "/kinds/*/result/inputs/~"): (
        ("kinds", "batch", "result"), {"kind": "items", "action": "listFiles", "inputs": {"x": "y"}},
    ),
    ("manifest", "/connection/test/inputs/~"): (("connection", "test", "inputs"), {"x": 1}),
    ("manifest", "/actions/*/fields/~"): (("actions", "createSpeech"), {"fields": {"x": {}}}),
}  # fmt: skip
"""What is written into a copy for the rows that our own manifest has no case of."""


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    """Our own manifest and its parts, as they are written."""
    manifest = load_yaml((ROOT / "connector.yaml").read_bytes(), LIMITS, what="manifest")
    parts = {name: load_yaml((ROOT / file).read_bytes(), LIMITS, what=name) for name, file in manifest["parts"].items()}
    return {"manifest": manifest, **parts}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of our own folder."""
    shutil.copy(ROOT / "connector.yaml", tmp_path)
    shutil.copy(ROOT / "openapi.json", tmp_path)
    shutil.copytree(ROOT / "connector", tmp_path / "connector")
    return tmp_path


def faults(folder: Path) -> list[tuple[str, str]]:
    return [(found.file, found.fault.pointer) for found in ManifestCheck(folder, read_folder(folder)).faults()]


def places(value: Any, path: list[str], keys: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the path leads, keys and indexes as they are."""
    if not path:
        if isinstance(value, str):
            yield keys
        return
    pairs = dict(enumerate(value)) if isinstance(value, list) else value if isinstance(value, dict) else {}
    for key, part in pairs.items():
        if path[0] == "~":
            yield (*keys, key)
        elif path[0] in ("*", str(key)):
            yield from places(part, path[1:], (*keys, key))


@pytest.mark.parametrize("name", [".", "examples/tides"])
def test_good_folders_have_no_fault(name: str) -> None:
    """Ours and the example's."""
    assert faults(ROOT / name) == []


def test_every_part_is_checked() -> None:
    """None of those that a manifest may name is passed over."""
    assert set(PARTS) == set(PartName.__args__)


@pytest.mark.parametrize(("part", "path"), ROWS, ids=str)
def test_a_wrong_name_is_found_where_it_stands(folder: Path, whole: dict[str, Any], part: str, path: str) -> None:
    """Each place that names something: a name that nothing has is told, with its file and its pointer."""
    values = json.loads(json.dumps(whole[part], default=str))
    if (part, path) in ADDED:
        place, value = ADDED[part, path]
        at = values
        for key in place[:-1]:
            at = at.setdefault(key, {})
        at[place[-1]] = value
        keys = next(keys for keys in places(values, path[1:].split("/")) if keys[: len(place)] == place)
    else:
        keys = next(places(values, path[1:].split("/")))
    at = values
    for key in keys[:-1]:
        at = at[key]
    wrong = "/nowhere" if str(keys[-1]) in ("field", "when") else "nowhere"
    if path.endswith("~"):
        at[wrong] = at.pop(keys[-1])
        keys = (*keys[:-1], wrong)
    else:
        at[keys[-1]] = wrong
    file = "connector.yaml" if part == "manifest" else whole["manifest"]["parts"][part]
    (folder / file).write_text(json.dumps(values))
    pointer = "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in keys)
    assert (file, pointer) in faults(folder)


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_breaks_its_schema(folder: Path, whole: dict[str, Any], part: str) -> None:
    """Told with the others: one broken part hides no fault of another."""
    file = whole["manifest"]["parts"][part]
    (folder / file).write_text("nothing_of_this_name: 1\n")
    text = (folder / "connector.yaml").read_text()
    (folder / "connector.yaml").write_text(text.replace("test:\n    action: ", "test:\n    action: no", 1))
    found = faults(folder)
    assert (file, "/nothing_of_this_name") in found
    assert ("connector.yaml", "/connection/test/action") in found


def test_a_part_in_the_manifest_itself_and_one_that_is_gone(folder: Path) -> None:
    """The first is told by its place in connector.yaml, the second by the line that names it."""
    text = (folder / "connector.yaml").read_text()
    text = text.replace("  relay: connector/relay.yaml\n", "  relay: {wrong: 1}\n").replace("connector/models.yaml", "connector/none.yaml")
    (folder / "connector.yaml").write_text(text)
    assert {("connector.yaml", "/parts/relay/wrong"), ("connector.yaml", "/parts/models")} <= set(faults(folder))


def test_a_description_that_is_not_the_pinned_one(folder: Path) -> None:
    """One fault of the description in place of an error."""
    (folder / "openapi.json").write_text("{}")
    assert [file for file, _ in faults(folder)] == ["openapi.json"]


def test_without_a_description_the_schemas_are_checked(folder: Path) -> None:
    """A manifest that is being written has none yet."""
    (folder / "openapi.json").unlink()
    assert faults(folder) == []
    assert not ManifestCheck(folder, read_folder(folder)).described
    (folder / "connector" / "jobs.yaml").write_text("kinds: 1\n")
    assert faults(folder) == [("connector/jobs.yaml", "/kinds")]
