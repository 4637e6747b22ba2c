"""A connector's folder: which file in it is the manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from kosha_connector_openai.manifest.checked import file_name, packed
from kosha_connector_openai.manifest.manifest import Manifest, read_manifest
from kosha_connector_openai.manifest.part import Part, parse_part

MANIFEST: Final = "connector.yaml"
KOSHA_SPEC: Final = "connector_spec.json"


def read_folder(folder: Path) -> Manifest:
    """The manifest of a connector's folder: ``connector.yaml``, else what ``connector_spec.json`` says. Raises ManifestError."""
    found = [name for name in (MANIFEST, KOSHA_SPEC) if (folder / name).is_file()]
    return read_any_manifest(folder / (found or [MANIFEST])[0])


def has_manifest(folder: Path) -> bool:
    """Whether a folder is a connector's."""
    return any((folder / name).is_file() for name in (MANIFEST, KOSHA_SPEC))


def read_any_manifest(path: Path) -> Manifest:
    """The manifest in a file, which its name tells from a Kosha specification. Raises ManifestError."""
    if path.name != KOSHA_SPEC:
        return read_manifest(path)
    from kosha_connector_openai.manifest.kosha_spec import read_kosha_spec

    return read_kosha_spec(path)


def shipped(folder: Path) -> dict[str, bytes]:
    """The files that keep the manifest of a folder and its parts, by name. Raises ManifestError."""
    from kosha_connector_openai.manifest.parts import PARTS

    texts: list[tuple[bytes, type[Part]]] = [((folder / MANIFEST).read_bytes(), Manifest)]
    manifest = parse_part(texts[0][0], Manifest, name=MANIFEST)
    texts += [((folder / source).read_bytes(), PARTS[name]) for name, source in manifest.parts.items() if isinstance(source, str)]
    return {file_name(data, model): packed(parse_part(data, model, name=model.__name__)) for data, model in texts}
