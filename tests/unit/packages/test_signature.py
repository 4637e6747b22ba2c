"""A signature holds for one name and these bytes, by a key that is trusted; anything else is told."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from kosha_connector_openai.errors import ConnectorPackageError, SetupError
from kosha_connector_openai.packages import new_key, sign, signer_of, trusted_signers

FILE, DATA = "kosha_connector_tides-1.0.0-py3-none-any.whl", b"the bytes of a package"


@pytest.fixture
def keys(tmp_path: Path) -> tuple[bytes, Path]:
    """A private key, and a folder with the public one."""
    private, public = new_key()
    (tmp_path / "harbour.pem").write_bytes(public)
    return private, tmp_path


def test_a_signature_is_verified(keys: tuple[bytes, Path]) -> None:
    """The statement is in-toto's, as PEP 740 publishes it; the same key gives the same bytes."""
    private, folder = keys
    envelope = sign(FILE, DATA, private)
    assert envelope == sign(FILE, DATA, private)
    signer = signer_of(FILE, DATA, envelope, trusted_signers([folder]))
    assert signer is not None
    assert signer.name == "harbour"
    statement = json.loads(base64.b64decode(json.loads(envelope)["payload"]))
    assert (statement["_type"], statement["predicateType"]) == (
        "https://in-toto.io/Statement/v1",
        "https://docs.pypi.org/attestations/publish/v1",
    )


def test_what_was_changed_is_told(keys: tuple[bytes, Path]) -> None:
    """The bytes, the name, the payload, the signature, the form: each is refused, naming its place."""
    private, folder = keys
    signers = trusted_signers([folder])
    envelope = sign(FILE, DATA, private)
    value = json.loads(envelope)
    other = json.loads(base64.b64decode(value["payload"]))
    other["subject"][0]["digest"]["sha256"] = "0" * 64
    swapped = {**value, "payload": base64.b64encode(json.dumps(other).encode()).decode()}
    forged = {**value, "signatures": [{**value["signatures"][0], "sig": base64.b64encode(b"x" * 64).decode()}]}
    cases = [
        (FILE, DATA + b"!", envelope, "/payload/subject/0/digest"),
        ("other.whl", DATA, envelope, "/payload/subject/0/name"),
        (FILE, DATA, json.dumps(swapped).encode(), "/signatures"),
        (FILE, DATA, json.dumps(forged).encode(), "/signatures"),
        (FILE, DATA, json.dumps({**value, "payloadType": "text/plain"}).encode(), "/payloadType"),
        (FILE, DATA, b"{}", ""),
    ]
    for file, data, given, pointer in cases:
        with pytest.raises(ConnectorPackageError, match="does not hold") as caught:
            signer_of(file, data, given, signers)
        assert caught.value.faults[0].pointer == pointer


def test_an_unknown_signer_is_nobody(keys: tuple[bytes, Path], tmp_path: Path) -> None:
    """A good signature of a key that nobody trusts says nothing; no signature says nothing either."""
    _, folder = keys
    stranger, _ = new_key()
    assert signer_of(FILE, DATA, sign(FILE, DATA, stranger), trusted_signers([folder])) is None
    assert signer_of(FILE, DATA, None, trusted_signers([folder])) is None
    (tmp_path / "broken.pem").write_text("no key")
    with pytest.raises(SetupError, match=r"broken.pem"):
        trusted_signers([tmp_path])
    with pytest.raises(SetupError, match="private Ed25519 key"):
        sign(FILE, DATA, b"no key")
