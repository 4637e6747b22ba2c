"""The command line, put together: which commands there are, and the options that stand before them."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from typing import Annotated, Any, Final

import typer

from kosha_connector_openai.cli import actions, forms
from kosha_connector_openai.cli import run as calls
from kosha_connector_openai.cli.command import Command
from kosha_connector_openai.cli.connect import connect
from kosha_connector_openai.cli.doctor import doctor
from kosha_connector_openai.cli.jobs import make_jobs
from kosha_connector_openai.cli.manifest import manifest
from kosha_connector_openai.cli.pickers import options
from kosha_connector_openai.cli.sandbox import sandbox
from kosha_connector_openai.cli.serve import make_gateway, serve
from kosha_connector_openai.cli.session import Session
from kosha_connector_openai.cli.spec import make_spec
from kosha_connector_openai.cli.tasks import make_task
from kosha_connector_openai.cli.trigger import make_trigger
from kosha_connector_openai.cli.workflow import make_workflow

_HELP: Final[dict[str, Any]] = {"help_option_names": ["-h", "--help"]}
_COMMANDS: Final[dict[str, Callable[..., None]]] = {
    "run": calls.run,
    "validate": calls.validate,
    "dry-run": calls.dry_run,
    "connect": connect,
    "test": calls.try_connection,
    "doctor": doctor,
    "manifest": manifest,
    "sandbox": sandbox,
    "serve": serve,
}
_ACTIONS: Final[dict[str, Callable[..., None]]] = {
    "list": actions.list_,
    "show": actions.show,
    "search": actions.search,
    "schema": actions.schema,
    "options": options,
    "form": forms.form,
    "sample": forms.sample,
}


def make_app() -> typer.Typer:
    """The command line, ready to be called."""
    app = typer.Typer(pretty_exceptions_enable=False, no_args_is_help=True, context_settings=_HELP)
    app.callback()(root)
    group = typer.Typer(pretty_exceptions_enable=False, no_args_is_help=True, context_settings=_HELP)
    for name, command in _ACTIONS.items():
        group.command(name, cls=Command)(command)
    app.add_typer(group, name="actions", help="Finds actions and shows what they take and give.")
    app.add_typer(make_jobs(_HELP), name="jobs")
    app.add_typer(make_spec(_HELP), name="spec")
    app.add_typer(make_task(_HELP), name="task")
    app.add_typer(make_trigger(_HELP), name="trigger")
    app.add_typer(make_workflow(_HELP), name="workflow")
    app.add_typer(make_gateway(_HELP), name="gateway")
    for name, command in _COMMANDS.items():
        app.command(name, cls=Command)(command)
    return app


def root(
    ctx: typer.Context,
    plugin: Annotated[
        list[str] | None, typer.Option(envvar="KOSHA_PLUGINS", metavar="NAME", help="Load this installed plugin too.", show_default=False)
    ] = None,
    connector: Annotated[
        str | None,
        typer.Option(envvar="KOSHA_CONNECTOR", metavar="ID|FOLDER", help="The connector to use, or a folder with one.", show_default=False),
    ] = None,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")] = False,
) -> None:
    """Runs the actions of the OpenAI API, or of another connector: each call is checked before it is sent."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    names = [name.strip() for text in plugin or () for name in text.split(",")]
    ctx.obj = Session([name for name in names if name], connector)
    ctx.call_on_close(ctx.obj.close)


def _version(wanted: bool) -> None:
    if wanted:
        from kosha_connector_openai import __version__  # noqa: PLC0415 - reads the installed metadata

        typer.echo(__version__)
        raise typer.Exit
