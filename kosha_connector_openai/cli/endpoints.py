"""The commands for the addresses to which the API sends its events: make one and keep its signing secret, list them, remove one."""

from __future__ import annotations

import re
from typing import Annotated, Final
from urllib.parse import urlsplit

import typer

from kosha_connector_openai.cli import options as opt
from kosha_connector_openai.cli.connection import Choices, connect
from kosha_connector_openai.cli.secret_places import StoreName, drop, keep, place
from kosha_connector_openai.cli.terminal import clean, counted, say_json, say_table
from kosha_connector_openai.errors import SetupError
from kosha_connector_openai.flows import triggers
from kosha_connector_openai.secrets import Secret

_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_Endpoint = Annotated[str, typer.Argument(metavar="ID", help="The endpoint, as `trigger endpoints` lists it.", show_default=False)]


def register(
    ctx: typer.Context,
    url: Annotated[str, typer.Argument(metavar="URL", help="Your address, with https.", show_default=False)],
    event: Annotated[list[str] | None, typer.Option("--event", metavar="TYPE", help="A type of event; all if none is named.")] = None,
    name: Annotated[str, typer.Option(help="What the endpoint is called; else its host.")] = "",
    store: Annotated[StoreName, typer.Option(help="Where the signing secret is kept: the keyring, or a file of yours.")] = "keyring",
    values: opt.Values = None,
    connection_file: opt.ConnectionFile = None,
    spec: opt.Spec = None,
    as_json: opt.AsJson = False,
) -> None:
    """Has the API send events to your address. The signing secret is kept in a store and shown nowhere."""
    if urlsplit(url).scheme != "https" or not urlsplit(url).hostname:
        raise typer.BadParameter("Events are sent over https only: write https://HOST/PATH.", param_hint="URL")
    connector, connection = connect(ctx.obj, Choices(values or (), connection_file, spec=spec))
    place(connector, store, "webhook")  # a store that cannot keep it is told before anything is made
    types = event or triggers.sent_types(connector, connection)
    kept: list[str] = []

    def take(endpoint: str, secret: Secret) -> None:
        reference = place(connector, store, _secret_name(endpoint))
        keep(connector, reference, secret)
        kept.append(str(reference))

    made = triggers.register(connector, connection, url, types, take, name=name or str(urlsplit(url).hostname))
    if as_json:
        say_json({"endpoint": made, "signed_by": kept[0]})
        return
    typer.echo(clean(f"{made['id']} sends {counted(len(types), 'event type')} to {url}."))
    typer.echo(clean(f"The signing secret is kept. Check deliveries with: kosha-openai trigger verify BODY --signed-by {kept[0]} -H ..."))


def endpoints(
    ctx: typer.Context,
    values: opt.Values = None,
    connection_file: opt.ConnectionFile = None,
    spec: opt.Spec = None,
    as_json: opt.AsJson = False,
) -> None:
    """Lists the addresses to which the API sends events."""
    found = list(triggers.list_endpoints(*connect(ctx.obj, Choices(values or (), connection_file, spec=spec))))
    if as_json:
        say_json(found)
        return
    rows = [(*(str(one.get(name, "")) for name in ("id", "name", "url")), _listed(one.get("event_types"))) for one in found]
    say_table(("ID", "Name", "Address", "Events"), rows)


def remove(
    ctx: typer.Context,
    endpoint: _Endpoint,
    values: opt.Values = None,
    connection_file: opt.ConnectionFile = None,
    spec: opt.Spec = None,
    as_json: opt.AsJson = False,
) -> None:
    """Removes an address, and the file that holds its signing secret; one in the keyring stays there."""
    triggers.remove(*connect(ctx.obj, Choices(values or (), connection_file, spec=spec)), endpoint)
    dropped = bool(_ID.fullmatch(endpoint)) and drop(_secret_name(endpoint))
    if as_json:
        say_json({"removed": endpoint, "secret_removed": dropped})
        return
    typer.echo(clean(f"{endpoint} is removed." + (" So is its signing secret." if dropped else "")))


def _listed(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else ""


def _secret_name(endpoint: str) -> str:
    """What the signing secret of an endpoint is called in a store."""
    if not _ID.fullmatch(endpoint):
        raise SetupError("The id of the endpoint cannot name a secret.", hint="Register the address at the provider.")
    return f"webhook.{endpoint}"
