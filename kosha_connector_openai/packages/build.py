"""A folder of data -> a wheel, the same bytes wherever and whenever it is built: no clock, no order of a folder, no place in it."""

from __future__ import annotations

import io
import json
import uuid
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from kosha_connector_openai import __version__
from kosha_connector_openai.connector import Connector
from kosha_connector_openai.errors import ConnectorError, ConnectorPackageError, Fault
from kosha_connector_openai.manifest import Manifest, write_kosha_spec
from kosha_connector_openai.packages.version import normalised
from kosha_connector_openai.packages.wheel import GROUP, HOST, LARGEST, MOST_FILES, record_digest

NAMESPACE: Final = "kosha_connectors"
"""The namespace package (PEP 420) that data connectors share; it holds no code."""
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_MODE: Final = 0o100644 << 16
_SPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, "https://cyclonedx.org/docs/1.6/json/")
_TOP: Final = ("connector.yaml", "connector_spec.json", "README.md", "CHANGELOG.md", "LICENSE", "LICENSE.txt", "NOTICE")
_FOLDERS: Final = ("images", "connector", "docs", "examples")
_DATA: Final = frozenset(
    ".yaml .yml .json .md .txt .svg .png .jpg .jpeg .webp .gif .ico .csv .jsonl .arazzo".split()  # noqa: SIM905 - reads better
)
_WHEEL: Final = "Wheel-Version: 1.0\nGenerator: kosha-openai\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def build_wheel(folder: Path, *, version: str | None = None) -> tuple[str, bytes]:
    """The wheel's name and bytes. ``version`` stands in for the manifest's, which a folder of Kosha's older kind does not have.

    Raises ConnectorPackageError, and ManifestError or DocumentError where the connector itself is wrong.
    """
    if not folder.is_dir():
        raise ConnectorPackageError("There is nothing to package.", [Fault(f"/{folder.name}", "folder", "is no folder.", "Name one.")])
    with Connector(folder) as connector:
        manifest, catalog = connector.manifest, connector.catalog
        if not len(catalog):
            raise ConnectorPackageError("There is nothing to package.", [Fault("/paths", "empty", "has no operation that can be used.")])
        if version is None and manifest.version == "0.0.0":
            fix = "Give one: --version 1.0.0."
            raise ConnectorPackageError(
                "The package needs a version.", [Fault("/version", "required", "is told by nothing in the folder.", fix)]
            )
        number = normalised(version or manifest.version)
        data = dict(_data(folder, manifest))
        data |= _spec(connector, data)
    module = manifest.id.replace("-", "_")
    distribution = f"kosha_connector_{module}"
    info = f"{distribution}-{number}.dist-info"
    files = {f"{NAMESPACE}/{module}/{path}": content for path, content in data.items()}
    files[f"{info}/METADATA"] = _metadata(manifest, distribution, number, data).encode()
    files[f"{info}/WHEEL"] = _WHEEL.encode()
    files[f"{info}/entry_points.txt"] = f"[{GROUP}]\n{manifest.id} = {NAMESPACE}.{module}\n".encode()
    files[f"{info}/sboms/{distribution}.cdx.json"] = _sbom(manifest, distribution, number).encode()
    return f"{distribution}-{number}-py3-none-any.whl", _zipped(files, info)


def _data(folder: Path, manifest: Manifest) -> Iterator[tuple[str, bytes]]:
    """The files that make the connector, by their path; no link, nothing hidden, nothing that runs."""
    named = {source for source in manifest.parts.values() if isinstance(source, str)}
    named |= {
        str(each) for each in (manifest.spec.file, manifest.icon and manifest.icon.light, manifest.icon and manifest.icon.dark) if each
    }
    faults: list[Fault] = []
    places = [folder / name for name in sorted({*_TOP, *named}) if (folder / name).exists()]
    for name in _FOLDERS:
        places += sorted(path for path in (folder / name).rglob("*") if not path.is_dir() or path.is_symlink())
    total = 0
    for path in dict.fromkeys(places):
        relative = path.relative_to(folder).as_posix()
        if any(part.startswith(".") for part in relative.split("/")) or "__pycache__" in relative:
            continue
        if path.is_symlink() or any(parent.is_symlink() for parent in path.parents if folder in parent.parents):
            faults.append(Fault(f"/{relative}", "link", "is a link.", "Put the file itself there."))
            continue
        if path.suffix.lower() not in _DATA and path.name not in _TOP:
            faults.append(Fault(f"/{relative}", "type", "is no data.", "Leave it out, or build the project with its own build."))
            continue
        content = path.read_bytes()
        total += len(content)
        yield relative, content
    if total > LARGEST or len(places) > MOST_FILES:
        faults.append(Fault("", "size", f"has more than {LARGEST} bytes or {MOST_FILES} files."))
    if faults:
        raise ConnectorPackageError("The folder cannot be packaged.", faults)


