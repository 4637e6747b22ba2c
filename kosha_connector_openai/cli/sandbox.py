"""The command that runs the offline upstream in the foreground, and says how to reach it."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import Annotated, Final

import typer

from kosha_connector_openai import Connector
from kosha_connector_openai.cli.session import Session
from kosha_connector_openai.cli.terminal import note
from kosha_connector_openai.sandbox import DEFAULT_KEY, main

_TAKEN: Final = frozenset({errno.EADDRINUSE, errno.EACCES})


def sandbox(
    ctx: typer.Context,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port on 127.0.0.1; 0 takes a free one.")] = 8787,
    retired: Annotated[bool, typer.Option("--retired", help="Answer operations that the vendor has shut down, too.")] = False,
    any_id: Annotated[bool, typer.Option("--any-id", help="Take every id for that of an object; it is answered by schema.")] = False,
) -> None:
    """Runs an offline server that answers every action, until Ctrl-C; no account, no network, no cost."""
    session: Session = ctx.obj

    def greet(url: str) -> None:
        note("Stop it with Ctrl-C. To use it from another terminal:")
        note(f"  export {' '.join(variables(session.connector, url, DEFAULT_KEY))}")

    arguments = [
        "--port",
        str(port),
        "--connector",
        str(session.connector.folder),
        *(["--retired"] if retired else []),
        *(["--any-id"] if any_id else []),
    ]
    try:
        raise typer.Exit(main(arguments, greet))
    except OSError as error:
        if error.errno not in _TAKEN:
            raise
        raise typer.BadParameter(f"The port cannot be used: {error.strerror}. Give another, or 0.", param_hint="--port") from None


def variables(connector: Connector, url: str, key: str) -> Iterator[str]:
    """The connection form's variables, set so that they lead here: those of the scheme that is chosen, and of all where none is."""
    manifest = connector.manifest
    kind = next((entry.default for entry in manifest.connection.fields if entry.role == "auth_type"), None)
    rules = {name: rule for name, rule in manifest.auth.items() if not rule.any_scheme or kind is None or name == kind}
    named = next(iter(rules), "NONE") if kind is None else kind
    used = {
        field: part for name, rule in rules.items() if kind or not rule.any_scheme or name == named for part, field in rule.fields.items()
    }
    for entry in manifest.connection.fields:
        value = url if entry.role == "server" else named if entry.role == "auth_type" else key if entry.secret else ""
        if entry.name in used and not entry.secret:
            value = entry.default or _EXAMPLES.get(used[entry.name], "")
        wanted = entry.role is not None or used.get(entry.name) not in ("", None) or (entry.secret and not rules)
        if entry.env and value and wanted and used.get(entry.name) not in _OPTIONAL:
            yield f"{entry.env[0]}={value}"


_OPTIONAL: Final = frozenset({"refresh_token", "client_id", "client_secret", "expires_at"})
_EXAMPLES: Final = {"username": "sandbox", "integration_key": "SANDBOX"}
"""Part of a scheme -> what stands there offline; a key's header is that of the description."""
