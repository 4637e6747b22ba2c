"""The command that prints a manifest as it was read, its JSON Schema, or the faults of one that is being written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kosha_connector_openai.cli import options as opt
from kosha_connector_openai.cli.session import Session
from kosha_connector_openai.cli.terminal import say_json
from kosha_connector_openai.core.spec.folder import read_any_manifest
from kosha_connector_openai.core.spec.kosha_spec import write_kosha_spec
from kosha_connector_openai.core.spec.manifest import Manifest


def manifest(
    ctx: typer.Context,
    schema: Annotated[bool, typer.Option("--schema", help="The JSON Schema of manifests.")] = False,
    kosha: Annotated[bool, typer.Option("--kosha", help="The connection form as Kosha's connector_spec.json.")] = False,
    check: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Check this connector.yaml or connector_spec.json.", show_default=False)
    ] = None,
    as_json: opt.AsJson = False,
) -> None:
    """Prints the connector's manifest as it was read, with its defaults."""
    session: Session = ctx.obj
    if schema + kosha + (check is not None) > 1:
        raise typer.BadParameter("Choose one of --schema, --kosha and --check.")
    if schema:
        say_json({"$schema": "https://json-schema.org/draft/2020-12/schema"} | Manifest.model_json_schema())
    elif kosha:
        say_json(write_kosha_spec(session.connector.manifest))
    elif check is None:
        say_json(session.connector.manifest.model_dump(mode="json"))
    else:
        found = read_any_manifest(check)
        if as_json:
            say_json({"valid": True, "id": found.id})
        else:
            typer.echo(f"{check.name} is a valid manifest: {found.id} {found.version}.")
