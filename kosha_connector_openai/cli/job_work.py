"""Jobs behind the commands: opened by a handle, started, waited for; and large files sent in parts."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import typer

from kosha_connector_openai import CallOptions
from kosha_connector_openai.cli.connection import Choices, catalog, connect
from kosha_connector_openai.cli.error_output import resume_words
from kosha_connector_openai.cli.inputs import Given, read_inputs
from kosha_connector_openai.cli.invocation import Invocation
from kosha_connector_openai.cli.job_result import show_result
from kosha_connector_openai.cli.output import ShowOptions
from kosha_connector_openai.cli.progress import WaitProgress
from kosha_connector_openai.cli.session import Session, is_path
from kosha_connector_openai.cli.terminal import note, say_json
from kosha_connector_openai.core.request import local_file
from kosha_connector_openai.core.result import FileSink
from kosha_connector_openai.errors import InputError
from kosha_connector_openai.flows.jobs import Handle, Jobs, JobStore, WaitOptions, read_handle
from kosha_connector_openai.manifest.parts import JobsPart
from kosha_connector_openai.trusted_files import read_trusted

_LARGEST: Final = 8 * 1024 * 1024


def folder() -> Path:
    """Where handles are kept: ``KOSHA_JOBS``, else below the user's state (XDG Base Directory Specification)."""
    if named := os.environ.get("KOSHA_JOBS"):
        return Path(named).expanduser()
    base = os.environ.get("XDG_STATE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".local" / "state") / "kosha" / "jobs"


class Opened:
    """A job, and the connection that its handle names unless the command line names another."""

    def __init__(self, session: Session, job: str, choices: Choices) -> None:
        """``job`` is a name, the beginning of one, or a file with a handle. Raises InputError and SetupError."""
        store = JobStore(folder())
        own = not is_path(job)
        self.handle = store.read(job) if own else read_handle(_read(Path(job)))
        kept = self.handle.source.path if own and self.handle.source else None
        self.file = None if kept is None else Path(kept)
        """An upload's file, as it was named here; a handle that came from elsewhere names none."""
        named = choices.file or self.handle.connection
        connector, connection = connect(session, replace(choices, file=named))
        self.jobs = Jobs(connector, connection, store=store, name=named)


def _read(path: Path) -> bytes:
    try:
        return read_trusted(path, _LARGEST)
    except OSError as error:
        raise InputError(f"The handle cannot be read: {error.strerror}.", hint="Name a file that you may read.") from None


def run_job(invocation: Invocation, *, detach: bool, timeout: float | None, name: str | None, mark: bool) -> None:
    """Starts a job; with ``detach`` prints its name and leaves it, else waits and shows its result."""
    _check_out(invocation.show)
    call = CallOptions(timeout=invocation.call.timeout, attempts=invocation.call.attempts)
    jobs = Jobs(invocation.connector, invocation.connection, store=JobStore(folder()), name=name)
    try:
        handle = jobs.start(invocation.action, invocation.inputs, call, mark=mark)
    except KeyboardInterrupt:
        note("\nThe job may have been started: see kosha-openai jobs list")
        raise
    _go_on(jobs, handle, invocation.show, timeout, detach=detach)


def send_file(
    session: Session, file: Path, inputs: Sequence[str], choices: Choices, output: ShowOptions, *, detach: bool, timeout: float | None
) -> None:
    """Announces a large file and sends its parts; with ``detach`` only announces it."""
    kinds = session.connector.part("jobs", JobsPart).uploads
    if not kinds:
        raise InputError("This connector has no uploads in parts.")
    kind, rules = next(iter(kinds.items()))
    given = read_inputs(catalog(session, choices)[rules.create], Given(inputs))
    connector, connection = connect(session, choices)
    jobs = Jobs(connector, connection, store=JobStore(folder()), name=choices.file)
    source = local_file(file.expanduser().absolute(), "/source", sys.maxsize)
    handle = jobs.start_upload(source, given, kind)
    _go_on(jobs, handle, output, timeout, detach=detach, source=source)


def finish(
    jobs: Jobs, handle: Handle, output: ShowOptions, timeout: float | None, *, cancel: bool = False, source: Any = None, fresh: bool = False
) -> None:
    """Waits and shows the result; whatever interrupts the wait, how to go on is said."""
    _check_out(output)
    try:
        with WaitProgress(handle.name, as_json=output.as_json, quiet=output.quiet) as progress:
            options = WaitOptions(timeout=timeout, cancel=cancel, progress=progress.tick)
            status = jobs.wait(handle, options, source=source, fresh=fresh)
        status.check()
    except KeyboardInterrupt:
        note(f"\nCancelled: {handle.name}." if cancel else f"\nThe job goes on. To wait for it again: {resume_words(handle.name)}")
        raise
    show_result(jobs, status, output)


def _check_out(output: ShowOptions) -> None:
    """A place for the result that cannot be used is told before a wait, not after it."""
    if output.out:
        FileSink(output.out, overwrite=output.force).check()


def _go_on(jobs: Jobs, handle: Handle, output: ShowOptions, timeout: float | None, *, detach: bool, source: Any = None) -> None:
    if not detach:
        finish(jobs, handle, output, timeout, source=source, fresh=True)
    elif output.as_json:
        say_json(handle.to_dict())
    else:
        typer.echo(handle.name)
        note(f"To wait for it: {resume_words(handle.name)}")
