"""The ways a task runs, as generators that send nothing themselves: they ask for calls and get results, and end with the task's result.

A plan is the same for threads and for event loops; the runner carries out what it asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from kosha_connector_openai.connector import CallOptions
from kosha_connector_openai.core.request import FilePolicy
from kosha_connector_openai.core.result import Policy, Result
from kosha_connector_openai.core.transport import note_paid
from kosha_connector_openai.errors import ConnectorError, Fault, InputError
from kosha_connector_openai.flows.driving import Run, Steps, Work
from kosha_connector_openai.flows.tasks.answer import ending, fits, parsed
from kosha_connector_openai.flows.tasks.audio_split import Piece, needs_cut, pieces
from kosha_connector_openai.flows.tasks.form import data_url, open_file
from kosha_connector_openai.flows.tasks.ranking import Vector, batches, hits, scores, vectors
from kosha_connector_openai.flows.tasks.result import Ending, Tally, TaskResult
from kosha_connector_openai.flows.tasks.strict_schema import StrictSchema
from kosha_connector_openai.flows.tasks.template import Filling, read
from kosha_connector_openai.flows.tasks.transcript import TIMED, Transcript
from kosha_connector_openai.manifest.parts import TaskRules, Tasks
from kosha_connector_openai.text import encode, escape

Plan = Steps[TaskResult]


@dataclass(frozen=True, slots=True)
class TaskProgress:
    """How far a task of several calls has come: seconds of a sound, or texts; ``total`` where it is known."""

    calls: int
    done: float
    total: float | None = None


@dataclass
class TaskRun:
    """A task with the inputs of one run, checked and with their defaults."""

    name: str
    rules: TaskRules
    part: Tasks
    values: Mapping[str, Any]
    files: FilePolicy
    policy: Policy
    options: CallOptions = field(default_factory=CallOptions)
    progress: Callable[[TaskProgress], None] = lambda _: None
    tally: Tally = field(init=False)
    schemas: dict[str, StrictSchema] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tally = Tally(self.name)

    def filling(self, **more: Any) -> Filling:
        """The inputs, some replaced, and the forms that they can take."""
        forms = {"data_url": self._data_url, "json": _as_json, "strict_schema": self._strict}
        return Filling({**self.values, **more}, forms)

    def call(self, **more: Any) -> Steps[Result]:
        """The call that the request describes; raises InputError, of the task's own inputs, where it is none."""
        filling = self.filling(**more)
        inputs = filling.request(self.rules.request)
        try:
            # How an answer ended is told once, by the task and not by each of its calls.
            options = self.options if self.options.policy == "pass" else replace(self.options, policy="pass")
            result: Result = yield Run(self.rules.action, inputs, options)
        except InputError as error:
            raise filling.translated(error) from None
        except ConnectorError as error:
            if self.tally.calls:
                note_paid(error)
            raise
        self.tally.add(result)
        return result

    def _data_url(self, value: Any, pointer: str) -> str:
        rule = self.rules.inputs[pointer[1:]].file
        assert rule is not None
        return data_url(value, rule, pointer, self.files)

    def _strict(self, value: Any, pointer: str) -> Any:
        if pointer not in self.schemas:
            self.schemas[pointer] = StrictSchema(value, self.part.strict, pointer)
            self.tally.warn(self.schemas[pointer].warnings)
        return self.schemas[pointer].sent


def _as_json(value: Any, pointer: str) -> str:
    return encode(value, pointer=pointer).decode()


def one_call(task: TaskRun) -> Plan:
    """Makes one call and reads its answer."""
    result = yield from task.call()
    found = ending(result, needs_text=task.rules.value is None or task.rules.answer is not None)
    text = result.text
    if task.rules.answer is None:
        value = text if task.rules.value is None else read(task.rules.value, result.value)
        if found.outcome == "ok" and task.rules.value is not None:
            found = fits(value, task.filling().fill(task.rules.output))
        return task.tally.finish(value if found.outcome in ("ok", "incomplete") else None, found, task.policy, text)
    value = None
    if found.outcome == "ok":
        value, found = _structured(task, text)
    return task.tally.finish(value, found, task.policy, text)


def _structured(task: TaskRun, text: str) -> tuple[Any, Ending]:
    """The answer's JSON, read back and checked against what was asked for."""
    answer, found = parsed(text)
    if found.outcome != "ok":
        return None, found
    for schema in task.schemas.values():
        answer = schema.read_back(answer)
    plain = Filling(task.values, {"strict_schema": lambda value, _: value})
    found = fits(answer, plain.fill(task.rules.answer))
    if found.outcome != "ok":
        return None, found
    return (answer if task.rules.value is None else read(task.rules.value, answer)), found


