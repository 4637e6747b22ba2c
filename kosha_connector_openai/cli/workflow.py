"""The commands for workflows: check a document, show it, run it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import secrets
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from kosha_connector_openai.cli import options as opt
from kosha_connector_openai.cli.connection import Choices, catalog, connect, validation
from kosha_connector_openai.cli.error_output import fault_line, tell
from kosha_connector_openai.cli.exit_codes import ExitCode
from kosha_connector_openai.cli.fields import fields_of
from kosha_connector_openai.cli.inputs import Given, read_given
from kosha_connector_openai.cli.job_work import folder as jobs_folder
from kosha_connector_openai.cli.session import Session
from kosha_connector_openai.cli.spending import Spending
from kosha_connector_openai.cli.temporal import TEMPORAL, Auth, EngineOfWorker, LedgerReference, Place, closing, place_of
from kosha_connector_openai.cli.terminal import clean, counted, note, one_line, say_json
from kosha_connector_openai.cli.workflow_outputs import OutputPrinter
from kosha_connector_openai.connector import CallOptions, Connection, Connector
from kosha_connector_openai.errors import WorkflowDocumentError, WorkflowError
from kosha_connector_openai.flows import TemporalPlace
from kosha_connector_openai.flows.jobs import JobStore
from kosha_connector_openai.flows.workflows import (
    Begun,
    FileJournal,
    RunLimits,
    StepRecord,
    Workflow,
    WorkflowDocument,
    WorkflowResult,
    choose,
    draw,
    read_workflows,
    run_workflow,
)
from kosha_connector_openai.outputs import Budget
from kosha_connector_openai.schema import SchemaReader
from kosha_connector_openai.text import YamlLimits, load_yaml
from kosha_connector_openai.trusted_files import UntrustedFileError, open_trusted

_FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="An Arazzo document, YAML or JSON.", show_default=False)]
_Source = Annotated[
    list[str] | None,
    typer.Option("--source", metavar="NAME", help="The source description of this name is this connector.", show_default=False),
]
_Workflow = Annotated[str | None, typer.Option("--workflow", "-w", metavar="ID", help="Which workflow, where there are several.")]
_Inputs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NAME=VALUE", help="An input: NAME=VALUE, NAME:=JSON, or NAME=@FILE for a file or a text in a file.", show_default=False
    ),
]


def _read(ctx: typer.Context, file: Path, sources: list[str] | None, choices: Choices) -> WorkflowDocument:
    session: Session = ctx.obj
    chosen = catalog(session, choices)
    return read_workflows(file, session.connector, sources=sources or (), catalog=chosen, validation=validation(session, choices))


def check(
    ctx: typer.Context,
    file: _FileArgument,
    source: _Source = None,
    as_json: opt.AsJson = False,
    connection_file: opt.ConnectionFile = None,
    spec: opt.Spec = None,
    strictness: opt.Validation = None,
) -> None:
    """Lists every fault of a document with its pointer; nothing is sent."""
    try:
        document = _read(ctx, file, source, Choices(file=connection_file, spec=spec, validation=strictness))
    except WorkflowDocumentError as error:
        if not as_json:
            raise typer.Exit(tell(error, as_json=False)) from None
        say_json({"valid": False, "faults": [_fault(fault) for fault in error.faults]})
        raise typer.Exit(ExitCode.DESCRIPTION) from None
    if as_json:
        say_json({"valid": True, "workflows": list(document.workflows), "warnings": [_fault(fault) for fault in document.warnings]})
        return
    for warning in document.warnings:
        note(f"Warning:{fault_line(warning)}")
    steps = sum(len(workflow.steps) for workflow in document.workflows.values())
    typer.echo(f"The document can be run: {counted(len(document.workflows), 'workflow')}, {counted(steps, 'step')}.")


def _fault(fault: Any) -> dict[str, str]:
    return {"pointer": fault.pointer, "rule": fault.rule, "message": fault.message, "fix": fault.fix}


def show(
    ctx: typer.Context,
    file: _FileArgument,
    source: _Source = None,
    connection_file: opt.ConnectionFile = None,
    spec: opt.Spec = None,
) -> None:
    """Draws the workflows of a document: inputs, steps, when each has succeeded and what comes next."""
    document = _read(ctx, file, source, Choices(file=connection_file, spec=spec))
    typer.echo("\n".join(clean(line) for line in draw(document)))


def run(
    ctx: typer.Context,
    file: _FileArgument,
    inputs: _Inputs = None,
    workflow: _Workflow = None,
    input_file: opt.InputFile = None,
    input_json: opt.InputJson = None,
    literal: opt.Literally = False,
    source: _Source = None,
    record: Annotated[
        Path | None, typer.Option("--record", metavar="PATH", help="Append a line for each step and one for the run, as JSON.")
    ] = None,
    folder: Annotated[Path | None, typer.Option("--files", metavar="FOLDER", help="Save the files among the outputs here.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Let --files replace files.")] = False,
    as_json: opt.AsJson = False,
    quiet: opt.Quiet = False,
    values: opt.Values = None,
    connection_file: opt.ConnectionFile = None,
    timeout: Annotated[float, typer.Option(min=0.001, max=86_400, help="Seconds for the whole run.")] = 3_600,
    on: Annotated[Literal["here", "temporal"], typer.Option("--on", help="Where steps run: here, or by workers on Temporal.")] = "here",
    temporal: Place = TEMPORAL,
    auth: Auth = None,
    ledger: Annotated[
        str | None, typer.Option("--ledger", metavar="REFERENCE", help="With --on temporal: PostgreSQL's DSN, by secret reference.")
    ] = None,
    name: Annotated[str | None, typer.Option("--run", metavar="NAME", help="With --on temporal: begin this run, or go on with it.")] = None,
    attempts: opt.Attempts = None,
    engine: opt.Engine = None,
    spec: opt.Spec = None,
    caps: opt.Budget = None,
    prices: opt.PriceFile = None,
    strictness: opt.Validation = None,
) -> None:
    """Runs a workflow: shows each step as it ends, then the outputs as JSON."""
    choices = Choices(values or (), connection_file, None, attempts, engine, spec, strictness)
    _trust(file)
    document = _read(ctx, file, source, choices)
    chosen = choose(document, workflow)
    given = read_given(lambda: fields_of(_schema(chosen)), Given(inputs or (), input_file, input_json, literal))
    connector, connection = connect(ctx.obj, choices)
    spending = Spending(connector, caps or (), prices)
    place = place_of(on, temporal, auth)
    watch = None if quiet or as_json else _Progress()
    printer = OutputPrinter(connector, folder, chosen.outputs, overwrite=force)
    try:
        if place:
            result = _on_temporal(place, file, connector, connection, given, chosen.id, timeout, ledger, name, spending.budget)
        else:
            options = CallOptions(attempts=attempts, budget=spending.budget)
            result = _here(document, connector, connection, given, chosen.id, timeout, options, watch, record)
    except WorkflowError as error:
        if not as_json:
            raise
        say_json({"error": error.to_dict()} | _partial(error.result, printer))
        raise typer.Exit(ExitCode.WORKFLOW) from None
    outputs = printer.of(result.outputs)
    say_json(result.to_dict() | {"outputs": outputs} if as_json else outputs)
    if printer.saved and not quiet:
        note("\n".join(f"Saved {one_line(str(path))}" for path in printer.saved))
    spending.tell_all(quiet=quiet or as_json)


def _here(
    document: WorkflowDocument, connector: Connector, connection: Connection, given: Mapping[str, Any], workflow: str, seconds: float,
    options: CallOptions, watch: _Progress | None, record: Path | None,
) -> WorkflowResult:  # fmt: skip
    """The result of a run whose steps this process does, with a line of ``record`` for each."""
    with _journal(record) as journal:
        return run_workflow(
            document,
            connector,
            connection,
            given,
            workflow=workflow,
            limits=RunLimits(seconds=seconds),
            options=options,
            handles=_handles(document),
            watch=watch,
            **journal,
        )


def _partial(result: WorkflowResult | None, printer: OutputPrinter) -> dict[str, Any]:
    """What a failed run has done, as a part of its JSON."""
    return {} if result is None else result.to_dict() | {"outputs": printer.of(result.outputs)}


def _on_temporal(
    place: TemporalPlace, file: Path, connector: Connector, connection: Connection, given: Mapping[str, Any], workflow: str, seconds: float,
    ledger: str | None, name: str | None, budget: Budget | None,
) -> WorkflowResult:  # fmt: skip
    """The result of a run whose steps workers do."""
    from kosha_connector_openai.flows.durable import begin_workflow

    if ledger is None:
        raise typer.BadParameter("A run on Temporal keeps its steps in PostgreSQL.", param_hint="--ledger")
    name = name or secrets.token_hex(6)
    if re.fullmatch("[a-z0-9][a-z0-9-]{0,30}", name) is None:
        raise typer.BadParameter("A run's name has small letters, digits and hyphens.", param_hint="--run")
    note(f"The run is {name}. To go on with it from elsewhere: the same command with --run {name}")
    values = load_yaml(file.read_bytes(), YamlLimits(1024 * 1024, 64, 200_000), what=file.name)
    work = begin_workflow(
        values,
        connector,
        connection,
        given,
        name=name,
        ledger=ledger,
        place=place,
        workflow=workflow,
        limits=RunLimits(seconds=seconds),
        budget=budget,
    )
    return asyncio.run(closing(connector, work))


def worker(
    ctx: typer.Context,
    ledger: LedgerReference,
    on: EngineOfWorker = "temporal",
    temporal: Place = TEMPORAL,
    auth: Auth = None,
    steps: Annotated[int, typer.Option("--steps", min=1, max=1_000, help="Steps at a time.")] = 20,
    attempts: opt.Attempts = None,
    connection_file: opt.ConnectionFile = None,
    spec: opt.Spec = None,
    validation: opt.Validation = None,
) -> None:
    """Runs steps of workflows that were begun with `workflow run --on temporal`, until it is asked to end."""
    from kosha_connector_openai.flows.durable import StepWorker

    connector, connection = connect(ctx.obj, Choices(file=connection_file, spec=spec, validation=validation))
    place: Any = place_of(on, temporal, auth)
    note(clean(f"Runs steps of workflows on {place.address}. Ctrl-C ends it; what is under way is finished."))
    work = StepWorker(connector, connection, ledger, CallOptions(attempts=attempts), steps=steps)
    asyncio.run(closing(connector, work.run(place)))


def _trust(file: Path) -> None:
    """A document says what is sent with the user's key, so nobody else may be able to write it."""
    try:
        os.close(open_trusted(file, links=True))
    except UntrustedFileError as error:
        reason = error.strerror
    except OSError:
        return  # the reader says what is wrong
    else:
        return
    raise WorkflowDocumentError(f"{file.name} is not run: {reason}.", [])


