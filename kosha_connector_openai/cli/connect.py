"""The command that makes a connection file: asks for the form's fields, keeps the secrets elsewhere, and writes only references down."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

import typer

from kosha_connector_openai import Connector
from kosha_connector_openai.cli import options as opt
from kosha_connector_openai.cli.connection import Choices, file_of, read_sources
from kosha_connector_openai.cli.connection import connect as open_connection
from kosha_connector_openai.cli.secret_places import StoreName, keep, place, save
from kosha_connector_openai.cli.session import Session, is_path
from kosha_connector_openai.cli.terminal import clean, note, say_json
from kosha_connector_openai.core.connection import idle, server_kind_of
from kosha_connector_openai.errors import Fault, SetupError
from kosha_connector_openai.manifest import ConnectionField
from kosha_connector_openai.secrets import Secret, check_secret

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_FILES: Final = (".yaml", ".yml")
_PIPE_LIMIT: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class _Filled:
    """What was entered: values of the form, and secrets that still need a place, by field."""

    values: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, Secret] = field(default_factory=dict)


def connect(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME|./FILE", help="A name, or the connection file to write.", show_default=False)],
    values: opt.Values = None,
    secret_stdin: Annotated[bool, typer.Option("--secret-stdin", help="Read the secret from standard input.")] = False,
    store: Annotated[StoreName, typer.Option(help="Where secrets are kept: the system's keyring, or files of yours.")] = "keyring",
    test: Annotated[bool | None, typer.Option("--test/--no-test", help="Try the connection at the end.", show_default=False)] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the connection and its secrets.")] = False,
    spec: opt.Spec = None,
    as_json: opt.AsJson = False,
) -> None:
    """Makes a connection: keeps its secrets in a store and writes a file that only refers to them."""
    session: Session = ctx.obj
    connector, path = session.connector, _path(name)
    if path.exists() and not force:
        raise SetupError("The connection exists.", hint="Choose another name, or add --force to replace it.")
    given = read_sources(connector, Choices(values or ())).values
    filled = _piped(connector, given) if secret_stdin else _asked(connector, given) if _is_interactive() else _Filled(given)
    _check_complete(connector, filled)
    places = {entry: place(connector, store, f"{path.stem}.{entry}") for entry in filled.secrets}
    written = filled.values | {entry: str(reference) for entry, reference in places.items()}
    connection = connector.connection(written, environ={})  # all faults of the form, before anything is kept
    for entry, secret in filled.secrets.items():
        check_secret(secret.reveal(), entry, shortest=connection.shortest_secret)
    for entry, reference in places.items():
        keep(connector, reference, filled.secrets[entry], force=force)
    save(path, _text(written, spec), force=force)
    _tell(session, path, written, test, as_json)


STORES: Final = ("keyring", "file")
"""Where a connection's secrets can be kept."""


def keep_connection(connector: Connector, name: str, store: StoreName, values: Mapping[str, str], given: Mapping[str, str]) -> str:
    """Keeps a connection under a new name: secrets in a store, references to them in a file; the file. Raises SetupError."""
    path = file_of(name)
    if not _NAME.fullmatch(path.stem) or is_path(name):
        raise SetupError("The connection was not kept.", [Fault("/name", "name", "has other signs than letters, digits, dots, - and _.")])
    if path.exists():
        raise SetupError(
            "A connection of this name exists: it was not kept. It is used until the studio stops.", hint="Choose another name."
        )
    held = {entry: check_secret(text, entry) for entry, text in given.items()}
    places = {entry: place(connector, store, f"{path.stem}.{entry}") for entry in held}
    for entry, reference in places.items():
        keep(connector, reference, held[entry])
    save(path, _text({**values, **{entry: str(reference) for entry, reference in places.items()}}, None), force=False)
    return str(path)


def _tell(session: Session, path: Path, written: Mapping[str, str], test: bool | None, as_json: bool) -> None:
    if not as_json:
        typer.echo(f"The connection is in {clean(str(path))}. Use it with: --connection {clean(_named(path))}")
    wanted = typer.confirm("Try it now?", default=True, err=True) if test is None and _is_interactive() and not as_json else bool(test)
    answer = None
    if wanted:
        opened, connection = open_connection(session, Choices(file=str(path)))
        answer = opened.test(connection)
    if as_json:
        kept = [entry.name for entry in session.connector.manifest.connection.fields if entry.secret and entry.name in written]
        say_json({"connection": str(path), "secrets": {entry: written[entry] for entry in kept}, "test": answer})
    elif answer:
        typer.echo(clean(answer))


