"""What a row runs: an action, a task or a workflow, each seen the same way."""

from __future__ import annotations

import os
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal, Protocol

import orjson

from kosha_connector_openai.connector import CallOptions, Connection, Connector
from kosha_connector_openai.core.result import Policy, Result, SavedFile
from kosha_connector_openai.errors import Fault, InputError
from kosha_connector_openai.flows.arun import ARun
from kosha_connector_openai.flows.bulk.entry import RowAnswer
from kosha_connector_openai.schema import SchemaReader
from kosha_connector_openai.text import first_of, nearest

Kind = Literal["action", "task", "workflow"]


class Notes(Protocol):
    """What is told of the calls of a row."""

    async def begin(self) -> None:
        """A call is about to leave."""

    def answered(self, result: Result) -> None:
        """A call was answered."""


@dataclass(slots=True)
class RowTarget:
    """One target. ``single``: a row is one call, so that its attempts are the runner's own to make."""

    kind: Kind
    name: str
    schema: Mapping[str, Any]
    digest: str
    connector: Connector
    connection: Connection
    policy: Policy
    document: Any = None
    place: Path | None = None
    """Where a workflow's document is."""
    call: ARun | None = None
    """Runs each action, where a host has its own way."""

    @property
    def arun(self) -> ARun:
        """Runs one action."""
        return self.call or self.connector.arun

    @property
    def single(self) -> bool:
        return self.kind == "action"

    def model(self, inputs: Mapping[str, Any]) -> str | None:
        """The model that the inputs name."""
        found = first_of(inputs, self.connector.manifest.result.model)
        return found if isinstance(found, str) else None

    def check(self, inputs: Mapping[str, Any]) -> None:
        """Raises InputError with every fault of a row's inputs; nothing is sent."""
        if self.kind == "action":
            action = self.connector.catalog_of(self.connection)[self.name]
            action.check(inputs, self.connection.validation)
        elif self.kind == "task":
            self._form.check(inputs)
        else:
            from kosha_connector_openai.flows.workflows import checked_inputs, choose

            checked_inputs(choose(self.document, self.name), inputs)

    @property
    def _form(self) -> Any:
        from kosha_connector_openai.flows.tasks import find_task

        return find_task(self.connector, self.name).form

    def run(self, inputs: Mapping[str, Any], options: CallOptions, notes: Notes) -> Coroutine[Any, Any, tuple[RowAnswer, str]]:
        """The answer of one row and how it ended: "" where it is what was asked for. ``notes`` is told of each call of several."""
        return {"action": self._action, "task": self._task, "workflow": self._workflow}[self.kind](inputs, options, notes)

    async def _action(self, inputs: Mapping[str, Any], options: CallOptions, notes: Notes) -> tuple[RowAnswer, str]:
        return self.judged(await self.arun(self.name, inputs, self.connection, options))

    def judged(self, result: Result) -> tuple[RowAnswer, str]:
        """The answer of a row that is one call, and how it ended."""
        facts: dict[str, Any] = {"model": result.model, "usage": result.usage, "request_id": result.request_id}
        ended = "" if result.outcome in ("complete", "pending") or self.policy == "pass" else result.outcome
        if result.incomplete and not ended and self.policy != "pass":
            ended = "incomplete"
        if ended:
            facts["message"] = " ".join(result.reasons) or result.incomplete or ended
        return answer_of(result, facts), ended

    def _arun(self, notes: Notes) -> ARun:
        async def run(action: str, inputs: Mapping[str, Any], connection: Connection, options: CallOptions) -> Result:
            await notes.begin()
            result = await self.arun(action, inputs, connection, options)
            notes.answered(result)
            return result

        return run

    async def _task(self, inputs: Mapping[str, Any], options: CallOptions, notes: Notes) -> tuple[RowAnswer, str]:
        from kosha_connector_openai.flows.tasks import arun_task

        result = await arun_task(
            self.connector, self.name, inputs, self.connection, on_incomplete="pass", options=options, arun=self._arun(notes)
        )
        facts: dict[str, Any] = {"model": result.model, "usage": result.usage, "request_id": ", ".join(result.request_ids) or None}
        ended = "" if result.outcome == "ok" or self.policy == "pass" else str(result.outcome)
        value = result.value
        if ended:
            facts["message"] = result.reason
            value = result.partial if result.value is None else result.value
        return RowAnswer(_json(value), facts), ended

    async def _workflow(self, inputs: Mapping[str, Any], options: CallOptions, notes: Notes) -> tuple[RowAnswer, str]:
        from kosha_connector_openai.flows.workflows import arun_workflow, plain

        result = await arun_workflow(
            self.document, self.connector, self.connection, inputs, workflow=self.name, options=options, arun=self._arun(notes)
        )
        return RowAnswer(_json(plain(result.outputs)), {"usage": result.usage}), ""


