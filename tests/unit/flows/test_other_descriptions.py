"""The description that a connection names counts in every flow: here the connector's own has no operation at all, the named one has all."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from kosha_connector_openai import Connection, Connector
from kosha_connector_openai.core.actions.catalog import UnknownActionError
from kosha_connector_openai.errors import WorkflowDocumentError
from kosha_connector_openai.flows.jobs import AsyncJobs, Jobs, WaitOptions
from kosha_connector_openai.flows.paging import Pager
from kosha_connector_openai.flows.pickers import OptionLists
from kosha_connector_openai.flows.tasks import run_task
from kosha_connector_openai.flows.triggers import poll
from kosha_connector_openai.flows.workflows import Flow, arun_workflow, read_workflows, run_workflow
from tests.recorder import Recorder, reply

EMPTY = {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {}}
BATCH = {"input_file_id": "file-1", "endpoint": "/v1/embeddings", "completion_window": "24h"}
WAIT = WaitOptions(interval=0.001, timeout=30)
T = TypeVar("T")
Here = Callable[[Recorder], Connection]


@pytest.fixture(scope="module")
def named(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A description with a purpose and a parameter more than the connector's own."""
    raw = json.loads((root / "openapi.json").read_bytes())
    raw["paths"]["/v1/batches"]["get"]["parameters"].append({"name": "shelf", "in": "query", "schema": {"type": "string"}})
    raw["components"]["schemas"]["CreateFileRequest"]["properties"]["purpose"] = {"type": "string", "enum": ["novel"]}
    file = tmp_path_factory.mktemp("named") / "named.json"
    file.write_text(json.dumps(raw))
    return file


@pytest.fixture
def empty(root: Path, tmp_path: Path) -> Iterator[Connector]:
    """The connector with a description of its own that has no operation."""
    shutil.copytree(root / "connector", tmp_path / "connector")
    text = (root / "connector.yaml").read_text()
    (tmp_path / "connector.yaml").write_text(re.sub(r"(file: openapi.json)\n  sha256: \w+", r"\1", text))
    (tmp_path / "openapi.json").write_text(json.dumps(EMPTY))
    with Connector(tmp_path) as opened:
        assert not list(opened.catalog)
        yield opened


@pytest.fixture
def at(empty: Connector, named: Path) -> Here:
    return lambda upstream: empty.connection({"server_url": upstream.url, "auth_type": "NONE"}, environ={}, spec=str(named))


async def on_a_loop(connector: Connector, work: Awaitable[T]) -> T:
    done = await work
    await connector.aclose()
    return done


def page(*items: Any) -> Any:
    return reply(200, {"object": "list", "data": list(items), "has_more": False})


def batch(status: str) -> Any:
    return reply(200, {"id": "batch_1", "object": "batch", "status": status, "created_at": 1})


def test_lists(empty: Connector, at: Here) -> None:
    """A list of the named description is followed, and takes a parameter that only this description has."""
    with Recorder(page({"id": "batch_1"})) as upstream:
        found = Pager(empty, "listBatches", {"shelf": "top"}, at(upstream)).collect()
        assert (found.error, found.items) == (None, [{"id": "batch_1"}])
        assert "shelf=top" in upstream.requests[0].target


def test_options(empty: Connector, at: Here) -> None:
    """What the named description says of a field, the account's own list, and the fields that have one."""
    with Recorder(page({"id": "file-1", "object": "file", "filename": "a.jsonl", "purpose": "batch"})) as upstream:
        connection, lists = at(upstream), OptionLists(empty)
        assert [option.value for option in lists.get("createFile", "purpose", connection).options] == ["novel"]
        assert [option.value for option in lists.get("createBatch", "input_file_id", connection).options] == ["file-1"]
        assert "input_file_id" in lists.fields("createBatch", connection)
        found = asyncio.run(OptionLists(empty).aget("createFile", "purpose", connection))
        assert [option.value for option in found.options] == ["novel"]
        without = OptionLists(empty, catalog=empty.catalog_of(connection)).get("createFile", "purpose")
        assert [option.value for option in without.options] == ["novel"]


