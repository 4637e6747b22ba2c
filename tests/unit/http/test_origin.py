"""One strict parse decides where a request goes: what it accepts, every parser reads alike; all else is refused."""

from __future__ import annotations

from ipaddress import ip_network
from urllib.parse import urlsplit

import httpx
import pytest
import yarl
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kosha_connector_openai.errors import OriginError, SetupError
from kosha_connector_openai.http.origin import (
    EgressPolicy,
    Origin,
    Server,
    allowed,
    check_addresses,
    is_public_address,
    join,
    parse_origin,
    parse_server,
)

_HOST = "api.example.com"


@pytest.mark.parametrize(
    ("url", "origin", "prefix"),
    [
        ("https://api.example.com", "https://api.example.com", ""),
        ("https://api.example.com/", "https://api.example.com", ""),
        ("HTTPS://API.Example.COM:443/V1/", "https://api.example.com", "/V1"),
        ("https://api.example.com:8443/a/v1", "https://api.example.com:8443", "/a/v1"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example", ""),
        ("https://gateway", "https://gateway", ""),
        ("https://192.0.2.1:80", "https://192.0.2.1:80", ""),
        ("https://[2001:DB8:0:0::1]:443/v1", "https://[2001:db8::1]", "/v1"),
        ("http://localhost:80", "http://localhost", ""),
        ("http://127.0.0.1:8000/v1/", "http://127.0.0.1:8000", "/v1"),
        ("http://[::1]:8000", "http://[::1]:8000", ""),
        ("https://api.example.com/a;b=1/@x:y~$!&'()*+,=", "https://api.example.com", "/a;b=1/@x:y~$!&'()*+,="),
    ],
)
def test_servers_have_one_canonical_form(url: str, origin: str, prefix: str) -> None:
    """Case, default port and a final slash do not count; an address is written in its shortest form."""
    server = parse_server(url)
    assert (str(server.origin), server.prefix, str(server)) == (origin, prefix, origin + prefix)
    assert parse_server(str(server)) == server


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("", "The server is empty."),
        (f"https://{_HOST}/" + "a" * 2048, "The server is longer than 2 KiB."),
        (f" https://{_HOST}", "The server has a blank or a control character."),
        (f"https://{_HOST}\n", "The server has a blank or a control character."),
        ("https://api.exa\tmple.com", "The server has a blank or a control character."),
        ("https://api.example.com\0.attacker.example", "The server has a blank or a control character."),
        ("https://\u0430pi.example.com", "The server has a character outside ASCII."),
        ("https://api.example\u3002com", "The server has a character outside ASCII."),
        ("https://\uff41pi.example.com", "The server has a character outside ASCII."),
        ("https://api.example.com\\@attacker.example", "The server has a backslash."),
        ("https:\\\\api.example.com", "The server has a backslash."),
        ("https://api.example.com?x=1", "The server has a query."),
        ("https://api.example.com/v1?", "The server has a query."),
        ("https://api.example.com#@attacker.example", "The server has a fragment."),
        ("https://api.example.com%2eattacker.example", "The server has a percent-encoded character."),
        ("https://api.example.com/v1/%2e%2e", "The server has a percent-encoded character."),
        ("https://[fe80::1%25eth0]", "The server has a percent-encoded character."),
        ("https://user:password@api.example.com", "The server has a user name or a password."),
        ("https://api.example.com@attacker.example", "The server has a user name or a password."),
        ("http://u:p@localhost", "The server has a user name or a password."),
        ("user:password@api.example.com", "The server has a user name or a password."),
        ("api.example.com:443", "The server has no scheme."),
        ("localhost:8000/v1", "The server has no scheme."),
        ("api.example.com/v1", "The server has no scheme."),
        ("//api.example.com", "The server is not an https address."),
        ("ftp://api.example.com", "The server is not an https address."),
        ("file:///etc/passwd", "The server is not an https address."),
        ("https:api.example.com", "The server is not an https address."),
        ("https:/api.example.com", "The server is not an https address."),
        ("https://", "The server has no host."),
        ("https:///v1", "The server has no host."),
        ("https://api.example.com.", "The server's host ends in a dot."),
        ("https://api.example.com.:443/v1", "The server's host ends in a dot."),
        ("https://api.example.com:0", "The server has no usable port."),
        ("https://api.example.com:00", "The server has no usable port."),
        ("https://api.example.com:", "The server has no usable port."),
        ("https://api.example.com:65536", "The server's port is too high."),
        ("https://api.example.com:0443", "The server is not a plain https address."),
        ("https://api.example.com:+443", "The server is not a plain https address."),
        ("https://api.example.com:443:80", "The server is not a plain https address."),
        ("https://api_x.example.com", "The server's host is not a name (RFC 1123, section 2.1)."),
        ("https://-api.example.com", "The server's host is not a name (RFC 1123, section 2.1)."),
        ("https://api..example.com", "The server's host is not a name (RFC 1123, section 2.1)."),
        (f"https://{'a' * 64}.example.com", "The server's host is not a name (RFC 1123, section 2.1)."),
        (f"https://{'a.' * 127}com", "The server's host is not a name (RFC 1123, section 2.1)."),
        ("https://api.example.com/v1/../admin", "The server's path has a dot segment."),
        ("https://api.example.com/.", "The server's path has a dot segment."),
        ("https://api.example.com//v1", "The server's path has an empty segment."),
        ("https://api.example.com/v1//", "The server's path has an empty segment."),
        ("http://api.example.com", "Plain http is for this machine and for listed private networks only."),
        ("http://10.0.0.1", "Plain http is for this machine and for listed private networks only."),
        ("http://localhost.attacker.example", "Plain http is for this machine and for listed private networks only."),
    ],
)
def test_all_else_is_refused_for_its_own_reason(url: str, what: str) -> None:
    """Each trick is refused, at ``/server``, with its reason, a fix and nothing of the URL."""
    with pytest.raises(SetupError) as caught:
        parse_server(url)
    assert (caught.value.message, caught.value.pointer) == (what, "/server")
    assert caught.value.hint
    assert "example" not in str(caught.value)
    assert "password@" not in str(caught.value)


