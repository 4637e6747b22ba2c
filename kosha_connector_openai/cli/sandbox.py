"""The command that runs the offline upstream in the foreground, and says how to reach it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from kosha_connector_openai import Connector
from kosha_connector_openai.cli.session import Session
from kosha_connector_openai.cli.terminal import note
from kosha_connector_openai.sandbox import DEFAULT_KEY, main


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
        note(f"  export {' '.join(_variables(session.connector, url, DEFAULT_KEY))}")

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
        raise typer.BadParameter(f"The port cannot be used: {error.strerror}.", param_hint="--port") from None


def _variables(connector: Connector, url: str, key: str) -> Iterator[str]:
    """The connection form's variables, set so that they lead here."""
    for entry in connector.manifest.connection.fields:
        if entry.env and (entry.role == "server" or entry.secret):
            yield f"{entry.env[0]}={url if entry.role == 'server' else key}"
