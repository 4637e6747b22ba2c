"""Tenants of one account, over every action that takes or gives an id: no sequence of calls lets one see, use, change or delete what the
other made, or what nobody was seen to make; and each can use what it made itself. Runs over rows are held to it too."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from kosha_connector_openai.core.actions import Action
from tests.property.account import NOBODY, Account
from tests.threats.in_process import DIGESTS, InProcess, in_process

TENANTS = ("a", "b")
RUNS = "/kosha/v1/bulk/runs"
ENCODED: Mapping[str, Callable[[str], str]] = {
    "plain": lambda key: quote(key, safe=""),
    "escaped": lambda key: key.replace("-", "%2D"),
    "content": lambda key: f"{key}%2Fcontent",
    "twice": lambda key: f"{key}%252fcontent",
    "question": lambda key: f"{key}%3Fx",
}
BODIES: Mapping[str, Callable[[str], Any]] = {
    "input_file_id": lambda key: {"input_file_id": key},
    "training_file": lambda key: {"training_file": key},
    "previous": lambda key: {"previous_response_id": key},
    "file_ids": lambda key: {"file_ids": [key]},
    "stores": lambda key: {"tools": [{"type": "file_search", "vector_store_ids": [key]}]},
    "container": lambda key: {"tools": [{"type": "code_interpreter", "container": key}]},
    "auto container": lambda key: {"tools": [{"type": "code_interpreter", "container": {"type": "auto", "file_ids": [key]}}]},
    "conversation": lambda key: {"conversation": {"id": key}},
    "conversation as text": lambda key: {"conversation": key},
    "item": lambda key: {"input": [{"type": "item_reference", "id": key}]},
    "item without a type": lambda key: {"input": [{"id": key}]},
    "file in a message": lambda key: {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": key}]}]},
    "agent": lambda key: {"agent_id": key, "vault_ids": [key]},
    "environment": lambda key: {"environment": {"type": "existing", "environment_id": key}},
    "session": lambda key: {"target": {"type": "session", "session_id": key}},
    "vault's credential": lambda key: {"tools": [{"type": "mcp", "credential_id": key}]},
    "part": lambda key: {"part_ids": [key]},
    "video": lambda key: {"video": {"id": key}},
    "voice": lambda key: {"voice": {"id": key}},
    "evaluation": lambda key: {"data_source": {"type": "jsonl", "source": {"type": "file_id", "id": key}}},
}
FILES: Mapping[str, Callable[[str], bytes]] = {
    "line": lambda key: json.dumps({"custom_id": "1", "body": {"input": [{"type": "input_file", "file_id": key}]}}).encode() + b"\n",
    "escaped": lambda key: f'{{"file_id": "\\u00{ord(key[0]):02x}{key[1:]}"}}\n'.encode(),
    "list": lambda key: json.dumps({"vector_store_ids": ["x", key]}).encode(),
    "spaced": lambda key: b'{"file_id"' + b" " * 40_000 + b':\n"' + key.encode() + b'"}',
    "long list": lambda key: json.dumps({"file_ids": [*(["pad-pad-pad"] * 3_000), key]}).encode(),
    "UTF-16": lambda key: json.dumps({"file_id": key}).encode("utf-16"),
    "reference": lambda key: json.dumps({"input": [{"type": "item_reference", "id": key}]}).encode(),
}
WRAPPED: Mapping[str, Callable[[bytes], Any]] = {
    "base64": lambda data: {"base64": base64.b64encode(data).decode(), "filename": "b.jsonl"},
    "text": lambda data: {"text": data.decode("utf-8", "replace"), "filename": "b.jsonl"},
    "data URL": lambda data: f"data:application/jsonl;base64,{base64.b64encode(data).decode()}",
}
PICKERS = [("createBatch", "input_file_id"), ("createFineTuningJob", "training_file"), ("createResponse", "previous_response_id"),
           ("getVectorStoreFile", "file_id"), ("deleteFile", "file_id"), ("retrieveBatch", "batch_id")]  # fmt: skip


ROWS: Mapping[str, tuple[str, str]] = {
    "read": ("retrieveFile", "file_id"),
    "delete": ("deleteFile", "file_id"),
    "answer": ("createResponse", "previous_response_id"),
    "batch": ("createBatch", "input_file_id"),
    "tune": ("createFineTuningJob", "training_file"),
    "store": ("createVectorStoreFile", "file_id"),
    "stop": ("cancelBatch", "batch_id"),
    "item": ("createResponse", "input"),
    "tools": ("createResponse", "tools"),
}
"""Actions of rows, and the input that a column of ids goes to; of the last two, JSON with an id in it."""
SHARED: Mapping[str, Mapping[str, Any]] = {
    "createResponse": {"model": "m"},
    "createBatch": {"endpoint": "/v1/responses", "completion_window": "24h"},
    "createFineTuningJob": {"model": "m"},
}
CELLS: Mapping[str, Callable[[str], Any]] = {
    "item": lambda key: [{"type": "item_reference", "id": key}, {"role": "user", "content": [{"type": "input_file", "file_id": key}]}],
    "tools": lambda key: [{"type": "file_search", "vector_store_ids": [key]}],
}
NUMBERS = st.integers(0, 9_999)
VERBS = ("check", "start", "wait", "resume", "cancel")
ACTING: ContextVar[str] = ContextVar("acting", default=NOBODY)
"""Whose call it is: a run's calls leave in tasks of their own, which keep this of the request that began it."""


