"""What the environment says of a connection: the values of its form that nobody named, and the server that its secrets are for."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kosha_connector_openai.core.connection.connection import Connection, make_connection
from kosha_connector_openai.core.connection.options import read_options
from kosha_connector_openai.core.connection.server_kinds import given_value, home, merged, role
from kosha_connector_openai.http import Network, Origin, parse_server
from kosha_connector_openai.manifest import ConnectionForm, Manifest
from kosha_connector_openai.openapi import Document


def connection_from(
    manifest: Manifest,
    values: Mapping[str, str],
    environ: Mapping[str, str] | None,
    options: Mapping[str, Any],
    document: Callable[[], Document],
) -> Connection:
    """A connection from the form's values, and for fields not among them ``environ``, or else this process's; raises SetupError.

    A secret of the environment is for the environment's server, unless ``options`` say which origins it is for; one that ``values`` name is
    for the server of the connection, whatever other secrets the environment has.
    """
    found = values_from_environment(manifest.connection, os.environ if environ is None else environ)
    chosen = read_options(options)
    homes = {} if "allowed_origins" in options else homes_of_secrets(manifest, found, values, chosen.networks)
    return make_connection(manifest, merged(manifest, found, values), chosen, document, homes)


def values_from_environment(form: ConnectionForm, environ: Mapping[str, str]) -> dict[str, str]:
    """The form's values from the variables that its fields name; a secret field becomes a reference to the variable."""
    found = {}
    for entry in form.fields:
        name = next((name for name in entry.env if environ.get(name)), None)
        if name:
            found[entry.name] = f"env:{name}" if entry.secret else environ[name]
    return found


def schemes_met(manifest: Manifest, environ: Mapping[str, str]) -> frozenset[str]:
    """The security schemes whose fields the environment fills."""
    found = values_from_environment(manifest.connection, environ)
    return frozenset(name for name, rule in manifest.auth.items() if set(rule.fields.values()) <= found.keys())


def homes_of_secrets(
    manifest: Manifest, found: Mapping[str, str], named: Mapping[str, str], networks: Sequence[Network] = ()
) -> dict[str, Origin]:
    """The fields whose secrets are the environment's, each with the origin that it is for; none where nobody named another server."""
    borrowed = [entry.name for entry in manifest.connection.fields if entry.secret and entry.name in found and not named.get(entry.name)]
    elsewhere = [entry for entry in (role(manifest, "server"), role(manifest, "server_kind")) if entry and given_value(entry, named)]
    server = home(manifest, found) if borrowed and elsewhere else None
    return dict.fromkeys(borrowed, parse_server(server, networks=networks).origin) if server else {}
