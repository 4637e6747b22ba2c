"""Tasks over the facade: find them, check inputs, run them from a thread or an event loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from kosha_connector_openai.connector import CallOptions, Connection, Connector
from kosha_connector_openai.core import file_policy
from kosha_connector_openai.core.result import Policy
from kosha_connector_openai.errors import Fault, InputError
from kosha_connector_openai.flows.arun import ARun
from kosha_connector_openai.flows.driving import Steps, adrive, drive
from kosha_connector_openai.flows.tasks.form import TaskForm
from kosha_connector_openai.flows.tasks.plans import TaskProgress, TaskRun, plan
from kosha_connector_openai.flows.tasks.result import POLICIES, TaskResult
from kosha_connector_openai.flows.tasks.template import Filling
from kosha_connector_openai.manifest.parts import TaskRules, Tasks
from kosha_connector_openai.text import nearest


@dataclass(frozen=True)
class TaskInfo:
    """One task as its users see it."""

    name: str
    rules: TaskRules

    @property
    def title(self) -> str:
        """A few words."""
        return self.rules.title

    @property
    def summary(self) -> str:
        """One line."""
        return self.rules.summary

    @property
    def action(self) -> str:
        """The id of the action that it runs."""
        return self.rules.action

    @cached_property
    def form(self) -> TaskForm:
        """The form."""
        return TaskForm(self.rules)

    @property
    def input_schema(self) -> dict[str, Any]:
        """The inputs as JSON Schema 2020-12."""
        return self.form.schema

    def output_schema(self, inputs: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The JSON Schema of ``value``; with ``inputs`` as narrow as they make it, else for the defaults."""
        defaults = {name: entry.default for name, entry in self.rules.inputs.items() if entry.default is not None}
        return Filling({**defaults, **(inputs or {})}, {"strict_schema": lambda value, _: value}).request(self.rules.output)

    @property
    def sample(self) -> Any:
        """A ``value`` as it could be."""
        return self.rules.sample

    @property
    def example(self) -> dict[str, Any]:
        """Inputs that run, but for files: those are named only."""
        entries = self.rules.inputs.items()
        return {name: entry.example for name, entry in entries if entry.example is not None}

    def drawn_form(self, connector: Connector) -> dict[str, Any]:
        """The form in the format of actions' forms, version 1. Raises ManifestError."""
        from kosha_connector_openai.forms import FORM_VERSION, GROUPS

        words = {"form_version": FORM_VERSION, "action": self.action, "task": self.name, "title": self.title, "summary": self.summary}
        fields = connector.forms.fields_of(self.input_schema)
        return {**words, "groups": [*GROUPS], "raw": {"scope": "inputs", "type": "object"}, "fields": fields, "$defs": {}}

    def describe(self) -> dict[str, Any]:
        """All of it as JSON-ready values."""
        return {
            "name": self.name,
            "title": self.title,
            "summary": self.summary,
            "action": self.action,
            "input_schema": self.input_schema,
            "output_schema": self.output_schema(),
            "example": self.example,
            "sample": self.sample,
        }


def list_tasks(connector: Connector) -> tuple[TaskInfo, ...]:
    """The connector's tasks in their order. Raises ManifestError where their part of the manifest is wrong."""
    return tuple(TaskInfo(name, rules) for name, rules in _part(connector).tasks.items())


def find_task(connector: Connector, name: str) -> TaskInfo:
    """One task; raises InputError, with the nearest name, where there is none."""
    found = _part(connector).tasks
    if name not in found:
        near = nearest(name, found)
        fix = f"Did you mean `{near}`?" if near else f"Known here: {', '.join(found) or 'none'}."
        raise InputError("No task has this name.", [Fault("", "unknown", "is not a task.", fix, sorted(found))])
    return connector.kept((TaskInfo, name), lambda: TaskInfo(name, found[name]))


def run_task(
    connector: Connector,
    name: str,
    inputs: Mapping[str, Any],
    connection: Connection,
    *,
    on_incomplete: Policy = "fail",
    options: CallOptions = CallOptions(),
    progress: Callable[[TaskProgress], None] = lambda _: None,
) -> TaskResult:
    """The typed result of a task; ``options`` are those of each call, and ``progress`` is told after each of several.

    ``on_incomplete`` says what becomes of an answer that was refused, cut short or breaks its form: an AnswerError (``fail``), a result
    that says so with a warning (``warn``), or the result alone (``pass``). Raises ConnectorError.
    """
    steps = task_steps(connector, name, inputs, connection, on_incomplete=on_incomplete, options=options, progress=progress)
    return drive(steps, connector, connection)


async def arun_task(
    connector: Connector,
    name: str,
    inputs: Mapping[str, Any],
    connection: Connection,
    *,
    on_incomplete: Policy = "fail",
    options: CallOptions = CallOptions(),
    progress: Callable[[TaskProgress], None] = lambda _: None,
    arun: ARun | None = None,
) -> TaskResult:
    """``run_task`` for asyncio; cancelling it closes the upstream connection. ``arun`` runs each action, by default the
    connector's own does."""
    steps = task_steps(connector, name, inputs, connection, on_incomplete=on_incomplete, options=options, progress=progress)
    return await adrive(steps, connector, connection, arun)


def _part(connector: Connector) -> Tasks:
    return connector.part("tasks", Tasks)


def task_steps(
    connector: Connector,
    name: str,
    inputs: Mapping[str, Any],
    connection: Connection,
    *,
    on_incomplete: Policy = "fail",
    options: CallOptions = CallOptions(),
    progress: Callable[[TaskProgress], None] = lambda _: None,
) -> Steps[TaskResult]:
    """``run_task`` as steps, for a flow that a task is a part of."""
    info = find_task(connector, name)
    if on_incomplete not in POLICIES:
        raise InputError("There is no such policy.", [Fault("", "enum", "is no policy.", f"Use {', '.join(POLICIES)}.", POLICIES)])
    files = file_policy(connection, named=options.named_files)
    return plan(TaskRun(name, info.rules, _part(connector), info.form.check(inputs), files, on_incomplete, options, progress))
