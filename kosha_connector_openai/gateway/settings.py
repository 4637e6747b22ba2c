"""Flags, environment and a file -> Settings: where the gateway listens, who may call, by which connection, within which limits.

Everything is checked when it starts, and what is wrong is named as it was written: by the variable, the flag or the place in the file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from kosha_connector_openai.errors import ConnectorError, DescriptionError, Fault, ManifestError, SetupError
from kosha_connector_openai.gateway.budget_entries import BudgetEntry, BudgetsEntry, budget_faults
from kosha_connector_openai.gateway.bulk_entry import BulkEntry, bulk_faults
from kosha_connector_openai.gateway.records import Validation
from kosha_connector_openai.manifest import Constraint, Field, Part, read_part, validated
from kosha_connector_openai.text import YamlLimits, load_yaml
from kosha_connector_openai.trusted_files import read_trusted

Name = Annotated[str, Constraint(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
Host = Annotated[str, Constraint(pattern=r"^(?:\*|(?:\*\.)?[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$")]
Count = Annotated[int, Constraint(ge=1, le=1_000_000)]
Seconds = Annotated[float, Constraint(gt=0, le=86_400)]
Url = Annotated[str, Constraint(pattern=r"^https?://[!-~]+$", max_length=2_048)]

DEFAULT: Final = "default"
"""The name of the connection that the environment describes, and of what needs no name."""
PREFIX: Final = "KOSHA_GATEWAY_"
_MAKE: Final = "Make one with the command `gateway token`."
_FILE_LIMITS: Final = YamlLimits(bytes=1024 * 1024, depth=16, nodes=100_000)
_LISTS: Final = frozenset({"hosts", "cors_origins", "token_hashes"})
_VARIABLES: Final[Mapping[str, str]] = {
    f"{PREFIX}{name.upper()}": name
    for name in (
        "host",
        "port",
        "hosts",
        "cors_origins",
        "token_hashes",
        "no_token",
        "validation",
        "stop_seconds",
        "access_log",
        "audit",
        "docs",
        "metrics_port",
    )
}
_VARIABLES_AS_KOSHA: Final[Mapping[str, str]] = {"LOG_LEVEL": "log_level"}


class ServiceLimits(Part):
    """What one caller may take, and in ``total`` what all may; sizes in bytes, times in seconds."""

    calls: Count = Field(default=100, description="Calls of one token under way at once, streams left out.")
    calls_total: Count = Field(default=400, description="Calls of all tokens under way at once, streams left out.")
    streams: Count = Field(default=200, description="Open event streams of one token.")
    streams_total: Count = Field(default=1_000, description="Open event streams of all tokens.")
    calls_per_minute: int = Field(default=0, ge=0, description="Calls that one token may begin in a minute; 0 sets no limit.")
    queue: int = Field(default=200, ge=0, le=100_000, description="Calls of one token that may wait for their turn.")
    queue_seconds: Seconds = Field(default=0.1, description="How long a call waits for its turn before it is turned away.")
    body: int = Field(default=512 * 1024 * 1024, ge=1, description="Bytes of a request's body.")
    body_json: int = Field(default=80 * 1024 * 1024, ge=1, description="Bytes of a body that is read whole to be checked.")
    bodies_total: int = Field(default=512 * 1024 * 1024, ge=1, description="Bytes of such bodies in memory, of all tokens.")
    disk_total: int = Field(default=1024 * 1024 * 1024, ge=1, description="Bytes of forms, and of files of runs, on disk, of all tokens.")
    body_idle: Seconds = Field(default=30, description="Seconds between two pieces of a request's body.")
    body_seconds: Seconds = Field(
        default=60, description="Seconds that a request's body may be waited for in all; each 16 KiB that came give it one more."
    )
    header_bytes: int = Field(default=32 * 1024, ge=1_024, le=1024 * 1024, description="Bytes of a request's line and headers.")
    header_seconds: Seconds = Field(default=10, description="Seconds for a request's line and headers to arrive.")
    connections: Count = Field(default=4_096, description="Open connections; more are turned away.")
    connections_anonymous: Count = Field(
        default=128, description="Connections of one address that have shown no token; the oldest give way to new ones."
    )


class OwnershipEntry(Part):
    """What tenants of a shared account may name. A word or a path alone stands for ``ids``."""

    ids: Literal["auto", "off", "memory"] | Path = Field(default="auto", description="Where it is kept whose an id is.")
    unknown: Literal["refuse", "pass"] = Field(default="refuse", description="What becomes of ids that nobody was seen to make.")
    open: tuple[str, ...] = Field(default=(), description="Ids that all tenants may use; a `*` stands for anything.")
    most: Count = Field(default=1_000_000, description="Objects of one tenant that are remembered; then it can make no more.")

    @classmethod
    def accept(cls, raw: Any) -> Any:
        """A word or a path as ``ids``."""
        return {"ids": raw} if isinstance(raw, (str, Path)) else raw

    @property
    def file(self) -> Path | None:
        """The file of ids, where one is named."""
        return self.ids if isinstance(self.ids, Path) else None


class ConnectionEntry(Part):
    """One way to the upstream: the connection form's values (secrets by reference) and the operator's options."""

    values: Mapping[str, str] = Field(default_factory=dict)
    options: Mapping[str, Any] = Field(default_factory=dict)
    validation: Validation | None = None
    retired: bool = Field(default=False, description="The server still has the operations that the provider has retired.")


class TokenEntry(Part):
    """One static token, by its digest, and what its holder may do."""

    name: Name
    hash: str = Field(pattern=r"^kosha1:[A-Za-z0-9_-]{22}:[A-Za-z0-9_-]{43}$")
    tenant: Name | None = Field(default=None, description="Who is behind the token; its own name where left out.")
    connection: Name = DEFAULT
    validation: Validation | None = None
    calls: Count | None = None
    streams: Count | None = None
    calls_per_minute: int | None = Field(default=None, ge=0)
    actions: tuple[str, ...] | None = Field(default=None, description="Actions that the holder may call, and no others but ``groups``.")
    groups: tuple[str, ...] | None = Field(default=None, description="Groups whose actions the holder may call, too.")
    budget: BudgetEntry | None = Field(default=None, description="What the holder may spend; `budgets.default` where left out.")


class JwtEntry(Part):
    """Whose JSON Web Tokens are accepted (RFC 7519), and which claims name the tenant and the connection."""

    issuer: str = Field(min_length=1)
    audience: str = Field(min_length=1)
    jwks: str = Field(min_length=1, description="The issuer's public keys (RFC 7517): a file, or an https URL.")
    algorithms: tuple[Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"], ...] = (
        "RS256",
        "ES256",
    )
    leeway: float = Field(default=30, ge=0, le=300, description="Seconds by which clocks may differ.")
    refresh: Seconds = Field(default=600, description="Seconds after which keys from a URL are fetched anew.")
    keys_age: Seconds = Field(default=86_400, description="Seconds after which keys that could not be fetched anew count no more.")
    tenant_claim: str = "sub"
    connection_claim: str | None = None
    connections: Mapping[str, Name] = Field(default_factory=dict, description="Value of the connection claim -> connection.")
    required: tuple[str, ...] = Field(default=("exp",), description="Claims that a token must have.")
    ca_file: Path | None = None


class Settings(Part):
    """All that the command `serve` is told; frozen once it is checked."""

    host: str = "127.0.0.1"
    port: int = Field(default=8010, ge=0, le=65_535)
    hosts: tuple[Host, ...] = Field(default=(), description="Names that callers may use for this service, beside its own address.")
    cors_origins: tuple[Url, ...] = Field(default=(), description="Origins whose pages may call from a browser; none by default.")
    connections: Mapping[Name, ConnectionEntry] = Field(default_factory=dict)
    tokens: tuple[TokenEntry, ...] = ()
    token_hashes: tuple[str, ...] = Field(default=(), description="Digests of tokens for the default connection.")
    jwt: JwtEntry | None = None
    no_token: bool = Field(default=False, description="Whether `serve`, on loopback and without tokens, makes none for the run.")
    privileged: tuple[str, ...] = Field(
        default=(), description="Privileged actions that callers without a list of their own may call; docs/gateway-security.md says which."
    )
    validation: Validation = "on"
    limits: ServiceLimits = Field(default_factory=ServiceLimits)
    docs: Literal["on", "token", "off"] = Field(default="token", description="Who may read /docs and /openapi.json.")
    studio: bool = Field(default=False, description="Whether the page on which flows are built is served under /studio.")
    metrics_port: int | None = Field(default=None, ge=0, le=65_535, description="A loopback port that serves /metrics without a token.")
    ownership: OwnershipEntry = Field(default_factory=OwnershipEntry, description="Whose an id is, where tenants share an account.")
    budgets: BudgetsEntry = Field(default_factory=BudgetsEntry, description="How what tokens may spend is counted.")
    bulk: BulkEntry = Field(default_factory=BulkEntry, description="Runs over rows that callers send.")
    catalog: bool = Field(default=True, description="Whether the catalog is offered to builders under /kosha/v1.")
    access_log: Literal["stdout", "stderr", "off"] | Path = "stdout"
    audit: Literal["off"] | Path = Field(default="off", description="A file to which a record of each call is added.")
    audit_failure: Literal["refuse", "go_on"] = Field(default="refuse", description="What becomes of a call that cannot be recorded.")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    stop_seconds: Seconds = Field(default=25, description="How long calls under way may go on after a signal to stop.")

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        return is_loopback(self.host)

    @property
    def offers(self) -> dict[str, bool]:
        """Which of the pages are there that need a switch: the catalog, and the studio, which builds on it."""
        return {"catalog": self.catalog, "studio": self.catalog and self.studio}

    @property
    def protected(self) -> bool:
        """Whether callers need a token."""
        return bool(self.tokens or self.jwt)

    @property
    def has_budgets(self) -> bool:
        """Whether any caller has a budget."""
        return self.budgets.default is not None or any(token.budget is not None for token in self.tokens)


def is_loopback(host: str) -> bool:
    """Whether an address to listen at, or a name, means this machine alone."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def read_settings(
    flags: Mapping[str, Any] | None = None, *, file: Path | None = None, environ: Mapping[str, str] | None = None
) -> Settings:
    """The settings: flags before the environment, the environment before the file. Raises SetupError with every fault."""
    environ = os.environ if environ is None else environ
    given, sources = _merge(_read_file(file) if file else {}, environ, {k: v for k, v in (flags or {}).items() if v is not None})
    try:
        settings = read_part(Path(), given, Settings, name="The gateway's settings")
    except DescriptionError as error:
        faults = [_named(fault, sources, file) for fault in error.faults]
        raise SetupError("The gateway cannot start: its settings are wrong.", faults) from None
    settings = _with_plain_hashes(settings, sources)
    faults = list(_faults(settings))
    if faults:
        raise SetupError("The gateway cannot start.", [_named(fault, sources, file) for fault in faults])
    return settings


