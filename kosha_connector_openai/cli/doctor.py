"""The command that looks at an installation and a connection, and says what is broken; names only, never a value."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Final, Literal

import typer

from kosha_connector_openai import Connection, Connector
from kosha_connector_openai.cli import options as opt
from kosha_connector_openai.cli.connection import Choices, Sources, catalog, connect, read_sources
from kosha_connector_openai.cli.exit_codes import ExitCode, exit_code
from kosha_connector_openai.cli.session import OURS, Session
from kosha_connector_openai.cli.terminal import one_line, say_json, say_table
from kosha_connector_openai.core.actions import Catalog
from kosha_connector_openai.core.connection import server_kind_of
from kosha_connector_openai.core.transport import tls_of
from kosha_connector_openai.errors import ConnectorError
from kosha_connector_openai.manifest_check import ManifestCheck
from kosha_connector_openai.plugins import installed_plugins
from kosha_connector_openai.secrets import SecretReference

_PACKAGES: Final = (
    "kosha-connector-openai",
    "httpx",
    "httpx2",
    "aiohttp",
    "jsonschema-rs",
    "jsonschema",
    "orjson",
    "pluggy",
    "pydantic",
    "keyring",
)
_NEEDED: Final = frozenset({"kosha-connector-openai", "httpx", "jsonschema", "orjson", "pluggy", "pydantic"})
_PROXIES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
State = Literal["ok", "note", "broken"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    state: State
    part: str
    text: str
    code: ExitCode = ExitCode.OK


def doctor(ctx: typer.Context, as_json: opt.AsJson = False, values: opt.Values = None, connection_file: opt.ConnectionFile = None) -> None:
    """Looks at versions, plugins, descriptions, the connection and its secrets; nothing is sent."""
    findings = list(_findings(ctx.obj, Choices(values or (), connection_file)))
    if as_json:
        say_json([{**asdict(finding), "code": int(finding.code)} for finding in findings])
    else:
        say_table(("State", "Part", "What was found"), [(f.state, f.part, f.text) for f in findings])
    broken = next((finding.code for finding in findings if finding.state == "broken"), ExitCode.OK)
    raise typer.Exit(broken)


def _findings(session: Session, choices: Choices) -> Iterator[Finding]:
    yield Finding("ok", "python", platform.python_version())
    yield from map(_package, _PACKAGES)
    yield from _plugins(session)
    yield from _proxies()
    try:
        connector = session.connector
        yield from _description(connector)
        yield from _fields(connector, read_sources(connector, choices))
        yield from _named(session, choices)
        opened, connection = connect(session, choices)
        yield from _secrets(opened, connection)
        yield from _trust(connection)
    except ConnectorError as error:
        yield Finding("broken", error.code.replace("_", " "), one_line(str(error), 2_000), exit_code(error))


def _package(name: str) -> Finding:
    try:
        return Finding("ok", name, version(name))
    except PackageNotFoundError:
        needed = name in _NEEDED
        return Finding("broken" if needed else "note", name, "not installed", ExitCode.DESCRIPTION if needed else ExitCode.OK)


def _plugins(session: Session) -> Iterator[Finding]:
    listed = {OURS, *session.plugins}
    for found in installed_plugins(listed):
        state = "loaded" if found.listed else "installed, not listed: not loaded"
        yield Finding("ok" if found.listed else "note", f"plugin {found.name}", f"{state} ({found.distribution or 'no distribution'})")


def _proxies() -> Iterator[Finding]:
    names = [name for name in _PROXIES if os.environ.get(name)]
    if names:
        advice = "set, and ignored: name a proxy under `options` of a connection file to use one."
        yield Finding("note", "proxy", f"{', '.join(names)}: {advice}")


def _description(connector: Connector) -> Iterator[Finding]:
    own, pinned = connector.catalog, connector.manifest.spec.sha256
    yield Finding("ok", f"connector {connector.id}", f"{connector.manifest.version}, {len(own)} actions")
    for found in ManifestCheck(connector.folder, connector.manifest).faults():
        part = "description" if found.file == connector.manifest.spec.file else "manifest"
        yield Finding("broken", part, one_line(f"{found.file}: {found.fault}", 1_000), ExitCode.DESCRIPTION)
    yield from _unable(own, connector.manifest.servers.default)
    digest = f"SHA-256 {own.document.digest}"
    yield Finding("ok", "digest", f"{digest}, as pinned") if pinned else Finding("note", "digest", f"{digest}, not pinned")


def _unable(catalog: Catalog, server: str | None) -> Iterator[Finding]:
    """Whether each listed action can run, and which ones the description sends elsewhere."""
    unable = [(action, fault) for action in catalog.values() if (fault := action.can_run) is not None]
    for action, fault in unable:
        yield Finding("broken", f"action {action.id}", one_line(f"cannot run: {fault}", 1_000), ExitCode.DESCRIPTION)
    yield Finding("ok", "actions", f"{len(catalog) - len(unable)} of {len(catalog)} can run")
    for action in catalog.values():
        if action.operation.servers and server not in action.operation.servers:
            where = one_line(" or ".join(action.operation.servers), 200)
            advice = "used where the connection's key may go there, else the connection's server"
            yield Finding("note", f"action {action.id}", f"has a server of its own, {where}: {advice}")


def _named(session: Session, choices: Choices) -> Iterator[Finding]:
    """The description that the connection names in place of the connector's own."""
    document = catalog(session, choices).document
    if document is not session.connector.catalog.document:
        yield Finding("ok", "spec", f"{one_line(document.name)}, {len(document)} operations, SHA-256 {document.digest}")


def _trust(connection: Connection) -> Iterator[Finding]:
    """Loads the operator's authorities and client certificate, so that a faulty file is told before a call."""
    options = connection.options
    for name, path in (("ca_file", options.ca_file), ("client_cert", options.client_cert)):
        if path is not None:
            tls_of(options)
            yield Finding("ok", f"option {name}", "can be used")


def _fields(connector: Connector, given: Sources) -> Iterator[Finding]:
    manifest, chosen = connector.manifest, server_kind_of(connector.manifest, given.values).values
    for entry in manifest.connection.fields:
        default = entry.default or (entry.role == "server" and manifest.servers.default)
        variable = next((f"variable {name}" for name in entry.env if os.environ.get(name)), "")
        kind = "the kind of server" if entry.name in chosen else ""
        origin = given.origins.get(entry.name) or kind or variable or ("manifest" if default else "")
        yield Finding("ok" if origin else "note", f"field {entry.name}", f"from {origin}" if origin else "not set")


def _secrets(connector: Connector, connection: Connection) -> Iterator[Finding]:
    """Reads each secret, which checks variables, file modes and characters; the value goes nowhere."""
    context = connection.secret_context(connector.id)
    references = {str(ref): ref for credential in connection.credentials.values() for ref in credential.references.values()}
    if connection.options.proxy_auth:
        references[connection.options.proxy_auth] = SecretReference.parse(connection.options.proxy_auth)
    for text, reference in references.items():
        try:
            notes = connector.stores.resolve(reference, context).notes
            yield Finding("note" if notes else "ok", f"secret {text}", " ".join(["can be read.", *notes]))
        except ConnectorError as error:
            yield Finding("broken", f"secret {text}", one_line(str(error), 1_000), exit_code(error))
