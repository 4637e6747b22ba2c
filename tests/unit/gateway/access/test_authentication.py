"""Who calls: static tokens, JSON Web Tokens, anyone on this machine; and nobody, without a reason given."""

import json
import time
from pathlib import Path

import pytest

from kosha_connector_openai import Connector
from kosha_connector_openai.errors import SetupError
from kosha_connector_openai.gateway.access.authentication import REFUSED, Authenticator, tenants
from kosha_connector_openai.gateway.access.tokens import hash_token
from kosha_connector_openai.gateway.records import Caller
from kosha_connector_openai.gateway.settings import Settings
from kosha_connector_openai.manifest import validated
from tests.recorder import Recorder, reply
from tests.unit.gateway.access.keys import ec_key, jwks, rsa_key, token

STATIC = "kosha_0123456789abcdef0123456789abcdef"
ISSUER = {"issuer": "https://issuer.example", "audience": "gateway"}


def authenticator(connector: Connector, clock=time.time, **settings: object) -> Authenticator:
    return Authenticator(validated(settings, Settings), connector.catalog, clock=clock)


def static(**more: object) -> dict[str, object]:
    return {"name": "ci", "hash": hash_token(STATIC), **more}


def bearer(text: str | bytes) -> list[tuple[bytes, bytes]]:
    return [(b"authorization", b"Bearer " + (text if isinstance(text, bytes) else text.encode()))]


async def test_without_tokens_anyone_on_this_machine_may_call(connector: Connector):
    """The default, on loopback alone."""
    gate = authenticator(connector)
    assert gate.open
    caller = await gate.identify([])
    assert caller is not None
    assert (caller.name, caller.connection, caller.actions) == ("local", "default", frozenset(connector.catalog))


async def test_a_token_is_its_holder(connector: Connector):
    """With the tenant, the connection, the limits and the validation that are written beside its digest."""
    entry = static(tenant="acme", connection="a", validation="warn", calls=3, streams=4, calls_per_minute=5)
    gate = authenticator(connector, tokens=[entry], connections={"a": {}, "b": {}})
    caller = await gate.identify(bearer(STATIC))
    assert caller is not None
    assert (caller.name, caller.tenant, caller.connection, caller.validation) == ("ci", "acme", "a", "warn")
    assert (caller.allowance.calls, caller.allowance.streams, caller.allowance.calls_per_minute) == (3, 4, 5)


@pytest.mark.parametrize(
    "headers",
    [
        [],
        bearer(""),
        [(b"authorization", b"Bearer")],
        bearer("' OR '1'='1"),
        bearer("x" * 1_000_000),
        bearer("kosha_ключ".encode()),
        bearer(STATIC[:-1]),
        bearer(STATIC + "0"),
        [(b"authorization", b"Basic " + STATIC.encode())],
        bearer(STATIC) * 2,
        bearer("a.b.c"),
        bearer(b"\x00" + STATIC.encode()),
        [(b"x-api-key", STATIC.encode())],
    ],
)
async def test_every_bad_token_gets_the_same_answer(connector: Connector, headers: list[tuple[bytes, bytes]]):
    """G3 and C05: one 401, whatever was wrong."""
    gate = authenticator(connector, tokens=[static()])
    assert await gate({"headers": headers}) is REFUSED
    assert REFUSED.status == 401


async def test_the_scheme_may_be_in_any_case(connector: Connector):
    """RFC 9110, section 11.1."""
    gate = authenticator(connector, tokens=[static()])
    assert isinstance(await gate({"headers": [(b"authorization", b"bearer  " + STATIC.encode())]}), Caller)


async def test_a_tokens_lists_of_actions_and_groups_add_up(connector: Connector):
    """Whoever has a list may call what is in it and nothing else."""
    gate = authenticator(connector, tokens=[static(actions=["createEmbedding"], groups=["Models"])])
    caller = await gate.identify(bearer(STATIC))
    assert caller is not None
    assert caller.actions == {"createEmbedding", "listModels", "retrieveModel", "deleteModel"}


def test_a_name_that_nothing_has_is_told_at_start(connector: Connector):
    """With the nearest one."""
    with pytest.raises(SetupError) as error:
        authenticator(connector, tokens=[static(actions=["createEmbeding"])])
    assert "/tokens/0/actions" in str(error.value)
    assert "createEmbedding" in str(error.value)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    place = tmp_path / "jwks.json"
    place.write_text(json.dumps(jwks(one=rsa_key(), two=ec_key())))
    return place


async def test_a_json_web_token_of_the_issuer_is_its_tenant(connector: Connector, keys: Path):
    """RS256 and ES256, by the key that it names."""
    gate = authenticator(connector, jwt={**ISSUER, "jwks": str(keys)})
    for text in (token(), token(ec_key(), alg="ES256", kid="two")):
        caller = await gate.identify(bearer(text))
        assert caller is not None
        assert (caller.tenant, caller.name) == ("jwt:team-a", "jwt:team-a")


@pytest.mark.parametrize(
    "make",
    [
        lambda: token(rsa_key(1)),
        lambda: token(kid="three"),
        lambda: token(iss="https://other.example"),
        lambda: token(aud="other"),
        lambda: token(aud=None),
        lambda: token(iss=None),
        lambda: token(exp=None),
        lambda: token(exp=time.time() - 31),
        lambda: token(nbf=time.time() + 60),
        lambda: token(sub=None),
        lambda: token(sub="x\ny"),
        lambda: token(headers={"crit": ["b64"]}),
        lambda: token("", alg="none"),
        lambda: token(b"0" * 64, alg="HS256"),
        lambda: token(alg="RS512"),
        lambda: token()[:-3] + "AAA",
    ],
)
async def test_a_json_web_token_that_is_wrong_is_nobodys(connector: Connector, keys: Path, make):
    """Key, issuer, audience, times, algorithm and signature all count; `none` and shared keys never do."""
    gate = authenticator(connector, jwt={**ISSUER, "jwks": str(keys)})
    assert await gate.identify(bearer(make())) is None


