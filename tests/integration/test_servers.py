"""Kinds of server: each kind of the manifest, as its requests look on the wire."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from kosha_connector_openai import CallOptions, Connection, Connector
from kosha_connector_openai.errors import InputError, OriginError, SetupError
from kosha_connector_openai.plugin import folder
from kosha_connector_openai.secrets.secret import Secret
from kosha_connector_openai.secrets.stores.computed import ComputedStore, Token
from kosha_connector_openai.secrets.stores.environment import EnvironmentStore
from tests.integration.conftest import Way
from tests.recorder import Recorder, events, reply

CHAT = {"model": "m-1", "messages": [{"role": "user", "content": "hi"}]}
SOUND = {"file": ("a.wav", b"RIFF")}
PICTURE = {"image": ("a.png", b"\x89PNG")}
VERSION = "2024-10-21"
KEY = "test-key-0123456789abcdef"


def deployed(way: Way, url: str, values: dict[str, str] | None = None, **options: Any) -> Connection:
    """A connection to the deployment form of a server."""
    form = {"server_kind": "azure-deployment", "server_url": url, "api_version": VERSION, "api_key": "env:OPENAI_API_KEY"}
    return way.connector.connection({**form, **(values or {})}, environ={}, engine=way.engine, **options)


@pytest.fixture
def upstream() -> Iterator[Recorder]:
    """A server that answers with an empty object."""
    with Recorder() as recorder:
        yield recorder


@pytest.mark.parametrize("path", ["", "/v1", "/v1/", "/proxy/v1", "/proxy"])
@pytest.mark.parametrize("kind", ["openai", "compatible", "ollama", "vllm", "llama-cpp", "lm-studio", "azure"])
def test_a_base_url_is_taken_with_v1_or_without(connector: Connector, upstream: Recorder, kind: str, path: str) -> None:
    """/v1 stands once in the path, whatever kind of server was chosen."""
    values = {"server_kind": kind, "server_url": upstream.url + path, "api_key": "env:OPENAI_API_KEY", "auth_type": "NONE"}
    connector.run("listModels", {}, connector.connection(values, environ={}))
    assert upstream.last.target == f"{path.removesuffix('/').removesuffix('/v1')}/v1/models"


@pytest.mark.parametrize(
    ("kind", "server"),
    [
        ("ollama", "http://localhost:11434"),
        ("vllm", "http://localhost:8000"),
        ("llama-cpp", "http://localhost:8080"),
        ("lm-studio", "http://localhost:1234"),
        ("openai", "https://api.openai.com"),
    ],
)
def test_a_kind_of_server_fills_in_the_form(connector: Connector, kind: str, server: str) -> None:
    """Naming the kind is enough; a key of the environment does not go to a server on this machine."""
    connection = connector.connection({"server_kind": kind}, environ={"OPENAI_API_KEY": "x" * 20})
    assert str(connection.server) == server
    assert {credential.scheme for credential in connection.credentials.values()} == {"bearer" if kind == "openai" else "none"}


def test_what_is_named_goes_before_the_environment(connector: Connector) -> None:
    """A named kind brings its server; the environment's key is for the environment's server, and is not sent to another."""
    environ = {"OPENAI_API_KEY": "x" * 20, "OPENAI_BASE_URL": "https://other.example", "OPENAI_API_VERSION": VERSION}
    connection = connector.connection({"server_kind": "openai"}, environ=environ)
    assert str(connection.server) == "https://api.openai.com"
    assert {str(origin) for origin in connection.credentials["ApiKeyAuth"].allowed_origins} == {"https://other.example"}
    same = connector.connection({"server_kind": "azure-deployment", "server_url": "https://other.example"}, environ=environ)
    assert {str(origin) for origin in same.credentials["ApiKeyAuth"].allowed_origins} == {"https://other.example"}


def test_the_environment_may_choose_the_kind(connector: Connector) -> None:
    """SERVER_KIND is one more variable of the form, and the server that it means is the key's home."""
    environ = {"SERVER_KIND": "azure", "OPENAI_BASE_URL": "https://n.example/openai/v1", "API_KEY": "x" * 20}
    connection = connector.connection(environ=environ)
    assert connection.credentials["ApiKeyAuth"].scheme == "api_key"
    assert str(connection.server) == "https://n.example/openai/v1"


