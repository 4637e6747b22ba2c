"""A secret is shown by nothing but ``reveal``; what could not be sent, or is no reference, is refused without a trace."""

from __future__ import annotations

import base64
import copy
import html
import json
import os
import pickle
import string
import subprocess
import sys
from collections.abc import Callable
from dataclasses import FrozenInstanceError

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kosha_connector_openai.errors import SecretRefusedError
from kosha_connector_openai.secrets.secret import Secret, SecretReference, check_secret
from tests.canary import Canary
from tests.threats.echoing import forms

_VISIBLE = st.text(alphabet=st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=200)
_RANDOM = st.text(alphabet=string.ascii_letters + string.digits, min_size=32, max_size=164)


@pytest.fixture
def canary() -> Canary:
    """A fresh key."""
    return Canary()


@pytest.mark.parametrize("show", [repr, str, format, "{:>40}".format, "{!r}".format, "%s".__mod__, ascii])
def test_no_way_of_showing_shows_it(canary: Canary, show: Callable[[Secret], str]) -> None:
    """Each way of making text of a secret gives the same stars, padding specifications included."""
    assert show(Secret(canary.key)).strip() == "Secret(***)"


@pytest.mark.parametrize(
    "take",
    [
        pickle.dumps,
        copy.copy,
        copy.deepcopy,
        json.dumps,
        orjson.dumps,
        vars,
        iter,
        len,
        hash,
        bytes,
        dict,
        sorted,
        lambda secret: secret < Secret("value-12345"),
        lambda secret: "k" in secret,
        lambda secret: secret[0],
        lambda secret: secret + "",
    ],
)
def test_no_way_of_moving_moves_it(canary: Canary, take: Callable[[Secret], object]) -> None:
    """Pickling, copying, writing as JSON, iterating, hashing, ordering and joining all fail, and their errors are clean."""
    secret = Secret(canary.key)
    with pytest.raises(TypeError) as caught:
        take(secret)
    canary.scan(caught.value)


def test_it_cannot_be_changed() -> None:
    """A secret has no attribute to set, neither a new one nor one of its own."""
    secret = Secret("value-12345", reference="env:A", version="3")
    for name in ("value", "reference", "version", "notes"):
        with pytest.raises(AttributeError):
            setattr(secret, name, "other")
    assert (secret.reveal(), secret.reference, secret.version) == ("value-12345", "env:A", "3")


def test_equality_is_by_value_among_secrets_only() -> None:
    """Two secrets with one value are equal; a text with that value is not."""
    assert Secret("value-12345", reference="env:A") == Secret("value-12345", reference="env:B")
    assert Secret("value-12345") != Secret("value-12346")
    assert Secret("value-12345") != "value-12345"
    assert Secret("\ud800") == Secret("\ud800")


@pytest.mark.parametrize(
    ("text", "notes"),
    [
        ("value-12345", ()),
        ("value-12345\n", ("A line break at the end was removed.",)),
        ("value-12345\r\n", ("A line break at the end was removed.",)),
        ("\t value-12345 ", ("Blanks around the secret were removed.",)),
        ("Bearer value-12345", ('The word "Bearer" before the secret was removed.',)),
        (
            " bearer  value-12345 \n",
            (
                "A line break at the end was removed.",
                "Blanks around the secret were removed.",
                'The word "Bearer" before the secret was removed.',
            ),
        ),
    ],
)
def test_what_people_paste_around_a_secret_is_removed_and_said(text: str, notes: tuple[str, ...]) -> None:
    """One line break, blanks around and a pasted ``Bearer`` go, each with a note; nothing else changes."""
    secret = check_secret(text, "env:A", version="7")
    assert (secret.reveal(), secret.reference, secret.version, secret.notes) == ("value-12345", "env:A", "7", notes)


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        ("", "\n\n", "has a line break at position 47."),
        ("\n", "", "has a line break at position 1."),
        ("", "\r\nX-Other: 1", "has a line break at position 47."),
        ("", "\0", "has a NUL character at position 47."),
        ("ab\x1b", "", "has a control character at position 3."),
        ("", "\x7f", "has a control character at position 47."),
        ("ab\t", "", "has a control character at position 3."),
        ("\u201c", "\u201d", "has a curly quotation mark at position 1."),
        ("", "\u2019", "has a curly quotation mark at position 47."),
        ("", "\u200b", "has an invisible character at position 47."),
        ("\ufeff", "", "has an invisible character at position 1."),
        ("  ", "\u00e9", "has a character outside ASCII at position 49."),
        ("", "\ud800", "has a character outside ASCII at position 47."),
        ("ab ", "", "has a blank inside at position 3."),
        ("Bearer Bearer ", "", "has a blank inside at position 14."),
        ("'", "'", "is in quotation marks."),
        ('"', '"\n', "is in quotation marks."),
        ("", "x" * 8192, "is longer than 8 KiB."),
    ],
)
def test_a_malformed_secret_is_refused_by_position(canary: Canary, before: str, after: str, what: str) -> None:
    """What a header cannot carry is refused with the reference and the position in the raw text, and no trace of it."""
    with pytest.raises(SecretRefusedError) as caught:
        check_secret(before + canary.key + after, "env:API_KEY")
    assert caught.value.message == f"The secret env:API_KEY {what}"
    assert caught.value.hint
    canary.scan(caught.value, caught.value.to_dict())


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "is empty"),
        ("\n", "is empty"),
        (" \t", "is empty"),
        ("Bearer ", "is the word Bearer alone"),
        ("bearer", "is the word Bearer alone"),
    ],
)
def test_no_secret_is_no_credential(text: str, what: str) -> None:
    """An empty value, or the word before a key alone, is refused with the name of its reference: it never becomes an empty credential."""
    with pytest.raises(SecretRefusedError) as caught:
        check_secret(text, "env:BEARER_TOKEN")
    assert caught.value.message == f"The secret env:BEARER_TOKEN {what}."


