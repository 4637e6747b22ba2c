"""Options: what an operator may set for a connection beyond its form."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any, Final, Literal, get_args

from kosha_connector_openai.errors import Fault, ManifestError, SetupError
from kosha_connector_openai.http import FRAMING, Origin, parse_server
from kosha_connector_openai.manifest import Field, Limits, Part, Retries, Timeouts, Validation, validated
from kosha_connector_openai.secrets import SecretReference
from kosha_connector_openai.text import escape

EngineName = Literal["auto", "httpx", "httpx2", "aiohttp"]

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}")
_NOT_OURS: Final = FRAMING | {"accept-encoding", "authorization", "cookie", "proxy-authorization"}
"""Headers of the message itself, and of the credential."""


class Options(Part):
    """What an operator may set beyond the form. Nothing here can be set by a workflow's inputs.

    ``networks`` are private networks (such as ``10.1.0.0/16``) that a server may be in; public addresses may always be
    called, and with ``loopback`` this machine by the names that say so. ``headers`` go with every request. ``proxy_auth`` is a secret
    reference to ``user:password``. ``client_cert`` and ``client_key`` are PEM files; one file may hold both. ``roots`` are folders that
    file inputs may be read from. ``validation`` is ``on``, ``open`` (values that the description does not list are sent with a warning)
    or ``warn`` (so is everything that can be written); without it the kind of server decides.
    """

    timeouts: Timeouts | None = None
    retries: Retries | None = None
    limits: Limits | None = None
    engine: EngineName = "auto"
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    loopback: bool = True
    allowed_origins: tuple[str, ...] = ()
    headers: Mapping[str, str] = Field(default_factory=dict)
    proxy: str | None = None
    proxy_auth: str | None = None
    ca_file: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    spec: str | None = Field(default=None, min_length=1, description="Another description: a file, `refreshed`, or a URL if allowed.")
    spec_sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$", description="What that description must be.")
    spec_url: bool = Field(default=False, description="Whether a description may be fetched.")
    roots: tuple[Path, ...] = ()
    validation: Validation | None = Field(default=None, description="How strictly inputs are held to the description.")
    api_key_header: str = Field(default="api-key", description="Header of the key where the authentication type is API_KEY.")
    token_url: str = Field(default="", description="Where access tokens are renewed if the authentication type is OAUTH2.")
    tenant: str = ""


def read_options(values: Mapping[str, Any]) -> Options:
    """Options from plain values; raises SetupError naming each field that is wrong."""
    if all(map(_is_plain, values.keys(), values.values())):
        return Options(**values)
    try:
        return validated(values, Options)
    except ManifestError as error:
        faults = error.faults
    raise SetupError("The connection's options are wrong.", faults)


def _is_plain(name: str, value: Any) -> bool:
    """Whether a value is right at a glance: pydantic is imported for all others."""
    entry = Options.__dataclass_fields__.get(name)
    if entry is None or entry.metadata.keys() - {"description"}:
        return False
    match entry.type:
        case "EngineName":
            return value in get_args(EngineName)
        case "Validation | None":
            return value is None or value in get_args(Validation)
        case "tuple[str, ...]":
            return type(value) is tuple and all(type(item) is str for item in value)
    return type(value) is {"bool": bool, "str": str, "str | None": str}.get(str(entry.type))


def check_options(options: Options) -> Iterator[Fault]:
    """What is wrong with options that their types allow; no file is opened and no secret read."""
    if options.client_key is not None and options.client_cert is None:
        yield Fault("/client_cert", "required", "is missing beside client_key.", "Name the certificate's file.")
    if options.proxy_auth is not None:
        if options.proxy is None:
            yield Fault("/proxy", "required", "is missing beside proxy_auth.", "Name the proxy.")
        yield from _fault("/proxy_auth", lambda: SecretReference.parse(options.proxy_auth or ""))
    if options.proxy is not None:
        yield from _fault("/proxy", lambda: parse_proxy(options.proxy or ""))
    for name in options.headers:
        if not _TOKEN.fullmatch(name) or name.lower() in _NOT_OURS:
            yield Fault(f"/headers/{escape(name)}", "header", "is no header that an operator may add.", "Choose another name.")


def parse_proxy(url: str) -> Origin:
    """The proxy that a URL names, ``http://host:port``; raises SetupError, which does not repeat the URL."""
    if not url.lower().startswith("http://"):
        raise SetupError("The proxy is not an http address.", hint="Write http://host:port.", pointer="/proxy")
    try:
        found = parse_server(f"https{url[4:]}", pointer="/proxy")
    except SetupError as error:
        hint = "Give its credential as a reference: proxy_auth." if "password" in error.message else "Write http://host:port."
        raise SetupError(error.message.replace("The server", "The proxy"), hint=hint, pointer="/proxy") from None
    if found.prefix:
        raise SetupError("The proxy has a path.", hint="Write http://host:port.", pointer="/proxy")
    return found.origin


def _fault(pointer: str, check: Callable[[], object]) -> Iterator[Fault]:
    try:
        check()
    except SetupError as error:
        yield Fault(pointer, error.code, error.message, error.hint)