class Town:
    """The service in front of the account, on a loop of its own, for all sequences of a run."""

    def __init__(self, file: str | None = None, bulk: Path | None = None) -> None:
        self.loop = asyncio.new_event_loop()
        tokens = [{"name": name, "hash": DIGESTS[name], "validation": "off"} for name in TENANTS]
        more = {"ownership": file, "bulk": {"folder": bulk, "running": 1_000, "kept": 1_000} if bulk else None}
        self._context = in_process("http://127.0.0.1:9", tokens=tokens, **{name: value for name, value in more.items() if value})
        self._sessions: dict[str, str] = {}
        self.house: InProcess = self.loop.run_until_complete(self._context.__aenter__())
        connector = self.house.service.connector
        self.account = Account(connector.catalog.document.root)
        self.actions = [action for action in connector.catalog.values() if _has_ids(action)]
        self.samples = {action.id: connector.forms[action.id].sample() for action in self.actions}

        async def open_async(request: Any, *_: object) -> Any:
            body = b"".join(request.body.chunks()) if hasattr(request.body, "chunks") else b""
            if request.body is not None and not body and hasattr(request.body, "pieces"):
                body = b"".join([piece async for piece in request.body.pieces])
            kind = getattr(request.body, "content_type", None) or ""
            self.account.acting = ACTING.get()
            return self.account.answer(request.method, request.target, kind, body)

        connector._runtime.clients.open_async = open_async  # type: ignore[method-assign]

    def call(self, tenant: str, method: str, path: str, **options: Any) -> Any:
        ACTING.set(tenant)
        return self.loop.run_until_complete(self.house.call(method, path, tenant, **options))

    def tool(self, tenant: str, name: str, arguments: Mapping[str, Any]) -> Any:
        """The answer of a tool, in the tenant's session."""
        head = {"Accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-06-18"}
        if tenant not in self._sessions:
            params = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
            message = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}
            self._sessions[tenant] = self.call(tenant, "POST", "/mcp", json=message, headers=head).headers["mcp-session-id"]
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments}}
        return self.call(tenant, "POST", f"/mcp?actions={name}", json=message, headers={**head, "mcp-session-id": self._sessions[tenant]})

    def close(self) -> None:
        self.loop.run_until_complete(self._context.__aexit__(None, None, None))
        left = asyncio.all_tasks(self.loop)
        for task in left:
            task.cancel()
        if left:
            self.loop.run_until_complete(asyncio.wait(left))
        self.loop.close()


