"""How a result is shown: text as it comes, tables for lists, JSON otherwise; envelopes, bare bodies and files on request."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import typer

from kosha_connector_openai import Event, Result
from kosha_connector_openai.cli.error_output import fault_line
from kosha_connector_openai.cli.terminal import clean, is_terminal, note, one_line, say_json, say_table, to_json
from kosha_connector_openai.core.result import SavedFile
from kosha_connector_openai.errors import Fault

if TYPE_CHECKING:
    from kosha_connector_openai.outputs import ShortResult

_COLUMNS: Final = 6


@dataclass(frozen=True, slots=True)
class ShowOptions:
    """What was asked for: the envelope, the bare body, the short result, or what suits people.

    ``out`` is a file for the body, which ``force`` lets replace another; ``folder`` takes the files of the short result.
    """

    as_json: bool = False
    raw: bool = False
    quiet: bool = False
    out: Path | None = None
    force: bool = False
    short: bool = False
    folder: Path | None = None

    @property
    def for_programs(self) -> bool:
        """Whether standard output is one JSON value, so that nothing else may be written there."""
        return self.as_json or self.short


class EventWriter:
    """Events as they arrive: their text for people, one JSON line for each where bodies are asked for; nothing where they are saved.

    A context manager: leaving it ends the line that is open.
    """

    def __init__(self, output: ShowOptions) -> None:
        self._output = output
        self._open_line = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._open_line:
            typer.echo()

    def add(self, event: Event) -> None:
        """Shows one event, at once."""
        if self._output.out:
            return
        if self._output.raw:
            _write(f"{to_json(event.data, indent=None)}\n".encode())
        elif event.text and not self._output.for_programs:
            typer.echo(clean(event.text), nl=False)
            sys.stdout.flush()
            self._open_line = not event.text.endswith("\n")


def show(result: Result, output: ShowOptions) -> None:
    """Shows a finished result, and what there is to know about it."""
    saved = result.saved
    if output.as_json:
        say_json(result.to_dict() if saved is None else result.to_dict() | {"saved": str(saved.path)})
        return
    if saved is not None:
        _show_file(saved)
    elif output.raw and result.kind != "events":
        _show_raw(result)
    else:
        _SHOW[result.kind](result)
    if not output.quiet:
        show_warnings(result.warnings)
        note(" \u00b7 ".join(_facts(result)))


def save_files(output: ShortResult, folder: Path, *, force: bool) -> list[str]:
    """Writes each file of a short result into a folder; gives a line for each. Raises InputError, ReplyError."""
    lines = []
    for number, file in enumerate(output.files, start=1):
        if file.data is None:
            lines.append(f"{file.name} is kept by the server: {one_line(file.url or str(file.path or ''), 2_000)}")
            continue
        saved = file.save(folder / f"{number}-{file.name}", overwrite=force)
        lines.append(f"{saved.path}: {saved.size} bytes, {file.content_type}")
    return lines or ["The short result has no files."]


def show_warnings(warnings: Sequence[Fault]) -> None:
    """Prints warnings on standard error."""
    if warnings:
        note("\n".join(["Warning: this was let through.", *map(fault_line, warnings)]))


def _facts(result: Result) -> list[str]:
    usage = [f"{name} {count}" for name, count in (result.usage or {}).items() if isinstance(count, int)]
    facts = [f"{result.status} in {result.duration:.2f} s", *usage]
    facts += [one_line(result.model)] if result.model else []
    facts += [f"{result.attempts} attempts"] if result.attempts > 1 else []
    return facts + ([f"request {one_line(result.request_id)}"] if result.request_id else [])


def _show_json(result: Result) -> None:
    if result.text:
        typer.echo(clean(result.text), nl=not result.text.endswith("\n"))
        return
    rows = _rows(result.value)
    if not rows or not is_terminal():
        say_json(result.value)
        return
    names = list(dict.fromkeys(name for row in rows for name, value in row.items() if not isinstance(value, (dict, list))))
    names = names[:_COLUMNS]
    say_table(names, [["" if row.get(name) is None else str(row[name]) for name in names] for row in rows])
    beside = [f"{name} {value}" for name, value in result.value.items() if isinstance(value, (str, int))]
    note(one_line(" \u00b7 ".join([*beside, "--json shows all"])))


def _rows(value: Any) -> list[Mapping[str, Any]]:
    """The objects of a list with ids, as list actions answer; else nothing."""
    rows = value.get("data") if isinstance(value, Mapping) else None
    listed = isinstance(rows, list) and all(isinstance(row, Mapping) and "id" in row for row in rows)
    return rows if listed and rows else []


def _show_text(result: Result) -> None:
    typer.echo(clean(result.value), nl=not result.value.endswith("\n"))


def _show_bytes(result: Result) -> None:
    if not is_terminal():
        _write(result.value)
        return
    handle, name = tempfile.mkstemp(prefix="kosha-", suffix=".bin")
    with os.fdopen(handle, "wb") as file:
        file.write(result.value)
    typer.echo(f"The answer is binary and is not written to a terminal. It is kept in {name}; next time add --out PATH.", err=True)


def _show_saved(result: Result) -> None:
    _show_file(result.value)


def _show_file(saved: SavedFile) -> None:
    typer.echo(clean(f"{saved.path}: {saved.size} bytes, {one_line(saved.content_type) or 'no content type'}"))


def _show_events(_: Result) -> None:
    """They were shown when they came."""


def _show_empty(_: Result) -> None:
    note("The answer is empty.")


def _show_raw(result: Result) -> None:
    """The body as it came; a terminal gets it cleaned."""
    body = result.raw if result.raw is not None else result.value
    if isinstance(body, bytes) and result.kind == "bytes":
        _show_bytes(result)
    elif isinstance(body, bytes) and not is_terminal():
        _write(body)
    elif isinstance(body, bytes):
        typer.echo(clean(body.decode("utf-8", "replace")))
    elif isinstance(body, SavedFile):
        _show_file(body)


def _write(data: bytes) -> None:
    typer.echo(data, nl=False)
    sys.stdout.flush()


_SHOW: Final = {
    "json": _show_json,
    "text": _show_text,
    "bytes": _show_bytes,
    "file": _show_saved,
    "events": _show_events,
    "empty": _show_empty,
}
