"""Rows B5, B9, B11, B16, B17, B21 and B31: what a token may do, by every road, and that the provider's key never travels back."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest

from kosha_connector_openai import Connector
from kosha_connector_openai.core.request import is_cut
from kosha_connector_openai.gateway.routes import privileged_actions
from kosha_connector_openai.manifest.parts import RelayRules
from tests.canary import Canary
from tests.gateway import KEY, ROOT
from tests.recorder import Recorder, events, reply
from tests.threats.in_process import entry, in_process

SPEECH = {"model": "m", "input": "hi", "voice": "alloy"}
CUTS = ["%2F", "%2f", "%252F", "%25252f", "%5C", "%3F", "%3f", "%23", "%EF%BC%8F"]


# B5


@pytest.mark.parametrize("cut", CUTS)
async def test_b05_an_id_is_one_segment_in_every_decoding(cut: str) -> None:
    """B5: an upstream that decodes before it routes would take it for the path of another operation."""
    narrow = [entry("a", actions=["retrieveFile", "deleteVectorStore"])]
    with Recorder() as upstream:
        async with in_process(upstream.url, tokens=narrow) as house:
            for method, path in (("GET", f"/v1/files/file-abc123{cut}content"), ("DELETE", f"/v1/vector_stores/vs_1{cut}files{cut}file-1")):
                answer = await house.call(method, path)
                assert (answer.status_code, answer.json()["error"]["code"]) == (400, "slash"), answer.text
        assert upstream.silent


@pytest.mark.parametrize("value", ["ID/content", "ID%2Fcontent", "ID%252fcontent", "ID?x", "ID#x", "ID\\content", "ID\uff0fcontent"])
async def test_b05_the_same_holds_for_runs_and_options(value: str) -> None:
    """B5: an input of a path's is no other than one in a path."""
    with Recorder() as upstream:
        async with in_process(upstream.url, tokens=[entry("a")]) as house:
            answer = await house.run("retrieveFile", {"file_id": value})
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, "input"), answer.text
            assert answer.json()["error"]["detail"]["faults"][0]["rule"] == "slash"
        assert upstream.silent


async def test_b05_the_name_of_a_model_may_hold_a_slash() -> None:
    """B5: the manifest says so, and it goes on as it was written."""
    with Recorder(reply(200, {"id": "owner/m", "object": "model"})) as upstream:
        async with in_process(upstream.url, tokens=[entry("a")]) as house:
            assert (await house.call("GET", "/v1/models/owner%2Fm")).status_code == 200
            assert (await house.run("retrieveModel", {"model": "owner/m"})).status_code == 200
        assert [each.target for each in upstream.requests] == ["/v1/models/owner%2Fm"] * 2


async def test_b05_such_a_value_is_checked_as_the_path_that_it_could_become() -> None:
    """B5: a name with a slash that leads to another operation needs the right to that one too."""
    name, action = "ft:m:o::1", "listFineTuningCheckpointPermissions"
    both = [action, "deleteFineTuningCheckpointPermission", "createFineTuningCheckpointPermission"]
    with Recorder(reply(200, {"object": "list", "data": []})) as upstream:
        async with in_process(
            upstream.url, admin=True, tokens=[entry("a", actions=["retrieveModel"]), entry("b", tenant="a", actions=both)]
        ) as house:
            path = f"/v1/fine_tuning/checkpoints/{name}%2Fpermissions%2Fx/permissions"
            assert (await house.call("GET", path, "b")).status_code == 200
            assert (await house.call("DELETE", f"/v1/models/{name}%2F..%2F..%2Ffiles", "a")).status_code == 404


def test_b05_what_counts_as_a_cut() -> None:
    """B5: dots, blanks and colons are parts of ids."""
    assert not any(is_cut(text) for text in ("file-abc_1.2:3~", "a%20b", "ft:m:o::1", "a;b", "%C3%A9", "100%"))
    assert all(is_cut(f"a{cut}b") for cut in CUTS)


# B9


def _hostile(key: str) -> dict[str, Any]:
    """Where an upstream may put the key: plain, in base64, in bytes, in pieces of a stream, in headers and errors."""
    stream = [b'data: {"id": "x", "echo": "', *(key.encode()[i : i + 3] for i in range(0, len(key), 3)), b'"}\n\n', b"data: [DONE]\n\n"]
    head = [("x-request-id", key), ("openai-processing-ms", key), ("x-ratelimit-limit-requests", key)]
    text = f"Traceback: Bearer {key} {base64.b64encode(key.encode()).decode()}"
    value = {"object": "list", "data": [{"id": key, "filename": key, "object": "file"}], "b64": base64.b64encode(key.encode()).decode()}
    return {
        "json": reply(200, {**value, "text": text}, headers=head),
        "bytes": reply(200, b"ID3" + key.encode() * 3, content_type="audio/mpeg", headers=head),
        "stream": events(*stream),
        "error": reply(400, {"error": {"message": text, "code": key, "param": key}}, headers=head),
        "broken": reply(500, text.encode(), content_type="text/plain"),
        "page": reply(500, f"<html><title>{key}</title></html>".encode(), content_type="text/html"),
        "plain": reply(200, text.encode(), content_type="text/plain"),
        "refused": reply(401, {"error": {"message": f"Incorrect API key provided: {key[:8]}***{key[-8:]}."}}, headers=head),
    }