@pytest.mark.parametrize(
    "host",
    [
        *("2130706433", "0x7f.1", "0x7f000001", "127.1", "0177.0.0.1", "127.0.0.01", "127.0.0.0x1", "1.2.3.4.5", "256.1.1.1"),
        *("[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[::1", "[1::2::3]", "[127.0.0.1"),
        *("a.0x", "[127.0.0.1]", "[]"),
    ],
)
def test_numbers_in_disguise_are_refused(host: str) -> None:
    """An address has one spelling; decimal, octal, hexadecimal, short and wrapped forms are refused on both schemes."""
    for scheme in ("https", "http"):
        with pytest.raises(SetupError):
            parse_server(f"{scheme}://{host}")


@pytest.mark.parametrize(
    ("url", "fix"),
    [
        ("api.example.com:443", "Write https://host:port."),
        ("api.example.com", "Write https://host."),
        ("localhost:8000", "Write https://host:port."),
    ],
)
def test_a_missing_scheme_is_named_with_its_fix(url: str, fix: str) -> None:
    """``host:port`` and ``host`` are the commonest slip; the error says what to write."""
    with pytest.raises(SetupError) as caught:
        parse_server(url)
    assert caught.value.hint == fix


def test_an_origin_has_no_path() -> None:
    """``parse_origin`` takes what has no path, or only the root, and another pointer for its errors."""
    assert parse_origin("https://api.example.com/") == Origin("https", _HOST, 443)
    with pytest.raises(SetupError) as caught:
        parse_origin("https://api.example.com/v1", pointer="/allowed_origins/0")
    assert caught.value.pointer == "/allowed_origins/0"


_HOSTS = st.from_regex(r"\A[a-zA-Z0-9.\[\]:@%x-]{1,24}\Z")
_URLS = st.one_of(
    st.builds(
        "{}://{}{}{}".format,
        st.sampled_from(["https", "HTTPS", "http"]),
        _HOSTS,
        st.sampled_from(["", ":1", ":443", ":080"]),
        st.sampled_from(["", "/", "/v1/"]),
    ),
    st.text(st.sampled_from("htps:/@\\?#%[].0123xaA-\t"), max_size=30).map("https://{}".format),
    st.ip_addresses(v=6).map("https://[{}]:8443/v1".format),
    st.ip_addresses(v=4).map("https://{}".format),
    st.text(max_size=40),
)


def _urllib(url: str) -> tuple[str | None, int | None]:
    parts = urlsplit(url)
    return parts.hostname, parts.port or 443 if parts.scheme == "https" else parts.port or 80


def _httpx(url: str) -> tuple[str | None, int | None]:
    parts = httpx.URL(url)
    return parts.raw_host.decode().strip("[]"), parts.port or (443 if parts.scheme == "https" else 80)


def _yarl(url: str) -> tuple[str | None, int | None]:
    parts = yarl.URL(url)
    return parts.raw_host, parts.port