@pytest.mark.parametrize(("text", "shortest"), [("x", 1), ("none", 1), ("12345678", 8)])
def test_a_key_may_be_short_where_the_server_takes_any_word(text: str, shortest: int) -> None:
    """Only the caller knows how long the keys of a server are: as short as ``shortest`` says, and no shorter."""
    assert check_secret(text, "env:KEY", shortest=shortest).reveal() == text
    with pytest.raises(SecretRefusedError, match=f"env:KEY is shorter than {len(text) + 1} characters"):
        check_secret(text, "env:KEY", shortest=len(text) + 1)


@given(_VISIBLE)
@settings(max_examples=100, deadline=None)
def test_any_visible_ascii_without_quotes_around_is_accepted_unchanged(text: str) -> None:
    """Every run of visible ASCII characters passes byte for byte, unless it is wrapped in quotes."""
    wrapped = text[0] == text[-1] and text[0] in "\"'`"
    assert wrapped or text.lower() == "bearer" or check_secret(text, "env:A").reveal() == text


@given(st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_what_is_accepted_can_stand_in_a_header(text: str) -> None:
    """Whatever the store gives, the result is visible ASCII or a refusal; no other error is raised."""
    try:
        value = check_secret(text, "env:A").reveal()
    except SecretRefusedError:
        return
    assert all("!" <= char <= "~" for char in value)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("env:API_KEY", ("env", "API_KEY", None)),
        ("file:/run/secrets/api key", ("file", "/run/secrets/api key", None)),
        ("file:/run/..data/key", ("file", "/run/..data/key", None)),
        ("keyring:service/user@example.org", ("keyring", "service/user@example.org", None)),
        ("vault:kv/data/team#field", ("vault", "kv/data/team", "field")),
        ("vault:kv/3f2b8c9d-1b7e-4a5e-9d42-7f1de2a4c9b0#f", ("vault", "kv/3f2b8c9d-1b7e-4a5e-9d42-7f1de2a4c9b0", "f")),
        ("file:/srv/MyTeam2024ProductionKeys", ("file", "/srv/MyTeam2024ProductionKeys", None)),
        ("aws-sm+v2:arn:eu-1:name", ("aws-sm+v2", "arn:eu-1:name", None)),
    ],
)
def test_references_are_read_and_written_alike(text: str, parts: tuple[str, str, str | None]) -> None:
    """A reference has a store, a place and perhaps a field, and is written as it was read."""
    reference = SecretReference.parse(text)
    assert (reference.scheme, reference.locator, reference.field) == parts
    assert str(reference) == text


@pytest.mark.parametrize(
    "write",
    [
        "sk-{}".format,
        "{}".format,
        "Bearer {}".format,
        "env:sk-{}".format,
        "file:/run/secrets/sk-{}".format,
        "vault:kv/data#sk-{}".format,
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.{}".format,
        "bearer:eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.{}".format,
        "Authorization: Bearer {}".format,
    ],
)
def test_a_pasted_secret_is_refused_and_not_repeated(canary: Canary, write: Callable[[str], str]) -> None:
    """A key in place of a reference is refused with what to write instead, without a trace of it."""
    with pytest.raises(SecretRefusedError) as caught:
        SecretReference.parse(write(canary.key))
    assert caught.value.hint == "Put the key in a store and give its reference, e.g. env:API_KEY."
    canary.scan(caught.value, caught.value.to_dict())


