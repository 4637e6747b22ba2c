"""Folders of other providers, as Kosha publishes them, load and run without a line of Python; each byte of a request is compared."""

from __future__ import annotations

import base64
import email
import hashlib
import hmac
from typing import Any

import pytest

from kosha_connector_openai import Connector
from kosha_connector_openai.errors import InputError, SetupError
from tests.contract.providers.conftest import FOLDERS, Provider
from tests.recorder import Received, Recorder

FROM_THE_CLIENT = {"user-agent", "accept-encoding", "accept", "host", "connection", "content-length"}
JSON = ("Content-Type", "application/json")
FORM = ("Content-Type", "application/x-www-form-urlencoded")
BEARER = ("Authorization", "Bearer lanterna-0123456789")
MARLOW = ("X-Marlow-Key", "marlow-0123456789")
QUILLPOST = ("Authorization", "Basic YW5uOnF1aWxscG9zdC1wYXNz")
FERRYTOWN = ("Authorization", "Bearer ferrytown-access")
GRIDFOLD = ("X-Gridfold-Key", "gridfold-0123456789")
VARIABLES = {
    "lanterna": {"BEARER_TOKEN": "lanterna-0123456789"},
    "marlow": {"API_KEY": "marlow-0123456789"},
    "quillpost": {"USERNAME": "ann", "PASSWORD": "quillpost-pass"},
    "ferrytown": {"ACCESS_TOKEN": "ferrytown-access"},
    "duskgate": {"IKEY": "DUSKGATE1", "SKEY": "duskgate-secret"},
    "openmeadow": {},
    "gridfold": {"API_KEY": "gridfold-0123456789"},
    "tallow": {"USERNAME": "ann", "PASSWORD": "quillpost-pass"},
}
SITE = {"siteId": "s 1"}


def own_headers(sent: Received) -> list[tuple[str, str]]:
    return [(name, value) for name, value in sent.headers if name.lower() not in FROM_THE_CLIENT]


@pytest.mark.parametrize(
    ("folder", "action", "inputs", "line", "headers", "body"),
    [
        pytest.param("lanterna", "GetInvoicesInvoice", {"invoice": "in_1/x"}, "GET /v1/invoices/in_1%2Fx", [BEARER], b"", id="bearer"),
        pytest.param(
            "lanterna",
            "PostInvoices",
            {
                "customer": "cus_1",
                "amount": 1200,
                "paid": False,
                "address": {"city": "Köln & more", "geo": {"lat": 50.9}},
                "metadata": {"order": "7=7"},
                "tags": ["a", "b"],
            },
            "POST /v1/invoices",
            [FORM, BEARER],
            b"customer=cus_1&amount=1200&paid=false&address%5Bcity%5D=K%C3%B6ln%20%26%20more&address%5Bgeo%5D%5Blat%5D=50.9"
            b"&metadata%5Border%5D=7%3D7&tags=a&tags=b",
            id="form-with-nested-keys",
        ),
        pytest.param(
            "marlow",
            "getBoardsByBoardIdCards",
            {"board_id": "b1", "labels": ["x", "y z"]},
            "GET /boards/b1/cards?labels=x,y%20z",
            [MARLOW],
            b"",
            id="api-key-and-no-operation-id",
        ),
        pytest.param(
            "marlow",
            "postBoardsByBoardIdCards",
            {"board_id": "b1", "name": "<n>"},
            "POST /boards/b1/cards",
            [JSON, MARLOW],
            b'{"name":"<n>"}',
            id="api-key-and-json",
        ),
        pytest.param("quillpost", "pages/list-all", {"limit": 5}, "GET /wiki/pages?limit=5", [QUILLPOST], b"", id="basic-by-another-name"),
        pytest.param("quillpost", "open", {}, "GET /wiki/open", [], b"", id="an-operation-without-credential"),
        pytest.param("ferrytown", "listTrips", {}, "GET /trips", [FERRYTOWN], b"", id="given-access-token"),
        pytest.param("ferrytown", "searchTrips", {"to": "x"}, "POST /trips/search", [JSON, FERRYTOWN], b'{"to":"x"}', id="oauth2-post"),
        pytest.param("openmeadow", "listFlowers", {"colour": "red"}, "GET /flowers?colour=red", [], b"", id="no-credential"),
        pytest.param(
            "gridfold",
            "getSite",
            {**SITE, "fields": ["a", "b"], "kinds": ["k", "l"], "ports": [1, 2]},
            "GET /api/v1/sites/s%201?fields=a,b&kinds=k&kinds=l&ports=1%7C2",
            [GRIDFOLD],
            b"",
            id="swagger-collections-and-base-path",
        ),
        pytest.param(
            "gridfold",
            "updateSite",
            {**SITE, "name": "n", "note": None, "parent": {"name": "p"}},
            "PUT /api/v1/sites/s%201",
            [JSON, GRIDFOLD],
            b'{"name":"n","note":null,"parent":{"name":"p"}}',
            id="swagger-body",
        ),
        pytest.param(
            "gridfold",
            "login",
            {"user": "ann b", "scopes": ["r", "w"]},
            "POST /api/v1/login",
            [FORM, GRIDFOLD],
            b"user=ann%20b&scopes=r&scopes=w",
            id="swagger-form",
        ),
        pytest.param("tallow", "getRestApi2IssueByKey", {"key": "T-1"}, "GET /rest/api/2/issue/T-1", [QUILLPOST], b"", id="no-auth-type"),
    ],
)
def test_each_provider_is_called_as_it_describes_itself(
    provider: Provider,
    upstream: Recorder,
    folder: str,
    action: str,
    inputs: dict[str, Any],
    line: str,
    headers: list[tuple[str, str]],
    body: bytes,
) -> None:
    """The request line, every header of ours and the body are exactly these; the servers of a description play no part."""
    connector, connection = provider(folder, VARIABLES[folder])
    assert connector.run(action, inputs, connection).status == 200
    assert upstream.last.raw.startswith(f"{line} HTTP/1.1\r\n".encode())
    assert (sorted(own_headers(upstream.last)), upstream.last.body) == (sorted(headers), body)


