"""The commands for triggers: list the events, show a sample of one, verify a delivery, ask a list of jobs."""

from __future__ import annotations

import json
import secrets
import shlex
import time
from pathlib import Path
from typing import Annotated, Final

import typer

from kosha_connector_openai.cli import options as opt
from kosha_connector_openai.cli.connection import Choices, connect
from kosha_connector_openai.cli.inputs import Given, read_given
from kosha_connector_openai.cli.session import Session
from kosha_connector_openai.cli.terminal import clean, note, one_line, say_json, say_table
from kosha_connector_openai.core.result import FileSink
from kosha_connector_openai.errors import InputError, SetupError
from kosha_connector_openai.flows import triggers
from kosha_connector_openai.manifest import json_value
from kosha_connector_openai.secrets import Secret, SecretContext, SecretReference, SecretStores
from kosha_connector_openai.secrets.stores import default_stores
from kosha_connector_openai.trusted_files import read_trusted

_LARGEST: Final = 4 * 1024 * 1024
_EventType = Annotated[str, typer.Argument(metavar="TYPE", help="The type of the event.", show_default=False)]
_Secret = Annotated[
    list[str] | None,
    typer.Option(
        "--signed-by", metavar="REFERENCE", help="Where the signing secret is kept: env:NAME or file:/path. Twice while it changes."
    ),
]


def list_(ctx: typer.Context, as_json: opt.AsJson = False) -> None:
    """Lists the events that the API tells by webhook."""
    session: Session = ctx.obj
    events = triggers.list_events(session.connector)
    if as_json:
        say_json({name: json_value(kind, exclude_none=True) for name, kind in events.items()})
        return
    rows = [(name, kind.title, kind.fetch.action if kind.fetch else "", kind.summary) for name, kind in events.items()]
    say_table(("Event", "Title", "Then run", "When"), rows)


def sample(ctx: typer.Context, name: _EventType, secret: _Secret = None, as_json: opt.AsJson = False) -> None:
    """Shows an event as it could come; with --signed-by as a signed delivery, to try a receiver with."""
    session: Session = ctx.obj
    found = triggers.sample(session.connector, name)
    if not secret:
        say_json(found)
        return
    body = json.dumps(found, separators=(",", ":"))
    headers = triggers.sign(f"wh_{secrets.token_hex(16)}", int(time.time()), body.encode(), _secrets(session, secret))
    if as_json:
        say_json({"headers": headers, "body": body})
        return
    options = [part for key, value in headers.items() for part in ("-H", f"{key}: {value}")]
    typer.echo(shlex.join(["curl", "-H", "content-type: application/json", *options, "--data-binary", body, "URL"]))


def verify(
    ctx: typer.Context,
    body: Annotated[str, typer.Argument(metavar="FILE", help="The body as it came; - is standard input.")],
    header: Annotated[list[str], typer.Option("--header", "-H", metavar="NAME: VALUE", help="A header of the delivery.")],
    secret: _Secret = None,
    tolerance: Annotated[float | None, typer.Option(min=1, help="Seconds that the clocks may differ.", show_default=False)] = None,
    as_json: opt.AsJson = False,
) -> None:
    """Checks a delivery's signature and time, and shows its event."""
    session: Session = ctx.obj
    if not secret:
        raise typer.BadParameter("Say where the signing secret is kept.", param_hint="--signed-by")
    pairs = [(name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in header)]
    event = triggers.verify(session.connector, pairs, _body(body), _secrets(session, secret), tolerance=tolerance)
    if as_json:
        say_json(event.to_dict())
        return
    typer.echo(clean(f"{event.type} {event.event_id}"))
    if event.fetch:
        inputs = [f"{name}={value}" for name, value in event.fetch.inputs.items()] + [f"{name}=..." for name in event.fetch.needs]
        typer.echo(clean(f"kosha-openai run {shlex.join([event.fetch.action, *inputs])}"))
    if not event.known:
        note("The connector has no words for this type of event.")


def poll(
    ctx: typer.Context,
    kind: Annotated[str, typer.Argument(metavar="KIND", help="The kind of job.", show_default=False)],
    inputs: Annotated[list[str] | None, typer.Argument(metavar="NAME=VALUE", help="An input that the list needs.")] = None,
    state: Annotated[
        Path | None, typer.Option("--state", metavar="FILE", help="Where the poll left off; written anew once the events are shown.")
    ] = None,
    past: Annotated[bool, typer.Option("--past", help="The first time: jobs that have ended already, too.")] = False,
    values: opt.Values = None,
    connection_file: opt.ConnectionFile = None,
    spec: opt.Spec = None,
) -> None:
    """Asks once which jobs have ended since the last time: a line of JSON for each, told once."""
    connector, connection = connect(ctx.obj, Choices(values or (), connection_file, spec=spec))
    given = read_given(dict, Given(inputs or ()))
    sink = FileSink(state, overwrite=True, pointer="/state") if state is not None else None
    if sink is not None:
        sink.check()
    before = _state(state) if state is not None and state.exists() else None
    events, after = triggers.poll(connector, connection, kind, before, inputs=given, past=past)
    for event in events:
        say_json(event.to_dict(), indent=None)
    note(f"{len(events)} ended, {len(after.open)} go on.")
    if sink is not None:
        sink.write(after.to_json().encode())
        sink.commit("application/json")


def _state(path: Path) -> bytes:
    try:
        return read_trusted(path)
    except OSError as error:
        message = f"The state cannot be read: {error.strerror}."
    raise InputError(message, hint="Name a file that you may read.")


def _body(name: str) -> bytes:
    if name == "-":
        return typer.get_binary_stream("stdin").read(_LARGEST)
    try:
        with Path(name).open("rb") as file:
            return file.read(_LARGEST)
    except OSError as error:
        message = f"The body cannot be read: {one_line(error.strerror or 'unknown')}."
    raise InputError(message, hint="Name a file that you may read.")


def _secrets(session: Session, texts: list[str]) -> list[Secret]:
    """The secrets behind the references: who sits at the terminal may read what is named here."""
    references = [SecretReference.parse(text) for text in texts]
    variables = [reference.locator for reference in references if reference.scheme == "env"]
    files = [Path(reference.locator) for reference in references if reference.scheme == "file"]
    if any(not path.is_absolute() for path in files):
        raise SetupError("A secret file is named by its absolute path.", hint="Write `file:/...`.")
    own = {store.scheme: store for store in default_stores(variables, [path.parent for path in files])}
    stores = SecretStores({**session.connector.stores, **own}.values())
    context = SecretContext(connector=session.connector.id)
    return [stores.resolve(reference, context) for reference in references]
