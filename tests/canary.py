"""A key that nobody else has, and a search for its traces in all that a test leaves behind."""

from __future__ import annotations

import base64
import html
import json
import logging
import pickle
import re
import secrets
import string
from collections.abc import Iterator, Mapping
from pathlib import Path
from traceback import TracebackException
from urllib.parse import quote

_SLICE = 8


class Canary:
    """One unique key for one test. ``scan`` fails where any form of it, or any eight characters of it, turn up."""

    def __init__(self) -> None:
        alphabet = string.ascii_letters + string.digits
        body = "".join(secrets.choice(alphabet) for _ in range(40))
        # Base64, URL and JSON forms differ from the plain one only where a key has characters such as these.
        self._key = f'ck-{body[:20]}/+"{body[20:]}'

    def __repr__(self) -> str:
        return "Canary(***)"

    @property
    def key(self) -> str:
        """The key itself; give it to the part under test."""
        return self._key

    def forms(self) -> frozenset[str]:
        """The key in each of its encodings, and its 8-character slices."""
        slices = {self._key[start : start + _SLICE] for start in range(3, len(self._key) - _SLICE + 1)}
        return encodings(self._key) | slices

    def scan(self, *artefacts: object) -> None:
        """Looks through texts, bytes, exceptions, log records, files, folders and collections of these.

        Raises AssertionError that says where a trace is, and never what it is. Frames of test files are not looked
        at: a test may hold the key in its own variables.
        """
        pattern = re.compile("|".join(map(re.escape, sorted(self.forms(), key=len, reverse=True))))
        places = dict.fromkeys(
            where
            for number, artefact in enumerate(artefacts, 1)
            for where, text in _texts(artefact, f"artefact {number}")
            if pattern.search(text)
        )
        if places:
            raise AssertionError(f"The key was found in: {'; '.join(places)}")


def encodings(text: str) -> frozenset[str]:
    """A text raw, in base64 and base64url at each of their three shifts, in hexadecimal, and percent-, HTML-, JSON- and repr-escaped."""
    raw = text.encode()
    percent = {quote(text, safe=""), quote(text), "".join(f"%{byte:02X}" for byte in raw), "".join(f"%{byte:02x}" for byte in raw)}
    escaped = {json.dumps(text)[1:-1], repr(text)[1:-1], "".join(f"\\u{ord(char):04x}" for char in text)}
    encoded = {form for shift in range(3) for form in _base64(text, shift)}
    marked = {html.escape(text), text.replace("&", "&amp;").replace('"', "&#34;").replace("+", "&#43;")}
    return frozenset({text, raw.hex(), raw.hex().upper()} | percent | escaped | encoded | marked)


def _base64(key: str, shift: int) -> Iterator[str]:
    plain = bytes(shift) + key.encode()
    encoded = base64.b64encode(plain).decode().rstrip("=")
    core = encoded[(0, 2, 3)[shift] : -1 if len(plain) % 3 else None]
    yield core
    yield core.replace("+", "-").replace("/", "_")


def _texts(artefact: object, where: str) -> Iterator[tuple[str, str]]:
    """Every text in an artefact, each with the place it was found at."""
    match artefact:
        case str():
            yield where, artefact
        case bytes() | bytearray():
            yield where, artefact.decode("latin-1")
        case Path():
            yield from _files(artefact, where)
        case BaseException():
            yield from _error(artefact, where, set())
        case logging.LogRecord():
            yield from _record(artefact, where)
        case Mapping():
            for number, pair in enumerate(artefact.items(), 1):
                yield from _texts(pair, f"{where}, entry {number}")
        case list() | tuple() | set() | frozenset():
            for number, member in enumerate(artefact, 1):
                yield from _texts(member, f"{where}, member {number}")
        case _:
            yield where, f"{artefact!r} {artefact}"


def _files(path: Path, where: str) -> Iterator[tuple[str, str]]:
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        yield f"{where}, the name of a file", file.name
        if file.is_file():
            yield f"{where}, file {file.suffix or 'without suffix'}", file.read_bytes().decode("latin-1")


def _record(record: logging.LogRecord, where: str) -> Iterator[tuple[str, str]]:
    yield f"{where}, log message", record.getMessage()
    for name, value in vars(record).items():
        if name != "exc_info":
            yield from _texts(value, f"{where}, log field {name}")
    if record.exc_info and record.exc_info[1]:
        yield from _texts(record.exc_info[1], f"{where}, logged exception")


def _error(error: BaseException, where: str, seen: set[int]) -> Iterator[tuple[str, str]]:
    """An exception and all that hangs on it, hidden context included: reporters follow that too."""
    if id(error) in seen:
        return
    seen.add(id(error))
    where = f"{where}, {type(error).__name__}"
    yield f"{where}, str", str(error)
    yield f"{where}, repr", repr(error)
    yield from _texts(error.args, f"{where}, args")
    yield from _texts(vars(error), f"{where}, attributes")
    yield from _pickled(error, where)
    yield from _frames(error, where)
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    for other in (error.__cause__, error.__context__, *inner):
        if other is not None:
            yield from _error(other, where, seen)


def _pickled(error: BaseException, where: str) -> Iterator[tuple[str, str]]:
    try:
        yield f"{where}, pickle", pickle.dumps(error).decode("latin-1")
    except Exception:
        return


def _frames(error: BaseException, where: str) -> Iterator[tuple[str, str]]:
    report = TracebackException.from_exception(error, capture_locals=True)
    for frame in report.stack:
        if "tests" not in Path(frame.filename).parts:
            for name, shown in (frame.locals or {}).items():
                yield f"{where}, variable {name} of {frame.name}", shown