def _path(name: str) -> Path:
    path = file_of(name)
    if not _NAME.fullmatch(path.stem):
        raise typer.BadParameter("A name has letters, digits, dots, - and _.", param_hint="NAME|./FILE")
    if not is_path(name) and Path(name).suffix in _FILES:
        raise typer.BadParameter(f"For a file of this name write ./{name}.", param_hint="NAME|./FILE")
    return path.absolute()


def _named(path: Path) -> str:
    return path.stem if path == file_of(path.stem) else str(path)


def _is_interactive() -> bool:
    return sys.stdin.isatty()


def _open_fields(connector: Connector, given: Mapping[str, str]) -> Iterable[ConnectionField]:
    return [entry for entry in connector.manifest.connection.fields if entry.name not in given]


def _asked(connector: Connector, given: Mapping[str, str]) -> _Filled:
    """Asks for each field that is not given; a secret is not shown while it is typed."""
    filled = _Filled(dict(given))
    note("Leave a field empty to skip it.")
    manifest = connector.manifest
    for entry in _open_fields(connector, given):
        if entry.name in idle(manifest, filled.values):
            continue
        default = "" if entry.secret else server_kind_of(manifest, filled.values).values.get(entry.name, entry.default or "")
        show = bool(default)
        text = typer.prompt(entry.label, default=default, show_default=show, hide_input=entry.secret, err=True)
        if entry.secret and text.strip():
            filled.secrets[entry.name] = _checked(connector, entry, text)
        elif text.strip():
            filled.values[entry.name] = text
    return filled


def _piped(connector: Connector, given: Mapping[str, str]) -> _Filled:
    """Standard input is the first secret that is not given otherwise."""
    entry = next((entry for entry in _open_fields(connector, given) if entry.secret), None)
    if entry is None:
        raise typer.BadParameter("Each secret of this connection is given by --set.", param_hint="--secret-stdin")
    if _is_interactive():
        raise typer.BadParameter("Standard input is a terminal, which would show the secret. Leave this option out to be asked for it.")
    return _Filled(dict(given), {entry.name: _checked(connector, entry, sys.stdin.read(_PIPE_LIMIT))})


def _checked(connector: Connector, entry: ConnectionField, text: str) -> Secret:
    scheme, sign, _ = text.strip().partition(":")
    if sign and scheme in connector.stores:
        fix = f"Give it by --set {entry.name}=REFERENCE."
        raise SetupError("A reference was entered in place of a secret.", [Fault(f"/{entry.name}", "reference", "is a reference.", fix)])
    secret = check_secret(text, entry.name)
    for told in secret.notes:
        note(told)
    return secret


def _check_complete(connector: Connector, filled: _Filled) -> None:
    """A required secret that is missing is told here, since the environment is not asked."""
    form = connector.manifest.connection.fields
    if any(filled.values.get(entry.name, "").upper() == "NONE" for entry in form if entry.role == "auth_type"):
        return
    names = filled.values.keys() | filled.secrets.keys()
    missing = [entry.name for entry in form if entry.secret and entry.required and entry.name not in names]
    fix = "Send it through --secret-stdin, or say where it is: --set {}=env:NAME."
    if missing:
        raise SetupError(
            "The connection lacks a secret.", [Fault(f"/{name}", "required", "is missing.", fix.format(name)) for name in missing]
        )


def _text(values: Mapping[str, str], spec: str | None) -> str:
    """The connection file. Texts are written as in JSON, so that YAML takes none of them for a number or a truth value."""
    lines = [f"  {name}: {json.dumps(value, ensure_ascii=False)}\n" for name, value in values.items()]
    options = [f"options:\n  spec: {json.dumps(spec, ensure_ascii=False)}\n"] if spec else []
    return "".join(["# Secrets are kept elsewhere; here are references to them.\n", "values:\n", *lines, *options])