def _has_ids(action: Action) -> bool:
    """All that are no administration: those, a token's list has to name."""
    return "AdminApiKeyAuth" not in str(action.operation.security)


def one_of(choices: list[str], data: Any) -> str:
    """One of them by a number that is drawn alike however many there are: while runs go on, that is a matter of time."""
    return choices[data.draw(NUMBERS) % len(choices)]


def machine(town: Town) -> type[RuleBasedStateMachine]:
    """The sequences over one town."""
    makers = [a for a in town.actions if a.operation.method == "POST" and "{" not in a.operation.path]

    class Sequences(RuleBasedStateMachine):
        @initialize(actions=st.tuples(st.sampled_from(makers), st.sampled_from(makers)), streams=st.booleans())
        def begin(self, actions: tuple[Action, Action], streams: bool) -> None:
            """Each tenant makes something; some things were there before."""
            town.account.clear()
            self.made: dict[str, list[str]] = {}
            for tenant, action in zip(TENANTS, actions, strict=True):
                before = set(town.account.things)
                body = {"model": "m", "stream": streams, "store": True}
                town.call(tenant, "POST", action.operation.path, json=body)
                self.made[tenant] = sorted(set(town.account.things) - before)
            town.account.add("/v1/files", NOBODY)
            self.drawn: set[str] = set()

        def look(self, tenant: str, answer: Any) -> None:
            """No answer tells of what another made, or nobody."""
            assert not town.account.touched, town.account.touched
            for thing in list(town.account.things.values()):
                if thing.maker != tenant:
                    assert thing.mark not in answer.text, (tenant, answer.request.url, thing.id)
                    assert thing.id in self.drawn or thing.id not in answer.text, (tenant, answer.request.url, thing.id)

        @rule(tenant=st.sampled_from(TENANTS), data=st.data(), action=st.sampled_from(town.actions), stream=st.booleans(),
              way=st.sampled_from(sorted(ENCODED)), shape=st.sampled_from(sorted(BODIES)))  # fmt: skip
        def relay(self, tenant: str, data: Any, action: Action, stream: bool, way: str, shape: str) -> None:
            """By `/v1`."""
            path = re.sub(r"\{[^{}]+\}", lambda _: ENCODED[way](self.any(data)), action.operation.path)
            options: dict[str, Any] = {}
            if action.operation.method == "POST":
                options["json"] = {**BODIES[shape](self.any(data)), "model": "m", "stream": stream}
            elif action.operation.method == "GET":
                options["params"] = data.draw(
                    st.sampled_from([{}, {"limit": "1"}, {"after": self.any(data)}, {"limit": "1", "after": self.any(data)}])
                )
            self.look(tenant, town.call(tenant, action.operation.method, path, **options))

        @rule(tenant=st.sampled_from(TENANTS), data=st.data(), action=st.sampled_from(town.actions), short=st.booleans(),
              shape=st.sampled_from(sorted(BODIES)), tail=st.sampled_from(["", "", "/content", "%2Fcontent", "?x"]))  # fmt: skip
        def run(self, tenant: str, data: Any, action: Action, short: bool, shape: str, tail: str) -> None:
            """By `run`: a sample of inputs with ids in place, and a body's fields beside it."""
            inputs = dict(town.samples[action.id])
            for parameter in action.operation.parameters:
                if parameter.location == "path" and parameter.name in inputs:
                    inputs[parameter.name] = self.any(data) + tail
                elif parameter.name in ("after", "before"):
                    inputs[parameter.name] = self.any(data)
            if action.operation.method == "POST":
                fields = BODIES[shape](self.any(data))
                inputs = {**inputs, "extra_body": fields} if data.draw(st.booleans()) else {**inputs, **fields}
            body = {"inputs": inputs, "result": short}
            self.look(tenant, town.call(tenant, "POST", f"/kosha/v1/actions/{action.id}/run", json=body))

        @rule(tenant=st.sampled_from(TENANTS), data=st.data(), action=st.sampled_from(town.actions), shape=st.sampled_from(sorted(BODIES)))
        def tool(self, tenant: str, data: Any, action: Action, shape: str) -> None:
            """By a tool of MCP."""
            arguments = dict(town.samples[action.id])
            arguments |= {each.name: self.any(data) for each in action.operation.parameters if each.location == "path"}
            arguments |= BODIES[shape](self.any(data)) if action.operation.method == "POST" else {}
            self.look(tenant, town.tool(tenant, action.id, arguments))

        @rule(tenant=st.sampled_from(TENANTS), data=st.data(), picker=st.sampled_from(PICKERS))
        def options(self, tenant: str, data: Any, picker: tuple[str, str]) -> None:
            """By the options of a field."""
            inputs = {"vector_store_id": self.any(data)} if data.draw(st.booleans()) else {}
            path = f"/kosha/v1/actions/{picker[0]}/options/{picker[1]}"
            self.look(tenant, town.call(tenant, "POST", path, json={"inputs": inputs}))

        @rule(tenant=st.sampled_from(TENANTS), data=st.data(), form=st.sampled_from(sorted(FILES)), wrap=st.sampled_from(["", *WRAPPED]))
        def upload(self, tenant: str, data: Any, form: str, wrap: str) -> None:
            """By a batch's file, in a form or in a run."""
            content = FILES[form](self.any(data))
            if wrap:
                inputs = {"purpose": "batch", "file": WRAPPED[wrap](content)}
                answer = town.call(tenant, "POST", "/kosha/v1/actions/createFile/run", json={"inputs": inputs})
            else:
                files = {"purpose": (None, "batch"), "file": ("b.jsonl", content)}
                answer = town.call(tenant, "POST", "/v1/files", files=files)
            self.look(tenant, answer)

        @rule(tenant=st.sampled_from(TENANTS))
        def own(self, tenant: str) -> None:
            """What a tenant made, it can use."""
            alive = [key for key in self.made[tenant] if key in town.account.things and town.account.things[key].home == "/v1/files"]
            for key in alive[:1]:
                answer = town.call(tenant, "GET", f"/v1/files/{key}")
                assert answer.status_code == 200, (tenant, key, answer.text)

        def any(self, data: Any) -> str:
            """The id of any thing that there is: whoever attacks knows every one."""
            key = one_of(sorted(town.account.things) or ["file-unknown"], data)
            self.drawn.add(key)
            return key

        @invariant()
        def nothing_was_touched(self) -> None:
            assert not town.account.touched, town.account.touched

    return Sequences


