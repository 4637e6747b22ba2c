"""How a client signs in to Temporal: what is given by reference, and what is refused before anything is read or sent."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from kosha_connector_openai.errors import SetupError
from kosha_connector_openai.flows import TemporalPlace

KEY = "sk-proj-0123456789abcdefABCDEF"


def test_a_place_is_read_from_words() -> None:
    """All parts, a header's name with dots, and the defaults."""
    files = ["tls-cert=file:/c.pem", "tls-key=file:/k.pem", "tls-ca=file:/a.pem", "tls-name=x.example"]
    place = TemporalPlace.read("ns.a1.tmprl.cloud:7233/ns.a1", [*files, "api-key=env:CLOUD", "header.a.b-c=env:H"])
    assert (place.address, place.namespace, place.api_key) == ("ns.a1.tmprl.cloud:7233", "ns.a1", "env:CLOUD")
    assert (place.tls_cert, place.tls_key, place.tls_ca, place.tls_name) == ("file:/c.pem", "file:/k.pem", "file:/a.pem", "x.example")
    assert place.headers == {"a.b-c": "env:H"}
    assert place.is_encrypted
    plain = TemporalPlace.read("127.0.0.1:7233", [])
    assert (plain, plain.is_encrypted, plain.options()) == (TemporalPlace(), False, {})


def test_what_is_wrong_is_told_and_no_secret_repeated() -> None:
    """A secret in place of a reference, with and without its name, an unknown name, half of a pair, a certificate in a variable."""
    cases = {
        f"api-key={KEY}": "This looks like a secret",
        f"header.authorization={KEY}": "This looks like a secret",
        KEY: "/temporal-sign-in/1",
        "password=env:X": "Write NAME=REFERENCE",
        "tls-cert=file:/c.pem": "/temporal-sign-in/tls-key",
        "tls-key=file:/k.pem": "/temporal-sign-in/tls-cert",
        "tls-ca=env:CA": "a certificate has lines",
    }
    wrong = []
    for words, told in cases.items():
        with pytest.raises(SetupError) as refused:
            TemporalPlace.read("h:1", [words])
        said = f"{refused.value} {[asdict(fault) for fault in refused.value.faults]}"
        wrong += [(words, said)] if told not in said or KEY in said else []
    assert wrong == []


def test_files_and_secrets_are_checked_before_a_client_is_made(tmp_path: Path, monkeypatch: Any) -> None:
    """A file that is not there, one that is no PEM, a variable that is not set."""
    pytest.importorskip("temporalio")
    (tmp_path / "no.pem").write_text("words")
    monkeypatch.delenv("NOT_SET", raising=False)
    for words, told in (
        ("tls-ca=file:/nowhere/ca.pem", "The CA file cannot be loaded"),
        (f"tls-ca=file:{tmp_path}/no.pem", "The CA file cannot be loaded"),
        ("api-key=env:NOT_SET", "NOT_SET"),
    ):
        with pytest.raises(SetupError, match=told):
            TemporalPlace.read("h:1", [words]).options()


def test_a_ledger_keeps_no_way_to_sign_in() -> None:
    """A ledger that is another's could name a variable of ours and a server of its own."""
    place = TemporalPlace.read("h:1/ns", ["api-key=env:CLOUD"])
    assert "CLOUD" not in repr(place.kept())
    with pytest.raises(SetupError, match="Temporal cannot be used") as refused:
        TemporalPlace.of_kept(place.kept())
    assert "h:1/ns" in refused.value.faults[0].fix
    assert TemporalPlace.of_kept(TemporalPlace("h:2", "n").kept()) == TemporalPlace("h:2", "n")
