"""The commands for rows: run an action, a task or a workflow over them, go on with it, look at it, write it out."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from kosha_connector_openai.cli import options as opt
from kosha_connector_openai.cli.bulk_progress import BulkProgress
from kosha_connector_openai.cli.bulk_result import leave, resume_command, tell
from kosha_connector_openai.cli.bulk_signals import signals
from kosha_connector_openai.cli.connection import Choices, connect
from kosha_connector_openai.cli.error_output import fault_line
from kosha_connector_openai.cli.exit_codes import ExitCode
from kosha_connector_openai.cli.fields import fields_of
from kosha_connector_openai.cli.inputs import Given, read_given
from kosha_connector_openai.cli.spending import Spending
from kosha_connector_openai.cli.temporal import TEMPORAL, Auth, On, Place, Span, place_of
from kosha_connector_openai.cli.terminal import clean, counted, say_json, to_json
from kosha_connector_openai.flows import TemporalPlace
from kosha_connector_openai.flows.bulk import (
    Bulk,
    RowOptions,
    SendOptions,
    target_schema,
)

_Target = Annotated[
    str, typer.Argument(metavar="TARGET", help="An action's id, a task's name, or an Arazzo document (./FILE).", show_default=False)
]
_Input = Annotated[
    str, typer.Argument(metavar="INPUT", help="JSONL, CSV, TSV or Parquet, a folder of files, or - for standard input.", show_default=False)
]
_Run = Annotated[Path, typer.Argument(metavar="OUTPUT", help="The output of a run, or its ledger.", show_default=False)]
_InFlight = Annotated[int, typer.Option("--in-flight", min=1, max=1_000, help="Rows under way at most.")]
_Requests = Annotated[
    float | None,
    typer.Option("--rpm", metavar="N", min=1, help="Requests a minute for each model; else the replies tell.", show_default=False),
]
_Tokens = Annotated[
    float | None,
    typer.Option("--tpm", metavar="N", min=1, help="Tokens a minute for each model; else the replies tell.", show_default=False),
]
_Unknown = Annotated[
    Literal["hold", "retry", "skip"],
    typer.Option(help="What becomes, at the end, of rows that were sent and whose answer was never seen: they may have been paid for."),
]
_Sync = Annotated[Literal["normal", "full"], typer.Option(help="full: the ledger survives a loss of power, too.")]
_Attempts = Annotated[int, typer.Option(min=1, max=10, help="How often a row may be sent that was refused or did not leave.")]


def run(
    ctx: typer.Context,
    target: _Target,
    rows: _Input,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="OUTPUT", help="Where answers go: JSONL, CSV or Parquet.")] = None,
    maps: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="FIELD=COLUMN", help="Which column a field gets; := for JSON, =@ for the file that it names."),
    ] = None,
    fixed: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="An input that all rows share; := for JSON, =@ for a text in a file."),
    ] = None,
    file_format: Annotated[
        Literal["jsonl", "csv", "tsv", "parquet"] | None,
        typer.Option("--format", help="The input's form, where its name does not say it.", show_default=False),
    ] = None,
    order: Annotated[Literal["input", "done"], typer.Option(help="The order of the output.")] = "input",
    keep: Annotated[
        list[str] | None, typer.Option("--keep", metavar="COLUMN", help="A column of the input that the output has, too.")
    ] = None,
    dedupe: Annotated[bool, typer.Option("--dedupe", help="Send one of rows that are equal.")] = False,
    workflow: Annotated[str | None, typer.Option("--workflow", "-w", metavar="ID", help="Which workflow, where there are several.")] = None,
    share: Annotated[
        str | None,
        typer.Option(
            "--share",
            metavar="I/N",
            help="This process's part of rows, limits and budget, such as 3/16; each part has its own output.",
        ),
    ] = None,
    ledger: Annotated[
        str | None,
        typer.Option(
            "--ledger",
            metavar="REFERENCE",
            help="Keep the ledger in PostgreSQL: a secret reference to its DSN, such as env:NAME or file:/PATH.",
            show_default=False,
        ),
    ] = None,
    via: Annotated[
        Literal["calls", "batch"],
        typer.Option(help="batch: rows go up in files that the provider works off within a day, at its price for batches."),
    ] = "calls",
    go_on: Annotated[bool, typer.Option("--go-on", help="Where this run is there already, go on with it: for launchers.")] = False,
    if_cut: opt.IfCut = "fail",
    dry: Annotated[bool, typer.Option("--dry-run", help="Check every row and show the first as requests; nothing is sent.")] = False,
    unknown: _Unknown = "hold",
    in_flight: _InFlight = 100,
    requests: _Requests = None,
    tokens: _Tokens = None,
    attempts: _Attempts = 3,
    timeout: opt.Timeout = None,
    sync: _Sync = "normal",
    on: On = "here",
    temporal: Place = TEMPORAL,
    auth: Auth = None,
    span: Span = 500,
    caps: opt.Budget = None,
    prices: opt.PriceFile = None,
    as_json: opt.AsJson = False,
    quiet: opt.Quiet = False,
    connection_file: opt.ConnectionFile = None,
    spec: opt.Spec = None,
    validation: opt.Validation = None,
) -> None:
    """Runs an action, a task or a workflow over rows; a run that was broken off goes on with `bulk resume`."""
    connector, connection = connect(ctx.obj, Choices(file=connection_file, spec=spec, validation=validation), preview=dry)
    shared = read_given(lambda: fields_of(target_schema(connector, connection, target, workflow)), Given(fixed or (), option="--set"))
    options = RowOptions(
        map=tuple(maps or ()),
        fixed=shared,
        format=file_format,
        order=order,
        keep=tuple(keep or ()),
        dedupe=dedupe,
        if_cut=if_cut,
        workflow=workflow,
        share=share,
        ledger=ledger,
        via=via,
    )
    spending = Spending(connector, caps or (), prices)
    given: Any = sys.stdin.buffer if rows == "-" else Path(rows)
    if dry:
        _show_check(Bulk(connector, connection).check(target, given, options, prices=spending.prices), as_json=as_json)
        return
    if out is None:
        raise typer.BadParameter("Say where the answers go.", param_hint="--out")
    send = SendOptions(in_flight, requests, tokens, attempts, timeout, unknown, sync, spending.budget)
    with BulkProgress(as_json=as_json, quiet=quiet, currency=spending.currency) as progress:
        bulk = Bulk(connector, connection, watch=progress, temporal=place_of(on, temporal, auth), span=span)
        with signals(bulk, progress.tell):
            result = bulk.run(target, given, out, options, send, go_on=go_on)
    tell(result, resume_command(ctx, result), as_json=as_json, quiet=quiet)
    spending.tell_all(quiet=quiet or as_json)
    leave(result)


def resume(
    ctx: typer.Context,
    run_path: _Run,
    adopt: Annotated[
        bool, typer.Option("--adopt", help="The input has changed: unchanged rows keep their answers, the others are sent.")
    ] = False,
    unknown: _Unknown = "hold",
    in_flight: _InFlight = 100,
    requests: _Requests = None,
    tokens: _Tokens = None,
    attempts: _Attempts = 3,
    timeout: opt.Timeout = None,
    sync: _Sync = "normal",
    on: On = "here",
    temporal: Place = TEMPORAL,
    auth: Auth = None,
    span: Span = 500,
    caps: opt.Budget = None,
    prices: opt.PriceFile = None,
    as_json: opt.AsJson = False,
    quiet: opt.Quiet = False,
    connection_file: opt.ConnectionFile = None,
    spec: opt.Spec = None,
    validation: opt.Validation = None,
) -> None:
    """Goes on with a run; what is done is not sent again."""
    choices = Choices(file=connection_file, spec=spec, validation=validation)
    send = SendOptions(in_flight, requests, tokens, attempts, timeout, unknown, sync)
    place = place_of(on, temporal, auth)
    _go_on(ctx, choices, run_path, send, caps, prices, as_json=as_json, quiet=quiet, adopt=adopt, place=place, span=span)


def retry_failed(
    ctx: typer.Context,
    run_path: _Run,
    unknown: _Unknown = "hold",
    in_flight: _InFlight = 100,
    requests: _Requests = None,
    tokens: _Tokens = None,
    attempts: _Attempts = 3,
    timeout: opt.Timeout = None,
    sync: _Sync = "normal",
    on: On = "here",
    temporal: Place = TEMPORAL,
    auth: Auth = None,
    span: Span = 500,
    caps: opt.Budget = None,
    prices: opt.PriceFile = None,
    as_json: opt.AsJson = False,
    quiet: opt.Quiet = False,
    connection_file: opt.ConnectionFile = None,
    spec: opt.Spec = None,
    validation: opt.Validation = None,
) -> None:
    """Sends the rows that failed again, and those that wait."""
    choices = Choices(file=connection_file, spec=spec, validation=validation)
    send = SendOptions(in_flight, requests, tokens, attempts, timeout, unknown, sync)
    place = place_of(on, temporal, auth)
    _go_on(ctx, choices, run_path, send, caps, prices, as_json=as_json, quiet=quiet, again=True, place=place, span=span)


def _go_on(
    ctx: typer.Context,
    choices: Choices,
    path: Path,
    sent: SendOptions,
    caps: list[str] | None,
    prices: Path | None,
    *,
    as_json: bool,
    quiet: bool,
    adopt: bool = False,
    again: bool = False,
    place: TemporalPlace | None = None,
    span: int = 500,
) -> None:
    connector, connection = connect(ctx.obj, choices)
    spending = Spending(connector, caps or (), prices)
    send = replace(sent, budget=spending.budget)
    with BulkProgress(as_json=as_json, quiet=quiet, currency=spending.currency) as progress:
        bulk = Bulk(connector, connection, watch=progress, temporal=place, span=span)
        with signals(bulk, progress.tell):
            result = bulk.resume(path, send, adopt=adopt, retry_failed=again)
    tell(result, resume_command(ctx, result), as_json=as_json, quiet=quiet)
    spending.tell_all(quiet=quiet or as_json)
    leave(result)


def _show_check(check: Any, *, as_json: bool) -> None:
    if as_json:
        say_json(check.to_dict())
    else:
        for request in check.first:
            typer.echo(clean(to_json(request)))
        typer.echo(
            f"{check.rows} {'row' if check.rows == 1 else 'rows'}" + (f", {check.equal} of them equal to others" if check.equal else "")
        )
        if any(check.tokens):
            typer.echo(f"About {check.tokens[0]} to {check.tokens[1]} tokens are sent; what answers use comes on top.")
        if check.cost is not None:
            typer.echo(f"From {check.cost[0]:.4f} to {check.cost[1]:.4f} {check.currency}.")
        for fault in check.faults:
            typer.echo(fault_line(fault), err=True)
        if check.fault_count:
            typer.echo(f"{counted(check.fault_count, 'fault')}. Nothing was sent.", err=True)
    if check.fault_count:
        raise typer.Exit(ExitCode.INPUT)