def rows_machine(town: Town) -> type[RuleBasedStateMachine]:
    """The same sequences, with runs over rows between them."""

    class WithRows(machine(town)):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.runs: dict[str, str] = {}

        @rule(tenant=st.sampled_from(TENANTS), data=st.data(), kind=st.sampled_from(sorted(ROWS)), waits=st.booleans())
        def rows(self, tenant: str, data: Any, kind: str, waits: bool) -> None:
            """A run over rows that name whatever there is."""
            action, field = ROWS[kind]
            lines = [json.dumps({"id": CELLS.get(kind, str)(self.any(data))}) for _ in range(2)]
            sent = town.call(tenant, "POST", RUNS, content="\n".join(lines), params={"format": "jsonl"})
            assert sent.status_code == 201, sent.text
            run = sent.json()["run"]
            self.runs[run] = tenant
            inputs = {**SHARED.get(action, {}), **({"vector_store_id": self.any(data)} if kind == "store" else {})}
            body = {"target": action, "map": [f"{field}{':=' if kind in CELLS else '='}id"], "inputs": inputs}
            started = town.call(tenant, "POST", f"{RUNS}/{run}/start", json=body)
            self.look(tenant, started)
            if waits:
                self.look(tenant, town.call(tenant, "POST", f"{RUNS}/{run}/wait", json={"timeout": 5}))

        @rule(tenant=st.sampled_from(TENANTS), data=st.data(), verb=st.sampled_from([*VERBS, "", "remove", "output.jsonl", "output.csv",
              "failed.jsonl", "1.bin"]), kind=st.sampled_from(sorted(ROWS)))  # fmt: skip
        def of_a_run(self, tenant: str, data: Any, verb: str, kind: str) -> None:
            """Whatever can be asked of a run, by whoever knows its name: for another's it is as if it were not there."""
            run = one_of(list(self.runs) or [""], data)
            if not run:
                return
            owner = self.runs[run]
            body: dict[str, Any] = {"target": ROWS[kind][0]} if verb in ("check", "start") else {"timeout": 1} if verb == "wait" else {}
            answer, unknown = (self._asked(tenant, name, verb, body) for name in (run, "0" * len(run)))
            self.look(tenant, answer)
            if owner != tenant:
                assert (answer.status_code, answer.json()["error"]["message"]) == (404, unknown.json()["error"]["message"]), answer.text
                assert town.call(owner, "GET", f"{RUNS}/{run}").status_code == 200
            elif verb == "remove" and answer.status_code == 200:
                del self.runs[run]

        @rule(tenant=st.sampled_from(TENANTS))
        def runs_of(self, tenant: str) -> None:
            """A list has a tenant's own runs, and all of them."""
            answer = town.call(tenant, "GET", RUNS)
            self.look(tenant, answer)
            listed = {run["run"] for run in answer.json()["runs"]}
            assert listed == {run for run, owner in self.runs.items() if owner == tenant}

        def _asked(self, tenant: str, run: str, verb: str, body: Mapping[str, Any]) -> Any:
            if verb in VERBS:
                return town.call(tenant, "POST", f"{RUNS}/{run}/{verb}", json=body)
            path = {"": f"{RUNS}/{run}", "remove": f"{RUNS}/{run}"}.get(verb, f"{RUNS}/{run}/files/{verb}")
            return town.call(tenant, "DELETE" if verb == "remove" else "GET", path)

        def teardown(self) -> None:
            """Ends every run and removes it: the account is another one in the next sequence."""
            for run, owner in self.runs.items():
                town.call(owner, "POST", f"{RUNS}/{run}/cancel", json={})
                town.call(owner, "POST", f"{RUNS}/{run}/wait", json={"timeout": 10})
                assert town.call(owner, "DELETE", f"{RUNS}/{run}").status_code == 200
            assert not town.account.touched, town.account.touched

    return WithRows


