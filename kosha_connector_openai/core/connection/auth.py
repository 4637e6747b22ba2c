"""What a credential adds to one request: here alone is a secret revealed, and only for its own origins."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote, unquote_plus

from kosha_connector_openai.core.connection.hmac_auth import Hmac
from kosha_connector_openai.core.connection.oauth2 import OAuth2
from kosha_connector_openai.core.connection.scheme import AuthScheme, Headers, RequestFacts
from kosha_connector_openai.errors import OriginError, SetupError
from kosha_connector_openai.http import FRAMING, Origin, allowed
from kosha_connector_openai.secrets import Secret, SecretReference
from kosha_connector_openai.text import nearest

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}")
_PREFIX: Final = re.compile(r"[!-~]{0,200}")
_USERNAME: Final = re.compile(r"[^\x00-\x1f\x7f:]{1,1024}")


class Bearer(AuthScheme):
    """``Authorization: Bearer ...`` (RFC 6750, section 2.1)."""

    parts = ("token",)

    def headers(self, secrets: Mapping[str, Secret], settings: Mapping[str, str], request: RequestFacts) -> Headers:
        """The one header."""
        return [("Authorization", f"Bearer {secrets['token'].reveal()}")]


class ApiKey(AuthScheme):
    """A key in the header that the setting ``header`` names, after the word in ``prefix`` if set, or in the query under the name ``query``.

    A ``header`` of ``?name`` means the query too: some forms have a field for the header alone.
    """

    parts = ("token",)
    settings = ("header", "prefix", "query")

    def check(self, settings: Mapping[str, str]) -> None:
        """Needs a header's name (RFC 9110, section 5.6.2) that does not belong to the message itself, or a name for the query."""
        name, prefix = settings.get("header", ""), settings.get("prefix", "")
        if query := _query_name(settings):
            if not _TOKEN.fullmatch(query) or (name and not name.startswith("?")):
                raise SetupError("The key has one place: a header or the query, with a plain name.", pointer="/query")
            return
        if not _TOKEN.fullmatch(name) or name.lower() in FRAMING | {"cookie"}:
            raise SetupError("The key needs the name of the header that carries it.", pointer="/header")
        if not _PREFIX.fullmatch(prefix):
            raise SetupError("The word before the key has blanks or characters outside ASCII.", pointer="/prefix")

    def headers(self, secrets: Mapping[str, Secret], settings: Mapping[str, str], request: RequestFacts) -> Headers:
        """The one header."""
        if _query_name(settings):
            return []
        return [(settings["header"], f"{settings.get('prefix', '')} {secrets['token'].reveal()}".lstrip())]

    def query(self, secrets: Mapping[str, Secret], settings: Mapping[str, str]) -> Headers:
        """The one pair."""
        name = _query_name(settings)
        return [(name, secrets["token"].reveal())] if name else []


def _query_name(settings: Mapping[str, str]) -> str:
    """The name of the key in the query; "" where it goes into a header."""
    header = settings.get("header", "")
    return settings.get("query", "") or (header[1:] if header.startswith("?") else "")


class Basic(AuthScheme):
    """``Authorization: Basic ...`` (RFC 7617) of the setting ``username`` and a password, in UTF-8."""

    parts = ("password",)
    settings = ("username",)

    def check(self, settings: Mapping[str, str]) -> None:
        """Needs a user name without colon and control characters."""
        if not _USERNAME.fullmatch(settings.get("username", "")):
            raise SetupError("The user name is missing, or has a colon or a control character.", pointer="/username")

    def headers(self, secrets: Mapping[str, Secret], settings: Mapping[str, str], request: RequestFacts) -> Headers:
        """The one header."""
        return [("Authorization", f"Basic {_base64(settings['username'], secrets['password'])}")]


SCHEMES: Final[Mapping[str, AuthScheme]] = MappingProxyType(
    {"bearer": Bearer(), "api_key": ApiKey(), "basic": Basic(), "oauth2": OAuth2(), "hmac": Hmac(), "none": AuthScheme()}
)
AUTH_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {"BEARER_TOKEN": "bearer", "API_KEY": "api_key", "BASIC_AUTH": "basic", "OAUTH2": "oauth2", "HMAC": "hmac", "NONE": "none"}
)


