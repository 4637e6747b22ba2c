"""Servers and origins by one strict parse, and the rule for the addresses that a call may reach.

What is accepted is the part of RFC 3986 on which URL parsers agree; all else is refused, never repaired.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from types import MappingProxyType
from typing import Final

from kosha_connector_openai.errors import OriginError, SetupError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_POINTER: Final = "/server"
_DEFAULT_PORTS: Final = MappingProxyType({"https": 443, "http": 80})
_HIGHEST_PORT: Final = 65_535
_LONGEST_HOST: Final = 253
_SERVER: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(?P<port>[1-9][0-9]{0,4}))?"
    r"(?P<path>(?:/[\w.~:@!$&'()*+,;=-]*)*)",
    re.ASCII | re.IGNORECASE,
)
_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_CONTAINER: Final = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?")
"""What container networks take for a name besides: one with underscores."""
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_FLAWS: Final = tuple(
    (re.compile(pattern), what, fix)
    for pattern, what, fix in (
        (r"\A\Z", "The server is empty.", "Write https:// and the host."),
        (r"(?s).{2049}", "The server is longer than 2 KiB.", "Write https:// and the host."),
        (r"[\x00-\x20\x7f]", "The server has a blank or a control character.", "Remove it."),
        (
            r"[^\x00-\x7f]",
            "The server has a character outside ASCII.",
            "Write the host in punycode (xn--...).",
        ),
        (r"\\", "The server has a backslash.", "Write / only."),
        (r"\?", "The server has a query.", "Remove ? and what follows."),
        (r"#", "The server has a fragment.", "Remove # and what follows."),
        (r"%", "The server has a percent-encoded character.", "Write it plainly."),
        (
            r"\A(?:[^/]*//)?[^/]*@",
            "The server has a user name or a password.",
            "Keep the credential in a secret store.",
        ),
        (r"\A[\w.-]+:[0-9]+(?:/|\Z)", "The server has no scheme.", "Write https://host:port."),
        (r"\A[\w.-]+(?:/|\Z)", "The server has no scheme.", "Write https://host."),
        (r"\A(?!(?i:https?)://)", "The server is not an https address.", "Write https:// and the host."),
        (r"\A[^/]*//(?:/|\Z)", "The server has no host.", "Write https:// and the host."),
        (r"\A[^/]*//[^/]*\.(?::|/|\Z)", "The server's host ends in a dot.", "Remove the dot."),
        (
            r"\A[^/]*//[^/]*:0*(?:/|\Z)",
            "The server has no usable port.",
            "Write a port from 1 to 65535, or none.",
        ),
        (
            r"\A[^/]*//[^/]*/(?:.*/)?\.\.?(?:/|\Z)",
            "The server's path has a dot segment.",
            "Write the whole path.",
        ),
        (r"\A[^/]*//[^/]*/(?:.*/)?/", "The server's path has an empty segment.", "Write single slashes."),
    )
)


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port (RFC 6454), in lower case; an IPv6 host is without brackets."""

    scheme: str
    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """Whether the host is ``localhost`` or a loopback address."""
        return _is_loopback(self.host)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}")


@dataclass(frozen=True, slots=True)
class Server:
    """An origin and the path before all others: empty, or ``/a/b`` without a slash at its end."""

    origin: Origin
    prefix: str = ""

    def __str__(self) -> str:
        return f"{self.origin}{self.prefix}"


def parse_server(url: str, *, pointer: str = _POINTER, networks: Sequence[Network] = ()) -> Server:
    """The server that a URL names; raises SetupError, which does not repeat the URL.

    https, or http to a loopback host, or to a host of private ``networks`` (whose address is checked when it is connected to); no user,
    query, fragment, percent-encoding or dot segment, and no number in disguise.
    """
    flaw = next(((what, fix) for pattern, what, fix in _FLAWS if pattern.search(url)), None)
    parts = _SERVER.fullmatch(url)
    if flaw or parts is None:
        what, fix = flaw or (
            "The server is not a plain https address.",
            "Write it like https://host:port/path.",
        )
        raise SetupError(what, hint=fix, pointer=pointer)
    scheme = parts["scheme"].lower()
    label = _CONTAINER if scheme == "http" and networks else _LABEL
    origin = Origin(scheme, _host(parts["host"].lower(), pointer, label), _port(parts["port"], scheme, pointer))
    if origin.scheme == "http" and not origin.loopback and not _is_inside(origin.host, networks):
        hint = "Write https://, or ask the operator to list the server's private network (`networks`)."
        raise SetupError("Plain http is for this machine and for listed private networks only.", hint=hint, pointer=pointer)
    return Server(origin, parts["path"].removesuffix("/"))


def _is_inside(host: str, networks: Sequence[Network]) -> bool:
    """Whether a host may be of one of the networks: an address is looked up in them, a name once it is resolved."""
    try:
        address = ip_address(host)
    except ValueError:
        return bool(networks)
    return not is_public_address(address) and any(_inner(address) in network for network in networks)


