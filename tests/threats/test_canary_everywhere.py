"""R17: a key that the upstream sends back in every place and form reaches nothing that is printed, answered, kept or raised."""

from __future__ import annotations

import io
import json
import logging
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from typer.testing import CliRunner

from kosha_connector_openai import Connector
from kosha_connector_openai.cli.app import make_app
from kosha_connector_openai.errors import ConnectorError
from kosha_connector_openai.flows.durable.codec import dump
from kosha_connector_openai.flows.workflows import StepReply
from kosha_connector_openai.gateway.access.tokens import hash_token
from kosha_connector_openai.gateway.pages.run_history import RunHistory
from kosha_connector_openai.gateway.pages.workbench import Workbench
from kosha_connector_openai.gateway.service import make_service
from kosha_connector_openai.gateway.settings import read_settings
from tests.canary import Canary
from tests.gateway import ROOT, TOKEN, Running, _server
from tests.jobs import quick_batches
from tests.threats.echoing import PLACES, Echoing, forms

STREAMED = ("events", "failing events", "error")
ROWS = "".join(json.dumps({"prompt": f"row {number}", "input": "x"}) + "\n" for number in range(len(PLACES)))
WORKFLOW = {
    "arazzo": "1.0.1",
    "info": {"title": "T", "version": "1"},
    "sourceDescriptions": [{"name": "openai", "url": "openapi.json", "type": "openapi"}],
    "workflows": [
        {
            "workflowId": "w",
            "steps": [
                {
                    "stepId": "ask",
                    "operationId": "createCompletion",
                    "requestBody": {"payload": {"model": "m", "prompt": "x"}},
                    "outputs": {"body": "$response.body", "id": "$response.header.x-request-id"},
                }
            ],
            "outputs": {"body": "$steps.ask.outputs.body", "id": "$steps.ask.outputs.id"},
        }
    ],
}
_MCP, _BOTH = "2025-06-18", "application/json, text/event-stream"
CHAT = {"model": "m", "messages": [{"role": "user", "content": "x"}]}


@dataclass
class Site:
    """A user's home and working folder, an upstream that echoes, and all that was said."""

    home: Path
    upstream: Echoing
    canary: Canary
    said: list[Any] = field(default_factory=list)

    def cli(self, *words: str, **options: Any) -> Any:
        """One command, its output and its error kept."""
        done = CliRunner().invoke(make_app(), list(words), prog_name="kosha-openai", **options)
        self.said += [done.output, done.stderr, done.exception]
        return done

    def kept(self) -> Iterator[bytes]:
        """Every file below the home, those inside archives too, with its name."""
        for path in sorted(self.home.rglob("*")):
            if path.is_file() and path.name != "typed-key":
                data = path.read_bytes()
                yield path.name.encode() + b"\n" + data
                if zipfile.is_zipfile(io.BytesIO(data)):
                    with zipfile.ZipFile(io.BytesIO(data)) as archive:
                        yield from (archive.read(name) for name in archive.namelist())


def _run(site: Site) -> None:
    for place in PLACES:
        site.upstream.set(place)
        action, inputs = (
            ("createCompletion", ("model=m", "prompt=x")) if place != "sound" else ("createSpeech", ("model=m", "input=x", "voice=alloy"))
        )
        more = ("stream:=true",) if place in STREAMED else ()
        for number, form in enumerate(((), ("--json",), ("--raw",), ("--result",), ("--out", "out.bin", "--force"))):
            if number < 2 or place in ("body", "events", "sound"):
                site.cli("run", action, *inputs, *more, *form, "--attempts", "1")


def _commands(site: Site) -> None:
    site.upstream.set("body")
    ask = ("task", "run", "ask", "question=x", "model=m")
    options = ("actions", "options", "retrieveFile", "file_id")
    for words in (
        ("run", "listModels", "--all"),
        ("run", "listFiles"),
        ("run", "createImage", "prompt=x", "--files", "files"),
        ("dry-run", "createCompletion", "model=m", "prompt=x", "--json"),
        ("test",),
        ("doctor", "--json"),
        (*options,),
        (*options, "--json"),
        (*ask,),
        (*ask, "--json"),
        ("trigger", "poll"),
        ("trigger", "endpoints", "--json"),
    ):
        site.cli(*words)
    for place in ("error", "page", "broken", "moved"):
        site.upstream.set(place)
        site.cli(*ask, "--json")


def _bulk(site: Site) -> None:
    Path("rows.jsonl").write_text(ROWS)
    site.upstream.set(*PLACES)
    site.cli(
        "bulk",
        "run",
        "createCompletion",
        "rows.jsonl",
        "--map",
        "prompt=prompt",
        "--set",
        "model=m",
        "--out",
        "out.jsonl",
        "--in-flight",
        "1",
    )
    for words in (("status",), ("status", "--json"), *(("show", str(number)) for number in range(1, 9)), ("show", "1", "--json"),
                  ("export", "--out", "again.csv"), ("retry-failed", "--json")):  # fmt: skip
        site.cli("bulk", words[0], "out.jsonl", *words[1:])
    site.upstream.set("sound")
    site.cli(
        "bulk",
        "run",
        "createSpeech",
        "rows.jsonl",
        "--map",
        "input=prompt",
        "--set",
        "model=m",
        "--set",
        "voice=alloy",
        "--out",
        "said.csv",
    )