@pytest.mark.parametrize("write", ["env:{}".format, "file:/run/secrets/{}".format, "vault:kv/data#{}".format, "user:{}".format])
@pytest.mark.parametrize("key", ["q7Zk2MxPv9RtB4nLw8Yd3Hs6", "uT5pQ0_aB7cD2-eF4gH9iJ1kL6mN3oP8", "Xk93jfLq02MzPa71bWe5"])
def test_a_key_of_no_known_shape_is_refused_behind_a_scheme(write: Callable[[str], str], key: str) -> None:
    """Long random letters and digits are taken for a secret wherever they stand in a reference."""
    with pytest.raises(SecretRefusedError, match="This looks like a secret") as caught:
        SecretReference.parse(write(key))
    assert key not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "The secret reference is empty."),
        (" \n", "The secret reference is empty."),
        ("API_KEY", "This is no secret reference: it has no store's name before a colon."),
        ("ENV:API_KEY", "This is no secret reference: it has no store's name before a colon."),
        ("env:", "The secret reference is not of the form store:place#field."),
        ("vault:a#", "The secret reference is not of the form store:place#field."),
        ("vault:a#b#c", "The secret reference is not of the form store:place#field."),
        ("vault:../../other/key", "The secret reference has a dot segment."),
        ("vault:kv/../other#f", "The secret reference has a dot segment."),
        ("file:/run/./key", "The secret reference has a dot segment."),
        ("file:/run/secrets/..", "The secret reference has a dot segment."),
        ("file:/run\\..\\key", "The secret reference has a dot segment."),
        ("vault:kv/%2e%2e/other", "The secret reference has a percent-encoded character."),
        ("vault:kv/%252E%252E/other", "The secret reference has a percent-encoded character."),
        ("file:/run/key\0.txt", "The secret reference has a control character."),
        ("env:API_KEY\n", "The secret reference has a control character."),
        ("env:" + "A" * 1025, "The secret reference is longer than 1 KiB."),
    ],
)
def test_references_that_climb_or_hide_are_refused(text: str, what: str) -> None:
    """No reference has dot segments, percent-encoding or control characters, or lacks a part."""
    with pytest.raises(SecretRefusedError) as caught:
        SecretReference.parse(text)
    assert caught.value.message == what


@given(_RANDOM)
@settings(max_examples=100, deadline=None)
def test_no_random_key_passes_without_a_scheme(key: str) -> None:
    """A key of letters and digits is never taken for a reference."""
    with pytest.raises(SecretRefusedError) as caught:
        SecretReference.parse(key)
    assert key not in str(caught.value)


@given(st.text(max_size=80))
@settings(max_examples=200, deadline=None)
def test_parsing_gives_a_reference_or_a_refusal(text: str) -> None:
    """Any text is parsed to a reference that is written the same, or refused; no other error is raised."""
    try:
        reference = SecretReference.parse(text)
    except SecretRefusedError:
        return
    assert str(reference) == text


def test_a_reference_is_frozen_and_may_be_a_key() -> None:
    """References can be compared and kept in sets, and not be changed."""
    reference = SecretReference.parse("env:API_KEY")
    assert reference in {SecretReference("env", "API_KEY")}
    with pytest.raises(FrozenInstanceError):
        reference.locator = "PATH"  # type: ignore[misc]


def test_reading_the_module_does_nothing_else() -> None:
    """Importing the module opens no socket and no file but Python's own, and reads no environment variable."""
    program = (
        "import sys, os\n"
        "events = []\n"
        "def note(name, args):\n"
        "    own = name == 'open' and str(args[0]).endswith(('.py', '.pyc', '.so', '.pyd'))\n"
        "    if name.startswith(('socket', 'subprocess', 'open')) and not own: events.append((name, args[0]))\n"
        "sys.addaudithook(note)\n"
        "os.environ.__class__.__getitem__ = lambda self, name: events.append(('environ', name))\n"
        "import kosha_connector_openai.core.connection.auth, kosha_connector_openai.secrets.stores.file\n"
        "sys.stdout.write(str(events))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, timeout=60, env=dict(os.environ), capture_output=True, text=True)
    assert done.stdout == "[]"


@pytest.mark.parametrize("middle", ["", '/+"', "&<'>", "=%$", "!*()~", "\\`"])
def test_what_could_come_back_is_known_in_every_writers_form(middle: str) -> None:
    """JSON, JSON in JSON, URLs, HTML and base64, one in the other as servers' pages and errors have them."""
    key = f"ck-0123456789{middle}abcdefghij"
    pair = base64.b64encode(f"user:{key}".encode()).decode()
    written = {**forms(key), "base64, slashes escaped": pair.replace("/", "\\/"), "HTML in JSON": json.dumps(html.escape(key))[1:-1]}
    echoes = Secret(key).echoes()
    assert [name for name, form in written.items() if not any(echo in form for echo in echoes)] == []


def test_a_key_of_letters_and_digits_has_few_forms() -> None:
    """Every piece of every reply is looked through for each of them."""
    assert len(Secret("sk-0123456789_abcdefghij").echoes()) <= 6


@given(_VISIBLE, st.integers(1, 20))
def test_what_is_plain_passes_as_it_is(text: str, shortest: int) -> None:
    """A text that is taken for plain is one that the check gives back unchanged; asked again, it is the same."""
    secret = Secret(text, reference="env:K")
    if secret.is_plain(shortest):
        checked = check_secret(text, "env:K", shortest=shortest)
        assert (checked.reveal(), checked.notes) == (text, ())
        assert len(text) >= shortest
    assert secret.is_plain(shortest) == (secret.is_plain() and len(text) >= shortest)
