"""Options, a connection file and the environment -> a Connection. Keys are given by reference; a key itself is refused."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import typer

from kosha_connector_openai import Connection, Connector
from kosha_connector_openai.cli.session import Session, is_path
from kosha_connector_openai.core.actions import Catalog
from kosha_connector_openai.core.connection import Options, merged, read_options, server_kind_of, values_from_environment
from kosha_connector_openai.errors import DescriptionError, Fault, SetupError
from kosha_connector_openai.manifest import Validation
from kosha_connector_openai.secrets import SecretReference, SecretStore
from kosha_connector_openai.secrets.stores import default_stores
from kosha_connector_openai.text import YamlLimits, escape, load_yaml, nearest
from kosha_connector_openai.trusted_files import home, read_trusted

_PASTED: Final = re.compile(r"(?:\A|[:/#@\s])(?:[spr]k[-_]|eyJ)[\w-]{14}")
_LIMITS: Final = YamlLimits(bytes=1024 * 1024, depth=16, nodes=10_000)
_TRUST: Final = "Name a connection that `connect` made, or a file (./NAME) that is yours, that others cannot write, and that is no link."
_PARTS: Final = frozenset({"values", "options"})
_SHAPE: Final = "Write `values:` with one text for each field of the connection, and `options:`."


@dataclass(frozen=True, slots=True)
class Choices:
    """What the command line says about the connection; it goes before the file, the file before the environment."""

    values: Sequence[str] = ()
    file: str | None = None
    """A saved connection's name, or a path with a separator in it."""
    timeout: float | None = None
    attempts: int | None = None
    engine: str | None = None
    spec: str | None = None
    validation: Validation | None = None


@dataclass(frozen=True, slots=True)
class Sources:
    """Values of the form and options, and for each value where it came from."""

    values: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)


def catalog(session: Session, choices: Choices) -> Catalog:
    """The actions of the description that the command line or the connection file names, else of the connector's own."""
    return session.connector.catalog_by(options(choices))


def options(choices: Choices) -> Options:
    """What the connection file and the command line say of a description."""
    given = _read_file(choices.file).options if choices.file else {}
    return read_options({**given, **_spec(choices)})


def validation(session: Session, choices: Choices) -> Validation:
    """How strictly inputs are held to the description by the command line, the connection file or the kind of server; no secret is read."""
    manifest = session.connector.manifest
    given = read_sources(session.connector, choices)
    values = merged(manifest, values_from_environment(manifest.connection, os.environ), given.values)
    return choices.validation or read_options(given.options).validation or server_kind_of(manifest, values).validation


def _spec(choices: Choices) -> dict[str, Any]:
    """Who writes a URL on the command line wants it fetched."""
    return {"spec": choices.spec, "spec_sha256": None, "spec_url": True} if choices.spec else {}


def connect(session: Session, choices: Choices, *, preview: bool = False) -> tuple[Connector, Connection]:
    """The connector and the connection; raises SetupError with every fault. For a ``preview`` no secret needs to be set."""
    connector = session.connector
    given = read_sources(connector, choices)
    values = {**_stand_ins(connector), **given.values} if preview else given.values
    connection = connector.connection(values, **_tuned(connector, given.options, choices))
    secret_fields = {entry.name for entry in connector.manifest.connection.fields if entry.secret}
    if secret_fields & given.values.keys() or connection.options.proxy_auth:
        connector = session.keep(_widened(connector, connection))
    return connector, connection


def read_sources(connector: Connector, choices: Choices) -> Sources:
    """What the options and the file say; raises SetupError."""
    found = _read_file(choices.file) if choices.file else Sources()
    for text in choices.values:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise typer.BadParameter("A field of the connection is written FIELD=VALUE.", param_hint="--set")
        found.values[name] = value
        found.origins[name] = "--set"
    _refuse_pasted(found.values)
    return found


def _refuse_pasted(values: Mapping[str, str]) -> None:
    pasted = [name for name, value in values.items() if _PASTED.search(value)]
    if pasted:
        fix = "Put it into a variable or a file of its own, and write `env:NAME` or `file:/path`: others can read command lines."
        faults = [Fault(f"/{name}", "secret", "looks like a secret.", fix) for name in pasted]
        raise SetupError("A secret was written where only a reference to one may stand.", faults)


