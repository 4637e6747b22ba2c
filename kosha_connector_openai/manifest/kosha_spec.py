"""``connector_spec.json``, the connection form of a Kosha connector that has no Python of its own -> Manifest, and back.

Read is what the published ones hold, versions 1.0.0 and 2.0.0, known defects and unknown keys included; written is 2.0.0 with the ten keys
that all readers know.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from kosha_connector_openai.errors import Fault, InputError, ManifestError
from kosha_connector_openai.manifest.manifest import AuthRule, ConnectionField, ConnectionForm, ErrorRule, Manifest, Publisher
from kosha_connector_openai.manifest.reply_rules import ResultRules
from kosha_connector_openai.manifest.servers import Servers
from kosha_connector_openai.text import JsonLimits, line_of, loads_strict, nearest, to_pointer

_LIMITS: Final = JsonLimits(bytes=1024 * 1024, depth=16, nodes=20_000)
_SERVER, _AUTH_TYPE, _HEADER, _REFRESH = "SERVER_URL", "AUTH_TYPE", "API_KEY_HEADER_NAME", "REFRESH_TOKEN"
_SECRET_WORDS: Final = frozenset({"TOKEN", "KEY", "SKEY", "SECRET", "PASSWORD", "PASSPHRASE", "JWT"})
_PLAIN: Final = frozenset({_SERVER, _AUTH_TYPE, _HEADER, "USERNAME", "CLIENT_ID", "EXPIRES_AT", "IKEY"})
"""Fields that are no secrets, whatever type they were given: they are written beside one."""
_UNSTATED: Final = "not stated"


class _AuthType(NamedTuple):
    """A value of AUTH_TYPE: its scheme, the fields without which it cannot be used, and those that it can do without."""

    scheme: str
    needs: Mapping[str, str] = {}
    takes: Mapping[str, str] = {}


AUTH_TYPES: Final[Mapping[str, _AuthType]] = {
    "BEARER_TOKEN": _AuthType("bearer", {"token": "BEARER_TOKEN"}),
    "API_KEY": _AuthType("api_key", {"token": "API_KEY", "header": _HEADER}),
    "BASIC_AUTH": _AuthType("basic", {"username": "USERNAME", "password": "PASSWORD"}),
    "OAUTH2": _AuthType(
        "oauth2",
        {"token": "ACCESS_TOKEN"},
        {"refresh_token": _REFRESH, "expires_at": "EXPIRES_AT", "client_id": "CLIENT_ID", "client_secret": "CLIENT_SECRET"},
    ),
    "HMAC": _AuthType("hmac", {"integration_key": "IKEY", "secret_key": "SKEY"}),
    "NONE": _AuthType("none"),
}
_IMPLIED: Final[Mapping[str, tuple[str, ...]]] = {"API_KEY": (_HEADER,), _REFRESH: ("CLIENT_ID", "CLIENT_SECRET")}
"""Field -> fields that its use needs, and that many forms leave out."""
_ERRORS: Final = (
    (401, "auth", False, "The credential is not accepted. Check the connection."),
    (403, "permission", False, "The credential may not do this."),
    (404, "not_found", False, "Nothing with this id or path exists, or the credential may not see it."),
    (408, "timeout", True, "The server gave up waiting. Try again."),
    (409, "conflict", False, "Another change is under way. Read the object again before you try again."),
    (425, "overloaded", True, "The server did not run a request that could have been a repetition. Try again."),
    (429, "rate_limit", True, "Too many calls in a short time. Wait and try again."),
    (503, "overloaded", True, "The server is overloaded. Wait and try again."),
    ("4XX", "invalid_input", False, "The server refused the input. Its message says what to change."),
    ("5XX", "server", True, "The server failed. Try again."),
)
"""What the statuses mean everywhere (RFC 9110, section 15)."""
_HEADERS: Final = ("x-request-id", "retry-after", "x-ratelimit-*", "content-type", "content-disposition", "link", "location")


class _Entry(BaseModel):
    """One field of the form; bounds of lengths are not read, since many are too narrow for today's keys."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    field: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$")]
    type: Annotated[Literal["string", "password"], BeforeValidator(lambda kind: kind.lower() if isinstance(kind, str) else kind)] = "string"
    label: str = Field(default="", alias="displayName")
    description: str = ""
    help: str = Field(default="", alias="helpSection")
    example: str | int | float | None = None
    default: str | None = None

    @property
    def secret(self) -> bool:
        """By its type or by its name: most forms give a key the type of plain text."""
        return self.field not in _PLAIN and (self.type == "password" or self.field.upper().rpartition("_")[2] in _SECRET_WORDS)


class _Spec(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True)

    version: Literal["1.0.0", "2.0.0"]
    fields: Annotated[tuple[_Entry, ...], Field(min_length=1)]