@pytest.mark.parametrize(
    ("values", "pointers"),
    [
        ({"server_kind": "azur"}, ["/server_kind"]),
        ({"server_kind": "compatible"}, ["/server_url"]),
        ({"server_kind": "azure"}, ["/server_url"]),
        ({"server_kind": "azure-deployment"}, ["/server_url", "/api_version"]),
        ({"server_kind": "azure-deployment", "server_url": "https://x.example"}, ["/api_version"]),
    ],
)
def test_what_a_kind_of_server_needs_is_told(connector: Connector, values: dict[str, str], pointers: list[str]) -> None:
    """A missing field and an unknown kind are named, and the default server is not called in place of a missing one."""
    with pytest.raises(SetupError) as caught:
        connector.connection({"api_key": "env:OPENAI_API_KEY", **values}, environ={})
    assert [fault.pointer for fault in caught.value.faults] == pointers


def test_the_v1_form_takes_a_key_or_a_token(way: Way, upstream: Recorder) -> None:
    """The key stands in its own header, a token of the directory in Authorization; the path stays as described."""
    values = {"server_kind": "azure", "server_url": f"{upstream.url}/openai/v1", "api_key": "env:OPENAI_API_KEY"}
    way.run(way.connector.connection(values, environ={}, engine=way.engine), "createChatCompletion", CHAT)
    assert (upstream.last.target, upstream.last.header("api-key"), upstream.last.header("Authorization")) == (
        "/openai/v1/chat/completions",
        KEY,
        None,
    )
    way.run(way.connector.connection({**values, "auth_type": "BEARER_TOKEN"}, environ={}, engine=way.engine), "listModels", {})
    assert (upstream.last.header("api-key"), upstream.last.header("Authorization")) == (None, f"Bearer {KEY}")


DEPLOYED: list[tuple[str, dict[str, Any], str]] = [
    ("createCompletion", {"model": "m-1", "prompt": "hi"}, "/completions"),
    ("createChatCompletion", CHAT, "/chat/completions"),
    ("createEmbedding", {"model": "m-1", "input": "hi"}, "/embeddings"),
    ("createTranscription", {"model": "m-1", **SOUND}, "/audio/transcriptions"),
    ("createTranslation", {"model": "m-1", **SOUND}, "/audio/translations"),
    ("createSpeech", {"model": "m-1", "input": "hi", "voice": "alloy"}, "/audio/speech"),
    ("createImage", {"model": "m-1", "prompt": "hi"}, "/images/generations"),
    ("createImageEdit", {"model": "m-1", "prompt": "hi", **PICTURE}, "/images/edits"),
]


@pytest.mark.parametrize(("action", "inputs", "path"), DEPLOYED, ids=[action for action, _, _ in DEPLOYED])
def test_the_eight_operations_of_a_deployment(way: Way, upstream: Recorder, action: str, inputs: dict[str, Any], path: str) -> None:
    """The path names the model as deployment; the version goes along, the key in its own header, and the body stays as it was."""
    way.run(deployed(way, upstream.url), action, inputs)
    assert upstream.last.target == f"/openai/deployments/m-1{path}?api-version={VERSION}"
    assert (upstream.last.header("api-key"), upstream.last.header("Authorization")) == (KEY, None)
    assert b"m-1" in upstream.last.body