def test_two_descriptions_share_no_list(empty: Connector, at: Here, named: Path, tmp_path: Path) -> None:
    """A kept list belongs to the description that it was asked by."""
    other = tmp_path / "other.json"
    shutil.copy(named, other)
    with Recorder(page({"id": "file-1"}), page({"id": "file-2"})) as upstream:
        values = {"server_url": upstream.url, "auth_type": "NONE"}
        lists = OptionLists(empty)
        lists.get("retrieveFile", "file_id", at(upstream))
        lists.get("retrieveFile", "file_id", empty.connection(values, environ={}, spec=str(other)))
        assert len(upstream.requests) == 2


def test_jobs(empty: Connector, at: Here) -> None:
    """A job is started, asked for and fetched by the named description, whose digest its handle keeps."""
    with Recorder(batch("validating"), batch("in_progress"), batch("failed")) as upstream:
        connection = at(upstream)
        jobs = Jobs(empty, connection)
        handle = jobs.start("createBatch", BATCH)
        assert handle.spec == empty.catalog_of(connection).document.digest != empty.catalog.document.digest
        assert jobs.wait(handle, WAIT).end == "failure"
        assert [request.target for request in upstream.requests[1:]] == ["/v1/batches/batch_1"] * 2


def test_jobs_on_an_event_loop(empty: Connector, at: Here) -> None:
    """The same, and a lost start is looked up in the list."""

    async def life(upstream: Recorder) -> str | None:
        jobs = AsyncJobs(empty, at(upstream))
        handle = (await jobs.start("createBatch", BATCH)).with_(phase="sending", ids={})
        upstream.scripts[:] = [page({"id": "batch_1", "metadata": {"kosha_job": handle.name}}), batch("completed")]
        end = (await jobs.status(handle)).end
        await empty.aclose()
        return end

    with Recorder(batch("validating")) as upstream:
        assert asyncio.run(life(upstream)) == "success"


def test_polls(empty: Connector, at: Here) -> None:
    """A poll lists by the description that the connection names, and tells a job that has ended."""
    with Recorder(page({"id": "batch_1", "status": "completed", "created_at": 1})) as upstream:
        events, _ = poll(empty, at(upstream), "batch", past=True)
        assert [event.type for event in events] == ["batch.completed"]


def test_tasks(empty: Connector, at: Here) -> None:
    """A task calls an action of the description that the connection names, and gives its typed value."""
    answer = {"choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi"}}]}
    with Recorder(reply(200, answer)) as upstream:
        assert run_task(empty, "ask", {"question": "Hello"}, at(upstream)).value == "Hi"


def test_workflows(empty: Connector, at: Here) -> None:
    """A flow in Python becomes a document by the named description, is read by it and runs by it."""
    flow = Flow("shelves")
    flow.output("first", flow.step("listBatches", {"shelf": "top"}).output("first", "$response.body#/data/0/id"))
    with Recorder(page({"id": "batch_1"}), page({"id": "batch_2"})) as upstream:
        connection = at(upstream)
        catalog = empty.catalog_of(connection)
        arazzo = flow.to_arazzo(empty, catalog)
        with pytest.raises(WorkflowDocumentError):
            read_workflows(arazzo, empty)
        document = read_workflows(arazzo, empty, catalog=catalog)
        assert run_workflow(document, empty, connection).outputs == {"first": "batch_1"}
        assert asyncio.run(on_a_loop(empty, arun_workflow(document, empty, connection))).outputs == {"first": "batch_2"}
        assert all("shelf=top" in request.target for request in upstream.requests)


def test_forms_and_short_results(empty: Connector, at: Here) -> None:
    """Forms are those of the named description, drawn once for all its connections; so are the schemas of answers."""
    with Recorder() as upstream:
        connection = at(upstream)
        forms = empty.forms_of(connection)
        purpose = next(field for field in forms["createFile"].fields if field["name"] == "purpose")
        assert [entry["value"] for entry in purpose["enum"]] == ["novel"]
        assert empty.forms_of(at(upstream)) is forms
        assert empty.forms_of() is empty.forms is not forms
        assert empty.outputs_of(connection).raw_schema("listBatches") == empty.catalog_of(connection)["listBatches"].output_schema
        assert empty.outputs_of() is empty.outputs
        with pytest.raises(UnknownActionError):
            empty.outputs.raw_schema("listBatches")