def _merge(found: dict[str, Any], environ: Mapping[str, str], flags: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """All that is set, and for what does not come from the file, where it does."""
    sources: dict[str, str] = {}
    for variable, name in (*_VARIABLES.items(), *_VARIABLES_AS_KOSHA.items()):
        text = environ.get(variable)
        if text is not None:
            found[name] = _value(name, text.strip())
            sources[name] = variable
    for name, value in flags.items():
        found[name] = value
        sources[name] = f"--{name.replace('_', '-')}"
    return found, sources


def _value(name: str, text: str) -> Any:
    if name in _LISTS:
        return tuple(part for part in re.split(r"[\s,]+", text) if part)
    if name == "no_token":
        return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False, "": False}.get(text.lower(), text)
    if name == "log_level":
        return {"warn": "warning", "trace": "debug", "fatal": "error"}.get(text.lower(), text.lower() or "info")
    return text


def _read_file(path: Path) -> dict[str, Any]:
    try:
        raw = load_yaml(read_trusted(path, links=True), _FILE_LIMITS, what=path.name)
    except OSError as error:
        raise SetupError(
            f"The settings file cannot be read: {error.strerror}.",
            hint="Name a file that the service may read, and that others cannot write.",
        ) from None
    except ConnectorError as error:
        raise SetupError(error.message, getattr(error, "faults", ())) from None
    if not isinstance(raw, Mapping):
        raise SetupError(f"{path.name} holds no settings.", hint="Write one `name: value` on a line; docs/gateway.md lists the names.")
    return dict(raw)