def by_pieces(task: TaskRun) -> Plan:
    """Transcribes a sound, whole or in pieces, into one transcript."""
    split = task.rules.split
    assert split is not None
    pointer = f"/{escape(split.input)}"
    rule = task.rules.inputs[split.input].file
    assert rule is not None
    file = open_file(task.values[split.input], rule, pointer, task.files)
    form = task.values[split.form]
    found = Transcript()
    if not (file.replayable and needs_cut(file, split)):
        state: Ending = yield from _piece(task, found, file, 0.0, None)
        return task.tally.finish(found.as_form(form) if state.outcome == "ok" else None, state, task.policy)
    context = pieces(file, split, pointer)
    made = yield Work(context.__enter__)
    try:
        while (piece := (yield Work(partial(next, made, None)))) is not None:
            state = yield from _next_piece(task, found, piece)
            if state.outcome != "ok":
                return task.tally.finish(found.as_form(form), state, task.policy)
            task.progress(TaskProgress(task.tally.calls, piece.start + piece.length))
    finally:
        with suppress(ValueError):  # a thread whose run was cancelled may still be cutting
            made.close()
        context.__exit__(None, None, None)
    return task.tally.finish(found.as_form(form), Ending(), task.policy)


def _next_piece(task: TaskRun, found: Transcript, piece: Piece) -> Steps[Ending]:
    """One piece; an error at a later one leaves what came before, unless the policy is to fail."""
    content = {"bytes": piece.content, "filename": "piece.wav", "content_type": "audio/wav"}
    try:
        return (yield from _piece(task, found, content, piece.start, piece.length))
    except ConnectorError as error:
        if task.policy == "fail" or not found.texts:
            raise
        return Ending("incomplete", f"The call for the piece at {piece.start:.0f} s failed ({error.code}); what came before is here.")


def _piece(task: TaskRun, found: Transcript, file: Any, start: float, length: float | None) -> Steps[Ending]:
    split = task.rules.split
    assert split is not None
    result = yield from task.call(**{split.input: file})
    state = ending(result, needs_text=False)
    if state.outcome != "ok":
        return state
    had = len(found.segments)
    if not found.add(result, split, start, length):
        return Ending("unfit", "The answer holds no transcript.")
    if task.values[split.form] in TIMED and found.texts and len(found.segments) == had and result.text.strip():
        return Ending("unfit", "The answer holds no times.", (Fault(split.segments, "required", "is missing.", "Choose the text form."),))
    return state


def by_likeness(task: TaskRun) -> Plan:
    """Asks for vectors of the query and the texts in batches; the result is the texts that are most alike."""
    rules = task.rules.rank
    assert rules is not None
    texts: list[str] = task.values[rules.texts]
    query: Vector = ()
    found: list[float] = []
    for batch in batches([task.values[rules.query], *texts], rules):
        try:
            result = yield from task.call(**{rules.texts: batch})
        except InputError as error:
            raise _shifted(error, rules.texts, rules.query, len(found) + bool(query)) from None
        # Only the scores are kept: the vectors of many texts would fill the memory.
        new = vectors(result, rules, len(batch))
        query, others = (query, new) if query else (new[0], new[1:])
        found += scores(query, others, result)
        task.progress(TaskProgress(task.tally.calls, len(found), len(texts)))
    return task.tally.finish(hits(texts, found, task.values[rules.top]), Ending(), task.policy)


def _shifted(error: InputError, texts: str, query: str, before: int) -> InputError:
    """The error of one batch, its faults told of the text among all texts; the first of all is the query."""
    return InputError(error.message, [_moved(fault, f"/{texts}/", query, before) for fault in error.faults], hint=error.hint)


def _moved(fault: Fault, below: str, query: str, before: int) -> Fault:
    head, slash, rest = fault.pointer.removeprefix(below).partition("/")
    if not fault.pointer.startswith(below) or not head.isdigit():
        return fault
    place = int(head) + before
    return replace(fault, pointer=(f"{below}{place - 1}" if place else f"/{query}") + slash + rest)


def plan(task: TaskRun) -> Plan:
    """The plan that the task's data asks for."""
    if task.rules.split is not None:
        return by_pieces(task)
    return by_likeness(task) if task.rules.rank is not None else one_call(task)
