"""The commands about long jobs: what was started, wait for it, cancel it, fetch what it left; and large files in parts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from kosha_connector_openai.cli import options as opt
from kosha_connector_openai.cli.connection import Choices
from kosha_connector_openai.cli.job_result import show_result
from kosha_connector_openai.cli.job_work import Opened, finish, folder, send_file
from kosha_connector_openai.cli.output import ShowOptions
from kosha_connector_openai.cli.progress import count_words
from kosha_connector_openai.cli.terminal import clean, note, say_json, say_table
from kosha_connector_openai.core.request import local_file
from kosha_connector_openai.flows.jobs import Handle, JobStore, Status

Name = Annotated[
    str, typer.Argument(metavar="JOB", help="A job's name or how it begins, or a file with its handle: ./FILE.", show_default=False)
]
Out = Annotated[Path | None, typer.Option("--out", "-o", metavar="PATH", help="Save the result in a file.")]
Force = Annotated[bool, typer.Option("--force", help="Let --out replace a file.")]


def list_(as_json: opt.AsJson = False) -> None:
    """Lists the jobs that were started here, oldest first; nothing is asked of the API."""
    found = list(JobStore(folder()))
    if as_json:
        say_json([handle.to_dict() for handle in found])
        return
    say_table(("Job", "Action", "Seen", "Server"), [(handle.name, handle.action, _seen(handle), handle.origin) for handle in found])
    if not found:
        note("No job was started here.")


def show(
    ctx: typer.Context,
    job: Name,
    as_json: opt.AsJson = False,
    events: Annotated[bool, typer.Option("--events", help="What has happened, a JSON line for each event.")] = False,
    values: opt.Values = None,
    connection_file: opt.ConnectionFile = None,
    spec: opt.Spec = None,
    validation: opt.Validation = None,
) -> None:
    """Asks for a job's state once and shows it."""
    opened = Opened(ctx.obj, job, Choices(values or (), connection_file, spec=spec, validation=validation))
    if not events:
        _say_status(opened.jobs.status(opened.handle), as_json=as_json)
        return
    found = opened.jobs.events(opened.handle)
    if as_json:
        say_json(found)
    else:
        for event in found:
            say_json(event, indent=None)


def wait(
    ctx: typer.Context,
    job: Name,
    timeout: opt.WaitTimeout = None,
    cancel_remote: Annotated[bool, typer.Option("--cancel-on-interrupt", help="Ctrl-C cancels the job, too.")] = False,
    source: Annotated[Path | None, typer.Option("--file", metavar="PATH", help="An upload's file, where it has moved.")] = None,
    as_json: opt.AsJson = False,
    out: Out = None,
    force: Force = False,
    quiet: opt.Quiet = False,
    values: opt.Values = None,
    connection_file: opt.ConnectionFile = None,
    spec: opt.Spec = None,
    validation: opt.Validation = None,
) -> None:
    """Waits for a job, from any process and after any crash, and shows its result. Nothing is started again."""
    opened = Opened(ctx.obj, job, Choices(values or (), connection_file, spec=spec, validation=validation))
    named = source or opened.file
    given = None if named is None else local_file(named.expanduser().absolute(), "/source", sys.maxsize)
    output = ShowOptions(as_json, False, quiet, out, force)
    finish(opened.jobs, opened.handle, output, timeout, cancel=cancel_remote, source=given)


def cancel(
    ctx: typer.Context,
    job: Name,
    as_json: opt.AsJson = False,
    values: opt.Values = None,
    connection_file: opt.ConnectionFile = None,
    spec: opt.Spec = None,
    validation: opt.Validation = None,
) -> None:
    """Cancels a job upstream."""
    opened = Opened(ctx.obj, job, Choices(values or (), connection_file, spec=spec, validation=validation))
    _say_status(opened.jobs.cancel(opened.handle), as_json=as_json)


def fetch(
    ctx: typer.Context,
    job: Name,
    as_json: opt.AsJson = False,
    out: Out = None,
    force: Force = False,
    quiet: opt.Quiet = False,
    values: opt.Values = None,
    connection_file: opt.ConnectionFile = None,
    spec: opt.Spec = None,
    validation: opt.Validation = None,
) -> None:
    """Fetches what an ended job left, whether it ended with success or not."""
    opened = Opened(ctx.obj, job, Choices(values or (), connection_file, spec=spec, validation=validation))
    show_result(opened.jobs, opened.handle, ShowOptions(as_json, False, quiet, out, force))


def upload(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file to send.", show_default=False)],
    inputs: opt.Inputs = None,
    detach: Annotated[bool, typer.Option("--detach", help="Only announce it; `jobs wait` sends it.")] = False,
    timeout: opt.WaitTimeout = None,
    as_json: opt.AsJson = False,
    quiet: opt.Quiet = False,
    values: opt.Values = None,
    connection_file: opt.ConnectionFile = None,
    spec: opt.Spec = None,
    validation: opt.Validation = None,
) -> None:
    """Sends a large file in parts, several at a time; after a crash `jobs wait` sends only what is missing."""
    choices = Choices(values or (), connection_file, spec=spec, validation=validation)
    send_file(ctx.obj, file, inputs or (), choices, ShowOptions(as_json, False, quiet), detach=detach, timeout=timeout)


def forget(job: Name) -> None:
    """Drops a job's handle here; the job upstream is not touched."""
    store = JobStore(folder())
    store.drop(store.read(job).name)


def _seen(handle: Handle) -> str:
    return "start unanswered" if handle.phase == "sending" else handle.state or "started"


def _say_status(status: Status, *, as_json: bool) -> None:
    """A state, and the ids that the API has for the job."""
    if as_json:
        say_json(status.to_dict())
        return
    state = f"{status.state} ({status.end})" if status.end and status.end != status.state else status.state
    typer.echo(clean(f"{status.handle.name}: {state}{count_words(status)}"))
    for name, value in sorted(status.handle.ids.items()):
        typer.echo(clean(f"  {name}: {value}"))
