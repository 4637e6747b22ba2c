"""The command line, put together: a table of its commands, and the options that stand before them."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from kosha_connector_openai.cli.command import SETTINGS, LazyCommand, spare
from kosha_connector_openai.cli.session import Session

_Entry = tuple[str | Mapping[str, tuple[str, str]], str]
COMMANDS: Final[Mapping[str, _Entry]] = {
    "run": ("run:run", "Runs an action and shows its answer."),
    "validate": ("run:validate", "Checks an action's inputs; nothing is sent."),
    "dry-run": ("run:dry_run", "Shows the request of an action; nothing is sent."),
    "connect": ("connect:connect", "Makes a connection and keeps its secrets in a store."),
    "test": ("run:try_connection", "Tests a connection with one harmless call."),
    "doctor": ("doctor:doctor", "Checks the installation and the connection."),
    "manifest": ("manifest:manifest", "Prints or checks a connector's manifest."),
    "sandbox": ("sandbox:sandbox", "Runs an offline server that answers every action."),
    "studio": ("studio:studio", "Serves the page on which flows are built."),
    "serve": ("serve:serve", "Runs the gateway: clients use your tokens, not the API key."),
    "mcp": ("mcp:mcp", "Offers the actions as tools to an MCP client."),
    "package": ("packages:package", "Builds a connector's folder as a package, and signs it."),
    "install": ("packages:install", "Installs a connector from a package or a catalogue."),
    "upgrade": ("packages:upgrade", "Installs another version of a connector."),
    "rollback": ("packages:rollback", "Goes back to the previous version of a connector."),
    "remove": ("packages:remove", "Removes an installed connector."),
    "verify": ("packages:verify", "Checks an installed connector, or a package."),
    "list": ("packages:list_", "Lists the installed connectors."),
    "catalogue": (
        {
            "build": ("packages:catalogue_build", "Writes the index of a folder of packages."),
            "search": ("packages:catalogue_search", "Finds connectors in a catalogue."),
        },
        "Builds and searches catalogues of packages.",
    ),
    "export": (
        {
            "openapi3": ("exports:openapi3_file", "Writes the description in OpenAPI 3.0.3."),
            "power-platform": ("exports:power_platform_files", "Writes the files of a custom connector."),
            "curl": ("exports:curl_file", "Writes curl commands for actions."),
            "node-red": ("exports:node_red_file", "Writes nodes for Node-RED."),
            "mcpb": ("exports:mcpb_file", "Writes a bundle for desktop assistants."),
            "server-json": ("exports:server_json_file", "Writes an entry for an MCP registry."),
        },
        "Writes the connector in the formats of other tools.",
    ),
    "actions": (
        {
            "list": ("actions:list_", "Lists the actions by group."),
            "show": ("actions:show", "Shows an action's inputs, its answer and an example."),
            "search": ("actions:search", "Finds actions by words."),
            "schema": ("actions:schema", "Prints the JSON Schema of an action's inputs or answer."),
            "options": ("pickers:options", "Lists the values that an input is offered."),
            "form": ("forms:form", "Shows the form of an action."),
            "sample": ("forms:sample", "Prints sample inputs of an action, or a sample answer."),
        },
        "Finds actions and shows what they take and give.",
    ),
    "jobs": (
        {
            "list": ("jobs:list_", "Lists the jobs that were started here."),
            "show": ("jobs:show", "Asks for a job's state."),
            "wait": ("jobs:wait", "Waits for a job and shows its result."),
            "resume": ("jobs:wait", "Waits for a job again; the same as wait."),
            "cancel": ("jobs:cancel", "Cancels a job upstream."),
            "fetch": ("jobs:fetch", "Fetches the result of a job that has ended."),
            "upload": ("jobs:upload", "Sends a large file in parts."),
            "forget": ("jobs:forget", "Drops a job's handle here."),
        },
        "Starts, waits for, cancels and fetches long jobs.",
    ),
    "bulk": (
        {
            "run": ("bulk:run", "Runs a target over rows of a file."),
            "resume": ("bulk:resume", "Goes on with a run."),
            "status": ("bulk_status:status", "Shows how a run stands, and its rows in trouble."),
            "retry-failed": ("bulk:retry_failed", "Sends the rows that failed again."),
            "export": ("bulk_status:export", "Writes the answers that there are."),
            "show": ("bulk_status:show", "Shows one row and its answer."),
            "worker": ("bulk_worker:worker", "Sends rows of runs on Temporal."),
            "cancel": ("bulk_status:cancel", "Ends the sending of a run in another process."),
        },
        "Runs an action, a task or a workflow over many rows.",
    ),
    "spec": (
        {
            "diff": ("spec:diff", "Compares two descriptions and tells what breaks."),
            "refresh": ("refresh:refresh", "Writes a newer description, for the connections that ask for it."),
        },
        "Compares OpenAPI descriptions, and brings newer ones.",
    ),
    "task": (
        {
            "list": ("tasks:list_", "Lists the tasks."),
            "show": ("tasks:show", "Shows a task's inputs, its result and an example."),
            "run": ("tasks:run", "Runs a task and shows its typed result."),
        },
        "Runs small tasks: ask, extract, classify and others.",
    ),
    "trigger": (
        {
            "list": ("trigger:list_", "Lists the events that the API sends by webhook."),
            "sample": ("trigger:sample", "Shows a sample event, or a signed sample delivery."),
            "verify": ("trigger:verify", "Checks a delivery's signature and shows its event."),
            "poll": ("trigger:poll", "Asks once which jobs have ended since the last time."),
            "register": ("endpoints:register", "Registers your address for events, and keeps the secret."),
            "endpoints": ("endpoints:endpoints", "Lists the addresses to which the API sends events."),
            "remove": ("endpoints:remove", "Removes such an address, and the file with its signing secret."),
        },
        "Reads events: webhooks, and polling where there are none.",
    ),
    "workflow": (
        {
            "check": ("workflow:check", "Lists every fault of a document; nothing is sent."),
            "show": ("workflow:show", "Shows the inputs and steps of a document's workflows."),
            "run": ("workflow:run", "Runs a workflow and prints its outputs."),
            "worker": ("workflow:worker", "Runs steps of workflows on Temporal."),
        },
        "Checks, shows and runs Arazzo documents.",
    ),
    "gateway": (
        {
            "token": ("serve:token", "Makes a token for a caller, and its digest."),
            "audit": ("serve:audit", "Checks that no line of an audit record was changed."),
        },
        "Makes tokens for the gateway and checks its records.",
    ),
}
"""The commands by name: each is ``module:function`` of this folder or a group of commands, with its line of help."""
SECTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "One call": ("actions", "validate", "dry-run", "run"),
    "More than one call": ("task", "jobs", "bulk", "workflow", "trigger"),
    "Connection": ("connect", "test", "doctor"),
    "Servers": ("sandbox", "studio", "serve", "gateway", "mcp"),
    "Descriptions and other tools": ("spec", "manifest", "export"),
    "Packages of connectors": ("list", "install", "upgrade", "rollback", "remove", "verify", "package", "catalogue"),
}
"""The headings of the help, each with its commands."""


class _Root(TyperGroup):
    """The commands of the table. No module of a command is imported to list, describe or complete them."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for name, entry in COMMANDS.items():
            self.add_command(_command(name, *entry))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parses what stands before the command."""
        spare(self.get_params(ctx))
        return super().parse_args(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Writes the commands by heading, their texts below each other."""
        width = max(map(len, self.commands))
        for heading, names in SECTIONS.items():
            with formatter.section(heading):
                formatter.write_dl([(name.ljust(width), COMMANDS[name][1]) for name in names])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command; where only groups have one of this name, the error says which."""
        name = args[0]
        groups = [group for group, (what, _) in COMMANDS.items() if not isinstance(what, str) and name in what]
        if name not in self.commands and groups and not ctx.resilient_parsing:
            ctx.fail(f"No such command {name!r}. Did you mean {', '.join(repr(f'{group} {name}') for group in groups)}?")
        return super().resolve_command(ctx, args)


def make_app() -> typer.Typer:
    """The command line, ready to be called."""
    app = typer.Typer(cls=_Root, pretty_exceptions_enable=False, no_args_is_help=True, context_settings=SETTINGS, rich_markup_mode=None)
    app.callback()(root)
    return app


def root(
    ctx: typer.Context,
    plugin: Annotated[
        list[str] | None, typer.Option(envvar="KOSHA_PLUGINS", metavar="NAME", help="Load this installed plugin too.", show_default=False)
    ] = None,
    connector: Annotated[
        str | None,
        typer.Option(envvar="KOSHA_CONNECTOR", metavar="ID|./FOLDER", help="The connector to use, or its folder.", show_default=False),
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


def _command(name: str, what: str | Mapping[str, tuple[str, str]], text: str) -> TyperCommand | TyperGroup:
    if isinstance(what, str):
        return LazyCommand(name, what, text)
    group = TyperGroup(name=name, help=text, no_args_is_help=True, context_settings=SETTINGS, rich_markup_mode=None)
    for inner, entry in what.items():
        group.add_command(LazyCommand(inner, *entry, name))
    return group


def _version(wanted: bool) -> None:
    if wanted:
        from kosha_connector_openai import __version__

        typer.echo(__version__)
        raise typer.Exit
