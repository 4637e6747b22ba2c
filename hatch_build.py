"""The wheel's own step: the shipped manifest and its parts, checked when it is built, are in it as records that need no check; and what
it is tested with, and what the studio's page is made of, is in it as a CycloneDX document (PEP 770), made from the locks alone, so that two
builds give the same bytes.
"""

from __future__ import annotations

import base64
import json
import re
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.parse import quote

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_LOCKED: Final = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;]+)(?: ; ([^\\\n]+?))? *\\?$", re.MULTILINE)
_LICENCES: Final = "kosha_connector_openai/gateway/pages/studio/assets/licences.txt"
_SPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, "https://cyclonedx.org/docs/1.6/json/")


def sbom(name: str, version: str, lock: str, page_lock: str = "", page_licences: str = "") -> str:
    """The packages of a lock as a CycloneDX 1.6 document; a package that only some systems need says which.

    ``page_lock`` is npm's lock of the studio, and ``page_licences`` what its build says of the packages whose code is in the page.
    """
    root = _component("library", name, version) | {"licenses": [{"license": {"id": "Apache-2.0"}}]}
    parts = [
        _component("library", part, number) | ({"properties": [{"name": "kosha:marker", "value": marker}]} if marker else {})
        for part, number, marker in _LOCKED.findall(lock)
    ]
    parts += _page_parts(page_lock, page_licences) if page_lock else ()
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


def _page_parts(lock: str, licences: str) -> Iterator[dict[str, Any]]:
    """The npm packages whose code is in the page, with the digests that npm checks (package-lock.json, version 3)."""
    heads = set(licences.splitlines())
    for place, entry in json.loads(lock)["packages"].items():
        name = place.rpartition("node_modules/")[2]
        if f"{name} {entry['version']}" not in heads:
            continue
        purl = f"pkg:npm/{quote(name, safe='/')}@{entry['version']}"
        digest = base64.b64decode(entry["integrity"].removeprefix("sha512-")).hex()
        yield {
            "type": "library",
            "bom-ref": purl,
            "name": name,
            "version": entry["version"],
            "hashes": [{"alg": "SHA-512", "content": digest}],
            "licenses": [{"license": {"id": entry["license"]}}],
            "purl": purl,
        }


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
        page = [Path(self.root, *path.split("/")) for path in ("studio/package-lock.json", _LICENCES)]
        texts = [path.read_text(encoding="utf-8") if page[1].is_file() else "" for path in page]  # a wheel without the page has none of it
        text = sbom("kosha-connector-openai", self.metadata.version, lock.read_text(encoding="utf-8"), *texts)
        bom.write_text(text, encoding="utf-8")
        build_data["sbom_files"].append(str(bom))

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if version != "editable":
            self.folder.cleanup()
