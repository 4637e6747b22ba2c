"""Host and Origin: the matrix of who may call under which name and from which page."""

import pytest

from kosha_connector_openai.gateway.access.origin_policy import OriginPolicy

APP = "https://app.example"


def policy(**more: object) -> OriginPolicy:
    return OriginPolicy(**{"host": "127.0.0.1", **more})  # type: ignore[arg-type]


def headers(host: str | None = "127.0.0.1:8010", **more: str) -> list[tuple[bytes, bytes]]:
    found = [] if host is None else [(b"host", host.encode())]
    return found + [(name.replace("_", "-").encode(), value.encode()) for name, value in more.items()]


@pytest.mark.parametrize("host", ["127.0.0.1:8010", "localhost:8010", "LOCALHOST", "[::1]:8010"])
def test_this_machine_by_its_own_names(host: str):
    """What a local client writes."""
    assert policy().refuse(headers(host)) is None


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "evil/x?", "", "a b", "127.0.0.1@evil.example", "[::2]"]
)
def test_other_names_are_refused(host: str):
    """G4: a page that points its own name here (DNS rebinding) has that name in Host."""
    assert policy().refuse(headers(host)) is not None


def test_no_host_and_two_hosts_are_refused():
    """G2: both parsers of uvicorn let some of these through."""
    assert policy().refuse(headers(None)) is not None
    assert policy().refuse(headers() + headers()) is not None


@pytest.mark.parametrize(
    ("host", "known"),
    [("gw.example", True), ("gw.example:443", True), ("a.team.example", True), ("team.example", False), ("b.example", False)],
)
def test_listed_names(host: str, known: bool):
    """Whole names, and all below a name; a port does not matter."""
    found = policy(host="0.0.0.0", hosts=["gw.example", "*.team.example"]).refuse(headers(host))
    assert (found is None) is known


def test_any_name_where_the_operator_says_so():
    """Behind a proxy that checks it."""
    assert policy(hosts=["*"]).refuse(headers("whatever.example")) is None


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:3000", "https://app.example.evil"])
def test_pages_of_other_origins_are_refused(origin: str):
    """Also for a simple POST with text/plain, which a browser sends without asking first."""
    found = policy(cors_origins=[APP]).refuse(headers(origin=origin))
    assert found is not None
    assert found.status == 403


def test_clients_that_are_no_browsers_send_no_origin_and_pass():
    """Curl and the SDKs."""
    assert policy().refuse(headers()) is None


def test_the_services_own_pages_may_call():
    """Same host, by either scheme."""
    assert policy().refuse(headers(origin="http://127.0.0.1:8010")) is None


def test_without_a_list_no_reply_has_a_cors_header():
    """Off by default."""
    assert policy().response_headers(headers(origin=APP)) == ()


def test_a_listed_origin_is_named_and_never_a_wildcard():
    """T37 and C14: names that browsers need, no credentials, and Vary so that caches keep replies apart."""
    found = dict(policy(cors_origins=[APP], exposed=["x-extra"]).response_headers(headers(origin=APP)))
    assert found[b"access-control-allow-origin"] == APP.encode()
    assert b"access-control-allow-credentials" not in found
    exposed = found[b"access-control-expose-headers"].decode().split(", ")
    assert {"retry-after", "retry-after-ms", "x-request-id", "x-ratelimit-remaining-tokens", "content-disposition", "x-extra"} <= set(
        exposed
    )
    assert "*" not in exposed
    assert found[b"vary"] == b"Origin"


def test_other_callers_get_vary_alone():
    """A cache must not give one page's reply to another."""
    assert policy(cors_origins=[APP]).response_headers(headers()) == ((b"vary", b"Origin"),)


def test_a_preflight_lists_authorization_and_content_type_by_name():
    """C14: `*` would not cover Authorization (Fetch standard)."""
    asked = headers(
        origin=APP, access_control_request_method="POST", access_control_request_headers="authorization,X-Stainless-Lang,x-evil"
    )
    found = policy(cors_origins=[APP]).preflight("OPTIONS", asked)
    assert found is not None
    values = dict(found.headers)
    allowed = values[b"access-control-allow-headers"].decode().split(", ")
    assert {"authorization", "content-type", "x-stainless-lang"} <= set(allowed)
    assert "x-evil" not in allowed
    assert values[b"access-control-allow-origin"] == APP.encode()


def test_what_is_no_preflight_is_none():
    """A plain OPTIONS, or a POST."""
    rules = policy(cors_origins=[APP])
    assert rules.preflight("OPTIONS", headers(origin=APP)) is None
    assert rules.preflight("POST", headers(origin=APP, access_control_request_method="POST")) is None