@pytest.mark.parametrize(
    ("action", "inputs", "target"),
    [
        ("listModels", {}, f"/openai/models?api-version={VERSION}"),
        ("listFiles", {"purpose": "batch", "limit": 2}, f"/openai/files?purpose=batch&limit=2&api-version={VERSION}"),
        ("retrieveFile", {"file_id": "file-1"}, f"/openai/files/file-1?api-version={VERSION}"),
        ("createResponse", {"model": "m-1", "input": "hi"}, f"/openai/responses?api-version={VERSION}"),
    ],
)
def test_other_operations_stay_outside_the_deployment(
    way: Way, upstream: Recorder, action: str, inputs: dict[str, Any], target: str
) -> None:
    """Only the eight are served by a deployment; the version goes with all."""
    way.run(deployed(way, upstream.url, {"deployment": "d-1"}), action, inputs)
    assert upstream.last.target == target


@pytest.mark.parametrize("prefix", ["", "/", "/openai", "/tenant", "/tenant/openai"])
def test_openai_is_written_once(connector: Connector, upstream: Recorder, prefix: str) -> None:
    """The server URL may end in /openai or not, behind a gateway's path too."""
    values = {"server_kind": "azure-deployment", "server_url": upstream.url + prefix, "api_version": VERSION, "auth_type": "NONE"}
    connector.run("createChatCompletion", CHAT, connector.connection(values, environ={}))
    before = prefix.rstrip("/").removesuffix("/openai")
    assert upstream.last.target == f"{before}/openai/deployments/m-1/chat/completions?api-version={VERSION}"


def test_the_connections_deployment_goes_before_the_model(way: Way, upstream: Recorder) -> None:
    """A deployment whose name is not the model's is named once, in the connection; an image without a model works too."""
    connection = deployed(way, upstream.url, {"deployment": "my deployment"})
    way.run(connection, "createImage", {"prompt": "hi"})
    assert upstream.last.target.startswith("/openai/deployments/my%20deployment/images/generations?")
    way.run(connection, "createChatCompletion", CHAT)
    assert upstream.last.target.startswith("/openai/deployments/my%20deployment/chat/completions?")


def test_a_missing_model_is_told_and_nothing_is_sent(connector: Connector, upstream: Recorder) -> None:
    """Where neither names a deployment, the fault points at the input."""
    values = {"server_kind": "azure-deployment", "server_url": upstream.url, "api_version": VERSION, "auth_type": "NONE"}
    with pytest.raises(InputError) as caught:
        connector.run("createImage", {"prompt": "hi"}, connector.connection(values, environ={}))
    assert [(fault.pointer, fault.rule) for fault in caught.value.faults] == [("/model", "required")]
    assert upstream.silent


BAD = ["..", ".", "%2e%2e", "..%2fadmin", "a/../../admin", "a\\..\\b", "\uff0e\uff0e", "%252e%252e", " ", "a\nb", "a;/../b"]


@pytest.mark.parametrize("name", BAD)
def test_a_deployment_cannot_lead_elsewhere(connector: Connector, upstream: Recorder, name: str) -> None:
    """Dot segments in any decoding, blanks and control characters are refused, of the input and of the connection."""
    values = {"server_kind": "azure-deployment", "server_url": upstream.url, "api_version": VERSION, "auth_type": "NONE"}
    with pytest.raises(InputError) as refused:
        connector.run("createChatCompletion", {**CHAT, "model": name}, connector.connection(values, environ={}))
    assert [fault.pointer for fault in refused.value.faults] == ["/model"]
    if name.strip():
        with pytest.raises(SetupError) as caught:
            connector.run("createChatCompletion", CHAT, connector.connection({**values, "deployment": name}, environ={}))
        assert [fault.pointer for fault in caught.value.faults] == ["/deployment"]
        assert not isinstance(caught.value, InputError)
    assert upstream.silent


