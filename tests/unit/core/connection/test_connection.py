"""A connection from form values: every fault at once, each naming its field; no secret is read."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys

import pytest

from kosha_connector_openai import Connector, open_connector
from kosha_connector_openai.core.connection.connection import Connection
from kosha_connector_openai.errors import SetupError

OURS = "https://api.openai.com"


def faults(connector: Connector, values: dict[str, str], **options: object) -> list[tuple[str, str]]:
    with pytest.raises(SetupError) as caught:
        connector.connection(values, environ={}, **options)
    return [(fault.pointer, fault.rule) for fault in caught.value.faults]


def make(
    connector: Connector, values: dict[str, str] | None = None, environ: dict[str, str] | None = None, **options: object
) -> Connection:
    return connector.connection({"api_key": "env:OPENAI_API_KEY", **(values or {})}, environ=environ or {}, **options)


def test_the_default_server_is_the_manifests(connector: Connector) -> None:
    """With a key reference alone the connection is complete."""
    assert str(make(connector).server) == OURS


def test_kosha_names_fill_the_form(connector: Connector) -> None:
    """BEARER_TOKEN, SERVER_URL and AUTH_TYPE are taken as Kosha sets them; the key stays a reference to its variable."""
    environ = {"BEARER_TOKEN": "secret-in-variable", "SERVER_URL": "https://llm.example:8443/api/v1", "AUTH_TYPE": "bearer token"}
    connection = connector.connection(environ=environ)
    assert str(connection.server) == "https://llm.example:8443/api/v1"
    assert str(connection.credentials["ApiKeyAuth"].references["token"]) == "env:BEARER_TOKEN"
    assert "secret-in-variable" not in repr(connection)


def test_a_missing_key_names_the_field_and_the_variables(connector: Connector) -> None:
    """T31: nothing is guessed, and the message says what may be set."""
    with pytest.raises(SetupError) as caught:
        connector.connection(environ={})
    fault = caught.value.faults[0]
    assert (fault.pointer, fault.rule) == ("/api_key", "required")
    assert "OPENAI_API_KEY" in fault.fix


@pytest.mark.parametrize(
    "server",
    [
        "localhost:8000",
        "http://api.openai.com",
        "https://user:pw@api.openai.com/v1",
        "https://api.openai.com@attacker.example",
        "https://api.openai.com\\@attacker.example",
        "https://api.openai.com/v1?x=1",
        "https://api.openai.com/v1#x",
        "https://\u0430pi.openai.com",
        "https://api.openai.com:0",
        "https://2130706433",
        "ftp://api.openai.com",
        "https://api.openai.com/v1/../admin",
        "https://api.\topenai.com",
    ],
)
def test_a_bad_server_names_its_field(connector: Connector, server: str) -> None:
    """T32, U3, U4: what two parsers could read differently is refused, naming the field."""
    pointers = [pointer for pointer, _ in faults(connector, {"api_key": "env:OPENAI_API_KEY", "server_url": server})]
    assert pointers == ["/server_url"]


@pytest.mark.parametrize("kind", ["BEARER_TOKN", "OAUTH", "bearertoken1", "true"])
def test_a_mistyped_auth_type_is_refused(connector: Connector, kind: str) -> None:
    """T30: a typing error must not mean "no credential"."""
    assert [pointer for pointer, _ in faults(connector, {"api_key": "env:K", "auth_type": kind})] == ["/auth_type"]


@pytest.mark.parametrize("kind", ["none", "NONE", " None "])
def test_without_a_credential_only_when_asked_for(connector: Connector, kind: str) -> None:
    """AUTH_TYPE NONE needs no key, and sends none."""
    connection = connector.connection({"auth_type": kind}, environ={})
    credential = connection.credential((("ApiKeyAuth",),))
    assert credential is not None
    assert credential.scheme == "none"


def test_an_api_key_goes_into_the_operators_header(connector: Connector) -> None:
    """AUTH_TYPE API_KEY puts the same key into a header of its own."""
    credential = make(connector, {"auth_type": "API_KEY"}, api_key_header="api-key").credential((("ApiKeyAuth",),))
    assert credential is not None
    assert (credential.scheme, credential.settings["header"], list(credential.references)) == ("api_key", "api-key", ["token"])


def test_every_fault_comes_at_once(connector: Connector) -> None:
    """An unknown field, a bad server, a bad type and a key in the open are named together."""
    values = {"apikey": "x", "server_url": "host:1", "auth_type": "??", "api_key": "sk-proj-0123456789abcdef0123456789abcdef"}
    assert sorted(pointer for pointer, _ in faults(connector, values)) == ["/api_key", "/apikey", "/auth_type", "/server_url"]


def test_a_key_in_place_of_a_reference_is_refused_and_not_repeated(connector: Connector) -> None:
    """C5: the message explains, and does not hold the key."""
    key = "sk-proj-0123456789abcdefghijklmnopqrstuvwxyz"
    with pytest.raises(SetupError) as caught:
        connector.connection({"api_key": key}, environ={})
    assert key not in str(caught.value)
    assert key[8:16] not in str(caught.value)


def test_unknown_options_are_refused_with_a_hint(connector: Connector) -> None:
    """Options are closed, and a near miss is named."""
    assert faults(connector, {"api_key": "env:K"}, engin="httpx") == [("/engin", "unknown")]


def test_organization_and_project_become_headers(connector: Connector) -> None:
    """The manifest says which header carries a field."""
    connection = make(connector, {"organization": "org-1", "project": "proj_1"})
    assert dict(connection.headers) == {"OpenAI-Organization": "org-1", "OpenAI-Project": "proj_1"}


@pytest.mark.parametrize("value", ["org\r\nX: 1", "org\x00", "orgé"])
def test_header_values_are_plain(connector: Connector, value: str) -> None:
    """P6: what a header cannot carry is refused, naming the field."""
    assert faults(connector, {"api_key": "env:OPENAI_API_KEY", "organization": value}) == [("/organization", "control")]


def test_tenants_never_share_sockets(connector: Connector) -> None:
    """C8: the pool's key holds the tenant and the origin."""
    keys = {make(connector, tenant=tenant).pool_key for tenant in ("a", "b")}
    assert len(keys) == 2


