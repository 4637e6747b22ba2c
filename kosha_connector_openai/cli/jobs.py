"""The commands about long jobs: what was started, wait for it, cancel it, fetch what it left; and large files in parts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from kosha_connector_openai.cli import options as opt
from kosha_connector_openai.cli.command import Command
from kosha_connector_openai.cli.connection import Choices
from kosha_connector_openai.cli.output import Output

if TYPE_CHECKING:
    from types import ModuleType

Name = Annotated[str, typer.Argument(metavar="JOB", help="A job's name or how it begins, or a file with its handle.", show_default=False)]
Out = Annotated[Path | None, typer.Option("--out", "-o", metavar="PATH", help="Save the result in a file.")]
Force = Annotated[bool, typer.Option("--force", help="Let --out replace a file.")]


def list_(as_json: opt.AsJson = False) -> None:
    """Lists the jobs that were started here, oldest first; nothing is asked of the API."""
    _work().say_list(as_json=as_json)


def show(
    ctx: typer.Context,
    job: Name,
    as_json: opt.AsJson = False,
    events: Annotated[bool, typer.Option("--events", help="What has happened, a JSON line for each event.")] = False,
    values: opt.Values = None,
    connection_file: opt.ConnectionFile = None,
    spec: opt.Spec = None,
) -> None:
    """Asks for a job's state once and shows it."""
    opened = _work().Opened(ctx.obj, job, Choices(values or (), connection_file, spec=spec))
    if events:
        _work().say_events(opened.jobs.events(opened.handle), as_json=as_json)
    else:
        _work().say_status(opened.jobs.status(opened.handle), as_json=as_json)


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
) -> None:
    """Waits for a job, from any process and after any crash, and shows its result. Nothing is started again."""
    opened = _work().Opened(ctx.obj, job, Choices(values or (), connection_file, spec=spec))
    given = None if source is None else {"path": str(source.expanduser().absolute())}
    output = Output(as_json, False, quiet, out, force)
    _work().finish(opened.jobs, opened.handle, output, timeout, cancel=cancel_remote, source=given)


def cancel(
    ctx: typer.Context,
    job: Name,
    as_json: opt.AsJson = False,
    values: opt.Values = None,
    connection_file: opt.ConnectionFile = None,
    spec: opt.Spec = None,
) -> None:
    """Cancels a job upstream."""
    opened = _work().Opened(ctx.obj, job, Choices(values or (), connection_file, spec=spec))
    _work().say_status(opened.jobs.cancel(opened.handle), as_json=as_json)


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
) -> None:
    """Fetches what an ended job left, whether it ended with success or not."""
    opened = _work().Opened(ctx.obj, job, Choices(values or (), connection_file, spec=spec))
    _work().show_result(opened.jobs, opened.handle, Output(as_json, False, quiet, out, force))


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
) -> None:
    """Sends a large file in parts, several at a time; after a crash `jobs wait` sends only what is missing."""
    choices = Choices(values or (), connection_file, spec=spec)
    _work().send_file(ctx.obj, file, inputs or (), choices, Output(as_json, False, quiet), detach=detach, timeout=timeout)


def forget(job: Name) -> None:
    """Drops a job's handle here; the job upstream is not touched."""
    _work().forget(job)


def make_jobs(settings: dict[str, Any]) -> typer.Typer:
    """The group of commands about jobs; ``settings`` are those of the whole command line."""
    text = "Long jobs: what was started, wait for it after any crash, cancel it, fetch what it left."
    group = typer.Typer(pretty_exceptions_enable=False, no_args_is_help=True, context_settings=settings, help=text)
    for name, command in _COMMANDS.items():
        group.command(name, cls=Command)(command)
    return group


_COMMANDS: Final[dict[str, Callable[..., None]]] = {
    "list": list_,
    "show": show,
    "wait": wait,
    "resume": wait,
    "cancel": cancel,
    "fetch": fetch,
    "upload": upload,
    "forget": forget,
}


def _work() -> ModuleType:
    from kosha_connector_openai.cli import job_work  # noqa: PLC0415 - other commands need no flows

    return job_work