def auth_type(text: str) -> str:
    """The scheme that a value of AUTH_TYPE names, in any case, with blank, ``%20`` or ``-`` for ``_``.

    Raises SetupError for anything else: a mistyped value must not mean "no credential".
    """
    name = re.sub(r"%20|[ -]", "_", text.strip()).upper()
    if name in AUTH_TYPES:
        return AUTH_TYPES[name]
    near = nearest(name, AUTH_TYPES)
    hint = f"Did you mean {near}?" if near else f"Write one of {', '.join(AUTH_TYPES)}."
    raise SetupError("AUTH_TYPE has no known value.", hint=hint, pointer="/auth_type")


@dataclass(frozen=True, slots=True)
class Credential:
    """The right to call some origins: how it is written, and where its secrets are kept. Holds no secret.

    Raises SetupError when the scheme is unknown, a reference missing or superfluous, or a setting unfit.
    """

    scheme: str
    settings: Mapping[str, str] = field(default_factory=dict)
    references: Mapping[str, SecretReference] = field(default_factory=dict)
    allowed_origins: frozenset[Origin] = frozenset()
    also: tuple[Credential, ...] = ()
    """Credentials that go into the same request, where an operation asks for several at once."""
    in_query: bool = field(init=False, repr=False, compare=False)
    """Whether a secret goes into the URL."""
    signs: bool = field(init=False, repr=False, compare=False)
    """Whether what is sent depends on the request."""

    @property
    def all(self) -> tuple[Credential, ...]:
        """The credential itself, and those that go with it."""
        return (self, *self.also)

    @property
    def every_reference(self) -> dict[str, SecretReference]:
        """The references of all of them, under names that tell them apart."""
        found = dict(self.references)
        for number, other in enumerate(self.also):
            found |= {f"{number}.{part}": reference for part, reference in other.references.items()}
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        return Credential, (self.scheme, dict(self.settings), dict(self.references), self.allowed_origins, self.also)

    def __post_init__(self) -> None:
        if self.scheme not in SCHEMES:
            known = ", ".join(SCHEMES)
            raise SetupError("The credential's scheme is unknown.", hint=f"Known: {known}.", pointer="/auth_type")
        wanted, given = SCHEMES[self.scheme].parts, self.references.keys()
        if not set(wanted) <= given <= {*wanted, *SCHEMES[self.scheme].optional}:
            hint = f"It takes: {', '.join(wanted) or 'none'}."
            raise SetupError(f"The {self.scheme} credential lacks a secret, or has too many.", hint=hint)
        SCHEMES[self.scheme].check(self.settings)
        # Frozen, so that what was checked is what will be used.
        object.__setattr__(self, "settings", MappingProxyType(dict(self.settings)))
        object.__setattr__(self, "references", MappingProxyType(dict(self.references)))
        object.__setattr__(self, "in_query", any(masked_query(one) for one in self.all if one.scheme == "api_key"))
        object.__setattr__(self, "signs", any(SCHEMES[one.scheme].signs for one in self.all))


def authorize(credential: Credential, origin: Origin, resolve: Callable[[SecretReference], Secret], request: RequestFacts) -> Headers:
    """The headers that the credential adds to this request to this origin.

    Raises OriginError for any other origin, before a secret is read; then whatever ``resolve`` raises.
    """
    _check_origin(credential, origin)
    return [header for one in credential.all for header in _written(one, resolve, request)]


def with_key(url: str, credential: Credential, origin: Origin, resolve: Callable[[SecretReference], Secret]) -> str:
    """The URL with the keys that go into its query; a pair of the same name that was there is left out. Raises as ``authorize`` does."""
    _check_origin(credential, origin)
    pairs = []
    for one in credential.all:
        if names := masked_query(one):
            scheme = SCHEMES[one.scheme]
            pairs += scheme.query({part: resolve(one.references[part]) for part in scheme.parts}, one.settings)
            url = _without(url, {name for name, _ in names})
    return _joined(url, pairs)


