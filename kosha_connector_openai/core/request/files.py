"""What a file field accepts, as one record that can be read again for a retry."""

from __future__ import annotations

import base64
import io
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final, Self, cast
from urllib.parse import unquote_to_bytes

from kosha_connector_openai.core.request.caller_file import CallerFile
from kosha_connector_openai.core.request.file_names import (
    default_name,
    guess_type,
    is_content_type,
    is_default,
    safe_name,
)
from kosha_connector_openai.core.request.safe_open import open_below, open_path
from kosha_connector_openai.errors import Fault, InputError
from kosha_connector_openai.text import DEFAULT_LIMITS

MAX_BYTES: Final = 512 * 1024 * 1024
CHUNK: Final = 64 * 1024
_FORMS: Final = (
    'Give bytes, a binary file object, {"base64": ..., "filename": ...}, {"text": ...}, a data: URL,'
    ' or a path ({"path": ...}) where paths are allowed.'
)
_DATA_URL: Final = re.compile(r"data:([^,;]*(?:;[^,;=]+=[^,;]*)*?)(;base64)?,", re.IGNORECASE)
"""RFC 2397."""
_TUPLES: Final = (2, 3)
_STILL: Final = "Send a file that is not being written."
_READABLE: Final = "Name a regular file that you may read."
_FROM_REPLY: Final = "What a reply or a document says is a value: it may hold base64, bytes or text. Files come in among the run's inputs."


@dataclass(frozen=True, slots=True)
class FilePolicy:
    """Which paths may be opened and how large a file and a JSON body may be. By default no path at all.

    ``roots``: folders below which paths are opened, no link being followed. ``named``: whether a text may name a path; without it
    only :class:`CallerFile` and path objects may, which no reply can make. ``large_body``: what to do with a value that is too large.
    """

    roots: tuple[Path, ...] = ()
    max_bytes: int = MAX_BYTES
    named: bool = True
    max_json: int = DEFAULT_LIMITS.bytes
    large_body: str = ""


@dataclass(frozen=True, slots=True)
class FileInput:
    """One file to send: a safe base name, its content type, its size in bytes (None: unknown until read).

    ``replayable`` says whether :meth:`open` may be called again and gives the same bytes.
    """

    name: str
    content_type: str
    size: int | None
    replayable: bool
    opener: Callable[[], BinaryIO]
    limit: int = MAX_BYTES
    pointer: str = ""
    path: Path | None = None
    """Where it is opened from."""

    def open(self) -> BinaryIO:
        """A reader at the first byte; closing it does not close a file object that the caller lent."""
        return self.opener()

    def chunks(self) -> Iterator[bytes]:
        """The bytes, at most 64 KiB at a time; :class:`InputError` where their number is not the size."""
        promised = self.limit if self.size is None else self.size
        left = promised
        with self.open() as reader:
            while chunk := reader.read(min(CHUNK, left + 1)):
                left -= len(chunk)
                if left < 0:
                    raise self._changed(f"is longer than {promised} bytes.")
                yield chunk
        if left and self.size is not None:
            raise self._changed(f"is shorter than the {promised} bytes that it had.")

    def _changed(self, message: str) -> InputError:
        return _refusal(self.pointer, "size", message, _STILL)


def is_file_value(value: object) -> bool:
    """Whether a value can only mean a file: bytes, a path object, a file object, or a record made here."""
    return isinstance(value, (FileInput, bytes, bytearray, memoryview, os.PathLike)) or callable(getattr(value, "read", None))


_SOURCES = frozenset({"path", "base64", "bytes", "text"})


def is_file_record(value: Mapping[str, Any]) -> bool:
    """Whether an object is a file in the form of a record, and nothing else."""
    return len(value.keys() & _SOURCES) == 1 and value.keys() <= {*_SOURCES, "filename", "content_type"}


def read_file_input(value: object, pointer: str, policy: FilePolicy) -> FileInput:
    """What ``value`` stands for; ``pointer`` is where it stands in the inputs.

    Accepted: bytes-like values, binary file objects, ``pathlib.Path``, ``{"path" | "base64" | "bytes" |
    "text": ..., "filename", "content_type"}``, ``data:`` URLs (RFC 2397) and ``(name, content[, type])``. A
    bare str is never opened as a path.
    """
    if isinstance(value, FileInput):
        return _within(replace(value, limit=min(value.limit, policy.max_bytes), pointer=pointer))
    for kind, read in _READERS:
        if isinstance(value, kind):
            return read(value, pointer, policy)
    if callable(getattr(value, "read", None)):
        return _from_object(value, pointer, policy)
    raise _refusal(pointer, "file", "is not a file.", _FORMS)