@pytest.mark.parametrize("folder", VARIABLES)
def test_every_operation_of_every_folder_can_be_offered(folder: str) -> None:
    """No operation is lost on the way, and the connector is called as its folder."""
    with Connector(FOLDERS / folder) as connector:
        assert connector.catalog.faults() == ()
        assert [action.id for action in connector.catalog.values()] == list(connector.catalog)
        assert connector.id == folder


def test_a_swagger_file_goes_out_as_a_part(provider: Provider, upstream: Recorder) -> None:
    """A parameter of type file becomes a part of a multipart form, its neighbours text."""
    connector, connection = provider("gridfold", VARIABLES["gridfold"])
    connector.run("uploadPlan", {"plan": ("plan.bin", b"\x00\xff\r\n"), "title": "t"}, connection)
    head = f"Content-Type: {upstream.last.header('content-type')}\r\n\r\n".encode()
    plan, title = email.message_from_bytes(head + upstream.last.body).get_payload()
    assert upstream.last.target == "/api/v1/plans"
    assert (plan.get_param("name", header="content-disposition"), plan.get_payload(decode=True)) == ("plan", b"\x00\xff\r\n")
    assert (title.get_param("name", header="content-disposition"), title.get_payload(decode=True)) == ("title", b"t")


def test_a_swagger_schema_is_enforced(provider: Provider, upstream: Recorder) -> None:
    """A body that breaks a definition is refused with its place, and nothing is sent."""
    connector, connection = provider("gridfold", VARIABLES["gridfold"])
    with pytest.raises(InputError) as caught:
        connector.run("updateSite", {**SITE, "name": "n", "parent": {}}, connection)
    assert [fault.pointer for fault in caught.value.faults] == ["/parent/name"]
    assert upstream.silent


SIGNED = [
    pytest.param(
        "listUsers",
        {"username": "b c", "limit": 2},
        "GET\n127.0.0.1\n/admin/v1/users\nlimit=2&username=b%20c",
        id="query",
    ),
    pytest.param(
        "createUser",
        {"username": "b~c", "realname": "Zoë"},
        "POST\n127.0.0.1\n/admin/v1/users\nrealname=Zo%C3%AB&username=b~c",
        id="form",
    ),
    pytest.param(
        "createPolicy",
        {"name": "p"},
        "POST\n127.0.0.1\n/admin/v2/policies\n\n" + hashlib.sha512(b'{"name":"p"}').hexdigest() + "\n" + hashlib.sha512(b"").hexdigest(),
        id="json",
    ),
]