def _with_plain_hashes(settings: Settings, sources: Mapping[str, str]) -> Settings:
    """The digests of ``token_hashes`` as tokens of the default connection."""
    entries = [{"name": f"token-{number}", "hash": text} for number, text in enumerate(settings.token_hashes, 1)]
    try:
        tokens = tuple(validated(entry, TokenEntry) for entry in entries)
    except ManifestError:
        tokens = ()
    if len(tokens) != len(entries):
        where = sources.get("token_hashes", "/token_hashes")
        raise SetupError(
            "The gateway cannot start: its settings are wrong.", [Fault(where, "hash", "holds something that is no digest.", _MAKE)]
        )
    return replace(settings, tokens=settings.tokens + tokens, token_hashes=())


def _faults(settings: Settings) -> Iterator[Fault]:
    """What single values do not show."""
    if "*" in settings.hosts and not settings.protected:
        fix = "Name the hosts, or give the service tokens."
        yield Fault("/hosts", "any", "takes every name, and no token is needed: any page in a browser here could call.", fix)
    if not settings.loopback and not settings.protected:
        fix = f"Set {PREFIX}TOKEN_HASHES, `tokens:` or `jwt:` in the file; the command `gateway token` makes one."
        yield Fault("/host", "tokens", "is open to the network, and no token protects it: anyone could spend your money.", fix)
    yield from _token_faults(settings)
    yield from budget_faults(settings.budgets, [token.budget for token in settings.tokens])
    yield from bulk_faults(settings.bulk)
    for name, place in (("ownership", settings.ownership.ids), ("access_log", settings.access_log), ("audit", settings.audit)):
        if isinstance(place, Path) and not place.is_absolute():
            yield Fault(f"/{name}", "path", "is none of the words, and no absolute path.", "Write /path/to/file, or one of the words.")
    if settings.jwt:
        known = {DEFAULT, *settings.connections} if not settings.connections else set(settings.connections)
        for value, name in settings.jwt.connections.items():
            if name not in known:
                yield Fault(f"/jwt/connections/{value}", "unknown", "names no connection.", _choices(known))
        if len(settings.connections) > 1 and not settings.jwt.connection_claim:
            yield Fault(
                "/jwt/connection_claim", "required", "is missing: there are several connections.", "Name the claim that tells which."
            )
    for number, origin in enumerate(settings.cors_origins):
        if not re.fullmatch(r"https?://(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::[0-9]{1,5})?", origin):
            yield Fault(f"/cors_origins/{number}", "origin", "is no origin.", "Write scheme, host and port alone: https://app.example.")


def _token_faults(settings: Settings) -> Iterator[Fault]:
    known = set(settings.connections) or {DEFAULT}
    seen: dict[str, int] = {}
    for number, token in enumerate(settings.tokens):
        if token.connection not in known:
            yield Fault(f"/tokens/{number}/connection", "unknown", "names no connection.", _choices(known))
        for key in (token.name, token.hash):
            if seen.setdefault(key, number) != number:
                what = "hash" if key == token.hash else "name"
                yield Fault(f"/tokens/{number}/{what}", "twice", f"is that of token {seen[key]} too.", "Give each token its own.")


def _choices(known: set[str]) -> str:
    return f"Known: {', '.join(sorted(known))}."


def _named(fault: Fault, sources: Mapping[str, str], file: Path | None) -> Fault:
    """The fault with the place as its author wrote it: a variable, a flag, or a pointer into the file."""
    name = fault.pointer.strip("/").partition("/")[0]
    where = sources.get(name) or (f"{file.name}#{fault.pointer}" if file else fault.pointer)
    if fault.rule == "string_pattern_mismatch" and fault.pointer.endswith("/hash"):
        return Fault(where, "hash", "is no digest.", _MAKE)
    return Fault(where, fault.rule, fault.message, fault.fix, fault.allowed)