def _refusal(pointer: str, rule: str, message: str, fix: str = "", allowed: Any = None) -> InputError:
    return InputError("The file cannot be sent.", [Fault(pointer, rule, message, fix, allowed)])


def local_file(path: Path, pointer: str = "", limit: int = MAX_BYTES) -> FileInput:
    """Any regular file that the process may read, links followed: for whoever typed its name. Raises InputError."""
    return _opened(path, pointer, limit, partial(_open_local, path, pointer))


def _open_local(path: Path, pointer: str) -> BinaryIO:
    try:
        return open_path(path)
    except (OSError, ValueError):
        raise _refusal(pointer, "file", "cannot be opened.", _READABLE) from None


def _within(file: FileInput) -> FileInput:
    if file.size is not None and file.size > file.limit:
        raise _refusal(file.pointer, "size", f"is larger than {file.limit} bytes.", allowed=file.limit)
    return file


def _settled(file: FileInput, head: bytes = b"") -> FileInput:
    """``file`` with its size checked, its name and type safe: from its name, else from its first bytes."""
    _within(file)
    name = safe_name(file.name) or default_name(head)
    return replace(file, name=name, content_type=guess_type(name))


def _from_bytes(value: Any, pointer: str, policy: FilePolicy, name: str = "") -> FileInput:
    content = bytes(value)
    file = FileInput(name, "", len(content), True, partial(io.BytesIO, content), policy.max_bytes, pointer)
    return _settled(file, content[:16])


def _from_object(value: Any, pointer: str, policy: FilePolicy) -> FileInput:
    named = getattr(value, "name", "")
    name = named if isinstance(named, str) else ""
    try:
        if isinstance(value, io.TextIOBase) or not isinstance(value.read(0), bytes):
            raise _refusal(pointer, "file", "is a file opened as text.", 'Open it with mode "rb".')
        if not (hasattr(value, "seekable") and value.seekable()):
            once = partial(_only_once, iter([_Lent(value)]), pointer)
            return _settled(FileInput(name, "", None, False, once, policy.max_bytes, pointer))
        size = value.seek(0, os.SEEK_END)
        file = FileInput(name, "", size, True, partial(_rewound, value), policy.max_bytes, pointer)
        return _settled(file, file.open().read(16))
    except (OSError, ValueError):
        fix = "Pass it while it is open."
        raise _refusal(pointer, "file", "is a file object that cannot be read.", fix) from None


def _rewound(file: BinaryIO) -> BinaryIO:
    file.seek(0)
    return cast("BinaryIO", _Lent(file))


