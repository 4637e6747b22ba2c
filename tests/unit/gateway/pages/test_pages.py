"""The service's own pages over HTTP: what each answers, and what it takes."""

import base64
import json
import re
from collections.abc import AsyncIterator
from types import SimpleNamespace

import httpx
import pytest
from openapi_spec_validator import validate

from kosha_connector_openai import Connector
from kosha_connector_openai.gateway.exchange import BodyBudget, Refused
from kosha_connector_openai.gateway.observe.metrics import Metrics
from kosha_connector_openai.gateway.pages.description import ACCESS, served_document, service_document
from kosha_connector_openai.gateway.pages.downloads import Downloads
from kosha_connector_openai.gateway.pages.html import POLICY
from kosha_connector_openai.gateway.pages.kosha_api import Tries
from kosha_connector_openai.gateway.pages.pages import OwnPages, PagesContext
from kosha_connector_openai.gateway.pages.submitted_secrets import SubmittedSecrets
from kosha_connector_openai.gateway.pages.workbench import Workbench
from kosha_connector_openai.gateway.records import Allowance, Caller
from kosha_connector_openai.gateway.replies import send_refusal
from kosha_connector_openai.gateway.settings import Settings
from kosha_connector_openai.manifest import validated
from kosha_connector_openai.secrets.stores import default_stores
from tests.recorder import Recorder, reply

_BUDGETS = BodyBudget(512 * 1024 * 1024), BodyBudget(1024 * 1024 * 1024)

KEY = "the-services-own-key-0123456789"


class House(SimpleNamespace):
    """The pages behind a client, and what they are made of."""

    client: httpx.AsyncClient
    pages: OwnPages
    upstream: Recorder
    ready: bool
    caller: Caller


