"""The options that several commands share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import typer

from kosha_connector_openai.cli.fields import read_fields
from kosha_connector_openai.cli.inputs import names
from kosha_connector_openai.cli.session import Session
from kosha_connector_openai.errors import ConnectorError


def _session(ctx: typer.Context) -> Session:
    """The session for shell completion, which parses the options before the command without running anything."""
    params = ctx.find_root().params
    return Session(params.get("plugin") or (), params.get("connector"))


def complete_action(ctx: typer.Context, incomplete: str) -> Iterator[tuple[str, str]]:
    """The ids of actions that begin with what is typed, and their titles."""
    try:
        for key, action in _session(ctx).connector.catalog.items():
            if key.lower().startswith(incomplete.lower()):
                yield key, action.title
    except ConnectorError:
        return


def complete_input(ctx: typer.Context, incomplete: str) -> Iterator[tuple[str, str]]:
    """The inputs of the action that are not given yet, each with its ``=``."""
    try:
        fields = read_fields(_session(ctx).connector.catalog[str(ctx.params.get("action"))])
    except ConnectorError:
        return
    given = names(ctx.params.get("inputs") or ())
    for name, field in fields.items():
        if name.startswith(incomplete) and name not in given:
            yield f"{name}=", field.words


ActionId = Annotated[str, typer.Argument(metavar="ACTION", help="The action's id.", autocompletion=complete_action, show_default=False)]
Inputs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NAME=VALUE",
        help="An input: NAME=VALUE, NAME:=JSON, or NAME=@FILE for a file or a text in a file.",
        autocompletion=complete_input,
        show_default=False,
    ),
]
InputFile = Annotated[str | None, typer.Option("--input", metavar="FILE", help="Inputs as a JSON object in a file; - is standard input.")]
InputJson = Annotated[str | None, typer.Option("--json-input", metavar="JSON", help="Inputs as a JSON object.")]
Literally = Annotated[
    bool,
    typer.Option("--literal", help="Take NAME=VALUE as it is: an @ at its start opens no file. For scripts that pass on others' texts."),
]
AsJson = Annotated[bool, typer.Option("--json", help="For programs: one JSON value on standard output, errors too.")]
Values = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="A field of the connection; a secret is given by reference: api_key=env:NAME."),
]
ConnectionFile = Annotated[
    str | None,
    typer.Option("--connection", metavar="NAME|./FILE", help="A connection that `connect` made, or a file with `values` and `options`."),
]
Timeout = Annotated[float | None, typer.Option(min=0.001, max=86_400, help="Seconds for the whole call.", show_default=False)]
Attempts = Annotated[int | None, typer.Option(min=1, max=10, help="How often a call may be sent.", show_default=False)]
Engine = Annotated[Literal["auto", "httpx", "httpx2"] | None, typer.Option(help="The HTTP client.", show_default=False)]
Spec = Annotated[
    str | None,
    typer.Option(
        "--spec",
        metavar="FILE|URL",
        help="Another description; `refreshed`: that of `spec refresh`.",
        show_default=False,
    ),
]
Validation = Annotated[
    Literal["on", "open", "warn"] | None,
    typer.Option(
        "--validation",
        help="What is sent with a warning: nothing that has a fault (on), values that the description does not list (open), or all (warn).",
        show_default=False,
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No warnings, notes or progress on standard error.")]
IfCut = Annotated[
    Literal["fail", "warn", "pass"], typer.Option("--if-cut", help="What an answer is that is cut, refused or filtered: an error or not.")
]
Budget = Annotated[
    list[str] | None,
    typer.Option(
        "--budget", metavar="CAP=NUMBER", help="Send no call that could use more in all: calls=5, tokens=2000, cost=0.05 (with --prices)."
    ),
]
PriceFile = Annotated[Path | None, typer.Option("--prices", metavar="FILE", help="A dated price file; tells what was spent.")]
WaitTimeout = Annotated[
    float | None,
    typer.Option("--wait-timeout", metavar="SECONDS", min=0.1, help="Give up waiting; the job goes on.", show_default=False),
]