@given(url=_URLS)
@example(url="https://xn--bcher-kva.example/v1")
@settings(max_examples=300, deadline=None)
def test_other_parsers_agree_with_what_is_accepted(url: str) -> None:
    """Whenever a URL is accepted, urllib, httpx and yarl read the same host and port from its canonical form."""
    try:
        server = parse_server(url)
    except SetupError:
        return
    for parse in (_urllib, _httpx, _yarl):
        assert parse(str(server)) == (server.origin.host, server.origin.port)
        assert _loose(parse(url)) == _loose((server.origin.host, server.origin.port))


def _loose(seen: tuple[str | None, int | None]) -> tuple[str | None, int | None]:
    """An address as written by the user may be longer than its canonical form."""
    host, port = seen
    return (parse_server(f"https://[{host}]").origin.host if host and ":" in host else host), port


@given(
    prefix=st.lists(st.sampled_from(["v1", "a", "b"]), max_size=3),
    path=st.lists(st.sampled_from(["v1", "a", "models"]), min_size=1, max_size=3),
)
@settings(max_examples=200, deadline=None)
def test_join_loses_no_segment(prefix: list[str], path: list[str]) -> None:
    """The joined path begins with the prefix, ends with the path, and is no longer than both."""
    joined = join("".join(f"/{part}" for part in prefix), "/" + "/".join(path)).split("/")[1:]
    assert joined[: len(prefix)] == prefix
    assert joined[-len(path) :] == path
    assert len(joined) <= len(prefix) + len(path)


@pytest.mark.parametrize(
    ("prefix", "path", "joined"),
    [
        ("", "/v1/models", "/v1/models"),
        ("/v1", "/v1/models", "/v1/models"),
        ("/proxy/v1", "/v1/models", "/proxy/v1/models"),
        ("/a/b", "/a/b/c", "/a/b/c"),
        ("/proxy", "/v1/models", "/proxy/v1/models"),
        ("/v1/proxy", "/v1/models", "/v1/proxy/v1/models"),
        ("/xv1", "/v1/models", "/xv1/v1/models"),
        ("/v1", "/v1/files/{file_id}/", "/v1/files/{file_id}/"),
    ],
)
def test_a_version_in_both_is_written_once(prefix: str, path: str, joined: str) -> None:
    """A server with or without the description's first segments leads to the same path; only whole segments count."""
    assert join(prefix, path) == joined


def test_allowed_is_exact() -> None:
    """Scheme, host and port must all be those of an origin in the list."""
    origins = frozenset({parse_origin("https://api.example.com")})
    assert allowed(parse_origin("HTTPS://API.example.com:443"), origins)
    assert not allowed(parse_origin("https://api.example.com:8443"), origins)
    assert not allowed(parse_origin("https://api.example.com.attacker.example"), origins)
    assert not allowed(parse_origin("http://localhost"), frozenset({parse_origin("https://localhost")}))
    assert not allowed(parse_origin("https://api.example.com"), frozenset())


def test_servers_are_values() -> None:
    """Equal servers are one key, so that connections to them can share sockets."""
    assert {parse_server("https://a.example/v1/"): 1}[Server(Origin("https", "a.example", 443), "/v1")] == 1


