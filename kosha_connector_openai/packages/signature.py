"""A package's signature beside it: an in-toto statement of its name and digest in a DSSE envelope, with Ed25519 (RFC 8032).

The statement is the one that PEP 740 publishes; keys are PEM files, and nothing is asked of any network.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from kosha_connector_openai.errors import ConnectorPackageError, Fault, SetupError
from kosha_connector_openai.text import install

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SIGNATURE: Final = ".dsse.json"
"""What the signature's name ends in, behind the package's."""
_STATEMENT: Final = "https://in-toto.io/Statement/v1"
_PREDICATE: Final = "https://docs.pypi.org/attestations/publish/v1"
_PAYLOAD: Final = "application/vnd.in-toto+json"
_LARGEST: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Signer:
    """A key that packages may be signed with: what the operator calls it, and its id."""

    name: str
    key_id: str
    key: Any


def sign(file: str, data: bytes, key: bytes) -> bytes:
    """The envelope for a package of this name; ``key`` is a private Ed25519 key in PEM. Raises SetupError."""
    private = _private(key)
    statement = {
        "_type": _STATEMENT,
        "subject": [{"name": file, "digest": {"sha256": hashlib.sha256(data).hexdigest()}}],
        "predicateType": _PREDICATE,
        "predicate": None,
    }
    payload = json.dumps(statement, sort_keys=True, separators=(",", ":")).encode()
    signature = {"keyid": _key_id(private.public_key()), "sig": base64.b64encode(private.sign(_encoding(payload))).decode()}
    envelope = {"payload": base64.b64encode(payload).decode(), "payloadType": _PAYLOAD, "signatures": [signature]}
    return (json.dumps(envelope, sort_keys=True) + "\n").encode()


def signer_of(file: str, data: bytes, envelope: bytes | None, signers: Iterable[Signer]) -> Signer | None:
    """Whose signature the package has; None where nobody of ``signers`` signed it.

    Raises ConnectorPackageError where the signature is broken, or is that of another package.
    """
    if envelope is None:
        return None
    known = {signer.key_id: signer for signer in signers}
    payload, signatures = _opened(envelope)
    found: Signer | None = None
    for key_id, signature in signatures:
        signer = known.get(key_id)
        if signer is None:
            continue
        if not _verifies(signer.key, signature, _encoding(payload)):
            raise _broken("/signatures", "signature", f"is not by the key {signer.name!r} that it names.")
        found = signer
    if found is not None:
        _check_statement(payload, file, data)
    return found


def trusted_signers(paths: Iterable[Path]) -> list[Signer]:
    """The signers of public keys in PEM files, or in the ``*.pem`` files of folders. Raises SetupError."""
    found = []
    for path in paths:
        for file in sorted(path.glob("*.pem")) if path.is_dir() else [path]:
            public = _public(file)
            found.append(Signer(file.stem, _key_id(public), public))
    return found


def new_key() -> tuple[bytes, bytes]:
    """A new key in PEM: the private one, and the public one that others trust. Raises SetupError."""
    serialization, ed25519 = _library()
    private = ed25519.Ed25519PrivateKey.generate()
    plain = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return plain, private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _opened(envelope: bytes) -> tuple[bytes, list[tuple[str, bytes]]]:
    try:
        value = json.loads(envelope[: _LARGEST + 1])
        if value["payloadType"] != _PAYLOAD:
            raise _broken("/payloadType", "type", "is no in-toto statement.")
        signatures = [(str(each["keyid"]), base64.b64decode(each["sig"], validate=True)) for each in value["signatures"]]
        return base64.b64decode(value["payload"], validate=True), signatures
    except (ValueError, KeyError, TypeError, binascii.Error):
        pass
    raise _broken("", "envelope", "is no DSSE envelope.")


def _check_statement(payload: bytes, file: str, data: bytes) -> None:
    try:
        statement = json.loads(payload)
        subjects = {each["name"]: each["digest"]["sha256"] for each in statement["subject"]}
        kind = statement["_type"]
    except (ValueError, KeyError, TypeError):
        raise _broken("/payload", "statement", "is no statement of in-toto.") from None
    if kind != _STATEMENT:
        raise _broken("/payload/_type", "statement", "is of another version.")
    if file not in subjects:
        raise _broken("/payload/subject/0/name", "name", "names another package.", "Do not rename packages.")
    if subjects[file] != hashlib.sha256(data).hexdigest():
        raise _broken(
            "/payload/subject/0/digest", "changed", "is not the package's digest.", "The package was changed after it was signed."
        )


def _broken(
    pointer: str, rule: str, message: str, fix: str = "Fetch package and signature again from whoever made them."
) -> ConnectorPackageError:
    return ConnectorPackageError("The signature does not hold: nothing was written.", [Fault(pointer, rule, message, fix)])


def _encoding(payload: bytes) -> bytes:
    """What is signed (DSSE 1.0, PAE)."""
    kind = _PAYLOAD.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def _verifies(key: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _key_id(key: Ed25519PublicKey) -> str:
    """SHA-256 of the public key's SubjectPublicKeyInfo, in hexadecimal."""
    serialization, _ = _library()
    spki = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).hexdigest()


def _private(pem: bytes) -> Ed25519PrivateKey:
    serialization, ed25519 = _library()
    try:
        key = serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise SetupError("The key cannot be used.", [Fault("/sign", "key", "is no private Ed25519 key in PEM without a password.", _MAKE)])
    return cast("Ed25519PrivateKey", key)


def _public(file: Path) -> Ed25519PublicKey:
    serialization, ed25519 = _library()
    try:
        key = serialization.load_pem_public_key(file.read_bytes())
    except (ValueError, OSError):
        key = None
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise SetupError("A signer's key cannot be used.", [Fault(f"/{file.name}", "key", "is no public Ed25519 key in PEM.", _MAKE)])
    return cast("Ed25519PublicKey", key)


def _library() -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ModuleNotFoundError:
        raise SetupError("Signatures are not installed.", hint=install("signing")) from None
    return serialization, ed25519


_MAKE: Final = "Make one: openssl genpkey -algorithm ed25519 -out key.pem; its public half: openssl pkey -in key.pem -pubout -out name.pem."