@pytest.mark.parametrize("name", ["a/b", "a?b", "a#b", "a&api-version=x", "ü", "a b", "a%2Fb"])
def test_an_odd_deployment_stays_one_segment(connector: Connector, upstream: Recorder, name: str) -> None:
    """Whatever can be encoded is, so that it neither adds a segment nor a parameter."""
    form = {"server_url": upstream.url, "api_version": VERSION, "auth_type": "NONE"}
    values = form | {"server_kind": "azure-deployment", "deployment": name}
    connector.run("createChatCompletion", CHAT, connector.connection(values, environ={}))
    path, _, query = upstream.last.target.partition("?")
    assert (path.count("/"), query) == (5, f"api-version={VERSION}")


def test_an_input_cannot_set_the_version(connector: Connector, upstream: Recorder) -> None:
    """Names that inputs may add to a query do not reach the parameters that belong to the connection."""
    values = {"server_kind": "azure-deployment", "server_url": upstream.url, "api_version": VERSION, "auth_type": "NONE"}
    with pytest.raises(InputError):
        connector.run("listModels", {"api-version": "2020-01-01"}, connector.connection(values, environ={}))
    assert upstream.silent


def test_the_key_stays_with_its_origin(connector: Connector, upstream: Recorder) -> None:
    """A key for another origin is not sent to a deployment."""
    values = {"server_kind": "azure-deployment", "server_url": upstream.url, "api_version": VERSION, "api_key": "env:OPENAI_API_KEY"}
    connection = connector.connection(values, environ={}, allowed_origins=["https://mine.openai.azure.com"])
    with pytest.raises(OriginError):
        connector.run("createChatCompletion", CHAT, connection)
    borrowed = {name: text for name, text in values.items() if name != "api_key"}
    with pytest.raises(OriginError):
        connector.run("createChatCompletion", CHAT, connector.connection(borrowed, environ={"OPENAI_API_KEY": "x" * 20}))
    assert upstream.silent


def test_a_computed_token_in_place_of_a_key(upstream: Recorder) -> None:
    """A token of the directory, made by the host, goes as bearer token to both forms."""
    made = ComputedStore("entra", {"cognitive": lambda context: Token(Secret("token-of-the-directory"))})
    with Connector(folder(), stores=[EnvironmentStore(()), made]) as connector:
        values = {"server_kind": "azure-deployment", "server_url": upstream.url, "api_version": VERSION, "auth_type": "BEARER_TOKEN"}
        connector.run("createChatCompletion", CHAT, connector.connection({**values, "api_key": "entra:cognitive"}, environ={}))
    assert (upstream.last.header("Authorization"), upstream.last.header("api-key")) == ("Bearer token-of-the-directory", None)


def test_a_stream_of_a_deployment(way: Way) -> None:
    """Streams come through as from any server."""
    with Recorder(events(b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n', b"data: [DONE]\n\n")) as upstream:
        seen, _ = way.events(deployed(way, upstream.url), "createChatCompletion", {**CHAT, "stream": True})
    assert (len(seen), upstream.last.target) == (1, f"/openai/deployments/m-1/chat/completions?api-version={VERSION}")


def test_a_preview_shows_the_same_target(way: Way, upstream: Recorder) -> None:
    """What a dry run shows is what is sent, the key masked."""
    connection = deployed(way, upstream.url)
    preview = way.connector.preview("createChatCompletion", CHAT, connection)
    way.run(connection, "createChatCompletion", CHAT)
    assert preview.url == upstream.url + upstream.last.target
    assert dict(preview.headers)["api-key"] == "********"


def test_an_error_of_a_deployment_keeps_its_meaning(way: Way) -> None:
    """Its error body has the same shape, so that the manifest's table gives it its meaning."""
    body = {"error": {"code": "DeploymentNotFound", "message": "The API deployment for this resource does not exist."}}
    with Recorder(reply(status=404, body=body)) as upstream, pytest.raises(Exception, match="does not exist") as caught:
        way.connector.run("createChatCompletion", CHAT, deployed(way, upstream.url), CallOptions(attempts=1))
    assert getattr(caught.value, "category", "") == "not_found"