def _decoded(body: bytes) -> list[bytes]:
    """A reply, and the bytes of each base64 in it."""
    found = [body]
    try:
        value = json.loads(body)
    except ValueError:
        return found
    inner = value.get("value") if isinstance(value, Mapping) else None
    if isinstance(inner, Mapping) and "base64" in inner:
        found.append(base64.b64decode(inner["base64"]))
    return found


@pytest.mark.parametrize("kind", _hostile("x"))
async def test_b09_the_key_reaches_no_caller_log_number_or_file(kind: str, tmp_path: Any, caplog: pytest.LogCaptureFixture) -> None:
    """B9: by `/v1`, `run` in all its forms, options and links, whatever the upstream echoes; nor what is left behind."""
    canary, told = Canary(), []
    caplog.set_level("DEBUG", logger="kosha")
    key = canary.key.replace('"', "-")
    with Recorder(_hostile(key)[kind]) as upstream:
        async with in_process(upstream.url, key=key, tokens=[entry("a")], validation="off", audit=tmp_path / "audit", docs="on") as house:
            told.append(await house.call("GET", "/v1/models"))
            told.append(await house.call("POST", "/v1/responses", json={"model": "m", "input": "x", "stream": kind == "stream"}))
            told.append(await house.call("POST", "/v1/audio/speech", json=SPEECH))
            told.append(await house.call("GET", "/v1/files/file-abc123/content"))
            for more in ({}, {"result": True}, {"file": "link"}):
                told.append(await house.run("listModels", {}, **more))
                told.append(await house.run("createSpeech", SPEECH, **more))
                told.append(await house.run("createResponse", {"model": "m", "input": "x", "stream": kind == "stream"}, **more))
                link = told[-2].json().get("value")
                if isinstance(link, Mapping) and "href" in link:
                    told.append(await house.call("GET", str(link["href"])))
            told.append(await house.call("POST", "/kosha/v1/actions/createBatch/options/input_file_id", json={}))
            told.append(await house.call("POST", "/api/v1/specification/test", json={}))
            told += [await house.call("GET", path) for path in ("/metrics", "/openapi.json", "/kosha/v1/actions")]
            assert len(upstream.requests) > 10
            left = [(house.folder / "access.log").read_text(), (tmp_path / "audit").read_text(), caplog.text]
    forms = {key, base64.b64encode(key.encode()).decode(), key[-8:], *(key[i : i + 8] for i in range(3, len(key) - 8))}
    for answer in told:
        for body in (*_decoded(answer.content), str(answer.headers).encode()):
            assert not [form for form in forms if form.encode() in body], (answer.request.url, answer.status_code)
    assert not [form for form in forms for text in left if form in text]


def test_b09_nor_the_librarys_results(tmp_path: Any) -> None:
    """B9: value, raw bytes, saved files and errors of the library are without it too."""
    key = "sk-canary-0123456789abcdefABCDEF"
    (tmp_path / "key").touch(mode=0o600)
    (tmp_path / "key").write_text(key)
    from kosha_connector_openai import CallOptions
    from kosha_connector_openai.secrets.stores import default_stores

    with Recorder() as upstream, Connector(ROOT, stores=default_stores((), [tmp_path])) as connector:
        connection = connector.connection({"server_url": upstream.url, "api_key": f"file:{tmp_path / 'key'}"}, environ={})
        upstream.scripts = [_hostile(key)["json"]]
        result = connector.run("listModels", {}, connection)
        assert result.raw
        assert key.encode() not in result.raw
        assert key not in repr(result.value)
        upstream.scripts = [_hostile(key)["bytes"]]
        connector.run("createSpeech", SPEECH, connection, CallOptions(out=tmp_path / "out.mp3"))
        assert (tmp_path / "out.mp3").read_bytes() == b"ID3" + b"*" * (3 * len(key))
        upstream.scripts = [_hostile(key)["stream"]]
        with connector.stream("createResponse", {"model": "m", "input": "x", "stream": True}, connection) as stream:
            assert [event.data for event in stream] == [{"id": "x", "echo": "*" * len(key)}]


# B11


