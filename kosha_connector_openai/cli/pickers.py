"""The command that lists what a field is offered: models, files, jobs, as the account has them."""

from __future__ import annotations

from typing import Annotated

import typer

from kosha_connector_openai import Connection
from kosha_connector_openai.cli import options as opt
from kosha_connector_openai.cli.connection import Choices, catalog, connect
from kosha_connector_openai.cli.exit_codes import ExitCode
from kosha_connector_openai.cli.inputs import Given, read_inputs
from kosha_connector_openai.cli.session import Session
from kosha_connector_openai.cli.terminal import note, one_line, say_json, say_table
from kosha_connector_openai.errors import SetupError
from kosha_connector_openai.flows import OptionLists, PickerOptions


def options(
    ctx: typer.Context,
    action: opt.ActionId,
    name: Annotated[str, typer.Argument(metavar="FIELD", help="The input to be filled in.")],
    inputs: opt.Inputs = None,
    search: Annotated[str, typer.Option(help="Words that must all occur.")] = "",
    as_json: opt.AsJson = False,
    values: opt.Values = None,
    connection_file: opt.ConnectionFile = None,
    engine: opt.Engine = None,
    spec: opt.Spec = None,
) -> None:
    """Lists what an input is offered, from the account where that can be asked; any other text may be given too."""
    session: Session = ctx.obj
    choices = Choices(values or (), connection_file, engine=engine, spec=spec)
    connector, actions = session.connector, catalog(session, choices)
    lists = OptionLists(connector, catalog=actions)
    lists.picker(action, name)
    given = read_inputs(actions[action], Given(inputs or ()))
    connection: Connection | None = None
    lacking: SetupError | None = None
    try:
        connector, connection = connect(session, choices)
        lists = OptionLists(connector)
    except SetupError as error:
        lacking = error  # what needs no call can still be offered
    found = lists.get(action, name, connection, given, search=search)
    if as_json:
        say_json(found.to_dict())
    else:
        _show(found, lacking)
    if found.problem is not None and not found.options:
        raise typer.Exit(ExitCode.UNAVAILABLE)


def _show(found: PickerOptions, lacking: SetupError | None) -> None:
    """The options as a table; below it why some are missing, or that there are more."""
    say_table(
        ("Value", "Name", "About"),
        [(o.value, o.label, o.about if o.known else f"{o.about} (not known here)".strip()) for o in found.options],
    )
    if found.problem is None:
        if found.more:
            note("There are more; narrow the search, or give the value itself.")
        return
    reason, hint = found.problem.message, found.problem.hint
    if lacking is not None and found.problem.code == "connection":
        reason, hint = lacking.message, " ".join(map(str, lacking.faults[:1])) or hint
    note(one_line(f"The list is not whole: {reason} {hint}", 1_000))
    if found.source == "described" and found.options:
        note(f"These are the values that were known on {found.as_of}; others may be given." if found.as_of else "Others may be given.")