_MESSAGES: Final = {
    "missing": "is missing.",
    "model_type": "is not an object.",
    "string_pattern_mismatch": "is not a name of letters, digits and underscores.",
    "too_short": "is empty.",
}


class _Wrong(NamedTuple):
    path: tuple[int | str, ...]
    rule: str
    message: str
    fix: str = ""


def read_kosha_spec(path: Path) -> Manifest:
    """The manifest that a specification amounts to; its id is the folder's name.

    Raises ManifestError with the faults, each with its JSON Pointer and its line.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ManifestError(f"{path.name} cannot be read: {error.strerror}.", hint="Name a file that you may read.") from None
    return parse_kosha_spec(data, owner=path.absolute().parent.name, name=path.name)


def parse_kosha_spec(data: bytes, *, owner: str, name: str = "connector_spec.json") -> Manifest:
    """The manifest for a specification's text; ``owner`` is the connector's name. Raises ManifestError."""
    try:
        raw = loads_strict(data, _LIMITS, what=name)
    except InputError as error:
        raise ManifestError(error.message, error.faults) from None
    wrong: Iterable[_Wrong] = ()
    try:
        spec = _Spec.model_validate(raw)
        wrong = list(_flaws(spec))
    except ValidationError as error:
        found = [(entry["loc"], entry["type"], f"{entry['msg']}.") for entry in error.errors(include_input=False)]
        wrong = [_Wrong(path, rule, _MESSAGES.get(rule, message)) for path, rule, message in found]
    if wrong:
        text = data.decode("utf-8").removeprefix("\ufeff")
        raise ManifestError(f"{name} is no specification of a Kosha connector.", [_fault(text, flaw) for flaw in wrong])
    return _manifest(spec, owner)


def auth_name(text: str) -> str:
    """A value of AUTH_TYPE in its own spelling: upper case, and ``_`` for a blank, ``%20`` and ``-``."""
    return re.sub(r"%20|[ -]", "_", text.strip()).upper()


def write_kosha_spec(manifest: Manifest) -> dict[str, Any]:
    """The specification that offers a manifest's connection form on Kosha, version 2.0.0, ready for JSON.

    Kosha fills in the first credential under a name of its own, such as BEARER_TOKEN; raises ManifestError where the field for it does not
    take that variable, or where the scheme is not one that Kosha knows.
    """
    first = next(iter(manifest.auth.values()), AuthRule(scheme="none"))
    kind = next((name for name, auth in AUTH_TYPES.items() if auth.scheme == first.scheme), None)
    if kind is None:
        faults = [Fault("/auth", "scheme", "is not a scheme that Kosha knows.", f"Known: {', '.join(AUTH_TYPES)}.")]
        raise ManifestError("The manifest has no specification for Kosha.", faults)
    known = {**AUTH_TYPES[kind].needs, **AUTH_TYPES[kind].takes}
    names = {first.fields[part]: field for part, field in known.items() if part in first.fields}
    fields = [(_variable(entry, names, number), entry) for number, entry in enumerate(manifest.connection.fields)]
    used = {name for name, _ in fields}
    settings = {field: first.settings[part] for part, field in known.items() if part in first.settings}
    for name, default in {**settings, _SERVER: None, _AUTH_TYPE: kind}.items():
        if name not in used:
            fields.append((name, ConnectionField(name=name, label=_title(name), default=default)))
    defaults = {_SERVER: manifest.servers.default, _AUTH_TYPE: kind}
    return {"version": "2.0.0", "fields": [_written(name, entry, entry.default or defaults.get(name)) for name, entry in fields]}


def _flaws(spec: _Spec) -> Iterator[_Wrong]:
    """What is wrong with a specification of the right shape."""
    names = [entry.field for entry in spec.fields]
    lower = [name.lower() for name in names]
    for index, entry in enumerate(spec.fields):
        if lower[index] in lower[:index]:
            yield _Wrong(("fields", index, "field"), "twice", "is used twice.", "Keep one.")
        if entry.field == _AUTH_TYPE and entry.default:
            yield from _auth_flaws(("fields", index, "default"), auth_name(entry.default), names)


def _auth_flaws(path: tuple[int | str, ...], kind: str, names: list[str]) -> Iterator[_Wrong]:
    if kind not in AUTH_TYPES:
        near = nearest(kind, AUTH_TYPES)
        yield _Wrong(path, "auth_type", "is not a known type.", f"Did you mean {near}?" if near else f"Known: {', '.join(AUTH_TYPES)}.")
        return
    for field in AUTH_TYPES[kind].needs.values():
        if field not in names and field != _HEADER:
            yield _Wrong(path, "auth_type", f"needs the field {field}, which the form does not have.", "Add it.")


def _fault(text: str, wrong: _Wrong) -> Fault:
    pointer = to_pointer(wrong.path)
    return Fault(pointer, wrong.rule, f"{wrong.message} (Line {line_of(text, wrong.path)}.)", wrong.fix)


def _manifest(spec: _Spec, owner: str) -> Manifest:
    entries = {entry.field: entry for entry in spec.fields}
    for field in [*entries]:
        for implied in _IMPLIED.get(field, ()):
            entries.setdefault(implied, _Entry(field=implied))
    for field in (_SERVER, _AUTH_TYPE):
        entries.setdefault(field, _Entry(field=field))
    usable = {name: auth for name, auth in AUTH_TYPES.items() if entries.keys() >= set(auth.needs.values())}
    default = _default_type(entries[_AUTH_TYPE], usable)
    needed = {_SERVER, _AUTH_TYPE, *(usable[default].needs.values() if default else ())}
    title = _title(owner) or "Connector"
    return Manifest(
        id=_id(owner),
        title=title,
        version="0.0.0",
        tagline=f"{title}, as its description offers it.",
        publisher=Publisher(name=_UNSTATED),
        license=_UNSTATED,
        servers=Servers(default=(entries[_SERVER].default or "").strip() or None),
        auth={name: _rule(auth, entries) for name, auth in usable.items()},
        connection=ConnectionForm(fields=tuple(_field(entry, default, needed) for entry in entries.values())),
        errors=tuple(ErrorRule(status=s, category=c, retryable=r, advice=a) for s, c, r, a in _ERRORS),  # type: ignore[arg-type]
        result=ResultRules(headers=_HEADERS),
    )


def _default_type(entry: _Entry, usable: Mapping[str, _AuthType]) -> str | None:
    """The form's own default; where it has none, the one type whose fields the form has."""
    if entry.default:
        return auth_name(entry.default)
    found = [name for name in usable if name != "NONE"]
    return found[0] if len(found) == 1 else None


