"""JSON Web Tokens (RFC 7519): who signed them, for whom, until when; and which tenant and connection they stand for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kosha_connector_openai.errors import Fault, ReplyTooLargeError, SetupError
from kosha_connector_openai.http import ANYWHERE, Server, WireError, parse_server, send_once, tls_context
from kosha_connector_openai.text import install
from kosha_connector_openai.trusted_files import read_trusted

if TYPE_CHECKING:
    from jwt import PyJWK

    from kosha_connector_openai.gateway.settings import JwtEntry

_LARGEST: Final = 256 * 1024
"""Bytes of a set of keys."""
_MOST_KEYS: Final = 100
_FETCH_SECONDS: Final = 5.0
_SOONEST: Final = 10.0
"""Seconds between two fetches, however many tokens name unknown keys."""
_KINDS: Final[Mapping[str, tuple[str, ...]]] = {"RSA": ("RS", "PS"), "EC": ("ES",), "OKP": ("EdDSA",)}


@dataclass(frozen=True, slots=True)
class Verified:
    """What a good token says of its holder."""

    subject: str
    tenant: str
    connection: str | None
    expires: float
    """Seconds since 1970; the leeway is not counted in."""


class JwtVerifier:
    """Checks tokens of one issuer. Its keys come from a file, read once, or from a URL, fetched when needed and kept for a while."""

    def __init__(self, entry: JwtEntry) -> None:
        """Raises SetupError where the keys' place is wrong, or a file of keys cannot be used."""
        try:
            import jwt  # noqa: F401 - many gateways have static tokens alone
        except ImportError:
            raise SetupError("JSON Web Tokens need PyJWT.", hint=install("gateway")) from None
        self._entry = entry
        self._keys = _Keys(entry)

    async def verify(self, token: str) -> Verified | None:
        """What the token says, or None: why it is refused is nobody's business but the log's."""
        import jwt

        entry = self._entry
        try:
            head = jwt.get_unverified_header(token)
            algorithm = head.get("alg")
            if algorithm not in entry.algorithms or "crit" in head:
                return None
            key = await self._keys.find(head.get("kid"), str(algorithm))
            if key is None:
                return None
            claims = jwt.decode(
                token,
                key=key.key,
                algorithms=[str(algorithm)],
                audience=entry.audience,
                issuer=entry.issuer,
                leeway=entry.leeway,
                options={"require": list(entry.required)},
            )
            return self._holder(claims)
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            return None

    def _holder(self, claims: Mapping[str, Any]) -> Verified | None:
        entry = self._entry
        tenant = claims.get(entry.tenant_claim)
        if not isinstance(tenant, str) or not tenant or len(tenant) > 200 or not tenant.isprintable():  # noqa: PLR2004
            return None
        connection = None
        if entry.connection_claim:
            value = claims.get(entry.connection_claim)
            connection = entry.connections.get(value) if isinstance(value, str) else None
            if connection is None:
                return None
        return Verified(str(claims.get("sub", tenant))[:200], tenant, connection, float(claims.get("exp", 0)))


class _Keys:
    """The issuer's public keys."""

    def __init__(self, entry: JwtEntry) -> None:
        self._entry = entry
        self._server: Server | None = None
        self._keys: tuple[PyJWK, ...] = ()
        self._fetched = -1e9
        self._tried = -1e9
        self._lock = asyncio.Lock()
        if "://" in entry.jwks:
            self._server = parse_server(entry.jwks, pointer="/jwt/jwks")
        else:
            self._keys = _read_file(Path(entry.jwks))

    async def find(self, kid: object, algorithm: str) -> PyJWK | None:
        """The key with this id, or the only one that fits; fetched anew where it is not known or the keys are old."""
        key = self._pick(kid, algorithm)
        if self._server is None:
            return key
        now = time.monotonic()
        if (key is None and now - self._tried > _SOONEST) or now - self._fetched > self._entry.refresh:
            await self._renew(now)
            key = self._pick(kid, algorithm)
        return key if now - self._fetched <= self._entry.keys_age else None

    def _pick(self, kid: object, algorithm: str) -> PyJWK | None:
        fitting = [key for key in self._keys if _fits(key, algorithm)]
        if kid is None:
            return fitting[0] if len(fitting) == 1 else None
        return next((key for key in fitting if key.key_id == kid), None)

    async def _renew(self, asked: float) -> None:
        async with self._lock:
            if self._tried >= asked or time.monotonic() - self._tried < min(_SOONEST, self._entry.refresh):
                return
            self._tried = time.monotonic()
            found = await asyncio.to_thread(self._fetch)
            if found:
                self._keys, self._fetched = found, self._tried

    def _fetch(self) -> tuple[PyJWK, ...]:
        """The keys that the URL gives now; none where it gives nothing usable. Never redirected, at most 256 KiB, in five seconds."""
        assert self._server is not None
        tls = None if self._server.origin.scheme == "http" else tls_context(self._entry.ca_file)
        deadline, accept = time.monotonic() + _FETCH_SECONDS, (("Accept", "application/json"),)
        try:
            reply = send_once("GET", str(self._server), accept, deadline=deadline, limit=_LARGEST, tls=tls, policy=ANYWHERE)
            return _parse(reply.body) if reply.status == 200 else ()  # noqa: PLR2004
        except (WireError, ReplyTooLargeError, SetupError):
            return ()


def _fits(key: PyJWK, algorithm: str) -> bool:
    return algorithm.startswith(_KINDS.get(key.key_type or "", ("\0",)))


def _read_file(path: Path) -> tuple[PyJWK, ...]:
    try:
        data = read_trusted(path, _LARGEST, links=True)
    except OSError as error:
        raise _unfit(f"cannot be read: {error.strerror}.", "Name a file that the service may read, or an https URL.") from None
    if len(data) > _LARGEST:
        raise _unfit(f"is larger than {_LARGEST} bytes.", "Name the issuer's set of public keys.")
    return _parse(data)


def _parse(data: bytes) -> tuple[PyJWK, ...]:
    import jwt
    import orjson

    try:
        entries = orjson.loads(data)["keys"]
        signing = [entry for entry in entries if entry.get("use", "sig") == "sig" and entry.get("kty") in _KINDS]
        if any("d" in entry for entry in signing):
            raise _unfit("holds a private key.", "Give the public keys alone.")
        keys = tuple(jwt.PyJWK(entry) for entry in signing[:_MOST_KEYS])
    except (ValueError, KeyError, TypeError, AttributeError, jwt.PyJWTError):
        raise _unfit("is no set of keys.", "Give a JSON Web Key Set (RFC 7517).") from None
    if not keys:
        raise _unfit("has no public key for signatures.", "Give a JSON Web Key Set with RSA, EC or OKP keys.")
    return keys


def _unfit(message: str, fix: str) -> SetupError:
    return SetupError("The gateway cannot start: the issuer's keys cannot be used.", [Fault("/jwt/jwks", "jwks", message, fix)])
