"""The command that brings a newer description: from the provider's client or a file, checked, and pinned by its digest."""

from __future__ import annotations

import datetime
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from kosha_connector_openai import Connector
from kosha_connector_openai.cli import options as opt
from kosha_connector_openai.cli.error_output import fault_line
from kosha_connector_openai.cli.session import Session
from kosha_connector_openai.cli.terminal import clean, note, say_json
from kosha_connector_openai.core.actions import Catalog
from kosha_connector_openai.core.connection import read_options
from kosha_connector_openai.errors import DocumentError, Fault, WorkflowDocumentError
from kosha_connector_openai.flows.workflows import read_workflows
from kosha_connector_openai.manifest.parts import SdkPart
from kosha_connector_openai.openapi import REFRESHED, Document, parse_document, read_document, with_texts, write_refreshed
from kosha_connector_openai.openapi.diff import compare_documents, to_json, to_text
from kosha_connector_openai.sdk import is_client, read_for, read_package, updated

INCOMPLETE: Final = 1
"""The exit code where something of the source was left as it was, or a saved workflow would break."""
_WORKFLOWS: Final = (".yaml", ".yml", ".json")

_From = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="PACKAGE|FILE",
        help="The provider's client (NAME==1.2.3), or a description.",
        show_default=False,
    ),
]
_Workflows = Annotated[
    list[Path] | None,
    typer.Option("--workflows", metavar="PATH", help="Saved workflows to check against it: a document, or a folder.", show_default=False),
]


@dataclass(frozen=True, slots=True)
class NewerDescription:
    """A description to be written: its text, what it is from, and what of the source was left as it was."""

    data: bytes
    source: str
    faults: list[str] = field(default_factory=list)


def refresh(
    ctx: typer.Context,
    source: _From = None,
    workflows: _Workflows = None,
    force: Annotated[bool, typer.Option("--force", help="Write it even where a saved workflow breaks.")] = False,
    as_json: opt.AsJson = False,
) -> None:
    """Writes a newer description to your folder, for the connections that say `spec: refreshed`. Ends with 1 where not all went over."""
    session: Session = ctx.obj
    connector = session.connector
    newer = _newer(connector, source)
    document = parse_document(newer.data, name=newer.source, foreign=True)
    faults = [*newer.faults, *(f"{fault.pointer}: {fault.message}" for fault in document.faults())]
    broken = dict(_broken(connector, newer.data, workflows or ()))
    written = write_refreshed(connector.manifest.id, newer.data, newer.source, _today()) if force or not broken else None
    report = compare_documents(connector.catalog.document, document)
    if as_json:
        told = {name: [vars_of(fault) for fault in found] for name, found in broken.items()}
        about = {"source": newer.source, "sha256": document.digest, "file": str(written) if written else None}
        say_json({**about, "left": faults, "broken_workflows": told, "report": to_json(report)})
    else:
        typer.echo(clean(to_text(report)))
        for text in faults:
            note(f"Left as it was: {text}")
        for name, found in broken.items():
            note(f"Breaks {name}:")
            for fault in found:
                note(fault_line(fault))
        typer.echo(_told(written, newer.source, document))
    raise typer.Exit(INCOMPLETE if faults or broken else 0)


def vars_of(fault: Fault) -> dict[str, str]:
    """A fault as JSON-ready values."""
    return {"pointer": fault.pointer, "rule": fault.rule, "message": fault.message, "fix": fault.fix}


def _told(written: Path | None, source: str, document: Document) -> str:
    if written is None:
        return "Nothing was written: saved workflows break. Mend them, or add --force."
    lines = (
        f"{source} is in {written}, SHA-256 {document.digest}.",
        f"Use it with --spec {REFRESHED}, or with `spec: {REFRESHED}` under `options` of a connection file.",
    )
    return "\n".join(map(clean, lines))


def _newer(connector: Connector, source: str | None) -> NewerDescription:
    rules = connector.part("sdk", SdkPart)
    if source is None and not rules.package:
        raise DocumentError("This connector names no client of its provider.", hint="Give a description: --from FILE.")
    source = source or rules.package
    return _from_client(connector, rules, source) if is_client(source, rules.package) else _from_file(connector, Path(source))


def _from_client(connector: Connector, rules: SdkPart, source: str) -> NewerDescription:
    own = connector.catalog.document.root
    if connector.catalog.document.version.startswith("3.0"):
        raise DocumentError(
            "The connector's description is OpenAPI 3.0, and a client's facts are 3.1.", hint="Give a description: --from FILE."
        )
    reading = read_for(read_package(source, rules.package), rules, own)
    name = f"{rules.title} {reading.document['info']['version']}"
    return NewerDescription(_text(updated(own, reading, rules).document), name, [str(fault) for fault in reading.faults])


def _from_file(connector: Connector, path: Path) -> NewerDescription:
    """A description with our texts where it has the same operations and fields."""
    try:
        newer = read_document(path)
    except OSError as error:
        hint = "Name a file, or the provider's client."
        raise DocumentError(f"{path.name} cannot be read: {error.strerror}.", hint=hint) from None
    info = newer.root.get("info")
    version = f" {info.get('version', '')}".rstrip() if isinstance(info, Mapping) else ""
    return NewerDescription(_text(with_texts(newer.root, connector.catalog.document.root)), f"{path.name}{version}")


def _text(document: Mapping[str, Any]) -> bytes:
    """One key a line, so that a change reads as a diff."""
    return json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n"


def _broken(connector: Connector, data: bytes, paths: Iterable[Path]) -> Iterator[tuple[str, tuple[Fault, ...]]]:
    """The saved workflows that can be run with the connector's own description and not with this one, each with its faults."""
    files = [file for path in paths for file in _documents(path)]
    if not files:
        return
    with tempfile.TemporaryDirectory() as folder:
        newer = Path(folder) / "newer.json"
        newer.write_bytes(data)
        catalog = connector.catalog_by(read_options({"spec": str(newer)}))
    for file in files:
        if not _faults(connector, file, connector.catalog) and (found := _faults(connector, file, catalog)):
            yield str(file), found


def _documents(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.suffix in _WORKFLOWS)
    if not path.exists():
        raise DocumentError(f"{path} is no file or folder.", hint="Name a workflow document, or a folder of them.")
    return [path]


def _faults(connector: Connector, file: Path, catalog: Catalog) -> tuple[Fault, ...]:
    try:
        read_workflows(file, connector, catalog=catalog)
    except WorkflowDocumentError as error:
        return error.faults or (Fault("", "document", error.message),)
    return ()


def _today() -> str:
    return datetime.datetime.now(datetime.UTC).date().isoformat()