def _spec(connector: Connector, data: Mapping[str, bytes]) -> dict[str, bytes]:
    """Kosha's specification, made from the manifest where there is none and it can be."""
    if "connector_spec.json" in data:
        return {}
    try:
        made = write_kosha_spec(connector.manifest)
    except ConnectorError:
        return {}  # headers and further credentials have no place in that format
    return {"connector_spec.json": (json.dumps(made, indent=2, ensure_ascii=False) + "\n").encode()}


def _metadata(manifest: Manifest, distribution: str, version: str, data: Mapping[str, bytes]) -> str:
    """Core metadata 2.4 with the README as its text."""
    lines = [
        "Metadata-Version: 2.4",
        f"Name: {distribution.replace('_', '-')}",
        f"Version: {version}",
        f"Summary: {_line(manifest.tagline)}",
        f"Author: {_line(manifest.publisher.name)}",
        f"License-Expression: {_line(manifest.license)}",
        f"Keywords: {','.join(_line(word) for word in manifest.keywords)}",
        *(f"Project-URL: {_line(label)[:32]}, {_line(url)}" for label, url in sorted(manifest.links.items())),
        "Requires-Python: >=3.11",
        f"Requires-Dist: {HOST}>={_host()}",
        "Description-Content-Type: text/markdown",
    ]
    readme = data.get("README.md", b"").decode("utf-8", "replace")
    return "\n".join(line for line in lines if not line.endswith(": ")) + f"\n\n{readme}"


def _host() -> str:
    """The oldest host that reads the package: the series of the one that built it."""
    return ".".join(__version__.split(".")[:2])


def _sbom(manifest: Manifest, distribution: str, version: str) -> str:
    """A CycloneDX 1.6 document: the package, and the host that it needs; data has no other parts, of Python or of npm."""
    name = distribution.replace("_", "-")
    root = _component(name, version) | {"licenses": [{"expression": manifest.license}]}
    host = _component(HOST, None)
    found: dict[str, Any] = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": "",
        "version": 1,
        "metadata": {"component": root},
        "components": [host],
        "dependencies": [{"ref": root["bom-ref"], "dependsOn": [host["bom-ref"]]}],
    }
    found["serialNumber"] = f"urn:uuid:{uuid.uuid5(_SPACE, json.dumps(found))}"
    return json.dumps(found, indent=1) + "\n"


def _component(name: str, version: str | None) -> dict[str, Any]:
    purl = f"pkg:pypi/{name}" + (f"@{version}" if version else "")
    return {"type": "library", "bom-ref": purl, "name": name, "purl": purl} | ({"version": version} if version else {})


def _zipped(files: Mapping[str, bytes], info: str) -> bytes:
    rows = [f"{_cell(path)},{record_digest(content)},{len(content)}" for path, content in sorted(files.items())]
    whole = {**files, f"{info}/RECORD": ("\n".join([*rows, f"{info}/RECORD,,"]) + "\n").encode()}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        # The metadata stands last, as PEP 427 asks, so that it can be changed without moving the rest.
        for path in sorted(whole, key=lambda path: (path.startswith(info), path)):
            entry = zipfile.ZipInfo(path, _EPOCH)
            entry.external_attr, entry.create_system, entry.compress_type = _MODE, 3, zipfile.ZIP_DEFLATED
            archive.writestr(entry, whole[path])
    return out.getvalue()


def _cell(path: str) -> str:
    return '"' + path.replace('"', '""') + '"' if set(path) & {",", '"'} else path


def _line(text: str) -> str:
    return " ".join(text.split())
