"""The command that runs the gateway in the foreground, and those that make its tokens."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from kosha_connector_openai.cli import connection
from kosha_connector_openai.cli import options as opt
from kosha_connector_openai.cli.session import Session
from kosha_connector_openai.cli.terminal import note, say_json
from kosha_connector_openai.errors import Fault, SetupError
from kosha_connector_openai.text import install

if TYPE_CHECKING:
    import socket

    from kosha_connector_openai.gateway import Service, Settings


def serve(
    ctx: typer.Context,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", envvar="KOSHA_GATEWAY_CONFIG", help="Settings in YAML or JSON.")
    ] = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen at; anything but loopback needs tokens; 127.0.0.1 if left out.")
    ] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65_535, help="Port; 0 takes a free one, 8010 if left out.")] = None,
    name: Annotated[list[str] | None, typer.Option("--name", metavar="HOST", help="A name that callers use for this service.")] = None,
    cors_origin: Annotated[list[str] | None, typer.Option(metavar="ORIGIN", help="Pages of this origin may call from a browser.")] = None,
    validation: Annotated[
        Literal["on", "warn", "off"] | None, typer.Option(help="Check calls before they are sent; on if left out.")
    ] = None,
    no_token: Annotated[
        bool | None,
        typer.Option(
            "--no-token", help="Ask callers on this machine for no token: each of its users and programs can then call with your key."
        ),
    ] = None,
    values: opt.Values = None,
    file: opt.ConnectionFile = None,
    check: Annotated[bool, typer.Option("--check", help="Check the settings, the connection and its secrets, and end.")] = False,
) -> None:
    """Serves the API to clients that hold a token of yours, and calls the provider with the key that stays here."""
    session: Session = ctx.obj
    try:
        from kosha_connector_openai.gateway import GatewayServer, make_service, read_settings
    except ModuleNotFoundError:
        raise SetupError("The gateway is not installed.", hint=install("gateway")) from None
    flags = {"host": host, "port": port, "hosts": name, "cors_origins": cors_origin, "validation": validation, "no_token": no_token}
    settings = with_connection(session, read_settings(flags, file=config), values, file)
    made = None
    if not settings.protected and not settings.no_token:
        settings, made = with_token(settings)
    with contextlib.closing(make_service(session.connector, settings)) as service:
        for line in service.warnings:
            note(f"Warning: {line}")
        if check:
            typer.echo("The settings are fine.")
            return
        sockets = bound_sockets(settings, "gateway", "--host or --port")
        for line in _greeting(settings, service, sockets[0].getsockname()[1], made):
            note(line)
        no_core_dumps()
        GatewayServer(service, settings, sockets).run()


def bound_sockets(settings: Settings, what: str, options: str) -> list[socket.socket]:
    """The sockets at the settings' address. Raises SetupError, which names the options that choose another one."""
    from kosha_connector_openai.gateway import listen

    try:
        return listen(settings)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise SetupError(f"The {what} cannot listen at its address: {reason}.", hint=f"Choose another {options}.") from None


def token(
    as_json: opt.AsJson = False,
    stdin: Annotated[bool, typer.Option("--stdin", help="Take a token of yours from standard input.")] = False,
) -> None:
    """Makes a token for the gateway's callers, and the digest of it that the gateway keeps."""
    from kosha_connector_openai.gateway.access import SHORTEST, hash_token, new_token

    made = sys.stdin.readline().strip() if stdin else new_token()
    if stdin and (len(made) < SHORTEST or not all("!" <= char <= "~" for char in made)):
        raise SetupError(
            "This is no token.",
            [
                Fault(
                    "/token",
                    "token",
                    f"needs {SHORTEST} characters at least, none of them a blank.",
                    "Take a random one: leave --stdin out.",
                )
            ],
        )
    digest = hash_token(made)
    if as_json:
        say_json({"hash": digest} if stdin else {"token": made, "hash": digest})
        return
    if not stdin:
        note("The token, for the caller. It is shown this once:")
        typer.echo(made)
    note("Its digest, for the gateway (KOSHA_GATEWAY_TOKEN_HASHES, or `hash:` under `tokens:` in its file):")
    typer.echo(digest)


def audit(file: Annotated[Path, typer.Argument(metavar="FILE", help="The file that `audit` names in the gateway's settings.")]) -> None:
    """Checks that no line of an audit record was changed, taken out or put in; prints the last line's digest."""
    from kosha_connector_openai.gateway.observe import check_audit

    try:
        found = check_audit(file)
    except OSError as error:
        raise SetupError(f"The record cannot be read: {error.strerror}.", hint="Name a file that you may read.") from None
    if found.fault:
        raise SetupError("The record is not as it was written.", [Fault("/file", "audit", found.fault, "Compare it with a copy.")])
    torn = f", {found.torn} not written to their end" if found.torn else ""
    typer.echo(f"{found.lines} lines follow each other{torn}. The last one's digest: {found.last}")


def with_connection(session: Session, settings: Settings, values: list[str] | None, file: str | None) -> Settings:
    """The settings with the connection of the command line as the default one."""
    if not values and file is None:
        return settings
    from kosha_connector_openai.gateway import DEFAULT, ConnectionEntry

    if settings.connections:
        raise typer.BadParameter("The settings file names the connections already.", param_hint="--connection" if file else "--set")
    found = connection.read_sources(session.connector, connection.Choices(values=values or (), file=file))
    return replace(settings, connections={DEFAULT: ConnectionEntry(values=found.values, options=found.options)})


def with_token(settings: Settings, actions: tuple[str, ...] | None = None) -> tuple[Settings, str]:
    """The settings with a token of this run alone, for these actions or all that are not privileged, and the token."""
    from kosha_connector_openai.gateway import DEFAULT, TokenEntry
    from kosha_connector_openai.gateway.access import hash_token, new_token

    made = new_token()
    entry = TokenEntry(name="local", hash=hash_token(made), connection=next(iter(settings.connections), DEFAULT), actions=actions)
    return replace(settings, tokens=(entry,)), made


def _greeting(settings: Settings, service: Service, port: int, made: str | None = None) -> Iterator[str]:
    """Where it listens, for whom, and by which connection; never a secret but the token that was ``made`` for this run."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    shown = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else host  # noqa: S104 - shown, not bound # nosec B104
    yield f"Listening at http://{host}:{port} (base_url for clients: http://{shown}:{port}{service.prefix}). Stop it with Ctrl-C."
    if made is not None:
        yield f"The token of this run, shown this once: {made}"
        yield "A lasting one: `kosha-openai gateway token`. None at all, for every user and program of this machine: --no-token."
    elif settings.protected:
        yield "Callers need a token."
    else:
        yield "No token is needed: every user and program of this machine can call, with your key."
    yield from service.describe()


def no_core_dumps() -> None:
    """A dump of this process would hold keys."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