@pytest.fixture
async def house(root, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    submitted, downloads = SubmittedSecrets(), Downloads()
    built = House(ready=True, caller=Caller("ci", "acme", "default", "on", Allowance(10, 10)))
    with Recorder() as upstream:
        async with Connector(root, stores=[*default_stores(["OPENAI_API_KEY"]), submitted]) as connector:
            home = connector.connection({"api_key": "env:OPENAI_API_KEY", "server_url": upstream.url})
            settings = validated({"docs": "on", "limits": {"body": 4_000_000, "body_json": 2_000_000, "body_idle": 0.3}}, Settings)
            context = PagesContext(
                connector,
                {"default": home},
                settings,
                Tries(connector, submitted, home),
                Metrics(),
                downloads,
                lambda: built.ready,
                *_BUDGETS,
            )
            built.pages, built.upstream, built.connector = OwnPages(context), upstream, connector

            async def app(scope, receive, send) -> None:
                page = built.pages.find(scope["raw_path"].decode())
                if page is None or scope["method"] not in page.methods:
                    await send({"type": "http.response.start", "status": 404, "headers": []})
                    await send({"type": "http.response.body", "body": b""})
                    return
                try:
                    await page.methods[scope["method"]](scope, receive, send, built.caller)
                except Refused as refused:
                    await send_refusal(send, refused.refusal, "an-id")

            transport = httpx.ASGITransport(app, raise_app_exceptions=True)
            async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as built.client:
                yield built
    downloads.close()


async def test_alive_and_ready(house: House):
    """Ready ends before alive does, so that no new calls come to a service that stops."""
    for path in ("/livez", "/healthz", "/readyz"):
        assert (await house.client.get(path)).status_code == 200
    house.ready = False
    assert (await house.client.get("/readyz")).status_code == 503
    assert (await house.client.get("/livez")).status_code == 200


def test_only_the_probes_are_public_by_default(connector: Connector):
    """G13: numbers, description and page need a token; signing in is how a browser shows one."""
    context = PagesContext(connector, {}, Settings(), None, Metrics(), None, lambda: True, *_BUDGETS)  # type: ignore[arg-type]
    pages = OwnPages(context)
    assert [path for path, page in pages._fixed.items() if page.public] == [
        "/livez",
        "/readyz",
        "/healthz",
        "/sign-in",
        "/kosha/v1/session",
    ]
    off = OwnPages(PagesContext(connector, {}, Settings(docs="off", catalog=False), None, Metrics(), None, lambda: True, *_BUDGETS))  # type: ignore[arg-type]
    for path in ("/docs", "/openapi.json", "/kosha/v1/actions", "/kosha/v1/actions/listModels"):
        assert pages.find(path) is not None
        assert off.find(path) is None


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_the_platforms_check(house: House, version: str):
    """C13: 200 with an object of variable and label."""
    found = (await house.client.get(f"/api/{version}/specification/list")).json()
    assert found["BEARER_TOKEN"] == "OpenAI API key"
    assert all(isinstance(text, str) for text in found.values())


async def test_the_platforms_connection_test(house: House):
    """An object of variables; broken JSON is 400, and so is a server that answers something else than was asked for."""
    assert (await house.client.post("/api/v1/specification/test", content=b"{}")).status_code == 400
    house.upstream.scripts[:] = [reply(body={"object": "list", "data": []})]
    good = await house.client.post("/api/v1/specification/test", content=b"{}")
    bad = await house.client.post("/api/v1/specification/test", content=b'{"BEARER_TOKEN": ')
    assert (good.status_code, bad.status_code) == (200, 400)
    assert isinstance(bad.json()["error"], str)
    assert (await house.client.post("/api/v1/specification/test", content=b" " * 100_000)).status_code == 413


async def test_numbers(house: House):
    """Prometheus's format, and nothing that is cached."""
    answer = await house.client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "# TYPE kosha_gateway_requests_total counter" in answer.text


@pytest.mark.slow
async def test_the_served_description_is_valid_and_ours(house: House):
    """Servers relative, one security scheme, all operations with ids and tags as they are, and our own beside them."""
    document = (await house.client.get("/openapi.json")).json()
    validate(document)
    assert document["servers"] == [{"url": "/"}]
    assert list(document["components"]["securitySchemes"]) == ["KoshaToken"]
    given = house.connector.catalog.document.root
    for path, item in given["paths"].items():
        for method, operation in item.items():
            if isinstance(operation, dict) and "operationId" in operation:
                served = document["paths"][path][method]
                assert (served["operationId"], served.get("tags")) == (operation["operationId"], operation.get("tags"))
                assert "security" not in served
    own = document["paths"].keys() - given["paths"].keys()
    assert {"/livez", "/metrics", "/kosha/v1/actions/{action}/run", "/api/v1/specification/test"} <= own
    ids = [operation["operationId"] for item in document["paths"].values() for operation in item.values() if isinstance(operation, dict)]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("version", ["3.0.3", "3.1.0"])
def test_it_is_valid_in_both_versions_of_openapi(tmp_path, version: str):
    """Another provider's description may be either; ours beside it must be valid too."""
    paths = {"/ping": {"get": {"operationId": "ping", "responses": {"200": {"description": "ok"}}}}}
    (tmp_path / "openapi.json").write_text(json.dumps({"openapi": version, "info": {"title": "T", "version": "1"}, "paths": paths}))
    (tmp_path / "connector.yaml").write_text(
        "{id: tiny, title: Tiny, version: 1.0.0, tagline: T, publisher: {name: N}, license: Apache-2.0, servers: {default: 'https://t.example'}}"
    )
    with Connector(tmp_path) as connector:
        document = json.loads(served_document(connector, protected=True, offered={}))
    validate(document)
    assert document["openapi"] == version


def test_every_page_is_told_once_and_every_entry_is_a_page(connector: Connector):
    """service.yaml is a valid OpenAPI document; each of its operations has one handler, and each handler an operation."""
    document = service_document()
    validate({**document, "paths": {path: {k: v for k, v in item.items() if k != ACCESS} for path, item in document["paths"].items()}})
    assert {item[ACCESS] for item in document["paths"].values()} == {"everyone", "people", "token", "docs", "catalog", "studio", "owner"}
    context = PagesContext(
        connector,
        {},
        Settings(docs="on", studio=True),
        None,
        Metrics(),
        None,
        lambda: True,
        *_BUDGETS,
        workbench=Workbench(None, sandbox=True),
    )  # type: ignore[arg-type]
    pages = OwnPages(context)
    described = {operation["operationId"] for item in document["paths"].values() for method, operation in item.items() if method != ACCESS}
    assert described == pages._handlers.keys()
    names = {page.name for page in pages._fixed.values()} | {name for _, name, _, _ in pages._patterns}
    assert names == document["paths"].keys()


async def test_every_described_path_of_ours_is_served(house: House):
    """By the methods described."""
    document = (await house.client.get("/openapi.json")).json()
    for path in document["paths"].keys() - house.connector.catalog.document.root["paths"].keys():
        page = house.pages.find(path.replace("{action}", "listModels").replace("{file}", "x"))
        assert page is not None, path
        assert page.name == path
        assert {method.lower() for method in page.methods} == document["paths"][path].keys()


async def test_the_page_runs_no_script_and_loads_nothing(house: House):
    """A strict policy, and no address outside."""
    answer = await house.client.get("/docs")
    assert answer.headers["content-security-policy"] == POLICY
    assert "default-src 'none'" in POLICY
    assert "unsafe" not in POLICY
    assert "<script" not in answer.text
    assert not re.search(r"(?:src|href|action)=[\"']?(?:https?:|//)", answer.text.lower())
    assert "createChatCompletion" in answer.text


async def test_the_page_can_be_searched_and_shows_each_action(house: House):
    """Summaries, a form of each action as a table, an example with the service's own address; what the query holds is text."""
    index = (await house.client.get("/docs")).text
    assert "http://gateway/v1" in index
    found = (await house.client.get("/docs", params={"search": "whisper"})).text
    assert "createTranscription" in found
    assert "createEmbedding" not in found
    nothing = (await house.client.get("/docs", params={"search": "<script>alert(1)</script>"})).text
    assert "<script" not in nothing
    for action in ("createChatCompletion", "createSpeech", "listModels", "CreateSkill"):
        page = (await house.client.get("/docs", params={"action": action})).text
        assert f"curl http://gateway/kosha/v1/actions/{action}/run" in page
    page = (await house.client.get("/docs", params={"action": "createChatCompletion"})).text
    assert "max_completion_tokens" in page
    unknown = await house.client.get("/docs", params={"action": "createChatCompletions"})
    assert (unknown.status_code, "createChatCompletion" in unknown.text) == (404, True)


async def test_a_person_signs_in_by_a_form(house: House):
    """Only where the browser says that this page sent it; the token is never shown; it leads to our own pages alone."""
    form = await house.client.get("/sign-in", params={"next": "https://evil.example/"})
    assert 'name="next" value="/docs"' in form.text
    assert form.headers["content-security-policy"] == POLICY
    assert "form-action 'self'" in POLICY
    typed = {"token": "not-the-token-0123456789", "next": "/docs"}
    for site, status in (("cross-site", 403), ("same-site", 403), (None, 403), ("same-origin", 401)):
        answer = await house.client.post("/sign-in", data=typed, headers={"sec-fetch-site": site} if site else {})
        assert answer.status_code == status
        assert "set-cookie" not in answer.headers
        assert typed["token"] not in answer.text


async def test_the_catalog_lists_and_describes(house: House):
    """Search and group narrow it; administration is listed only for a connection that can."""
    everything = (await house.client.get("/kosha/v1/actions")).json()
    ids = [action["id"] for action in everything["actions"]]
    assert "createChatCompletion" in ids
    assert not {"list-users", "admin-api-keys-list"} & set(ids)
    few = (await house.client.get("/kosha/v1/actions", params={"group": "Models"})).json()
    assert [action["id"] for action in few["actions"]] == ["listModels", "retrieveModel", "deleteModel"]
    assert [group["id"] for group in few["groups"]] == ["Models"]
    found = (await house.client.get("/kosha/v1/actions", params={"search": "transcription"})).json()
    assert "createTranscription" in [action["id"] for action in found["actions"]]
    one = (await house.client.get("/kosha/v1/actions/createEmbedding")).json()
    assert one["input_schema"]["type"] == "object"
    assert one["output_schema"]
    form = (await house.client.get("/kosha/v1/connection")).json()
    assert form["properties"]["api_key"]["writeOnly"] is True


async def test_unknown_actions_are_404(house: House):
    """Also those that the token's list leaves out: no difference is told."""
    house.caller = Caller("ci", "acme", "default", "on", Allowance(1, 1), frozenset({"listModels"}))
    unknown = await house.client.get("/kosha/v1/actions/noSuch%2FThing")
    hidden = await house.client.get("/kosha/v1/actions/createEmbedding")
    ran = await house.client.post("/kosha/v1/actions/createEmbedding/run", json={"inputs": {"model": "m", "input": "x"}})
    assert [unknown.status_code, hidden.status_code, ran.status_code] == [404, 404, 404]
    listed = (await house.client.get("/kosha/v1/actions")).json()["actions"]
    assert [action["id"] for action in listed] == ["listModels"]
    assert house.upstream.silent


async def test_validate_tells_every_fault_and_sends_nothing(house: House):
    """The same faults as in the library and on the command line."""
    path = "/kosha/v1/actions/createEmbedding/validate"
    bad = (await house.client.post(path, json={"inputs": {"model": 5, "inputt": "x"}})).json()
    assert bad["valid"] is False
    assert {"/model", "/inputt", "/input"} & {fault["pointer"] for fault in bad["faults"]}
    good = (await house.client.post(path, json={"inputs": {"model": "m", "input": "x"}})).json()
    assert good["valid"] is True
    assert house.upstream.silent


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"{}", b'{"inputs": []}', b'{"inputs": {}, "x": 1}', b'{"inputs": NaN}', b'{"inputs": {}, "inputs": {}}']
)
async def test_bodies_of_another_form_are_400(house: House, body: bytes):
    """In the provider's shape."""
    answer = await house.client.post("/kosha/v1/actions/createEmbedding/validate", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


async def test_run_gives_the_results_envelope(house: House):
    """The key is the service's; numbers are exact."""
    house.upstream.scripts = [reply(body=b'{"object": "list", "data": [], "n": 123456789012345678901234567890}')]
    answer = await house.client.post("/kosha/v1/actions/listModels/run", json={"inputs": {}})
    assert answer.status_code == 200
    assert (answer.json()["action"], answer.json()["kind"], answer.json()["status"]) == ("listModels", "json", 200)
    assert b"123456789012345678901234567890" in answer.content
    assert house.upstream.last.header("authorization") == f"Bearer {KEY}"


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b'{"timeout": 0}',
        b'{"timeout": true}',
        b'{"timeout": "1"}',
        b'{"file": "disk"}',
        b'{"out": "/etc/passwd"}',
    ],
)
async def test_a_run_takes_nothing_else(house: House, body: bytes):
    """No path, no server, no unknown option; nothing is sent."""
    answer = await house.client.post("/kosha/v1/actions/listModels/run", content=body)
    assert answer.status_code == 400
    assert house.upstream.silent