def _batches(site: Site) -> None:
    from kosha_connector_openai.flows.bulk import Bulk, RowOptions

    Path("rows.jsonl").write_text(ROWS)
    with Connector(ROOT) as connector:
        quick_batches(connector)
        connection = connector.connection({"server_url": f"{site.upstream.url}/v1", "api_key": "env:OPENAI_API_KEY"}, validation="warn")
        options = RowOptions(map=("prompt=prompt",), fixed={"model": "m"}, via="batch")
        result = Bulk(connector, connection).run("createCompletion", Path("rows.jsonl"), Path("batch.jsonl"), options)
        assert (result.done, result.failed) == (1, len(PLACES) - 1), result
        site.said.append(repr(result))
    site.cli("bulk", "status", "batch.jsonl", "--json")


def _jobs(site: Site) -> None:
    site.upstream.set("body")
    started = site.cli("run", "createResponse", "model=m", "input=x", "background:=true", "--detach")
    name = started.stdout.split()[0] if started.stdout.split() else "none"
    for words in (("list",), ("list", "--json"), ("show", name), ("show", name, "--json"), ("wait", name, "--json"), ("fetch", name)):
        site.cli("jobs", *words)
    for place in ("error", "page"):
        site.upstream.set(place)
        site.cli("run", "createResponse", "model=m", "input=x", "background:=true", "--wait")


def _workflow(site: Site) -> None:
    Path("flow.json").write_text(json.dumps(WORKFLOW))
    for place in ("body", "error", "page", "broken", "moved"):
        site.upstream.set(place)
        site.cli("workflow", "run", "flow.json", "--record", "record.jsonl", "--json", "--attempts", "1")
        site.cli("workflow", "run", "flow.json", "--attempts", "1")


def _payloads(site: Site) -> None:
    """What a step's reply and error are for another worker: the values in Temporal's history and in the ledger."""
    with Connector(ROOT) as connector:
        connection = connector.connection(
            {"server_url": site.upstream.url, "api_key": "env:OPENAI_API_KEY"}, validation="warn", retries={"attempts": 1}
        )
        for place in PLACES:
            site.upstream.set(place)
            try:
                result = connector.run("createCompletion", {"model": "m", "prompt": "x", "stream": place in STREAMED}, connection)
            except ConnectorError as error:
                site.said += [error, dump(StepReply(error=error)), json.dumps(error.to_dict())]
            else:
                site.said += [dump(StepReply(status=result.status, body=result.to_dict(), headers=dict(result.headers))), repr(result)]


def _written(site: Site) -> None:
    for words in (("openapi3",), ("power-platform",), ("node-red",), ("curl",), ("mcpb",), ("server-json",)):
        site.cli("export", *words, "--out", str(site.home / words[0]))
    site.cli("package", "--out", "packages")
    site.cli("--show-completion")
    site.cli("manifest")


