"""The command that prints a manifest as it was read, its JSON Schema, or the faults of one that is being written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kosha_connector_openai.cli import options as opt
from kosha_connector_openai.cli.exit_codes import ExitCode
from kosha_connector_openai.cli.session import Session
from kosha_connector_openai.cli.terminal import note, one_line, say_json
from kosha_connector_openai.manifest import MANIFEST, Manifest, json_schema, json_value, read_any_manifest, read_folder, write_kosha_spec
from kosha_connector_openai.manifest_check import ManifestCheck


def manifest(
    ctx: typer.Context,
    schema: Annotated[bool, typer.Option("--schema", help="The JSON Schema of manifests.")] = False,
    kosha: Annotated[bool, typer.Option("--kosha", help="The connection form as Kosha's connector_spec.json.")] = False,
    check: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", help="Check this connector.yaml or connector_spec.json, or a folder, with all parts.", show_default=False
        ),
    ] = None,
    as_json: opt.AsJson = False,
) -> None:
    """Prints the connector's manifest as it was read, with its defaults."""
    session: Session = ctx.obj
    if schema + kosha + (check is not None) > 1:
        raise typer.BadParameter("Choose one of --schema, --kosha and --check.")
    if schema:
        say_json({"$schema": "https://json-schema.org/draft/2020-12/schema"} | json_schema(Manifest))
    elif kosha:
        say_json(write_kosha_spec(session.connector.manifest))
    elif check is None:
        say_json(json_value(session.connector.manifest))
    else:
        _check(check, as_json=as_json)


def _check(path: Path, *, as_json: bool) -> None:
    """Says every fault of a manifest, of its parts and of its description, with the file that has it."""
    found = read_folder(path) if path.is_dir() else read_any_manifest(path)
    folder, file = (path, MANIFEST) if path.is_dir() else (path.parent, path.name)
    check = ManifestCheck(folder, found, file=file)
    faults = list(check.faults())
    if as_json:
        listed = [
            {"file": f.file, "pointer": f.fault.pointer, "rule": f.fault.rule, "message": f.fault.message, "fix": f.fault.fix}
            for f in faults
        ]
        say_json({"valid": not faults, "id": found.id, **({"faults": listed} if faults else {})})
    elif faults:
        note("\n".join(one_line(f"{f.file}: {f.fault}", 1_000) for f in faults))
    else:
        typer.echo(f"{path.name or path.resolve().name} is a valid manifest: {found.id} {found.version}.")
        if not check.described:
            note(f"There is no {found.spec.file} beside it: the names of actions and inputs were not checked.")
    if faults:
        raise typer.Exit(ExitCode.DESCRIPTION)