async def test_a_server_among_the_inputs_is_refused(house: House):
    """G5: by its name, as in a call of the API itself; nothing is sent."""
    answer = await house.client.post("/kosha/v1/actions/listModels/run", json={"inputs": {"base_url": "https://evil.example"}})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "base_url")
    assert house.upstream.silent


async def test_a_file_of_the_server_cannot_be_sent(house: House):
    """F1: a path is no file here."""
    inputs = {"purpose": "batch", "file": {"path": "/etc/passwd"}}
    answer = await house.client.post("/kosha/v1/actions/createFile/run", json={"inputs": inputs})
    assert answer.status_code == 400
    assert house.upstream.silent


async def test_a_file_comes_in_as_base64(house: House):
    """Inside the JSON."""
    house.upstream.scripts = [reply(body={"id": "file-1", "object": "file"})]
    file = {"base64": base64.b64encode(b"line one\n").decode(), "filename": "a.jsonl"}
    answer = await house.client.post("/kosha/v1/actions/createFile/run", json={"inputs": {"purpose": "batch", "file": file}})
    assert answer.status_code == 200, answer.text
    assert b"line one\n" in house.upstream.last.body
    assert b'filename="a.jsonl"' in house.upstream.last.body


async def test_a_file_comes_in_as_a_part(house: House):
    """Multipart: the JSON under `run`, each file under its input's name; the name is made safe."""
    house.upstream.scripts = [reply(body={"id": "file-1", "object": "file"})]
    files = {"file": ("../../b.jsonl", b"x" * 1_500_000, "application/jsonl")}
    answer = await house.client.post(
        "/kosha/v1/actions/createFile/run", data={"run": json.dumps({"inputs": {"purpose": "batch"}})}, files=files
    )
    assert answer.status_code == 200, answer.text
    assert house.upstream.last.body.count(b"x") >= 1_500_000
    assert b'filename="b.jsonl"' in house.upstream.last.body


