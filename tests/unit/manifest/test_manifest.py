"""Reading connector.yaml: every fault at once, each with its pointer and the nearest known name."""

from __future__ import annotations

from pathlib import Path

import pytest

from kosha_connector_openai.errors import ManifestError
from kosha_connector_openai.manifest import json_schema
from kosha_connector_openai.manifest.manifest import Manifest, read_manifest
from kosha_connector_openai.manifest.part import parse_part

SMALL = b"id: tiny\ntitle: Tiny\nversion: 1.0.0\ntagline: t\npublisher: {name: p}\nlicense: MIT\n"


def test_a_small_manifest_is_enough() -> None:
    """Only identity is required; all else has defaults."""
    manifest = parse_part(SMALL, Manifest, name="connector.yaml")
    assert (manifest.id, manifest.defaults.timeouts.connect, manifest.spec.file) == ("tiny", 5, "openapi.json")


@pytest.mark.parametrize(
    ("more", "pointer", "fix"),
    [
        (b"titel: x", "/titel", "Did you mean `title`?"),
        (b"defaults: {timeout: {}}", "/defaults/timeout", "Did you mean `timeouts`?"),
        (b"defaults: {timeouts: {conect: 1}}", "/defaults/timeouts/conect", "Did you mean `connect`?"),
        (b"connection: {fields: [{name: a, label: b, secrte: true}]}", "/connection/fields/0/secrte", "Did you mean `secret`?"),
        (b"actions: {listModels: {feature: true}}", "/actions/listModels/feature", "Did you mean `featured`?"),
        (b"groups: [{id: a, title: b, zzz: 1}]", "/groups/0/zzz", "Known here: help, id, paid, security, title."),
    ],
)
def test_unknown_keys_are_refused_with_the_nearest_name(more: bytes, pointer: str, fix: str) -> None:
    """A misspelt key is named by its pointer, with a hint from the keys that are known at that very place."""
    with pytest.raises(ManifestError) as caught:
        parse_part(SMALL + more, Manifest, name="connector.yaml")
    assert [(fault.pointer, fault.fix) for fault in caught.value.faults] == [(pointer, fix)]


def test_every_fault_is_reported_at_once() -> None:
    """Missing and wrong values come together."""
    with pytest.raises(ManifestError) as caught:
        parse_part(b"id: Tiny\nversion: one\ndefaults: {retries: {attempts: 0}}", Manifest, name="connector.yaml")
    assert {fault.pointer for fault in caught.value.faults} >= {"/id", "/version", "/title", "/defaults/retries/attempts"}


def test_our_manifest_is_read(root: Path) -> None:
    """The shipped manifest breaks no rule and names the seed's groups in their order."""
    manifest = read_manifest(root / "connector.yaml")
    order = [group.id for group in manifest.groups]
    seed = ["Completions", "Images", "Fine tunes", "Models", "Moderation", "Audio"]
    assert sorted(seed, key=order.index) == seed


def test_a_missing_file_is_a_manifest_error(tmp_path: Path) -> None:
    """The file's name is told, its folder is not."""
    with pytest.raises(ManifestError, match=r"connector\.yaml cannot be read") as caught:
        read_manifest(tmp_path / "connector.yaml")
    assert str(tmp_path) not in str(caught.value)


def test_the_schema_for_editors_is_closed() -> None:
    """The published JSON Schema refuses unknown keys too."""
    assert json_schema(Manifest)["additionalProperties"] is False


def test_the_part_of_version_0_1_is_the_part_of_today() -> None:
    """``parts: {presets: ...}`` still names the tasks, for one minor version more."""
    manifest = parse_part(SMALL + b"parts: {presets: tasks.yaml}\n", Manifest, name="connector.yaml")
    assert manifest.parts == {"tasks": "tasks.yaml"}