@pytest.mark.parametrize(("action", "inputs", "text"), SIGNED)
def test_a_signature_covers_date_method_host_path_and_parameters(
    provider: Provider, upstream: Recorder, action: str, inputs: dict[str, Any], text: str
) -> None:
    """The server finds its own HMAC-SHA-512 in the header, over the date that was sent with it; the secret key is nowhere."""
    connector, connection = provider("duskgate", VARIABLES["duskgate"])
    connector.run(action, inputs, connection)
    signed = f"{upstream.last.header('date')}\n{text}".encode()
    expected = hmac.new(b"duskgate-secret", signed, hashlib.sha512).hexdigest()
    kind, _, written = (upstream.last.header("authorization") or "").partition(" ")
    assert (kind, base64.b64decode(written)) == ("Basic", f"DUSKGATE1:{expected}".encode())
    assert b"duskgate-secret" not in upstream.last.raw


def test_a_file_cannot_be_signed(provider: Provider, upstream: Recorder) -> None:
    """A body that is not in memory is refused before anything is sent."""
    connector, connection = provider("duskgate", VARIABLES["duskgate"])
    with pytest.raises(SetupError, match="cannot carry files"):
        connector.run("setLogo", {"logo": b"\x89PNG"}, connection)
    assert upstream.silent


@pytest.mark.parametrize("engine", ["httpx", "httpx2", "aiohttp"])
async def test_signing_works_on_every_engine(provider: Provider, upstream: Recorder, engine: str) -> None:
    """One Date and one Authorization header leave, whichever client writes them."""
    connector, connection = provider("duskgate", VARIABLES["duskgate"], engine=engine)
    async with connector:
        assert (await connector.arun("listUsers", {}, connection)).status == 200
    assert sorted(name for name, _ in own_headers(upstream.last)) == ["Authorization", "Date"]


@pytest.mark.parametrize(
    ("folder", "variables", "faults"),
    [
        pytest.param("lanterna", {}, [("/bearer_token", "required")], id="no-token"),
        pytest.param("quillpost", {}, [("/username", "required"), ("/password", "required")], id="no-name-and-password"),
        pytest.param("marlow", {}, [("/api_key", "required")], id="of-two-types-the-default"),
        pytest.param("marlow", {"AUTH_TYPE": "OAUTH2"}, [("/access_token", "required")], id="of-two-types-the-chosen"),
        pytest.param("duskgate", {"IKEY": "D:1", "SKEY": "duskgate-secret"}, [("/ikey", "setting")], id="unfit-integration-key"),
        pytest.param("ferrytown", {"ACCESS_TOKEN": "x", "EXPIRES_AT": "soon"}, [("/expires_at", "setting")], id="unfit-moment"),
        pytest.param("lanterna", {"BEARER_TOKEN": "x", "AUTH_TYPE": "BEARER_TOKN"}, [("/auth_type", "setup")], id="mistyped-type"),
        pytest.param("lanterna", {"BEARER_TOKEN": "x", "AUTH_TYPE": "HMAC"}, [("/auth_type", "auth_type")], id="type-without-fields"),
        pytest.param("marlow", {"API_KEY": "x", "API_KEY_HEADER_NAME": "Host"}, [("/api_key_header_name", "setting")], id="unfit-header"),
    ],
)
def test_an_incomplete_connection_names_its_fields(
    provider: Provider, upstream: Recorder, folder: str, variables: dict[str, str], faults: list[tuple[str, str]]
) -> None:
    """What the chosen type needs and does not have is told by field; no call goes out without the credential."""
    with pytest.raises(SetupError) as caught:
        provider(folder, variables)
    assert [(fault.pointer, fault.rule) for fault in caught.value.faults] == faults
    assert upstream.silent


def test_the_other_type_of_a_form_can_be_chosen(provider: Provider, upstream: Recorder) -> None:
    """A form with two types sends the credential of the chosen one, and does not ask for the other's."""
    connector, connection = provider("marlow", {"AUTH_TYPE": "oauth2", "ACCESS_TOKEN": "marlow-access"})
    connector.run("getBoardsByBoardIdCards", {"board_id": "b"}, connection)
    assert own_headers(upstream.last) == [("Authorization", "Bearer marlow-access")]


@pytest.mark.parametrize("folder", ["quillpost", "tallow"])
def test_the_servers_of_a_description_are_not_called(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """S4: without SERVER_URL the operator is asked for the server, whatever the description names."""
    monkeypatch.setenv("USERNAME", "ann")
    monkeypatch.setenv("PASSWORD", "quillpost-pass")
    with Connector(FOLDERS / folder) as connector, pytest.raises(SetupError) as caught:
        connector.connection()
    assert [(fault.pointer, fault.rule) for fault in caught.value.faults] == [("/server_url", "required")]