async def test_too_much_is_413_and_a_bad_form_400(house: House):
    """Before anything is sent."""
    files = {"file": ("a", b"x" * 5_000_000, "text/plain")}
    answer = await house.client.post("/kosha/v1/actions/createFile/run", files=files)
    assert answer.status_code == 413
    bad = await house.client.post(
        "/kosha/v1/actions/createFile/run", content=b"no form", headers={"content-type": "multipart/form-data; boundary=x"}
    )
    assert bad.status_code == 400
    assert house.upstream.silent


async def test_a_body_that_does_not_come_on_is_408(house: House):
    """G8: it holds nothing for long."""

    async def slowly():
        yield b'{"inputs"'
        import asyncio

        await asyncio.sleep(5)

    answer = await house.client.post("/kosha/v1/actions/listModels/run", content=slowly())
    assert answer.status_code == 408


async def test_a_file_comes_out_as_base64_or_behind_a_link(house: House):
    """The link is for whoever ran it, ends soon, and is never opened by a browser."""
    house.upstream.scripts = [reply(body=b"\x00\x01sound", content_type="audio/mpeg")]
    run = {"inputs": {"model": "tts-1", "input": "hi", "voice": "alloy"}}
    inline = (await house.client.post("/kosha/v1/actions/createSpeech/run", json=run)).json()
    assert base64.b64decode(inline["value"]["base64"]) == b"\x00\x01sound"
    linked = (await house.client.post("/kosha/v1/actions/createSpeech/run", json={**run, "file": "link"})).json()
    value = linked["value"]
    assert (value["size"], value["content_type"]) == (7, "audio/mpeg")
    assert "path" not in value
    got = await house.client.get(value["href"])
    assert got.content == b"\x00\x01sound"
    assert got.headers["content-disposition"] == "attachment"
    assert got.headers["x-content-type-options"] == "nosniff"
    house.caller = Caller("other", "other", "default", "on", Allowance(1, 1))
    assert (await house.client.get(value["href"])).status_code == 404


