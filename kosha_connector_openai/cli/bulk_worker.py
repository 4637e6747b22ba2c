"""The command that sends rows of runs on Temporal."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from kosha_connector_openai.cli import options as opt
from kosha_connector_openai.cli.connection import Choices, connect
from kosha_connector_openai.cli.temporal import TEMPORAL, Auth, EngineOfWorker, LedgerReference, Place, closing, place_of
from kosha_connector_openai.cli.terminal import clean, note


def worker(
    ctx: typer.Context,
    ledger: LedgerReference,
    on: EngineOfWorker = "temporal",
    temporal: Place = TEMPORAL,
    auth: Auth = None,
    in_flight: Annotated[int, typer.Option("--in-flight", min=1, max=1_000, help="Rows under way at most, in all spans.")] = 100,
    spans: Annotated[int, typer.Option("--spans", min=1, max=20, help="Spans of rows at a time.")] = 2,
    connection_file: opt.ConnectionFile = None,
    spec: opt.Spec = None,
    validation: opt.Validation = None,
) -> None:
    """Sends rows of runs that were begun with `bulk run --on temporal`, until it is asked to end."""
    from kosha_connector_openai.flows.bulk import SpanWorker

    connector, connection = connect(ctx.obj, Choices(file=connection_file, spec=spec, validation=validation))
    place: Any = place_of(on, temporal, auth)
    note(clean(f"Sends rows of runs on {place.address}. Ctrl-C ends it; what is under way is finished."))
    work = SpanWorker(connector, connection, ledger, in_flight, spans)
    asyncio.run(closing(connector, work.run(place)))
