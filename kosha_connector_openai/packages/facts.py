"""What a person should see of a package before they say yes: who signed it, where it sends, what it asks for, what changes, what breaks."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from kosha_connector_openai import __version__
from kosha_connector_openai.connector import Connector
from kosha_connector_openai.errors import ConnectorError, ConnectorPackageError, Fault, WorkflowDocumentError
from kosha_connector_openai.flows.workflows import read_workflows
from kosha_connector_openai.openapi import diff
from kosha_connector_openai.packages.store import Installed, unpack
from kosha_connector_openai.packages.version import in_range
from kosha_connector_openai.packages.wheel import HOST, Wheel, refused

_NEED: Final = re.compile(r"([A-Za-z0-9._-]+)\s*(?:\[[^\]]*\])?\s*\(?([^;)]*)\)?\s*(;.*)?")
_WORKFLOWS: Final = ("*.yaml", "*.yml", "*.json")


@dataclass(frozen=True, slots=True)
class PackageFacts:
    """The facts; ``changes`` is the difference of the descriptions, None where nothing is installed yet."""

    id: str
    title: str
    version: str
    tagline: str
    publisher: str
    actions: int
    before: str | None
    hosts: tuple[str, ...]
    secrets: tuple[str, ...]
    code: tuple[str, ...]
    changes: diff.DiffReport | None
    broken: tuple[str, ...]
    """Saved workflows that can be run now and could not be any more, each with its first fault."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {
            "id": self.id,
            "title": self.title,
            "version": self.version,
            "tagline": self.tagline,
            "publisher": self.publisher,
            "actions": self.actions,
            "before": self.before,
            "hosts": list(self.hosts),
            "secrets": list(self.secrets),
            "code": list(self.code),
            "changes": None if self.changes is None else diff.to_json(self.changes),
            "broken": list(self.broken),
        }


def package_facts(wheel: Wheel, before: Installed | None, workflows: Iterable[Path] = ()) -> PackageFacts:
    """The facts of a package, beside the version that counts now; ``workflows`` are files and folders of Arazzo documents.

    Raises ConnectorPackageError where this host cannot take it, and the errors of a connector that is wrong itself.
    """
    check_host(wheel)
    with tempfile.TemporaryDirectory(prefix="kosha-package-") as name:
        unpack(wheel, Path(name))
        with Connector(Path(name) / wheel.folder) as connector:
            manifest, catalog = connector.manifest, connector.catalog
            if not len(catalog):
                raise refused(Fault("/paths", "empty", "has no operation that can be used."))
            changes, broken = _compared(connector, before, workflows)
            return PackageFacts(
                id=manifest.id,
                title=manifest.title,
                version=wheel.version,
                tagline=manifest.tagline,
                publisher=manifest.publisher.name,
                actions=len(catalog),
                before=before.version if before else None,
                hosts=tuple(_hosts(connector)),
                secrets=tuple(entry.label for entry in manifest.connection.fields if entry.secret),
                code=wheel.code,
                changes=changes,
                broken=broken,
            )


def check_host(wheel: Wheel) -> None:
    """Raises ConnectorPackageError where the package needs another host, another Python, or what is not installed."""
    if wheel.distribution.lower().replace("_", "-") == HOST:
        raise refused(Fault("/name", "host", "is the host itself.", f"Install it with pip: pip install {wheel.file}"))
    faults = []
    if wheel.requires_python and not in_range(platform.python_version(), wheel.requires_python):
        faults.append(Fault("/Requires-Python", "python", f"is {wheel.requires_python}, and this is {platform.python_version()}."))
    for need in wheel.requires:
        found = _NEED.fullmatch(need)
        if found is None:
            faults.append(Fault("/Requires-Dist", "type", "cannot be read."))
            continue
        name, clauses, marker = found[1].lower().replace("_", "-"), found[2].strip(), found[3]
        if marker:
            continue  # an extra, or a part of another system
        own = __version__ if name == HOST else _version(name)
        if own is None:
            faults.append(Fault("/Requires-Dist", "missing", f"names {name}, which is not installed.", f"pip install '{name}{clauses}'"))
        elif not in_range(own, clauses):
            fix = "Upgrade the host with pip." if name == HOST else f"pip install '{name}{clauses}'"
            faults.append(Fault("/Requires-Dist", "host", f"asks for {name} {clauses}, and this is {own}.", fix))
    if faults:
        raise refused(*faults)


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _hosts(connector: Connector) -> Iterator[str]:
    """The hosts that the connector may send to: its servers, and those of token endpoints and operations of their own."""
    manifest = connector.manifest
    root = connector.catalog.document.root
    given = [manifest.servers.default or "", *(value for kind in manifest.servers.kinds.values() for value in kind.values.values())]
    given += [str(server.get("url", "")) for server in root.get("servers", ()) if isinstance(server, dict)]
    found = dict.fromkeys(host for url in given if (host := urlsplit(url).hostname))
    yield from found
    if not found or any(entry.role == "server" for entry in manifest.connection.fields):
        yield "the server that the connection names"


def _compared(connector: Connector, before: Installed | None, workflows: Iterable[Path]) -> tuple[diff.DiffReport | None, tuple[str, ...]]:
    if before is None:
        return None, ()
    try:
        old = Connector(before.folder)
        with old:
            changes = diff.compare_documents(old.catalog.document, connector.catalog.document)
            return changes, tuple(_broken(old, connector, workflows))
    except ConnectorPackageError:
        raise
    except ConnectorError:
        return None, ()  # what is installed is broken itself


def _broken(old: Connector, new: Connector, workflows: Iterable[Path]) -> Iterator[str]:
    for path in workflows:
        for file in sorted(each for pattern in _WORKFLOWS for each in path.glob(pattern)) if path.is_dir() else [path]:
            try:
                read_workflows(file, old)
            except ConnectorError:
                continue  # it belongs to another connector, or did not work before
            try:
                read_workflows(file, new)
            except WorkflowDocumentError as error:
                yield f"{file.name}: {error.faults[0] if error.faults else error.message}"
