"""How a job's result is shown: text and values for people, a JSON line for each row or item, files where --out says."""

from __future__ import annotations

import base64
import sys
from collections.abc import Iterable
from typing import Any

import typer

from kosha_connector_openai.cli.exit_codes import ExitCode
from kosha_connector_openai.cli.output import ShowOptions
from kosha_connector_openai.cli.terminal import clean, is_terminal, note, one_line, say_json, to_json
from kosha_connector_openai.core.result import FileSink, SavedFile
from kosha_connector_openai.flows.jobs import Handle, JobResult, Jobs, LineTable, Status


def show_result(jobs: Jobs, job: Handle | Status, output: ShowOptions) -> None:
    """Fetches and shows what an ended job left."""
    if output.out:
        FileSink(output.out, overwrite=output.force).check()
    found = jobs.fetch(job, output.out, overwrite=output.force)
    _show(found, output)
    if found.outcome != "complete":
        note("\n".join(f"Warning: {one_line(warning)}" for warning in found.warnings))
    if found.outcome == "failed":
        raise typer.Exit(ExitCode.ENDED)


def _show(found: JobResult, output: ShowOptions) -> None:
    if isinstance(found.value, LineTable):
        with found.value as table:
            _rows(table, found, output)
        return
    if isinstance(found.value, bytes) and not output.as_json:
        _bytes(found.value)
    elif output.as_json:
        say_json(_envelope(found, _plain(found.value)))
    elif isinstance(found.value, SavedFile):
        typer.echo(clean(f"{found.value.path}: {found.value.size} bytes, {one_line(found.value.content_type)}"))
    elif found.kind == "items":
        _lines(found.value, output)
    elif output.out:
        _save(f"{found.value if isinstance(found.value, str) else to_json(found.value)}\n".encode(), output)
    elif isinstance(found.value, str):
        typer.echo(clean(found.value))
    else:
        say_json(found.value)


def _rows(table: LineTable, found: JobResult, output: ShowOptions) -> None:
    rows = [0, 0, 0]

    def counted() -> Iterable[Any]:
        for row in table:
            rows[0 if row.ok else 2 if row.missing else 1] += 1
            yield row.to_dict()

    if output.as_json and not output.out:
        say_json(_envelope(found, list(counted())))
    else:
        _lines(counted(), output)
    if not output.quiet:
        note(f"{rows[0]} rows answered \u00b7 {rows[1]} with an error \u00b7 {rows[2]} missing")
        for warning in table.warnings:
            note(f"Warning: {warning}")


def _lines(values: Iterable[Any], output: ShowOptions) -> None:
    if output.out is None:
        for value in values:
            typer.echo(f"{to_json(value, indent=None)}\n".encode(), nl=False)
        sys.stdout.flush()
        return
    sink = FileSink(output.out, overwrite=output.force)
    try:
        for value in values:
            sink.write(f"{to_json(value, indent=None)}\n".encode())
    except BaseException:
        sink.discard()
        raise
    saved = sink.commit("application/jsonl")
    typer.echo(clean(f"{saved.path}: {saved.size} bytes"))


def _save(data: bytes, output: ShowOptions) -> None:
    assert output.out is not None
    sink = FileSink(output.out, overwrite=output.force)
    sink.write(data)
    saved = sink.commit("application/json")
    typer.echo(clean(f"{saved.path}: {saved.size} bytes"))


def _bytes(data: bytes) -> None:
    if is_terminal():
        note("The result is a file. Fetch it with `jobs fetch JOB --out PATH`.")
        return
    typer.echo(data, nl=False)
    sys.stdout.flush()


def _envelope(found: JobResult, value: Any) -> dict[str, Any]:
    status = found.status
    return {
        "job": status.handle.name,
        "state": status.state,
        "end": status.end,
        "kind": found.kind,
        "value": value,
        "usage": found.usage,
        "outcome": found.outcome,
        "warnings": list(found.warnings),
    }


def _plain(value: Any) -> Any:
    if isinstance(value, SavedFile):
        return {"path": str(value.path), "size": value.size, "sha256": value.sha256, "content_type": value.content_type}
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode(), "size": len(value)}
    return value