async def test_clocks_may_differ_a_little(connector: Connector, keys: Path):
    """By the leeway, and no more."""
    gate = authenticator(connector, jwt={**ISSUER, "jwks": str(keys), "leeway": 30})
    assert await gate.identify(bearer(token(exp=time.time() - 20)))


async def test_a_claim_names_the_connection(connector: Connector, keys: Path):
    """A value that is not in the table is nobody's."""
    jwt = {**ISSUER, "jwks": str(keys), "tenant_claim": "org", "connection_claim": "team", "connections": {"blue": "a"}}
    gate = authenticator(connector, jwt=jwt, connections={"a": {}, "b": {}})
    caller = await gate.identify(bearer(token(org="acme", team="blue")))
    assert caller is not None
    assert (caller.tenant, caller.connection) == ("jwt:acme", "a")
    for claims in ({"team": "red"}, {"team": ["blue"]}, {}):
        assert await gate.identify(bearer(token(org="acme", **claims))) is None


async def test_a_verified_token_is_not_verified_again_until_it_ends(connector: Connector, keys: Path, monkeypatch: pytest.MonkeyPatch):
    """Signatures cost time; a minute at most, and never longer than the token lives."""
    now = time.time()
    gate = authenticator(connector, clock=lambda: now, jwt={**ISSUER, "jwks": str(keys), "leeway": 0})
    text = token(exp=now + 10)
    assert await gate.identify(bearer(text))
    calls = []
    monkeypatch.setattr("jwt.decode", lambda *a, **k: calls.append(a) or {"sub": "team-a"})
    assert await gate.identify(bearer(text))
    assert not calls
    now += 11
    await gate.identify(bearer(text))
    assert calls


async def test_keys_from_a_url_are_fetched_once_and_again_for_an_unknown_key(connector: Connector):
    """A token with an unknown key cannot make the service ask the issuer again and again."""
    with Recorder(reply(body=jwks(one=rsa_key()))) as issuer:
        gate = authenticator(connector, jwt={**ISSUER, "jwks": f"{issuer.url}/keys.json"})
        assert issuer.silent
        assert await gate.identify(bearer(token()))
        assert issuer.last.target == "/keys.json"
        for _ in range(5):
            assert await gate.identify(bearer(token(ec_key(), alg="ES256", kid="new"))) is None
        assert len(issuer.requests) == 1


@pytest.mark.parametrize(
    "script",
    [
        reply(302, headers=[("Location", "http://127.0.0.1:1/keys")]),
        reply(500),
        reply(body=b"not json"),
        reply(body={"keys": "none"}),
        reply(body=b'{"keys": [' + b" " * 300_000 + b"]}"),
    ],
)
async def test_an_issuer_that_answers_badly_lets_nobody_in(connector: Connector, script):
    """No redirect, no huge answer, nothing that is no set of keys."""
    with Recorder(script) as issuer:
        gate = authenticator(connector, jwt={**ISSUER, "jwks": f"{issuer.url}/keys"})
        assert await gate.identify(bearer(token())) is None


@pytest.mark.parametrize("content", ["", "{}", '{"keys": []}', '{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}'])
def test_a_file_without_public_keys_is_told_at_start(connector: Connector, tmp_path: Path, content: str):
    """A gateway that can let nobody in does not start."""
    place = tmp_path / "keys"
    place.write_text(content)
    with pytest.raises(SetupError, match="issuer's keys"):
        authenticator(connector, jwt={**ISSUER, "jwks": str(place)})


def test_a_private_key_in_the_file_is_refused(connector: Connector, tmp_path: Path):
    """It does not belong here."""
    import jwt

    place = tmp_path / "keys"
    place.write_text(json.dumps({"keys": [json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(rsa_key()))]}))
    with pytest.raises(SetupError, match="private key"):
        authenticator(connector, jwt={**ISSUER, "jwks": str(place)})


def test_keys_from_afar_need_https(connector: Connector):
    """Or whoever sits between could let anyone in."""
    with pytest.raises(SetupError, match="Plain http"):
        authenticator(connector, jwt={**ISSUER, "jwks": "http://issuer.example/keys"})


def test_who_shares_a_connection(connector: Connector):
    """Tokens of one tenant do not share; those of an issuer do, since they stand for many."""
    other = hash_token(STATIC + "x")
    one = validated({"tokens": [static(tenant="a"), {"name": "b", "hash": other, "tenant": "a"}]}, Settings)
    assert {name: set(found) for name, found in tenants(one).items()} == {"default": {"a"}}
    many = validated({"jwt": {**ISSUER, "jwks": "x"}}, Settings)
    assert len(set(tenants(many)["default"])) > 1


async def test_b21_a_subject_is_no_static_tokens_tenant(connector: Connector, keys: Path):
    """B21: an issuer's subject may be called as a static token is; only a `tenant` that is written out makes the two one."""
    for more, tenant in (({"name": "team-a"}, "jwt:team-a"), ({"tenant": "team-a"}, "team-a")):
        gate = authenticator(connector, tokens=[static(**more)], jwt={**ISSUER, "jwks": str(keys)})
        caller = await gate.identify(bearer(token()))
        assert caller is not None
        assert caller.tenant == tenant
