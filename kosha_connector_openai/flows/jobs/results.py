"""What a job leaves, fetched and typed by its kind: a value, a text, a file, a list, or lines matched with those that were sent."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from kosha_connector_openai.connector import CallOptions
from kosha_connector_openai.core.result import GOOD, Result, SavedFile
from kosha_connector_openai.errors import ApiError, JobPendingError
from kosha_connector_openai.flows.driving import Run, Steps, Work
from kosha_connector_openai.flows.jobs.batch_lines import LineTable
from kosha_connector_openai.flows.jobs.lifecycle import JobContext
from kosha_connector_openai.flows.jobs.state import GOES_ON, Status, kind_of
from kosha_connector_openai.manifest.parts import File, Items, Lines, Text, Value
from kosha_connector_openai.text import at, first_of

_NOTHING: Final = "The job ended with success and left no result."
_GONE: Final = frozenset({403, 404, 410})


@dataclass(frozen=True, slots=True)
class JobResult:
    """What a job that has ended gives: its value of one ``kind``, its last status and warnings.

    ``kind`` says what ``value`` is: ``value`` (JSON), ``text``, ``file`` (bytes or a SavedFile), ``items``, ``lines`` (a LineTable), or
    ``none``: then it is the last status answer.
    """

    kind: str
    value: Any
    status: Status = field(repr=False)
    usage: Mapping[str, Any] | None = None
    warnings: tuple[str, ...] = ()
    outcome: str = "complete"
    """Other than ``complete`` where the job ended with success and its last answer, or what it left, is not whole; the warnings say why."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Removes the files of a LineTable; of other kinds nothing is left."""
        if isinstance(self.value, LineTable):
            self.value.close()


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a fetch works on: where, the ended job, and where a file goes."""

    context: JobContext
    status: Status
    out: Path | None
    overwrite: bool
    order: bool

    @property
    def answer(self) -> Any:
        return self.status.result.value if self.status.result else None


def fetch(context: JobContext, status: Status, out: Path | None = None, *, overwrite: bool = False, order: bool = True) -> Steps[JobResult]:
    """The result of an ended job, with success or not: what there is. Raises JobPendingError where it goes on."""
    if status.end is None:
        raise JobPendingError("The job has not ended.", handle=status.handle.to_dict(), hint=GOES_ON)
    rule = kind_of(context.connector, status.handle).result
    wanted = _Wanted(context, status, out, overwrite, order)
    usage = status.result.usage if status.result else None
    outcome, told = _told(status.result) if status.ok else ("complete", ())
    if rule is None:
        return JobResult("none", wanted.answer, status, usage, told, outcome)
    value, warnings = yield from _FETCH[type(rule)](wanted, rule)
    if status.ok and outcome == "complete" and not _holds(value):
        outcome, told = "failed", (_NOTHING,)
    return JobResult(rule.kind, value, status, usage, (*told, *warnings), outcome)


def _told(result: Result | None) -> tuple[str, tuple[str, ...]]:
    """The outcome of an answer and its reasons; one that is still being made is told by the job's own state."""
    return ("complete", ()) if result is None or result.outcome in GOOD else (result.outcome, result.reasons)


def _holds(value: Any) -> bool:
    """Whether there is anything; a list of things may be empty."""
    if isinstance(value, LineTable):
        return not value.is_empty
    return isinstance(value, list) or (value.size > 0 if isinstance(value, SavedFile) else bool(value))


def _value(wanted: _Wanted, rule: Value) -> Steps[tuple[Any, list[str]]]:
    yield from ()
    return first_of(wanted.answer, rule.pointers), []


def _text(wanted: _Wanted, _: Text) -> Steps[tuple[Any, list[str]]]:
    yield from ()
    return wanted.status.result.text if wanted.status.result else "", []


def _file(wanted: _Wanted, rule: File) -> Steps[tuple[Any, list[str]]]:
    if not wanted.status.ok:
        return None, []
    inputs = wanted.context.known(rule.action, wanted.status.handle.ids)
    result = yield Run(rule.action, inputs, CallOptions(out=wanted.out, overwrite=wanted.overwrite))
    return result.value, []


def _items(wanted: _Wanted, rule: Items) -> Steps[tuple[Any, list[str]]]:
    context, ids = wanted.context, wanted.status.handle.ids
    walk = context.walk(rule.action, {**rule.inputs, **context.known(rule.action, ids)})
    found: list[Any] = []
    while not walk.finished:
        inputs, call = walk.wanted()
        found += walk.take((yield Run(walk.action, inputs, call))).items
    return found, []


def _lines(wanted: _Wanted, rule: Lines) -> Steps[tuple[Any, list[str]]]:
    table = LineTable(rule, tempfile.TemporaryDirectory(prefix="kosha-job-"))
    try:
        for number, pointer in enumerate(rule.files):
            if isinstance(name := at(wanted.answer, pointer), str):
                table.files.append((yield from _saved(wanted, rule, name, Path(table.folder.name) / f"answers-{number}")))
        if wanted.order and rule.order and isinstance(name := at(wanted.answer, rule.order), str):
            try:
                table.order = yield from _saved(wanted, rule, name, Path(table.folder.name) / "input")
            except ApiError as error:
                if error.status not in _GONE:
                    raise
                table.warnings.append("The input file is gone: the rows have the order of the answers, and missing ones cannot be named.")
        yield Work(table.index)
    except BaseException:
        table.close()
        raise
    return table, table.warnings


def _saved(wanted: _Wanted, rule: Lines, name: str, path: Path) -> Steps[Path]:
    yield Run(rule.download, {rule.input: name}, CallOptions(out=path))
    return path


_FETCH: Final[Mapping[type, Callable[[_Wanted, Any], Steps[tuple[Any, list[str]]]]]] = {
    Value: _value,
    Text: _text,
    File: _file,
    Items: _items,
    Lines: _lines,
}
