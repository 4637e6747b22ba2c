"""The command that serves the studio, the page on which flows are built, to the browser of whoever started it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from kosha_connector_openai.cli import options as opt
from kosha_connector_openai.cli.session import Session
from kosha_connector_openai.cli.terminal import note
from kosha_connector_openai.errors import SetupError
from kosha_connector_openai.text import install
from kosha_connector_openai.trusted_files import home

if TYPE_CHECKING:
    from kosha_connector_openai.connector import Connector
    from kosha_connector_openai.gateway import Service, Settings
    from kosha_connector_openai.gateway.pages import RunHistory, Workbench


def studio(
    ctx: typer.Context,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port on 127.0.0.1; 0 takes a free one.")] = 8011,
    sandbox: Annotated[bool, typer.Option("--sandbox", help="Use an offline server in this process: no key, no network, no cost.")] = False,
    prices: opt.PriceFile = None,
    contents: Annotated[bool, typer.Option("--keep-contents", help="Keep what goes in and comes out in the history, too.")] = False,
    values: opt.Values = None,
    file: opt.ConnectionFile = None,
) -> None:
    """Serves the page on which flows are built, on this machine alone, until Ctrl-C; the address it prints signs one browser in."""
    session: Session = ctx.obj
    try:
        from kosha_connector_openai.gateway import GatewayServer, make_service, read_settings
        from kosha_connector_openai.gateway.pages import NOT_BUILT, studio_assets
    except ModuleNotFoundError:
        raise SetupError("The studio is not installed.", hint=install("studio")) from None
    if not studio_assets():
        raise SetupError(NOT_BUILT)
    if sandbox and (values or file):
        raise typer.BadParameter("The sandbox is a connection by itself: leave --set and --connection out.", param_hint="--sandbox")
    from kosha_connector_openai.cli.serve import bound_sockets, no_core_dumps, with_connection, with_token

    flags = {"host": "127.0.0.1", "port": port, "studio": True, "docs": "token", "access_log": "off", "log_level": "warning"}
    flags |= {"bulk": home() / "studio" / "bulk", "budgets": {"prices": prices.absolute()} if prices else {}}
    with _upstream(session.connector) if sandbox else contextlib.nullcontext():
        settings = with_connection(session, read_settings(flags, environ={}), values, file)
        if not settings.connections and not sandbox:
            settings = _ask_later(session.connector, settings)
        settings, token = with_token(settings, tuple(session.connector.catalog))  # whoever starts it has the keys, and all that they allow
        bench = _workbench(session.connector, sandbox=sandbox, contents=contents)
        with contextlib.closing(make_service(session.connector, settings, bench)) as service:
            sockets = bound_sockets(settings, "studio", "--port")
            for line in _upstream_lines(service, sandbox=sandbox):
                note(line)
            note("Open this address; it signs one browser in, once. Stop the studio with Ctrl-C.")
            typer.echo(f"http://127.0.0.1:{sockets[0].getsockname()[1]}/studio#code={service.sessions.new_code(token)}")
            no_core_dumps()
            GatewayServer(service, settings, sockets).run()


def _workbench(connector: Connector, *, sandbox: bool, contents: bool) -> Workbench:
    """What only the owner's pages have: the history of runs, and the stores that keep a connection's secrets."""
    from kosha_connector_openai.cli.connect import STORES, keep_connection
    from kosha_connector_openai.gateway.pages import Workbench

    return Workbench(_history(contents), sandbox=sandbox, stores=() if sandbox else STORES, keep=partial(keep_connection, connector))


def _upstream_lines(service: Service, *, sandbox: bool) -> list[str]:
    """Where calls go, in sentences."""
    from kosha_connector_openai.gateway.pages import SubmittedSecrets

    if sandbox:
        return ["Against the sandbox: nothing leaves this machine."]
    return [line.replace(SubmittedSecrets.UNSET, "the page, which asks for it") for line in service.describe()]


def _history(contents: bool) -> RunHistory:
    from kosha_connector_openai.gateway.pages import RunHistory

    path = home() / "studio" / "runs.sqlite"
    try:
        return RunHistory(path, contents=contents)
    except OSError as error:
        raise SetupError(f"The history in {path} cannot be used: {error.strerror}.", hint="Move the file away.") from None


def _ask_later(connector: Connector, settings: Settings) -> Settings:
    """The settings; where the environment has no key, with a connection whose secrets the page asks for."""
    from kosha_connector_openai.gateway import DEFAULT, ConnectionEntry
    from kosha_connector_openai.gateway.pages import SubmittedSecrets

    try:
        connector.connection({})
    except SetupError as error:
        needed = [entry.name for entry in connector.manifest.connection.fields if entry.secret and entry.required]
        if {fault.pointer for fault in error.faults} - {f"/{name}" for name in needed}:
            raise
        entry = ConnectionEntry(values=dict.fromkeys(needed, SubmittedSecrets.UNSET))
        return replace(settings, connections={DEFAULT: entry})
    return settings


@contextlib.contextmanager
def _upstream(connector: Connector) -> Iterator[None]:
    """An offline server for the block, and the connection form's variables set to lead there and nowhere else."""
    from kosha_connector_openai.cli.sandbox import variables
    from kosha_connector_openai.sandbox import Sandbox

    before = dict(os.environ)
    with Sandbox(connector=connector.folder) as started:
        for name in (name for entry in connector.manifest.connection.fields for name in entry.env):
            os.environ.pop(name, None)
        os.environ.update(
            {name: value for name, _, value in (part.partition("=") for part in variables(connector, started.url, started.key))}
        )
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)
