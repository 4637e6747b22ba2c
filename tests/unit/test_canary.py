"""The canary finds a key wherever it hides, and says where without saying what."""

from __future__ import annotations

import base64
import json
import logging
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.canary import Canary

_LEAK = "def leak(key):\n    raise ValueError('no trace in the text')\n"


@pytest.fixture
def canary() -> Canary:
    """A fresh key."""
    return Canary()


def _raised(action: Callable[[], object]) -> BaseException:
    with pytest.raises((AssertionError, ValueError, ExceptionGroup)) as caught:
        action()
    return caught.value


def _found(canary: Canary, artefact: object) -> str:
    return str(_raised(lambda: canary.scan(artefact)))


@pytest.mark.parametrize(
    "write",
    [
        str,
        repr,
        json.dumps,
        lambda key: quote(key, safe=""),
        lambda key: base64.b64encode(key.encode()).decode(),
        lambda key: base64.urlsafe_b64encode(f"user:{key}".encode()).decode(),
        lambda key: base64.b64encode(f"names:{key}:more".encode()).decode(),
        lambda key: key[10:18],
        lambda key: key[-8:],
        str.encode,
        lambda key: {"a": [("b", key)]},
        lambda key: {key: 1},
        ValueError,
        lambda key: ExceptionGroup("several", [ValueError(key)]),
        lambda key: logging.LogRecord("n", 10, "p", 1, "sent %s", (key,), None),
        lambda key: logging.LogRecord("n", 10, "p", 1, "failed", (), (ValueError, ValueError(key), None)),
    ],
)
def test_every_form_is_found(canary: Canary, write: Callable[[str], object]) -> None:
    """Raw, escaped, encoded at any shift, cut to eight characters, nested or logged: the scan fails."""
    assert _found(canary, write(canary.key)).startswith("The key was found in: artefact 1")


def test_a_clean_house_passes(canary: Canary, tmp_path: Path) -> None:
    """Nothing is found in artefacts that lack the key, a prefix that all keys share included."""
    (tmp_path / "report.json").write_text('{"key": "***"}')
    canary.scan("ck-", b"\xff\x00", tmp_path, ValueError("refused"), {"a": 1}, [None, 1.5], canary, Canary().key)


def test_hidden_context_is_found(canary: Canary) -> None:
    """``raise ... from None`` hides an exception from print, not from those who follow its context."""

    def hide() -> None:
        try:
            raise KeyError(canary.key)
        except KeyError:
            raise ValueError("clean") from None

    assert "ValueError, KeyError, str" in _found(canary, _raised(hide))


def test_frame_variables_are_found(canary: Canary) -> None:
    """A variable of a frame outside the tests that holds the key is found, and named."""
    scope: dict[str, Callable[[str], None]] = {}
    exec(compile(_LEAK, "leaky.py", "exec"), scope)
    error = _raised(lambda: scope["leak"](canary.key))
    assert _found(canary, error).endswith("ValueError, variable key of leak")


def test_notes_and_attributes_are_found(canary: Canary) -> None:
    """A note or an attribute on an exception counts as part of it."""
    noted, marked = ValueError("clean"), ValueError("clean")
    noted.add_note(f"the key was {canary.key}")
    marked.request = canary.key  # type: ignore[attr-defined]
    assert "attributes" in _found(canary, noted)
    assert "attributes" in _found(canary, marked)


def test_files_and_their_names_are_found(canary: Canary, tmp_path: Path) -> None:
    """Files in folders are read as bytes, whatever they hold, and their names are read too."""
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "state.bin").write_bytes(b"\x00\xff" + canary.key.encode() + b"\x00")
    assert "file .bin" in _found(canary, tmp_path)
    (inner / "state.bin").rename(inner / canary.key[4:14])
    assert "the name of a file" in _found(canary, tmp_path)


def test_the_failure_shows_no_key(canary: Canary) -> None:
    """The assertion says where the key was, and is itself clean, as is the canary's own repr."""
    error = _raised(lambda: canary.scan([f"token={canary.key}"]))
    assert str(error) == "The key was found in: artefact 1, member 1"
    canary.scan(error, repr(canary))


def test_keys_differ() -> None:
    """No two canaries share a key, nor eight characters of one."""
    one, other = Canary(), Canary()
    assert not one.forms() & other.forms()
    assert re.fullmatch(r'ck-[A-Za-z0-9]{20}/\+"[A-Za-z0-9]{20}', one.key)
