"""The wheel's own step: the shipped manifest and its parts, checked when it is built, are in it as records that need no check; and what
it is tested with is in it as a CycloneDX document (PEP 770), made from the lock alone, so that two builds give the same bytes.
"""

from __future__ import annotations

import json
import re
import sys
import uuid
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_LOCKED: Final = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;]+)(?: ; ([^\\\n]+?))? *\\?$", re.MULTILINE)
_SPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, "https://cyclonedx.org/docs/1.6/json/")


def sbom(name: str, version: str, lock: str) -> str:
    """The packages of a lock as a CycloneDX 1.6 document; a package that only some systems need says which."""
    root = _component("library", name, version) | {"licenses": [{"license": {"id": "Apache-2.0"}}]}
    parts = [
        _component("library", part, number) | ({"properties": [{"name": "kosha:marker", "value": marker}]} if marker else {})
        for part, number, marker in _LOCKED.findall(lock)
    ]
    found: dict[str, Any] = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": "",
        "version": 1,
        "metadata": {"component": root},
        "components": parts,
        "dependencies": [{"ref": root["bom-ref"], "dependsOn": [part["bom-ref"] for part in parts]}],
    }
    found["serialNumber"] = f"urn:uuid:{uuid.uuid5(_SPACE, json.dumps(found))}"
    return json.dumps(found, indent=1) + "\n"


def _component(kind: str, name: str, version: str) -> dict[str, Any]:
    purl = f"pkg:pypi/{re.sub('[-_.]+', '-', name).lower()}@{version}"
    return {"type": kind, "bom-ref": purl, "name": name, "version": version, "purl": purl}


class CheckedRecords(BuildHookInterface[Any]):
    """Writes what ``manifest/checked.py`` would keep of the shipped connector; an editable install keeps it when it first starts."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        sys.dont_write_bytecode = True
        sys.path.insert(0, self.root)
        from kosha_connector_openai.manifest.folder import shipped

        self.folder = TemporaryDirectory()
        for name, data in shipped(Path(self.root)).items():
            path = Path(self.folder.name, name)
            path.write_bytes(data)
            build_data["force_include"][str(path)] = f"kosha_connector_openai/manifest/shipped/{name}"
        lock = Path(self.root, "locks", "runtime.txt")
        if not lock.is_file():
            return
        bom = Path(self.folder.name, "kosha-connector-openai.cdx.json")
        text = sbom("kosha-connector-openai", self.metadata.version, lock.read_text(encoding="utf-8"))
        bom.write_text(text, encoding="utf-8")
        build_data["sbom_files"].append(str(bom))

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if version != "editable":
            self.folder.cleanup()