def test_the_pools_key_is_looked_up_by_its_parts(connector: Connector) -> None:
    """Its hash is that of its parts, and stays in its process: another one hashes texts otherwise."""
    key = make(connector).pool_key
    assert hash(key) == hash(tuple(key))
    assert b"_hash" not in pickle.dumps(key)
    assert {key: 1}[pickle.loads(pickle.dumps(key))] == 1


def test_the_form_marks_the_secret(connector: Connector) -> None:
    """The form's schema is closed, marks the secret field, and offers the known authentication types."""
    form = connector.form
    assert form["properties"]["api_key"]["writeOnly"] is True
    assert form["properties"]["auth_type"]["enum"] == ["BEARER_TOKEN", "API_KEY", "BASIC_AUTH", "OAUTH2", "HMAC", "NONE"]
    assert (form["required"], form["additionalProperties"]) == (["api_key"], False)


def test_plain_options_need_no_pydantic() -> None:
    """A server that somebody names, an engine and a tenant cost no import; what needs a closer look is still looked at."""
    code = (
        "import sys; from kosha_connector_openai.core.connection import read_options\n"
        "plain = read_options({'engine': 'httpx', 'tenant': 't', 'loopback': False, 'allowed_origins': ('https://a.example',)})\n"
        "print(plain.engine, plain.tenant, plain.loopback, *plain.allowed_origins, 'pydantic' in sys.modules)\n"
        "print(read_options({'ca_file': 'x', 'engine': 'httpx'}).ca_file.name, 'pydantic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["httpx", "t", "False", "https://a.example", "False", "x", "True"]


def test_a_connection_can_be_sent_to_another_process_and_holds_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pickled and copied it is the same, its references too; the secret itself is nowhere in it."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-0123456789")
    with open_connector() as connector:
        connection = connector.connection({"api_key": "env:OPENAI_API_KEY"}, timeouts={"total": 3}, networks=["10.0.0.0/8"])
        data = pickle.dumps(connection)
        again = pickle.loads(data)
        assert again == connection == copy.deepcopy(connection)
        assert (again.pool_key, again.timeouts.total) == (connection.pool_key, 3)
        assert b"sk-secret" not in data