def test_b11_what_is_privileged_is_what_the_description_says(connector: Connector) -> None:
    """B11: each action of the administration credential, and each whose reply hands over a credential."""
    rules = connector.part("relay", RelayRules).privileged
    found = privileged_actions(connector.catalog, rules)
    document = connector.catalog.document.root
    schemas = document["components"]["schemas"]

    def secret(schema: Any, seen: tuple[str, ...] = ()) -> bool:
        name = schema.get("$ref", "").rpartition("/")[2]
        if name in seen:
            return False
        schema = schemas[name] if name else schema
        parts = (part for word in ("allOf", "anyOf", "oneOf") for part in schema.get(word, ()))
        fields = schema.get("properties", {})
        return (
            bool({"client_secret", "api_key"} & fields.keys())
            or ("ek_" in str(fields.get("value")))
            or any(secret(each, (*seen, name)) for each in parts)
        )

    for path, item in document["paths"].items():
        for method, operation in item.items():
            if not isinstance(operation, dict) or "operationId" not in operation:
                continue
            needs = [name for each in operation.get("security", ()) for name in each]
            replies = [
                media["schema"]
                for code, each in operation["responses"].items()
                if code[0] == "2"
                for media in each.get("content", {}).values()
                if "schema" in media
            ]
            if set(needs) & set(rules.schemes) or (method == "post" and any(secret(each) for each in replies)):
                assert operation["operationId"] in found, path
    assert set(rules.actions) <= set(connector.catalog)


PRIVILEGED = [
    ("POST", "/v1/organization/admin_api_keys", "admin-api-keys-create", {"name": "mine"}),
    ("GET", "/v1/organization/users", "list-users", {}),
    ("POST", "/v1/realtime/client_secrets", "create-realtime-client-secret", {}),
    ("POST", "/v1/chatkit/sessions", "CreateChatSessionMethod", {"workflow": {"id": "wf_1"}, "user": "u"}),
]


@pytest.mark.parametrize(("method", "path", "action", "inputs"), PRIVILEGED)
async def test_b11_privileged_actions_are_listed_by_name(
    connector: Connector, method: str, path: str, action: str, inputs: dict[str, Any]
) -> None:
    """B11: not for a token without a list, nor by a list of groups, by no road; but where the list names it."""
    groups = sorted({each.group.id for each in connector.catalog.values()})
    tokens = [entry("a"), entry("b", tenant="a", groups=groups), entry("c", tenant="a", actions=[action])]
    body = {"json": inputs} if method == "POST" else {}
    with Recorder() as upstream:
        async with in_process(upstream.url, admin=True, tokens=tokens) as house:
            for token in "ab":
                assert (await house.call(method, path, token, **body)).status_code == 403
                assert (await house.run(action, inputs, token)).status_code == 404
                assert (await house.call("GET", f"/kosha/v1/actions/{action}", token)).status_code == 404
            assert upstream.silent
            assert (await house.call(method, path, "c", **body)).status_code == 200
            assert (await house.run(action, inputs, "c")).status_code == 200


async def test_b11_without_tokens_the_operator_names_them() -> None:
    """B11: on loopback without tokens, and for JSON Web Tokens, `privileged` is the list."""
    with Recorder() as upstream:
        async with in_process(upstream.url, admin=True, tokens=[]) as house:
            assert (await house.call("GET", "/v1/organization/users", None)).status_code == 403
        async with in_process(upstream.url, admin=True, tokens=[], privileged=["list-users"]) as house:
            assert (await house.call("GET", "/v1/organization/users", None)).status_code == 200


# B16


async def test_b16_options_need_the_right_to_their_list() -> None:
    """B16: whoever may not call `listFiles` is not shown its items as the options of another action."""
    files = {"object": "list", "data": [{"id": "file-abc123", "filename": "salaries.csv", "object": "file"}], "has_more": False}
    with Recorder(reply(200, files)) as upstream:
        tokens = [entry("a", actions=["createBatch"]), entry("b", tenant="a", actions=["createBatch", "listFiles"])]
        async with in_process(upstream.url, tokens=tokens) as house:
            path = "/kosha/v1/actions/createBatch/options/input_file_id"
            answer = await house.call("POST", path, json={})
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "action_not_allowed")
            assert upstream.silent
            assert [each["value"] for each in (await house.call("POST", path, "b", json={})).json()["options"]] == ["file-abc123"]


# B17


async def test_b17_pages_count_as_calls_by_every_method() -> None:
    """B17: a limit of calls in a minute holds for reading pages too."""
    async with in_process("http://127.0.0.1:9", tokens=[entry("a", calls_per_minute=20)]) as house:
        codes = [(await house.call("GET", "/kosha/v1/connection")).status_code for _ in range(30)]
        assert codes.count(200) == 20
        assert codes[-1] == 429
        assert (await house.call("GET", "/livez", None)).status_code == 200


# B31


async def test_b31_the_providers_401_is_not_the_callers() -> None:
    """B31: 502 with our words by every road, and clients' libraries are told not to try again."""
    error = {"error": {"message": f"Incorrect API key provided: {KEY[:8]}****{KEY[-4:]}.", "code": "invalid_api_key"}}
    with Recorder(reply(401, error, headers=[("www-authenticate", "Bearer")])) as upstream:
        async with in_process(upstream.url, tokens=[entry("a")]) as house:
            direct = await house.call("GET", "/v1/models")
            for answer in (direct, await house.run("listModels", {})):
                assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_credential")
                assert KEY[:8] not in answer.text
                assert KEY[-4:] not in answer.text
                assert "www-authenticate" not in answer.headers
            assert direct.headers["x-should-retry"] == "false"
