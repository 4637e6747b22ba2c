"""Signatures of Standard Webhooks 1.0: HMAC-SHA256 over id, timestamp and body, compared in constant time.

No error here holds a part of a delivery or of a secret.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from kosha_connector_openai.errors import EventError, Fault, SetupError, SignatureError, StaleError
from kosha_connector_openai.manifest.parts import Delivery
from kosha_connector_openai.secrets import Secret

PREFIX: Final = "whsec_"
_VERSION: Final = "v1"
_ID: Final = re.compile(r"[!-\-/-~]{1,256}")
"""Printable ASCII without the full stop, which divides what is signed."""
_TIME: Final = re.compile(r"[0-9]{1,12}")
_LONGEST: Final = 4_096
_MOST: Final = 16
_MOST_SECRETS: Final = 8
_SHORTEST: Final = 16
_DIGEST: Final = 32
Given = str | bytes | Secret | Iterable[str | bytes | Secret]
Headers = Mapping[str, str] | Mapping[bytes, bytes] | Iterable[tuple[str, str]] | Iterable[tuple[bytes, bytes]]


class SigningKey:
    """One secret as a key. Nothing shows it."""

    __slots__ = ("__key", "plain")

    def __init__(self, key: bytes, *, plain: bool = False) -> None:
        """``plain``: the secret had no prefix, so that its own bytes are the key."""
        self.__key = key
        self.plain = plain

    def __repr__(self) -> str:
        return "SigningKey(...)"

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a signing key is not written anywhere")

    def sign(self, content: bytes) -> bytes:
        """The signature's bytes."""
        return hmac.new(self.__key, content, hashlib.sha256).digest()


@dataclass(frozen=True, slots=True)
class Signed:
    """A delivery whose signature holds: its id and its time in seconds."""

    id: str
    timestamp: int


_CHECK: Final = "Check the secret, and that the body is read as it came."
_PLAIN: Final = f"The secret does not begin with {PREFIX}, so its own bytes were taken for the key. Copy it whole, {PREFIX} included."


def read_keys(given: Given | None) -> tuple[SigningKey, ...]:
    """The keys of one secret or of several, as while one takes the place of another. Raises SetupError."""
    if given is None:
        raise _unfit("It is missing: nothing was given.")
    several = [given] if isinstance(given, (str, bytes, Secret)) else list(given)
    if not 1 <= len(several) <= _MOST_SECRETS:
        raise _unfit(f"There must be 1 to {_MOST_SECRETS} secrets.")
    return tuple(map(_read_key, several))


def _read_key(given: str | bytes | Secret) -> SigningKey:
    text = given.reveal() if isinstance(given, Secret) else given
    key = text.strip().encode() if isinstance(text, str) else text
    prefixed = key.startswith(PREFIX.encode())
    if prefixed:
        decoded = _decoded(key.removeprefix(PREFIX.encode()))
        if decoded is None:
            del given, text, key
            raise _unfit(f"What follows {PREFIX} is not base64.")
        key = decoded
    if len(key) < _SHORTEST:
        del given, text, key
        raise _unfit(f"It is shorter than {_SHORTEST} bytes.")
    return SigningKey(key, plain=not prefixed)


def _unfit(message: str) -> SetupError:
    fault = Fault("/secret", "secret", message, f"Copy it whole from where the webhook was made; it begins with {PREFIX}.")
    return SetupError("The signing secret of the webhook cannot be used.", [fault])


def check_signature(headers: Headers, body: bytes, keys: Sequence[SigningKey], rules: Delivery, *, now: float, tolerance: float) -> Signed:
    """What the headers say, once the signature holds. Raises SignatureError, StaleError or EventError."""
    if len(body) > rules.largest:
        error = EventError(f"The delivery is larger than {rules.largest} bytes.")
        error.status = 413
        raise error
    found = _only(headers, (rules.id, rules.timestamp, rules.signature))
    name, time, signatures = found[rules.id], found[rules.timestamp], found[rules.signature]
    if not _ID.fullmatch(name):
        raise _malformed(rules.id)
    if not _TIME.fullmatch(time):
        raise _malformed(rules.timestamp)
    given = _signatures(signatures, rules.signature)
    content = f"{name}.{time}.".encode("ascii") + body
    if not _match(given, content, keys):
        raise SignatureError("The signature does not fit any of the secrets.", hint=_PLAIN if any(key.plain for key in keys) else _CHECK)
    if not abs(now - int(time)) <= tolerance:
        raise StaleError(f"The delivery was signed more than {tolerance:g} seconds from now.", hint="Check the clock of this machine.")
    return Signed(name, int(time))


def _match(given: Sequence[bytes], content: bytes, keys: Sequence[SigningKey]) -> bool:
    """Whether a key fits; every pair is compared, so that the time says nothing."""
    found = False
    for key in keys:
        wanted = key.sign(content)
        for signature in given:
            if hmac.compare_digest(signature, wanted):
                found = True
    return found


def _only(headers: Headers, wanted: tuple[str, ...]) -> dict[str, str]:
    """The headers that are needed, each exactly once, whatever their case."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    found: dict[str, str] = {}
    for name, value in pairs:
        lower = _header_text(name).lower()
        if lower in wanted:
            if lower in found:
                raise _malformed(lower)
            found[lower] = _header_text(value)
    for name in wanted:
        if name not in found:
            raise SignatureError(f"The header {name} is missing.", hint="Hand over all headers of the request.")
        if not isinstance(found[name], str) or len(found[name]) > _LONGEST:
            raise _malformed(name)
    return found


def _header_text(given: str | bytes) -> str:
    """A name or a value; a server such as those of ASGI hands them over as bytes."""
    return given.decode("latin-1") if isinstance(given, bytes) else given


def _signatures(text: str, header: str) -> list[bytes]:
    """The signatures of the version that we know; others may stand beside them."""
    entries = text.split(" ")
    if not text.isascii() or len(entries) > _MOST:
        raise _malformed(header)
    known = [entry.partition(",")[2] for entry in entries if entry.partition(",")[0] == _VERSION]
    found = [signature for entry in known if (signature := _decoded(entry.encode("ascii"))) is not None and len(signature) == _DIGEST]
    if not found:
        raise _malformed(header)
    return found


def _decoded(text: bytes) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _malformed(header: str) -> SignatureError:
    return SignatureError(f"The header {header} is malformed.")


def sign(name: str, timestamp: int, body: bytes, secret: Given, rules: Delivery = Delivery()) -> dict[str, str]:
    """The headers of a delivery, signed with each secret: for tests of receivers."""
    content = f"{name}.{timestamp}.".encode("ascii") + body
    signatures = [f"{_VERSION},{base64.b64encode(key.sign(content)).decode()}" for key in read_keys(secret)]
    return {rules.id: name, rules.timestamp: str(timestamp), rules.signature: " ".join(signatures)}