class _Lent:
    """A file object that its owner closes."""

    def __init__(self, file: BinaryIO) -> None:
        self.read = file.read

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the lent object open."""


def _only_once(readers: Iterator[_Lent], pointer: str) -> BinaryIO:
    for reader in readers:
        return cast("BinaryIO", reader)
    raise _refusal(pointer, "replay", "was read and cannot be read again.", "Give a file that can seek.")


def _from_path(value: Any, pointer: str, policy: FilePolicy) -> FileInput:
    path = Path(value)
    return _opened(path, pointer, policy.max_bytes, partial(_open_allowed, path, pointer, policy))


def _opened(path: Path, pointer: str, limit: int, opener: Callable[[], BinaryIO]) -> FileInput:
    with opener() as reader:
        found = os.fstat(reader.fileno())
        head = reader.read(16)
    again = partial(_reopened, opener, pointer, _identity(found))
    return _settled(FileInput(path.name, "", found.st_size, True, again, limit, pointer, path), head)


def _reopened(opener: Callable[[], BinaryIO], pointer: str, identity: tuple[int, ...]) -> BinaryIO:
    reader = opener()
    if _identity(os.fstat(reader.fileno())) != identity:
        reader.close()
        raise _refusal(pointer, "size", "has changed since it was checked.", _STILL)
    return reader


def _identity(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _open_allowed(path: Path, pointer: str, policy: FilePolicy) -> BinaryIO:
    try:
        reader = open_below(path, policy.roots)
    except (OSError, ValueError):
        raise _refusal(pointer, "file", "cannot be opened.", _READABLE) from None
    if reader is None:
        raise _refusal(pointer, "path", "is a path, which is not allowed here.", _FORMS)
    return reader


def _from_data_url(value: Any, pointer: str, policy: FilePolicy) -> FileInput:
    match = _DATA_URL.match(value)
    if match is None:
        raise _refusal(pointer, "file", "is text, and text is never opened as a path.", _FORMS)
    media_type, is_base64 = match.groups()
    body = value[match.end() :]
    read = _from_base64 if is_base64 else _from_bytes
    file = read(body if is_base64 else unquote_to_bytes(body), pointer, policy)
    return _described(file, None, media_type if media_type[:1] not in {"", ";"} else f"text/plain{media_type}")


def _from_base64(value: Any, pointer: str, policy: FilePolicy) -> FileInput:
    limit = policy.max_bytes
    if not isinstance(value, (str, bytes)) or len(value) // 4 * 3 > limit + 3:
        raise _refusal(pointer, "size", f"is not base64 of at most {limit} bytes.", allowed=limit)
    try:
        content = base64.b64decode("".join(value.split()) if isinstance(value, str) else value, validate=True)
    except ValueError:
        fix = "Use the alphabet of RFC 4648 section 4, with padding."
        raise _refusal(pointer, "base64", "is not base64.", fix) from None
    return _from_bytes(content, pointer, policy)


def _from_text(value: Any, pointer: str, policy: FilePolicy) -> FileInput:
    try:
        return _from_bytes(value.encode(), pointer, policy, "file.txt")
    except (AttributeError, UnicodeEncodeError):
        raise _refusal(pointer, "text", "is not text that UTF-8 can write.") from None


def _from_mapping(value: Any, pointer: str, policy: FilePolicy) -> FileInput:
    kinds = [key for key in value if key in _CONTENTS]
    if len(kinds) != 1 or set(value) - {*kinds, "filename", "content_type"}:
        raise _refusal(pointer, "file", "is not an object that describes a file.", _FORMS, sorted(_CONTENTS))
    kind = kinds[0]
    if kind == "path" and not (policy.named or isinstance(value, CallerFile)):
        raise _refusal(pointer, "path", "is a path that the caller did not give.", _FROM_REPLY)
    file = _CONTENTS[kind](value[kind], f"{pointer}/{kind}", policy)
    return _described(replace(file, pointer=pointer), value.get("filename"), value.get("content_type"))


def _from_tuple(value: Any, pointer: str, policy: FilePolicy) -> FileInput:
    if len(value) not in _TUPLES or isinstance(value[1], tuple):
        raise _refusal(pointer, "file", "is not (name, content) or (name, content, type).", _FORMS)
    name, content, content_type = (*value, None)[:3]
    return _described(read_file_input(content, pointer, policy), name, content_type)


def _described(file: FileInput, name: object, content_type: object) -> FileInput:
    """``file`` under the name and type that its sender gave."""
    if name is not None and not isinstance(name, str):
        raise _refusal(file.pointer, "filename", "has a file name that is not text.")
    base = safe_name(name or "")
    if content_type is None:
        return replace(file, name=base, content_type=guess_type(base)) if base else file
    if not isinstance(content_type, str) or not is_content_type(content_type):
        raise _refusal(file.pointer, "content-type", "has a content type that is not one.", 'Write it like "image/png".')
    unnamed = is_default(file.name)
    return replace(
        file,
        name=base or (default_name(b"", content_type) if unnamed else file.name),
        content_type=content_type,
    )


def _only_bytes(value: Any, pointer: str, policy: FilePolicy) -> FileInput:
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise _refusal(pointer, "file", "is not bytes.", _FORMS)
    return _from_bytes(value, pointer, policy)


def _only_path(value: Any, pointer: str, policy: FilePolicy) -> FileInput:
    if not isinstance(value, (str, os.PathLike)):
        raise _refusal(pointer, "file", "is not a path.", _FORMS)
    return _from_path(value, pointer, policy)


Reader = Callable[[Any, str, FilePolicy], FileInput]
_READERS: Final[tuple[tuple[tuple[type, ...], Reader], ...]] = (
    ((bytes, bytearray, memoryview), _from_bytes),
    ((str,), _from_data_url),
    ((Mapping,), _from_mapping),
    ((tuple,), _from_tuple),
    ((os.PathLike,), _from_path),
)
_CONTENTS: Final[Mapping[str, Reader]] = {
    "base64": _from_base64, "bytes": _only_bytes, "path": _only_path, "text": _from_text,
}  # fmt: skip