@pytest.fixture(params=["memory", "file"])
def town(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[Town]:
    made = Town(str(tmp_path / "ids") if request.param == "file" else None)
    yield made
    made.close()


@pytest.mark.parametrize("sequences", [40, pytest.param(1_000, marks=pytest.mark.slow)])
def test_no_tenant_reaches_what_it_has_not_made(town: Town, sequences: int) -> None:
    """B2-B5, B10, B16, B23: sequences of up to six calls by every road, over ids in memory and in a file."""
    checks = settings(max_examples=sequences, stateful_step_count=6, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(machine(town), settings=checks)
    assert town.account.asked > sequences


@pytest.mark.parametrize("sequences", [10, pytest.param(1_000, marks=pytest.mark.slow)])
def test_no_tenant_reaches_by_rows_what_it_has_not_made(tmp_path: Path, sequences: int) -> None:
    """B2, B10, B23: rows that name others' ids, and others' runs: started, watched, stopped, gone on with, fetched, removed."""
    pytest.importorskip("pyrate_limiter")
    town = Town(bulk=tmp_path / "runs")
    try:
        checks = settings(max_examples=sequences, stateful_step_count=6, deadline=None, suppress_health_check=list(HealthCheck))
        run_state_machine_as_test(rows_machine(town), settings=checks)
    finally:
        town.close()
    assert town.account.asked > sequences
