"""One job of each kind against the sandbox: what starts it, with which inputs, and where its start is sent to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from kosha_connector_openai import Connection, Connector
from kosha_connector_openai.manifest.parts import JobsPart

ROWS = 5
BAD = 2
"""The line of the batch whose model does not exist."""


@dataclass(frozen=True)
class Case:
    """How one kind of job is started; ``collection`` is where the sandbox keeps its objects."""

    kind: str
    action: str
    inputs: Mapping[str, Any]
    collection: str
    states: tuple[str, ...]
    """One state in which it goes on, and the one of success."""
    needs: tuple[str, ...] = ()


CASES = {
    case.kind: case
    for case in (
        Case("fine_tuning_job", "createFineTuningJob", {"model": "gpt-4o-mini", "training_file": "file-1"}, "/v1/fine_tuning/jobs",
             ("running", "succeeded")),
        Case("fine_tune", "createFineTune", {"training_file": "file-1"}, "/v1/fine-tunes", ("running", "succeeded")),
        Case("batch", "createBatch", {"endpoint": "/v1/chat/completions", "completion_window": "24h"}, "/v1/batches",
             ("in_progress", "completed"), ("input_file_id",)),
        Case("response", "createResponse", {"model": "m", "input": "Say done", "background": True}, "/v1/responses",
             ("in_progress", "completed")),
        Case("beta_response", "beta_createResponse", {"model": "m", "input": "Say done", "background": True}, "/v1/responses",
             ("in_progress", "completed")),
        Case("video", "createVideo", {"model": "sora-2", "prompt": "A boat"}, "/v1/videos", ("in_progress", "completed")),
        Case("vector_store_file", "createVectorStoreFile", {}, "/v1/vector_stores/{vector_store_id}/files",
             ("in_progress", "completed"), ("vector_store_id", "file_id")),
        Case("vector_store_file_batch", "createVectorStoreFileBatch", {}, "/v1/vector_stores/{vector_store_id}/file_batches",
             ("in_progress", "completed"), ("vector_store_id", "file_ids")),
        Case("eval_run", "createEvalRun", {"data_source": {"type": "jsonl", "source": {"type": "file_id", "id": "file-1"}}},
             "/v1/evals/{eval_id}/runs", ("in_progress", "completed"), ("eval_id",)),
        Case("agent_session", "createAgentSession", {"environment": {"type": "none"}, "input": "Say done"}, "/v1/agents/sessions",
             ("in_progress", "idle")),
        Case("agent_environment", "createAgentEnvironment", {"environment": {"type": "openai_hosted"}}, "/v1/agents/environments",
             ("pending", "ready")),
        Case("agent_automation_invocation", "createAgentAutomationInvocation", {"automation_id": "automation_id"},
             "/v1/agents/automations/{automation_id}/invocations", ("queued", "completed")),
        Case("assistant_run", "createRun", {"assistant_id": "assistant_id"}, "/v1/threads/{thread_id}/runs",
             ("in_progress", "completed"), ("thread_id",)),
    )
}  # fmt: skip


def quick_batches(connector: Connector, **rules: Any) -> None:
    """Lets the connector ask for batches at once, and changes the rules of their files."""
    part = connector.part("jobs", JobsPart)
    kind = replace(part.kinds["batch"], poll=replace(part.kinds["batch"].poll, start=0.02, cap=0.1))
    uploads = {"upload": replace(part.uploads["upload"], size=rules.pop("part", 1 << 26))}
    rule = replace(part.batches["batch"], **{"settle": 0.3, **rules})
    connector._parts["jobs"] = replace(part, kinds={**part.kinds, "batch": kind}, uploads=uploads, batches={"batch": rule})


def batch_lines(rows: int = ROWS, bad: int = BAD) -> bytes:
    """The lines of a batch; one of them asks for a model that does not exist."""
    lines = []
    for number in range(rows):
        model = "no-such-model" if number == bad else "m"
        body = {"model": model, "messages": [{"role": "user", "content": f"Say row {number}"}]}
        lines.append(json.dumps({"custom_id": f"row-{number}", "method": "POST", "url": "/v1/chat/completions", "body": body}))
    return "\n".join(lines).encode()


def upload(connector: Connector, connection: Connection, data: bytes, purpose: str = "batch") -> str:
    """The id of a file with these bytes."""
    name: str = connector.run("createFile", {"purpose": purpose, "file": ("lines.jsonl", data)}, connection).value["id"]
    return name


def inputs(case: Case, connector: Connector, connection: Connection) -> dict[str, Any]:
    """The inputs of a job, and what they need made first."""
    makers = {
        "input_file_id": lambda: upload(connector, connection, batch_lines()),
        "file_id": lambda: upload(connector, connection, b"Boats float on water.", "assistants"),
        "file_ids": lambda: [upload(connector, connection, b"Boats float.", "assistants") for _ in range(2)],
        "vector_store_id": lambda: connector.run("createVectorStore", {"name": "v"}, connection).value["id"],
        "thread_id": lambda: connector.run("createThread", {}, connection).value["id"],
        "eval_id": lambda: "eval_id",
    }
    return {**case.inputs, **{name: makers[name]() for name in case.needs}}
