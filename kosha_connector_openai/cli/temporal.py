"""The options that say where Temporal is and what it does."""

from __future__ import annotations

from collections.abc import Coroutine
from importlib.util import find_spec
from typing import Annotated, Any, Final, Literal, TypeVar

import typer

from kosha_connector_openai import Connector
from kosha_connector_openai.errors import SetupError
from kosha_connector_openai.flows import TemporalPlace
from kosha_connector_openai.text import install

T = TypeVar("T")

On = Annotated[Literal["here", "temporal"], typer.Option("--on", help="Where rows are sent: in this process, or by workers on Temporal.")]
Place = Annotated[
    str,
    typer.Option("--temporal", metavar="HOST:PORT[/NAMESPACE]", envvar="TEMPORAL_ADDRESS", help="The Temporal server, with --on temporal."),
]
Auth = Annotated[
    list[str] | None,
    typer.Option(
        "--temporal-sign-in",
        metavar="NAME=REFERENCE",
        envvar="TEMPORAL_SIGN_IN",
        help="How to sign in to it, over TLS: api-key=, tls-cert=, tls-key=, tls-ca=, header.NAME= env:NAME or file:/PATH; tls-name=HOST.",
    ),
]
Span = Annotated[int, typer.Option("--span", min=1, max=10_000, help="Rows that a worker on Temporal takes up at once.")]
LedgerReference = Annotated[
    str, typer.Option("--ledger", metavar="REFERENCE", help="The DSN of the runs' PostgreSQL, by secret reference.")
]
EngineOfWorker = Annotated[Literal["temporal"], typer.Option("--on", help="Which engine hands out the work.")]
TEMPORAL: Final = TemporalPlace().address


def place_of(on: str, text: str, auth: list[str] | None) -> TemporalPlace | None:
    """Where Temporal is; None where it is not asked for. Raises SetupError where its package is not installed."""
    if on != "temporal":
        return None
    if find_spec("temporalio") is None:
        raise SetupError("Temporal cannot be used: temporalio is not installed.", hint=install("temporal"))
    return TemporalPlace.read(text, auth or [])


async def closing(connector: Connector, work: Coroutine[Any, Any, T]) -> T:
    """What ``work`` gives; the connector's connections are closed then."""
    try:
        return await work
    finally:
        await connector.aclose()
