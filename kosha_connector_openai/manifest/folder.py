"""A connector's folder: which file in it is the manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from kosha_connector_openai.manifest.manifest import Manifest, read_manifest

MANIFEST: Final = "connector.yaml"
KOSHA_SPEC: Final = "connector_spec.json"


def read_folder(folder: Path) -> Manifest:
    """The manifest of a connector's folder: ``connector.yaml``, else what ``connector_spec.json`` says. Raises ManifestError."""
    found = [name for name in (MANIFEST, KOSHA_SPEC) if (folder / name).is_file()]
    return read_any_manifest(folder / (found or [MANIFEST])[0])


def read_any_manifest(path: Path) -> Manifest:
    """The manifest in a file, which its name tells from a Kosha specification. Raises ManifestError."""
    if path.name != KOSHA_SPEC:
        return read_manifest(path)
    from kosha_connector_openai.manifest.kosha_spec import read_kosha_spec

    return read_kosha_spec(path)