def answer_of(result: Result, facts: dict[str, Any]) -> RowAnswer:
    """A result's value as a row keeps it: its bytes as they arrived, on one line; or a file."""
    if result.kind == "json" and result.raw is not None:
        # Line ends stand between JSON's tokens only (RFC 8259, section 7), so they can be blanks.
        return RowAnswer(result.raw.strip().replace(b"\r", b" ").replace(b"\n", b" "), facts)
    if isinstance(result.value, bytes):
        return RowAnswer(result.value, facts, result.content_type or "application/octet-stream")
    if isinstance(result.value, SavedFile):
        return RowAnswer(result.value.path.read_bytes(), facts, result.value.content_type)
    if result.kind == "events":
        facts = {**facts, "text": result.text}
    return RowAnswer(_json(result.to_dict()["value"]), facts)


def _json(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:
        import json

        return json.dumps(value, default=str, ensure_ascii=False).encode()


def find_target(
    connector: Connector, connection: Connection, name: str, *, policy: Policy = "warn", workflow: str | None = None
) -> RowTarget:
    """The target of this name: a document where it has a separator or the ending of one, else an action, else a task. Raises InputError."""
    if os.sep in name or "/" in name or name.endswith((".yaml", ".yml", ".json")):
        return _document(connector, connection, Path(name), policy, workflow)
    catalog = connector.catalog_of(connection)
    if name in catalog:
        action = catalog[name]
        return RowTarget("action", name, action.input_schema, action.digest, connector, connection, policy)
    from kosha_connector_openai.flows.tasks import list_tasks

    tasks = {info.name: info for info in list_tasks(connector)}
    if name in tasks:
        schema = tasks[name].input_schema
        return RowTarget("task", name, schema, _digest(tasks[name].describe()), connector, connection, policy)
    near = nearest(name, [*catalog, *tasks])
    fix = f"Did you mean `{near}`?" if near else "Name an action's id, a task, or an Arazzo document (./FILE)."
    raise InputError("No action or task has this name; nothing was sent.", [Fault("/target", "unknown", "is unknown.", fix)])


def _document(connector: Connector, connection: Connection, path: Path, policy: Policy, name: str | None) -> RowTarget:
    from kosha_connector_openai.flows.workflows import choose, read_workflows

    document = read_workflows(path, connector, catalog=connector.catalog_of(connection))
    chosen = choose(document, name)
    given = chosen.inputs.schema
    properties = {key: part for one in SchemaReader(given).parts(given) for key, part in one.get("properties", {}).items()}
    schema = {**given, "properties": properties, "required": sorted(chosen.inputs.required)}
    digest = blake2b(path.read_bytes(), digest_size=16).hexdigest()
    return RowTarget("workflow", chosen.id, schema, digest, connector, connection, policy, document, path)


def _digest(value: Any) -> str:
    return blake2b(orjson.dumps(value, option=orjson.OPT_SORT_KEYS, default=str), digest_size=16).hexdigest()


def target_schema(connector: Connector, connection: Connection, name: str, workflow: str | None = None) -> Mapping[str, Any]:
    """The JSON Schema of a target's inputs."""
    return find_target(connector, connection, name, workflow=workflow).schema
