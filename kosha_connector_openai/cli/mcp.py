"""The command that serves one MCP client over standard input and output."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from kosha_connector_openai import Connection, Connector
from kosha_connector_openai.cli import options as opt
from kosha_connector_openai.cli.connection import Choices, connect
from kosha_connector_openai.cli.session import Session
from kosha_connector_openai.cli.terminal import is_terminal, note, say_json, say_table
from kosha_connector_openai.errors import Fault, SetupError
from kosha_connector_openai.mcp import LocalBackend, ToolChoice, ToolList
from kosha_connector_openai.text import install

Names = Annotated[
    list[str] | None,
    typer.Option(
        "--actions", metavar="ID,...", help="Offer these actions too; those that delete or administrate only so.", show_default=False
    ),
]
Groups = Annotated[
    list[str] | None, typer.Option("--groups", metavar="ID,...", help="Offer the actions of these groups too.", show_default=False)
]
Only = Annotated[bool, typer.Option("--only", help="Offer what --actions and --groups name, without the tasks and featured actions.")]
NoSearch = Annotated[bool, typer.Option("--no-search", help="Leave out the tools that find and run other actions.")]


def tool_choice(actions: list[str] | None, groups: list[str] | None, *, only: bool, no_search: bool) -> ToolChoice:
    """The choice that the options make; each takes several names, with commas or one at a time."""
    return ToolChoice(_split(actions), _split(groups), only=only, search=not no_search)


def mcp(
    ctx: typer.Context,
    actions: Names = None,
    groups: Groups = None,
    only: Only = False,
    no_search: NoSearch = False,
    files: Annotated[
        Path | None,
        typer.Option("--files", metavar="FOLDER", help="Files below this folder may be sent, and those that come are saved in it."),
    ] = None,
    listing: Annotated[bool, typer.Option("--list", help="List the tools and end.")] = False,
    as_json: opt.AsJson = False,
    values: opt.Values = None,
    connection_file: opt.ConnectionFile = None,
    timeout: opt.Timeout = None,
    attempts: opt.Attempts = None,
    engine: opt.Engine = None,
) -> None:
    """Offers tasks and actions as tools to an MCP client that starts this command."""
    session: Session = ctx.obj
    tools = ToolList(session.connector, tool_choice(actions, groups, only=only, no_search=no_search))
    if listing or as_json:
        _list(tools, as_json=as_json)
        return
    if files is not None and not files.is_dir():
        raise SetupError("There is no such folder.", [Fault("/files", "folder", "is no folder.", "Name one that is there.")])
    try:
        from kosha_connector_openai.mcp import ToolSession, serve_stdio
    except ModuleNotFoundError:
        raise SetupError("The MCP server is not installed.", hint=install("mcp")) from None
    choices = Choices(values or (), connection_file, timeout, attempts, engine)
    backend = LocalBackend(session.connector, lambda: _connect(session, choices, files), files)
    if is_terminal():
        note("An MCP client starts this command and speaks to it here; --list shows the tools. Stop it with Ctrl-C.")
    asyncio.run(serve_stdio(session.connector, ToolSession(tools, backend), backend.aclose))


def _connect(session: Session, choices: Choices, files: Path | None) -> tuple[Connector, Connection]:
    connector, connection = connect(session, choices)
    if files is None:
        return connector, connection
    return connector, replace(connection, options=replace(connection.options, roots=(*connection.options.roots, files.resolve())))


def _list(tools: ToolList, *, as_json: bool) -> None:
    if as_json:
        say_json([tool.describe() for tool in tools.tools.values()])
        return
    say_table(("Tool", "Title", "What it gives"), [(tool.name, tool.title, tool.description) for tool in tools.tools.values()])


def _split(given: list[str] | None) -> tuple[str, ...]:
    return tuple(name.strip() for text in given or () for name in text.split(",") if name.strip())