_PUBLIC = ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8", "2002:808:808::"]
_PRIVATE = ["10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "127.0.0.1", "169.254.169.254", "0.0.0.0", "224.0.0.1"]
_PRIVATE += ["239.1.1.1", "240.0.0.1", "255.255.255.255", "192.0.0.192", "192.0.2.1", "198.18.0.1", "192.88.99.1"]
_PRIVATE += ["::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "3fff::1", "fec0::1"]
_PRIVATE += ["::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::a00:1", "64:ff9b:1::a00:1", "2002:a00:1::", "::10.0.0.1", "2001::1"]


@pytest.mark.parametrize(("address", "public"), [*((a, True) for a in _PUBLIC), *((a, False) for a in _PRIVATE)])
def test_public_addresses(address: str, public: bool) -> None:
    """Private, shared, local, reserved and multicast blocks are not public, also when wrapped in IPv6."""
    assert is_public_address(address) is public


@given(st.ip_addresses(v=4, network="10.0.0.0/8") | st.ip_addresses(v=4, network="127.0.0.0/8") | st.ip_addresses(v=6, network="fc00::/7"))
@settings(max_examples=100, deadline=None)
def test_no_address_of_a_private_block_is_public(address: object) -> None:
    """It holds for the whole block, not for its best-known member."""
    assert not is_public_address(str(address))


def test_addresses_that_may_be_called_are_given_back() -> None:
    """What comes back is what to connect to, in the resolver's order, so that no second look-up can change it."""
    found = check_addresses(_HOST, ["8.8.8.8", "2606:4700::1111"], EgressPolicy())
    assert [str(address) for address in found] == ["8.8.8.8", "2606:4700::1111"]


@pytest.mark.parametrize(
    ("host", "addresses"),
    [
        (_HOST, []),
        (_HOST, ["10.0.0.1"]),
        (_HOST, ["127.0.0.1"]),
        (_HOST, ["8.8.8.8", "10.0.0.1"]),
        (_HOST, ["169.254.169.254"]),
        (_HOST, ["::ffff:10.0.0.1"]),
        ("localhost", ["8.8.8.8"]),
        ("localhost", ["127.0.0.1", "10.0.0.1"]),
    ],
)
def test_a_name_that_leads_inside_is_refused(host: str, addresses: list[str]) -> None:
    """One private address refuses all; ``localhost``, which may be called by plain http, must lead to this machine."""
    with pytest.raises(OriginError) as caught:
        check_addresses(host, addresses, EgressPolicy())
    assert caught.value.pointer == "/server"
    assert host not in str(caught.value)


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "fd12::1"])
def test_listed_networks_may_be_called(address: str) -> None:
    """What the operator lists is reachable, also through an address that wraps one of it."""
    policy = EgressPolicy((ip_network("10.1.0.0/16"), ip_network("fd12::/16")))
    assert check_addresses(_HOST, [address], policy)
    with pytest.raises(OriginError):
        check_addresses(_HOST, ["10.2.0.1"], policy)


@pytest.mark.parametrize("address", ["169.254.169.254", "fd00:ec2::254", "::ffff:169.254.169.254", "168.63.129.16"])
def test_metadata_addresses_are_never_called(address: str) -> None:
    """No list of networks, however wide, reaches the addresses that give out a machine's own credentials."""
    with pytest.raises(OriginError):
        check_addresses(_HOST, [address], EgressPolicy((ip_network("0.0.0.0/0"), ip_network("::/0"))))


def test_loopback_can_be_closed() -> None:
    """``localhost`` may be called unless the operator says that it may not."""
    assert check_addresses("localhost", ["127.0.0.1", "::1"], EgressPolicy())
    assert check_addresses("127.0.0.2", ["127.0.0.2"], EgressPolicy())
    with pytest.raises(OriginError):
        check_addresses("localhost", ["127.0.0.1"], EgressPolicy(loopback=False))


PRIVATE = (ip_network("10.1.0.0/16"), ip_network("fd00:1::/64"))


@pytest.mark.parametrize("url", ["http://ollama:11434", "http://host.docker.internal:8000/v1", "http://10.1.2.3", "http://[fd00:1::5]:80"])
def test_plain_http_reaches_the_private_networks_that_are_listed(url: str) -> None:
    """By a name or an address; without the list it does not."""
    assert parse_server(url, networks=PRIVATE).origin.scheme == "http"
    with pytest.raises(SetupError, match="listed private networks"):
        parse_server(url)


def test_names_of_containers_have_underscores() -> None:
    """Over plain http where networks are listed; no name of the open network has one (RFC 1123, section 2.1)."""
    assert parse_server("http://open_webui_1:8080/v1", networks=PRIVATE).origin.host == "open_webui_1"
    for url in ("https://open_webui_1", "http://_webui", "http://webui_", "http://10_1.0.0.1"):
        with pytest.raises(SetupError):
            parse_server(url, networks=PRIVATE)
    with pytest.raises(SetupError, match="networks"):
        parse_server("http://open_webui_1:8080")


@pytest.mark.parametrize("url", ["http://10.2.0.1", "http://93.184.215.14", "http://[2606:4700::1]"])
def test_an_address_outside_them_is_refused(url: str) -> None:
    """Also a public one, even where a list names it."""
    with pytest.raises(SetupError):
        parse_server(url, networks=(*PRIVATE, ip_network("93.184.0.0/16")))


@pytest.mark.parametrize(("address", "fits"), [("10.1.0.9", True), ("10.2.0.9", False), ("93.184.215.14", False), ("127.0.0.1", False)])
def test_a_name_over_plain_http_must_lead_into_them(address: str, *, fits: bool) -> None:
    """A public address, which TLS would be fine with, is not called without it."""
    policy = EgressPolicy((*PRIVATE, ip_network("93.184.0.0/16")), plain=True)
    if fits:
        assert check_addresses("ollama", [address], policy) == (address,)
    else:
        with pytest.raises(OriginError):
            check_addresses("ollama", [address], policy)