def _handles(document: WorkflowDocument) -> JobStore | None:
    """Where `jobs` keeps its handles, for a document that starts jobs."""
    if not any(step.runner == "job" for workflow in document.workflows.values() for step in workflow.steps):
        return None
    return JobStore(jobs_folder())


def _schema(workflow: Workflow) -> Mapping[str, Any]:
    """The inputs as fields are read from: all properties at the top."""
    schema = workflow.inputs.schema
    properties = {name: part for one in SchemaReader(schema).parts(schema) for name, part in one.get("properties", {}).items()}
    return {**schema, "properties": properties, "required": sorted(workflow.inputs.required)}


@contextlib.contextmanager
def _journal(path: Path | None) -> Iterator[dict[str, Any]]:
    if path is None:
        yield {}
        return
    with FileJournal(path) as journal:
        yield {"journal": journal}


class _Progress:
    """Lines on standard error: on a terminal one that says what runs, everywhere one for each step that has ended."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()

    def __call__(self, move: Begun | StepRecord) -> None:
        if isinstance(move, StepRecord):
            self._ended(move)
        elif self._live:
            typer.echo(f"\r  … {one_line(move.step.id)}", nl=False, err=True)

    def _ended(self, record: StepRecord) -> None:
        if self._live:
            typer.echo("\r\x1b[2K", nl=False, err=True)
        mark = "ok  " if record.outcome == "succeeded" else "FAIL"
        facts = [f"{mark} {record.step}", one_line(record.target)]
        facts += [str(record.status)] if record.status else []
        facts += [f"{record.duration:.2f} s"]
        facts += [f"attempt {record.attempt}"] if record.attempt > 1 else []
        facts += [f"at {record.failed}"] if record.failed else []
        facts += [f"the answer is {record.answer}"] if record.answer not in (None, "complete") else []
        facts += [] if record.then in ("next", "fail") else [f"then {record.then}"]
        note("\n".join((" \u00b7 ".join(facts), *(f"     {one_line(fault.message, 500)}" for fault in record.warnings))))