def with_mask(url: str, credential: Credential | None) -> str:
    """The same with the keys masked and no secret read: for previews."""
    pairs = [pair for one in credential.all for pair in masked_query(one)] if credential and credential.in_query else []
    return _joined(_without(url, {name for name, _ in pairs}), pairs) if pairs else url


def masked_query(credential: Credential) -> Headers:
    """The pairs that the credential would add to the query, their secrets masked."""
    stand_ins = {part: Secret("********") for part in credential.references}
    return SCHEMES[credential.scheme].query(stand_ins, credential.settings)


def _without(url: str, names: Collection[str]) -> str:
    path, _, query = url.partition("?")
    kept = [pair for pair in query.split("&") if pair and unquote_plus(pair.partition("=")[0]) not in names]
    return f"{path}?{'&'.join(kept)}" if kept else path


def _joined(url: str, pairs: Headers) -> str:
    written = "&".join(f"{quote(name, safe='')}={quote(value, safe='*')}" for name, value in pairs)
    return f"{url}{'&' if '?' in url else '?'}{written}" if written else url


def _check_origin(credential: Credential, origin: Origin) -> None:
    strayed = next((one for one in credential.all if one.references and not allowed(origin, one.allowed_origins)), None)
    if strayed is not None:
        names = ", ".join(sorted(map(str, strayed.allowed_origins))) or "none"
        hint = f"It is for: {names}. Give this server a credential of its own."
        raise OriginError("The credential may not be sent to this server.", hint=hint, pointer="/server")


def _written(credential: Credential, resolve: Callable[[SecretReference], Secret], request: RequestFacts) -> Headers:
    scheme = SCHEMES[credential.scheme]
    secrets = {part: resolve(credential.references[part]) for part in scheme.parts}
    return scheme.headers(secrets, credential.settings, request)


def combine(credentials: Sequence[Credential]) -> Credential | None:
    """The credentials as one, for a request that needs all of them; None where two of them would write the same header.

    A token that can be renewed comes first: the renewal looks for it there.
    """
    if len(credentials) == 1:
        return credentials[0]
    first, *others = sorted(credentials, key=lambda credential: credential.scheme != "oauth2")
    facts = RequestFacts("GET", "https://host.invalid/")
    names = [name.lower() for one in credentials for name, _ in masked(one, facts)]
    names += [f"?{name}" for one in credentials for name, _ in masked_query(one)]
    return replace(first, also=tuple(others)) if len(names) == len(set(names)) else None


def scrub(text: str, secrets: Iterable[Secret]) -> str:
    """The text with every secret in it, plain, base64, URL- or JSON-escaped, replaced by ``***``.

    The second net, for what an upstream echoes; the first is that no message of ours holds a secret.
    """
    echoes = [secret.echoes() for secret in secrets]
    forms = echoes[0] if len(echoes) == 1 else sorted({form for each in echoes for form in each}, key=len, reverse=True)
    # Not one regular expression: the module that compiles them would remember it.
    for form in forms:
        text = text.replace(form, "***")
    return text


def _base64(username: str, password: Secret) -> str:
    return base64.b64encode(f"{username}:{password.reveal()}".encode()).decode("ascii")


def masked(credential: Credential, request: RequestFacts) -> Headers:
    """The headers that the credential would add, their secrets masked and none read: for previews."""
    return [header for one in credential.all for header in _shown(one, request)]


def _shown(credential: Credential, request: RequestFacts) -> Headers:
    stand_ins = {part: Secret("********") for part in credential.references}
    written = SCHEMES[credential.scheme].headers(stand_ins, credential.settings, request)
    # A stand-in inside base64 would not be seen as one.
    shown = _MASKED.get(credential.scheme)
    return [(name, shown if shown and value.startswith("Basic ") else value) for name, value in written]


_MASKED: Final[Mapping[str, str]] = MappingProxyType({"basic": "Basic ********", "hmac": "Basic (signature)"})