def parse_origin(url: str, *, pointer: str = _POINTER, networks: Sequence[Network] = ()) -> Origin:
    """The origin that a URL without a path names; raises SetupError."""
    server = parse_server(url, pointer=pointer, networks=networks)
    if server.prefix:
        raise SetupError("An origin has no path.", hint="Write https://host:port only.", pointer=pointer)
    return server.origin


def allowed(origin: Origin, origins: Collection[Origin]) -> bool:
    """Whether the origin is exactly one of these."""
    return origin in origins


def join(prefix: str, path: str) -> str:
    """A server's prefix and a path; segments with which one ends and the other begins are written once.

    ``/v1`` and ``/v1/things`` give ``/v1/things``. Give the path as the description has it, so that no
    parameter's value can overlap.
    """
    ends, begins = prefix.split("/")[1:], path.split("/")[1:]
    lengths = range(min(len(ends), len(begins)), 0, -1)
    shared = next((length for length in lengths if ends[-length:] == begins[:length]), 0)
    return "/" + "/".join(ends + begins[shared:])


def _port(text: str | None, scheme: str, pointer: str) -> int:
    port = int(text) if text else _DEFAULT_PORTS[scheme]
    if port > _HIGHEST_PORT:
        raise SetupError("The server's port is too high.", hint="Write a port from 1 to 65535.", pointer=pointer)
    return port


def _host(text: str, pointer: str, label: re.Pattern[str]) -> str:
    labels = text.split(".")
    if text.startswith("["):
        return _address(IPv6Address, text[1:-1], pointer)
    if _NUMBER.fullmatch(labels[-1]):
        return _address(IPv4Address, text, pointer)
    if len(text) > _LONGEST_HOST or not all(map(label.fullmatch, labels)):
        raise SetupError(
            "The server's host is not a name (RFC 1123, section 2.1).",
            hint="Correct the host; an underscore is for plain http in a private network that the operator lists (`networks`).",
            pointer=pointer,
        )
    return text


def _address(kind: type[Address], text: str, pointer: str) -> str:
    """The canonical text of an address; other ways of writing one are how a private address is disguised."""
    try:
        address = kind(text)
    except ValueError:
        address = None
    if address is None or _inner(address) != address:
        fix = "Write an IPv4 address as four decimal numbers, an IPv6 address in brackets."
        raise SetupError("The server's host is a number that is not written as an address.", hint=fix, pointer=pointer)
    return str(address)


_NAT64: Final = ip_network("64:ff9b::/96")
_GLOBAL_IPV6: Final = ip_network("2000::/3")
_NOT_PUBLIC: Final = tuple(map(ip_network, ("192.0.0.0/24", "192.88.99.0/24", "3fff::/20")))
"""Special-purpose blocks (IANA registries) that older versions of ``ipaddress`` count as global."""
_METADATA: Final = frozenset(
    ip_address(address)
    for address in (
        *("169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "192.0.0.192"),
        *("fd00:ec2::254", "fd20:ce::254"),
    )
)
"""Where clouds give a machine its own credentials: out of reach even in a listed network."""


@dataclass(frozen=True, slots=True)
class EgressPolicy:
    """The networks reachable beside the public internet; the operator's choice, never an author's."""

    networks: tuple[Network, ...] = ()
    loopback: bool = True
    """Whether a server written as ``localhost`` or a loopback address may be called; not where tenants name servers."""
    plain: bool = False
    """Whether nothing is encrypted on the way: then the listed networks alone are reachable, and no public address."""


def is_public_address(ip: str | Address) -> bool:
    """Whether an address is one of the public internet, looking through IPv4 addresses wrapped in IPv6.

    Raises ValueError for text that is no address.
    """
    address = _inner(ip_address(str(ip)))
    special = address.is_multicast or address.is_reserved or any(address in network for network in _NOT_PUBLIC)
    in_use = isinstance(address, IPv4Address) or address in _GLOBAL_IPV6
    return address.is_global and in_use and not special


def check_addresses(host: str, addresses: Iterable[str | Address], policy: EgressPolicy) -> tuple[str, ...]:
    """The addresses that a host's name led to, all of them fit to connect to; use these and resolve no more.

    One unfit address refuses all, since a name that mixes them is a trick. Raises OriginError.
    """
    found = tuple(ip_address(str(address)) for address in addresses)
    if not found or not all(_reachable(host, address, policy) for address in found):
        what = "The server's host leads to no address that may be called."
        raise OriginError(what, hint="Ask the operator to list its network.", pointer=_POINTER)
    return tuple(map(str, found))


def _reachable(host: str, address: Address, policy: EgressPolicy) -> bool:
    inner = _inner(address)
    if inner in _METADATA:
        return False
    if _is_loopback(host):
        # Plain http is accepted for such a host, so its name must not lead anywhere else.
        return inner.is_loopback and policy.loopback
    listed = any(inner in network for network in policy.networks)
    return listed and not is_public_address(inner) if policy.plain else listed or is_public_address(inner)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _inner(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one (RFC 4291 mapped, RFC 3056, RFC 6052), else the address itself."""
    if isinstance(address, IPv4Address):
        return address
    nat64 = IPv4Address(int(address) & 0xFFFF_FFFF) if address in _NAT64 else None
    return address.ipv4_mapped or address.sixtofour or nat64 or address