COMMANDS: Mapping[str, Callable[[Site], None]] = {
    "run": _run,
    "other commands": _commands,
    "rows": _bulk,
    "batches": _batches,
    "jobs": _jobs,
    "workflows": _workflow,
    "payloads": _payloads,
    "exports and packages": _written,
}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Everything of a user's below one folder."""
    canary = Canary()
    for name, folder in (("HOME", ""), ("XDG_CONFIG_HOME", "config"), ("XDG_CACHE_HOME", "cache"), ("XDG_STATE_HOME", "state"),
                         ("XDG_DATA_HOME", "data"), ("TMPDIR", "temporary")):  # fmt: skip
        (tmp_path / folder).mkdir(exist_ok=True)
        monkeypatch.setenv(name, str(tmp_path / folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    with Echoing(canary.key) as upstream:
        monkeypatch.setenv("OPENAI_API_KEY", canary.key)
        monkeypatch.setenv("OPENAI_BASE_URL", f"{upstream.url}/v1")
        yield Site(tmp_path, upstream, canary)


def scanned(site: Site, records: list[logging.LogRecord]) -> None:
    """Looks for the key in what was said, in every file and in the logs at DEBUG; in HTML's forms too."""
    site.canary.scan(site.said, list(site.kept()), records)
    text = "\n".join(map(str, site.said)).encode() + b"\n".join(site.kept())
    assert [name for name, form in forms(site.canary.key).items() if form.encode() in text] == []


@pytest.mark.parametrize("surface", COMMANDS)
def test_no_command_shows_or_keeps_the_key(surface: str, site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """Printed, raised and logged text, and the bytes of every file below the user's home, archives opened."""
    with caplog.at_level(logging.DEBUG):
        COMMANDS[surface](site)
    assert site.said
    scanned(site, caplog.records)
    if surface != "exports and packages":
        assert "***" in "".join(map(str, site.said))  # the answers were there, with the key starred out


def test_no_page_of_the_service_shows_or_keeps_the_key(
    site: Site, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Relayed calls, runs, options, jobs, tasks, workflows, rows, tools and the studio's history; its log, audit, numbers and spans."""
    key = site.home / "typed-key"
    key.touch(mode=0o600)
    key.write_text(site.canary.key)
    audit, log = site.home / "audit.jsonl", site.home / "access.log"
    given = {
        "tokens": [{"name": "one", "hash": hash_token(TOKEN)}],
        "connections": {"default": {"values": {"server_url": site.upstream.url, "api_key": f"file:{key}"}}},
        "access_log": log, "audit": audit, "log_level": "debug", "bulk": site.home / "bulk",
    }  # fmt: skip
    settings, running = read_settings(given, environ={}), Running("", 0)
    spans, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    monkeypatch.setattr("opentelemetry.trace.get_tracer_provider", lambda: provider)
    history = RunHistory(site.home / "runs.sqlite", contents=True)
    with caplog.at_level(logging.DEBUG), Connector(ROOT) as connector:
        service = make_service(connector, settings, Workbench(history, sandbox=False))
        try:
            with _server(service.app, settings, running, service):
                _ask(site, running)
        finally:
            service.close()
    site.said += [span.to_json() for span in spans.get_finished_spans()]
    assert spans.get_finished_spans()
    scanned(site, caplog.records)
    assert audit.stat().st_size
    assert log.stat().st_size


def _message(method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


def _ask(site: Site, running: Running) -> None:
    """All that a caller can ask, each answer kept."""

    def call(method: str, path: str, **options: Any) -> Any:
        answer = running.call(method, path, **options)
        site.said += [answer.content, str(answer.headers.multi_items()), answer.reason_phrase]
        return answer

    client = {"protocolVersion": _MCP, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    opened = call("POST", "/mcp", json=_message("initialize", **client), headers={"Accept": _BOTH})
    session = {"Accept": _BOTH, "mcp-protocol-version": _MCP, "mcp-session-id": opened.headers["mcp-session-id"]}
    call("POST", "/mcp", json={"jsonrpc": "2.0", "method": "notifications/initialized"}, headers=session)
    for place in PLACES:
        site.upstream.set(place)
        chat = {**CHAT, "stream": place in STREAMED}
        call("POST", "/v1/chat/completions", json=chat)
        call("POST", "/v1/audio/speech", json={"model": "m", "input": "x", "voice": "alloy"})
        ran = call("POST", "/kosha/v1/actions/createChatCompletion/run", json={"inputs": chat, "result": True})
        call("POST", "/kosha/v1/actions/createChatCompletion/run", json={"inputs": chat}, headers={"Accept": "text/event-stream"})
        call("POST", "/kosha/v1/actions/createSpeech/run", json={"inputs": {"model": "m", "input": "x", "voice": "alloy"}})
        call("POST", "/kosha/v1/tasks/ask/run", json={"inputs": {"question": "x", "model": "m"}})
        call("POST", "/kosha/v1/workflows/run", json={"document": WORKFLOW, "inputs": {}})
        job = {"action": "createResponse", "inputs": {"model": "m", "input": "x", "background": True}}
        handle = call("POST", "/kosha/v1/jobs/start", json=job).json().get("handle")
        for verb in ("status", "wait", "fetch") if handle else ():
            call("POST", f"/kosha/v1/jobs/{verb}", json={"handle": handle})
        told = call("POST", "/mcp", json=_message("tools/call", name="createChatCompletion", arguments=chat), headers=session)
        assert told.status_code == 200
        call("POST", "/kosha/v1/studio/runs", json={"what": "x", "outcome": "ok", "contents": {"answer": ran.json()}})
    call("POST", "/kosha/v1/actions/retrieveFile/options/file_id", json={})
    for path in ("/v1/models", "/v1/files", "/metrics", "/openapi.json", "/kosha/v1/studio", "/kosha/v1/studio/runs", "/readyz", "/docs"):
        call("GET", path)
    site.upstream.set(*PLACES)
    run = call("POST", "/kosha/v1/bulk/runs", content=ROWS, params={"format": "jsonl"}).json()["run"]
    rows = f"/kosha/v1/bulk/runs/{run}"
    call("POST", f"{rows}/start", json={"target": "createCompletion", "map": ["prompt=prompt"], "inputs": {"model": "m"}, "in_flight": 1})
    done = call("POST", f"{rows}/wait", json={"timeout": 20}).json()
    assert done["done"] + done["failed"] + done["unknown"] == len(PLACES)
    for name in ("", "/files/output.jsonl", "/files/output.csv", "/files/failed.jsonl"):
        call("GET", rows + name)
