"""Parts of the manifest: read late, checked like the manifest itself."""

from __future__ import annotations

import os
import shutil
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest

from kosha_connector_openai import Connector
from kosha_connector_openai.errors import ManifestError
from kosha_connector_openai.manifest.checked import read_part
from kosha_connector_openai.manifest.part import Field, Part

TINY = Path(__file__).parents[2] / "tiny_provider"


class Colours(Part):
    """A part for these tests."""

    names: tuple[str, ...] = ()


class Bounds(Part):
    """A record with a field that is needed, and a rule for two of them."""

    low: int
    high: int = Field(default=9, ge=1)

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low is above high")


def test_a_record_is_a_frozen_value() -> None:
    """Equal where all fields are, with one hash; not to be changed; replaced by a copy that is checked like it."""
    bounds = Bounds(low=1)
    assert (bounds, hash(bounds), repr(bounds)) == (Bounds(low=1, high=9), hash(Bounds(low=1, high=9)), "Bounds(low=1, high=9)")
    assert bounds != Bounds(low=2)
    assert replace(bounds, high=3) == Bounds(low=1, high=3)
    with pytest.raises(FrozenInstanceError):
        bounds.low = 3  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        del bounds.low
    with pytest.raises(ValueError, match="above"):
        replace(bounds, low=10)


@pytest.mark.parametrize(("values", "message"), [({}, "lacks low"), ({"low": 1, "hihg": 2}, "has no hihg")])
def test_a_record_takes_its_fields_and_no_others(values: dict[str, int], message: str) -> None:
    """As a dataclass's own constructor does."""
    with pytest.raises(TypeError, match=message):
        Bounds(**values)


def test_a_part_comes_from_its_file_or_stands_in_the_manifest(tmp_path: Path) -> None:
    """A text names a file of the folder; a mapping is the part."""
    (tmp_path / "colours.yaml").write_text("names: [red]")
    assert read_part(tmp_path, "colours.yaml", Colours, name="forms").names == ("red",)
    assert read_part(tmp_path, {"names": ["blue"]}, Colours, name="forms").names == ("blue",)


def test_a_misspelt_key_is_named_with_the_nearest(tmp_path: Path) -> None:
    """A part is closed to unknown keys, and the file is named."""
    (tmp_path / "colours.yaml").write_text("nams: [red]")
    with pytest.raises(ManifestError, match=r"colours.yaml breaks its schema") as caught:
        read_part(tmp_path, "colours.yaml", Colours, name="forms")
    assert [(fault.pointer, fault.rule, fault.fix) for fault in caught.value.faults] == [("/nams", "unknown", "Did you mean `names`?")]


@pytest.mark.parametrize("source", ["../colours.yaml", "/colours.yaml", "link.yaml"])
def test_no_part_lies_outside_the_folder(tmp_path: Path, source: str) -> None:
    """Neither dots, an absolute path nor a link lead out of the connector's folder."""
    folder = tmp_path / "connector"
    folder.mkdir()
    (tmp_path / "colours.yaml").write_text("names: [red]")
    (folder / "link.yaml").symlink_to(tmp_path / "colours.yaml")
    with pytest.raises(ManifestError, match="outside its folder"):
        read_part(folder, source, Colours, name="forms")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """The error says which part of the manifest names it."""
    with pytest.raises(ManifestError, match=r"none.yaml cannot be read") as caught:
        read_part(tmp_path, "none.yaml", Colours, name="forms")
    assert caught.value.faults[0].pointer == "/parts/forms"


@pytest.mark.parametrize("place", ["spec", "icon"])
@pytest.mark.parametrize("name", ["../secret.json", "link.json", "pipe.json"])
def test_no_file_of_a_manifest_lies_outside_its_folder(tmp_path: Path, place: str, name: str) -> None:
    """S3: the description and the logo are held to the folder as parts are; a pipe, which would be waited for, is refused."""
    folder = tmp_path / "connector"
    shutil.copytree(TINY, folder)
    (tmp_path / "secret.json").write_text("{}")
    (folder / "link.json").symlink_to(tmp_path / "secret.json")
    os.mkfifo(folder / "pipe.json")
    entry = {"spec": f"spec: {{file: {name}}}", "icon": f"icon: {{light: {name}}}"}[place]
    text = (folder / "connector.yaml").read_text()
    kept = "\n".join(line for line in text.splitlines() if not line.startswith(f"{place}:"))
    (folder / "connector.yaml").write_text(f"{kept}\n{entry}\n")
    with Connector(folder) as connector, pytest.raises(ManifestError, match=r"outside its folder|not a regular file"):
        _ = connector.catalog if place == "spec" else connector.icon()
