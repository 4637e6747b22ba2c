"""The commands that write a connector in the formats of other tools."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from kosha_connector_openai.cli.connection import Choices, connect
from kosha_connector_openai.cli.curl import to_curl
from kosha_connector_openai.cli.files import make_folder, save
from kosha_connector_openai.cli.session import Session
from kosha_connector_openai.cli.terminal import clean, note, one_line
from kosha_connector_openai.errors import ConnectorError
from kosha_connector_openai.exports import (
    address_parts,
    chosen_actions,
    mcpb,
    server_json,
    write_node_red,
    write_openapi3,
    write_power_platform,
)

Names = Annotated[list[str] | None, typer.Option("--actions", metavar="ID,...", help="These actions.", show_default=False)]
Groups = Annotated[list[str] | None, typer.Option("--groups", metavar="ID,...", help="The actions of these groups.", show_default=False)]
Everything = Annotated[bool, typer.Option("--all", help="All actions.")]
Server = Annotated[str, typer.Option("--server", metavar="URL", help="The gateway's address.")]
Out = Annotated[Path | None, typer.Option("--out", "-o", metavar="FILE", help="Write it there.", show_default=False)]
Place = Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="Write it there.")]
GATEWAY = "http://127.0.0.1:8010"


def openapi3_file(
    ctx: typer.Context,
    actions: Names = None,
    groups: Groups = None,
    everything: Everything = False,
    server: Server = GATEWAY,
    out: Out = None,
) -> None:
    """Writes the gateway's description in OpenAPI 3.0.3; all actions, unless some are chosen."""
    connector = _session(ctx).connector
    chosen = chosen_actions(connector, _split(actions), _split(groups), whole=everything or not (actions or groups))
    _write(out, _json(write_openapi3(connector.catalog.document.root, chosen, server=address_parts(server).geturl())))


def power_platform_files(
    ctx: typer.Context,
    actions: Names = None,
    groups: Groups = None,
    everything: Everything = False,
    server: Server = "https://gateway.example",
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Write both files there.")] = Path(),
) -> None:
    """Writes the two files of a custom connector of Power Platform; featured actions and those of tasks, unless others are chosen."""
    connector = _session(ctx).connector
    made = write_power_platform(connector, chosen_actions(connector, _split(actions), _split(groups), whole=everything), server=server)
    make_folder(out, "out")
    _write(out / "apiDefinition.swagger.json", _json(made.definition))
    _write(out / "apiProperties.json", _json(made.properties))


def curl_file(
    ctx: typer.Context,
    actions: Names = None,
    groups: Groups = None,
    everything: Everything = False,
    server: Server = GATEWAY,
    out: Out = None,
) -> None:
    """Writes a curl command for each action, with sample inputs, through the gateway; featured actions unless others are chosen."""
    session = _session(ctx)
    values = [f"{entry.name}={server}" for entry in session.connector.manifest.connection.fields if entry.role == "server"]
    values += [f"{entry.name}=env:TOKEN" for entry in session.connector.manifest.connection.fields if entry.secret]
    connector, connection = connect(session, Choices(values), preview=True)
    pieces = ["#!/bin/sh\n# The gateway's token is the variable TOKEN.\n"]
    for action in chosen_actions(connector, _split(actions), _split(groups), whole=everything):
        try:
            inputs = connector.forms[action.id].sample()
            preview = connector.preview(action.id, inputs, connection)
            command = to_curl(preview, connection.credential(action.operation.security), inputs)
        except ConnectorError as error:
            note(clean(f"{action.id} is left out: {error.message}"))
            continue
        pieces.append(f"# {one_line(f'{action.title}: {action.summary}')}\n{command}\n")
    _write(out, "\n".join(pieces).encode())


def node_red_file(
    ctx: typer.Context,
    actions: Names = None,
    groups: Groups = None,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Write the tarball there.")] = Path(),
) -> None:
    """Writes an npm tarball with nodes for Node-RED: tasks, featured actions unless others are chosen, and one for any action."""
    name, data = write_node_red(_session(ctx).connector, _split(actions), _split(groups))
    make_folder(out, "out")
    _write(out / name, data)


def mcpb_file(ctx: typer.Context, out: Place = Path("connector.mcpb")) -> None:
    """Writes a bundle that desktop assistants install by a click; their uv fetches the package."""
    _write(out, mcpb(_session(ctx).connector))


def server_json_file(
    ctx: typer.Context,
    name: Annotated[str, typer.Option("--name", help="The server's name in the registry: your namespace, a slash, a word.")],
    out: Out = None,
) -> None:
    """Writes the entry of a registry of MCP servers."""
    _write(out, _json(server_json(_session(ctx).connector, name)))


def _session(ctx: typer.Context) -> Session:
    found: Session = ctx.obj
    return found


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()


def _write(path: Path | None, data: bytes) -> None:
    if path is None:
        typer.echo(data.decode(), nl=False)
        return
    save(path, data)
    note(f"{path}: {len(data)} bytes")


def _split(given: list[str] | None) -> tuple[str, ...]:
    return tuple(name.strip() for text in given or () for name in text.split(",") if name.strip())