def file_of(name: str) -> Path:
    """The connection file that a name or path means."""
    return Path(name).expanduser() if is_path(name) else home() / "connections" / f"{name}.yaml"


def _read_file(name: str) -> Sources:
    path, failure = file_of(name), None
    try:
        raw = load_yaml(read_trusted(path, _LIMITS.bytes), _LIMITS, what=path.name)
    except OSError as error:
        failure = error
    except DescriptionError as error:
        raise SetupError(error.message, error.faults) from None
    if failure is not None:
        beside = not is_path(name) and Path(name).exists()
        hint = f"For the file of this name here write ./{name}." if beside else _TRUST
        raise SetupError(f"The connection file cannot be read: {failure.strerror}.", hint=hint)
    values, options = _parts(raw)
    if not all(isinstance(value, str) for value in values.values()):
        raise _misshapen()
    return Sources(dict(values), dict(options), dict.fromkeys(values, f"file {path.name}"))


def _parts(raw: Any) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    if not isinstance(raw, Mapping):
        raise _misshapen()
    if other := [str(name) for name in raw if name not in _PARTS]:
        fixes = [f"Did you mean `{near}`?" if (near := nearest(name, _PARTS)) else _SHAPE for name in other]
        faults = [Fault(f"/{escape(name)}", "unknown", "is not a known key.", fix) for name, fix in zip(other, fixes, strict=True)]
        raise SetupError("The connection file has another form.", faults)
    values, options = raw.get("values") or {}, raw.get("options") or {}
    if not isinstance(values, Mapping) or not isinstance(options, Mapping):
        raise _misshapen()
    return values, options


def _misshapen() -> SetupError:
    return SetupError("The connection file has another form.", [Fault("", "type", "is no connection.", _SHAPE)])


def _tuned(connector: Connector, options: Mapping[str, Any], choices: Choices) -> dict[str, Any]:
    """The options with what the command line sets in place of theirs or of the manifest's."""
    read_options(options)  # a name that is no option must not reach the call below
    found, defaults = {**options, **_spec(choices)}, connector.manifest.defaults
    if choices.timeout is not None:
        timeouts = found.get("timeouts") or asdict(defaults.timeouts)
        found["timeouts"] = {**timeouts, "total": choices.timeout, "stream_total": choices.timeout}
    if choices.attempts is not None:
        found["retries"] = {**(found.get("retries") or asdict(defaults.retries)), "attempts": choices.attempts}
    if choices.engine is not None:
        found["engine"] = choices.engine
    if choices.validation is not None:
        found["validation"] = choices.validation
    return found


def _stand_ins(connector: Connector) -> dict[str, str]:
    """References for required secrets that are not set, so that a request can be shown without one."""
    entries = connector.manifest.connection.fields
    missing = [entry for entry in entries if entry.secret and entry.required and not any(map(os.environ.get, entry.env))]
    return {entry.name: f"env:{entry.env[0] if entry.env else entry.name.upper()}" for entry in missing}


def _widened(connector: Connector, connection: Connection) -> Connector:
    """The connector with stores that read the variables and files named here: who sits at the terminal may read them anyway."""
    references = [part for credential in connection.credentials.values() for part in credential.references.values()]
    references += [SecretReference.parse(connection.options.proxy_auth)] if connection.options.proxy_auth else []
    variables = [reference.locator for reference in references if reference.scheme == "env"]
    folders = [_folder(reference) for reference in references if reference.scheme == "file"]
    own: dict[str, SecretStore] = {store.scheme: store for store in default_stores(variables, folders) if store.scheme in ("env", "file")}
    if any(reference.scheme == "vault" for reference in references) and any(map(os.environ.get, ("VAULT_ADDR", "BAO_ADDR"))):
        from kosha_connector_openai.secrets.stores import VaultStore

        own["vault"] = VaultStore.from_environment()
    return connector.with_stores({**connector.stores, **own}.values())


def _folder(reference: SecretReference) -> Path:
    path = Path(reference.locator)
    if not path.is_absolute():
        raise SetupError("A secret file is named by its absolute path.", hint="Write `file:/...`.")
    return path.parent
