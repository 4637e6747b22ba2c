"""The commands that look at a run over rows, write its answers out, or end it."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from kosha_connector_openai.cli import options as opt
from kosha_connector_openai.cli.connection import Choices, connect
from kosha_connector_openai.cli.temporal import Auth, Place, place_of
from kosha_connector_openai.cli.terminal import clean, counted, note, one_line, say_json, say_table, to_json
from kosha_connector_openai.errors import ConnectorError, Fault, InputError, SetupError
from kosha_connector_openai.flows import TemporalPlace
from kosha_connector_openai.flows.bulk import (
    Bulk,
    RowState,
    cancel_batches,
    cancel_on_temporal,
    kept_options,
    open_run,
    output_of,
    row_values,
    run_status,
    settings_of,
    source_of,
)
from kosha_connector_openai.flows.bulk import export as write_out

_Run = Annotated[Path, typer.Argument(metavar="OUTPUT", help="The output of a run, or its ledger.", show_default=False)]
_Row = Annotated[int, typer.Argument(metavar="ROW", min=1, help="The row's number, from 1.", show_default=False)]


def status(ctx: typer.Context, run_path: _Run, as_json: opt.AsJson = False) -> None:
    """Shows how a run stands, and lists its rows that failed or may have run; another process may work on it."""
    del ctx
    with open_run(run_path) as ledger:
        found, settings = run_status(ledger), settings_of(ledger)
        values = {"target": found.pop("target"), "input": settings["input"], "out": str(output_of(ledger.path).absolute()), **found}
    numbers = {state.name.lower(): values[state.name.lower()] for state in RowState}
    troubled, batches = values["rows"], values.get("batches")
    if as_json:
        say_json(values)
        return
    typer.echo(clean(f"{values['target']} over {Path(str(values['input'])).name}: {counted(values['total'], 'row')}"))
    say_table(("Rows", ""), [(name, str(count)) for name, count in numbers.items() if count])
    if batches:
        say_table(("Batch", "Rows", "State", "Id"), [tuple(str(value) for value in batch.values()) for batch in batches])
    if troubled:
        rows = [(str(row["row"]), row["state"], row["category"], row["at"], _why(row)) for row in troubled]
        say_table(("Row", "State", "Why", "When", "What is known"), rows)
    _tell_next(run_path, numbers)


def _tell_next(path: Path, counts: dict[str, int]) -> None:
    """Says which command is for rows that wait, may have run or failed."""
    words = shlex.quote(clean(str(path)))
    if counts["pending"] or counts["sent"]:
        note(f"Where no process works on it, the run goes on with: kosha-openai bulk resume {words}")
    if counts["unknown"]:
        note(f"To send rows again that may have run, and may be paid for twice: kosha-openai bulk resume {words} --unknown retry")
    if counts["failed"]:
        note(f"To send rows again that failed: kosha-openai bulk retry-failed {words}")


def _why(row: dict[str, Any]) -> str:
    words = [str(row["facts"].get("message", "")), *(str(Fault(**fault)) for fault in row["facts"].get("faults", ()))]
    if row.get("calls_answered"):
        words.append(
            f"{len(row['calls_answered'])} of its calls were answered: {', '.join(call['action'] for call in row['calls_answered'])}."
        )
    return one_line(" ".join(filter(None, words)))


def show(ctx: typer.Context, run_path: _Run, row: _Row, as_json: opt.AsJson = False, connection_file: opt.ConnectionFile = None) -> None:
    """Shows one row: its state, its columns, its request, and its answer or what is known of it."""
    with open_run(run_path) as ledger:
        entry, settings = ledger.entry(row), ledger.kept("settings")
        if entry is None or settings is None:
            raise InputError("The run has no such row.", hint="`bulk status` tells how many there are.")
        answer = ledger.answer(row)
        values = row_values(entry, answer, ledger.calls(row))
        found = next((each for each in source_of(ledger).rows() if each.number == row), None)
        values["columns"] = found.values if found else None
        values["line"] = found.line if found else None
        if answer is not None and entry.state == RowState.DONE:
            import json

            values["answer"] = json.loads(answer.body) if not answer.media_type else answer.facts["file"]
        with suppress(ConnectorError):  # the row's own words say what is wrong with it
            connector, connection = connect(ctx.obj, Choices(file=connection_file), preview=True)
            values["request"] = Bulk(connector, connection).request(run_path, row)
    if as_json:
        say_json(values)
        return
    for name, value in values.items():
        if value not in (None, "", {}):
            typer.echo(clean(f"{name}: {value if isinstance(value, str) else to_json(value)}"))


def export(
    ctx: typer.Context,
    run_path: _Run,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="OUTPUT", help="Another place or form.")] = None,
    order: Annotated[Literal["input", "done"] | None, typer.Option(help="The order of the output.", show_default=False)] = None,
    as_json: opt.AsJson = False,
) -> None:
    """Writes the answers that there are, from the ledger."""
    with open_run(run_path) as ledger:
        settings = settings_of(ledger)
        if out is not None and out.exists():
            raise InputError("The output is there already.", hint="Name another one.")
        place = out or output_of(ledger.path)
        texts = ctx.obj.connector.manifest.result.text
        count = write_out(
            ledger, source_of(ledger), place, order=order or settings["options"]["order"], texts=texts, keep=kept_options(settings)
        )
    if as_json:
        say_json({"out": str(place), "answers": count})
    else:
        typer.echo(clean(f"{place}: {counted(count, 'answer')}"))


def cancel(
    ctx: typer.Context,
    run_path: _Run,
    batches: Annotated[bool, typer.Option("--batches", help="Cancel its open batches at the provider, too.")] = False,
    temporal: Place = "",
    auth: Auth = None,
    as_json: opt.AsJson = False,
    connection_file: opt.ConnectionFile = None,
) -> None:
    """Ends the sending of a run that goes on in another process; what is under way is finished and kept."""
    if auth and not temporal:
        raise typer.BadParameter("Say to which server.", param_hint="--temporal")
    ended = _end_process(run_path, place_of("temporal", temporal, auth) if auth else None)
    if not as_json:
        typer.echo(_ENDED.get(ended or "", f"Process {ended} has ended; its answers are kept. `bulk resume` would go on."))
    count = 0
    if batches:
        connector, connection = connect(ctx.obj, Choices(file=connection_file))
        count = cancel_batches(connector, connection, run_path)
    if as_json:
        say_json({"out": str(output_of(run_path)), "ended": ended, "batches": count})
    elif batches:
        typer.echo(f"{counted(count, 'batch', 'batches')} cancelled. `bulk resume` reads what they had done, and sends the rest anew.")


_ENDED: Final = {
    "": "No process works on this run. It stays as it is; `bulk resume` goes on with it.",
    "temporal": "The workers have ended; their answers are kept. `bulk resume` would go on.",
}


def _end_process(run_path: Path, place: TemporalPlace | None) -> str | None:
    """What has ended: the number of a process, ``temporal``, or None where nothing worked on the run. Raises SetupError."""
    with open_run(run_path) as ledger:
        owner = ledger.owner()
        if asyncio.run(cancel_on_temporal(ledger, place)):
            return "temporal"
        if owner is None:
            return None
        host, _, process = owner.rpartition(":")
        if host and host != socket.gethostname():
            raise SetupError(f"Process {process} on {clean(host)} works on this run.", hint="End it there, with SIGTERM.")
        if not process.isdigit() or int(process) <= 1:  # 0 is all of this group
            raise SetupError("The process that works on this run is not known.")
        with suppress(ProcessLookupError):  # it has just ended
            os.kill(int(process), signal.SIGTERM)
        end = time.monotonic() + 35
        while ledger.owner() is not None:
            if time.monotonic() > end:
                raise SetupError(f"Process {process} was asked to end, and goes on.", hint="Look at it; a second signal ends it at once.")
            time.sleep(0.1)
    return process