@pytest.mark.parametrize(("status", "expected"), [(400, 400), (404, 404), (429, 429), (500, 500), (401, 502), (403, 502)])
async def test_the_upstreams_refusal_keeps_its_status_but_not_about_our_key(house: House, status: int, expected: int):
    """A 401 about our key is not one about the caller's token."""
    house.upstream.scripts = [reply(status, {"error": {"message": f"no {KEY}", "type": "x", "code": None}})]
    answer = await house.client.post("/kosha/v1/actions/createEmbedding/run", json={"inputs": {"model": "m", "input": "x"}})
    assert answer.status_code == expected
    assert answer.json()["error"]["detail"]["status"] == status
    assert KEY not in answer.text


async def test_without_room_for_files_a_link_is_503(house: House, monkeypatch: pytest.MonkeyPatch):
    """A read-only disk stops neither the service nor a run that does not ask for a file."""

    def full(**_: object) -> None:
        raise OSError

    monkeypatch.setattr("kosha_connector_openai.gateway.pages.downloads.tempfile.TemporaryDirectory", full)
    run = {"inputs": {"model": "tts-1", "input": "hi", "voice": "alloy"}, "file": "link"}
    answer = await house.client.post("/kosha/v1/actions/createSpeech/run", json=run)
    assert answer.status_code == 503
    assert house.upstream.silent


def test_files_kept_are_bounded_and_end(monkeypatch: pytest.MonkeyPatch):
    """By number, by size and by time."""
    now = 0.0
    kept = Downloads(seconds=10, clock=lambda: now)
    monkeypatch.setattr("kosha_connector_openai.gateway.pages.downloads._MOST_FILES", 1)
    place = kept.place()
    place.write_bytes(b"x")
    found = kept.keep(place, "a", "text/plain")
    assert found is not None
    other = kept.place()
    other.write_bytes(b"y")
    assert kept.keep(other, "a", "text/plain") is None
    assert not other.exists()
    assert kept.find(found[0], "a") is not None
    now = 11
    assert kept.find(found[0], "a") is None
    assert not place.exists()
    kept.close()


def test_one_caller_cannot_take_all_the_room(monkeypatch: pytest.MonkeyPatch):
    """Half of the files and half of the bytes, so that others can still be given addresses."""
    monkeypatch.setattr("kosha_connector_openai.gateway.pages.downloads._MOST_FILES", 4)
    kept = Downloads(most=100)
    assert [kept.store(b"x", "a", "text/plain") is not None for _ in range(3)] == [True, True, False]
    assert [kept.store(b"x" * size, "b", "text/plain") is not None for size in (40, 40)] == [True, False]
    assert kept.store(b"x" * 40, "c", "text/plain") is not None
    kept.close()


async def test_the_builders_paths_are_there(house: House):
    """Form, drawn form, samples and options over HTTP; a run gives the short result where that is asked for."""
    base = "/kosha/v1/actions/createEmbedding"
    assert (await house.client.get(f"{base}/form")).json()["form_version"] == 1
    assert set((await house.client.get(f"{base}/form", params={"as": "rjsf"})).json()) == {"schema", "ui_schema"}
    assert set((await house.client.get(f"{base}/sample")).json()) == {"inputs", "answer", "result", "result_schema"}
    house.upstream.scripts = [reply(200, {"object": "list", "data": [{"id": "text-embedding-3-small", "object": "model"}]})]
    offered = (await house.client.post(f"{base}/options/model")).json()
    assert "text-embedding-3-small" in [option["value"] for option in offered["options"]]
    house.upstream.scripts = [reply(200, {"object": "list", "data": [{"index": 0, "embedding": [1.0]}], "model": "m"})]
    ran = await house.client.post(f"{base}/run", json={"inputs": {"model": "m", "input": "x"}, "result": True})
    assert ran.json()["result"]["result"]["vectors"] == [[1.0]]
