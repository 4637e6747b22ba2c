"""How an error is told: on standard error for people, as an object on standard output for programs."""

from __future__ import annotations

import os
import traceback
from typing import Final

import typer

from kosha_connector_openai.cli.exit_codes import ExitCode, exit_code
from kosha_connector_openai.cli.terminal import clean, one_line, say_json
from kosha_connector_openai.errors import ConnectorError, Fault, JobEndedError, JobError

DEBUG: Final = "KOSHA_DEBUG"
_LATER: Final = {True: "Trying again is safe and may help.", None: "Look before you run it again."}


def resume_words(name: str) -> str:
    """The command that goes on with a job."""
    return f"kosha-openai jobs resume {name}"


def tell(error: ConnectorError, *, as_json: bool) -> ExitCode:
    """Prints what is wrong, each fault on its line, and what to do; gives the exit code."""
    if as_json:
        say_json({"error": error.to_dict()})
    else:
        typer.echo("\n".join(_lines(error)), err=True)
    return exit_code(error)


def tell_bug(error: Exception) -> ExitCode:
    """Prints one line about what nobody foresaw; its text is left out, since foreign errors quote what they were given."""
    if os.environ.get(DEBUG) == "1":
        typer.echo("".join(traceback.format_tb(error.__traceback__)), err=True, nl=False)
    advice = "" if os.environ.get(DEBUG) == "1" else f" {DEBUG}=1 shows where it happened."
    typer.echo(f"Error: this program failed with {type(error).__name__}. Please report it.{advice}", err=True)
    return ExitCode.BUG


def fault_line(fault: Fault) -> str:
    """One fault: its JSON Pointer, what is wrong and what to do; of the whole, which has no pointer, only these."""
    text = str(fault) if fault.pointer else str(fault).removeprefix("/: ")
    return f"  {one_line(text if fault.pointer or not text[:1].islower() else f'It {text}', 1_000)}"


def _lines(error: ConnectorError) -> list[str]:
    status = getattr(error, "status", None)
    where = f"{error.pointer}: " if error.pointer else ""
    lines = [clean(f"Error{f' {status}' if status else ''}: {where}{error.message}")]
    lines += [fault_line(fault) for fault in getattr(error, "faults", ())]
    advice = error.hint or _LATER.get(error.retryable, "")
    lines += [clean(advice)] if advice else []
    if isinstance(error, JobError) and not isinstance(error, JobEndedError) and "name" in error.handle:
        lines.append(f"To go on: {resume_words(one_line(error.handle['name']))}")
    request_id = getattr(error, "request_id", None)
    if request_id:
        lines.append(f"Request id: {one_line(request_id)}")
    return lines