def _rule(auth: _AuthType, entries: Mapping[str, _Entry]) -> AuthRule:
    fields = {part: field.lower() for part, field in {**auth.needs, **auth.takes}.items() if field in entries}
    return AuthRule(scheme=auth.scheme, fields=fields, any_scheme=True)


def _field(entry: _Entry, auth_type: str | None, needed: set[str]) -> ConnectionField:
    role: Any = {_SERVER: "server", _AUTH_TYPE: "auth_type"}.get(entry.field)
    own = {"server": None, "auth_type": auth_type}.get(role, None if entry.secret else entry.default)
    known = role == "server" and entry.default
    return ConnectionField(
        name=entry.field.lower(),
        label=(entry.label.strip() or _title(entry.field))[:2_000],
        help=entry.help.strip() or entry.description.strip(),
        placeholder=f"env:{entry.field}" if entry.secret else str(entry.example or entry.default or ""),
        secret=entry.secret,
        required=entry.field in needed and not own and not known,
        default=own or None,
        env=(entry.field,),
        role=role,
    )


def _id(owner: str) -> str:
    """The folder's name as an id: lower case, digits and dashes."""
    slug = re.sub(r"[^a-z0-9]+", "-", owner.lower()).strip("-")
    return (slug if slug[:1].isalpha() else f"connector-{slug}".rstrip("-"))[:63]


def _title(name: str) -> str:
    return " ".join(word[:1].upper() + word[1:].lower() for word in re.split(r"[\W_]+", name) if word)[:200]


def _variable(entry: ConnectionField, names: Mapping[str, str], number: int) -> str:
    """The variable that Kosha fills for a field: its own name for the field's part in the credential, or the field's first."""
    own = {"server": _SERVER, "auth_type": _AUTH_TYPE}.get(entry.role or "") or names.get(entry.name)
    if own and own not in entry.env:
        faults = [Fault(f"/connection/fields/{number}/env", "variable", f"lacks {own}, which Kosha fills in.", f"Add {own}.")]
        raise ManifestError("The manifest has no specification for Kosha.", faults)
    return own or re.sub(r"[^A-Z0-9]", "_", (entry.env[0] if entry.env else entry.name).upper())


def _written(name: str, entry: ConnectionField, default: str | None) -> dict[str, Any]:
    required = entry.required and default is None
    # The manifest's own help speaks of references; on Kosha the value itself is entered, and kept there.
    words = f"{entry.label}. Kosha keeps it and hands it to the connector." if entry.secret else entry.help or f"{entry.label}."
    found: dict[str, Any] = {
        "field": name,
        "displayName": entry.label,
        "type": "password" if entry.secret else "String",
        "description": f"{entry.label}.",
        "minLength": (8 if entry.secret else 1) if required else 0,
        "maxLength": 512,
        "required": required,
        "helpSection": words,
        "example": f"your-own-{name.lower().replace('_', '-')}" if entry.secret else (entry.placeholder or default or entry.label)[:512],
    }
    return found if default is None else found | {"default": default}
