"""What a file is called on the wire: a safe base name and a content type, given or found out."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from kosha_connector_openai.text import essence

OCTETS: Final = "application/octet-stream"
_NAME_LENGTH: Final = 200
_WORD: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_CONTENT_TYPE: Final = re.compile(rf'{_WORD}/{_WORD}(?:[ \t]*;[ \t]*{_WORD}=(?:{_WORD}|"(?:[^"\\\x00-\x1f\x7f-\U0010ffff]|\\[ -~])*"))*')
"""RFC 9110 section 8.3.1, ASCII only."""
_TYPES: Final[Mapping[str, str]] = {
    ".flac": "audio/flac", ".gif": "image/gif", ".jpg": "image/jpeg", ".jsonl": "application/jsonl",
    ".m4a": "audio/mp4", ".mp3": "audio/mpeg", ".mp4": "video/mp4", ".ogg": "audio/ogg",
    ".pdf": "application/pdf", ".png": "image/png", ".txt": "text/plain", ".wav": "audio/wav",
    ".webm": "audio/webm", ".webp": "image/webp", ".zip": "application/zip",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}  # fmt: skip
"""Where Python's own table is silent, old-fashioned or differs between versions."""
_EXTENSIONS: Final[Mapping[str, str]] = {kind: extension for extension, kind in _TYPES.items()}
_ALIASES: Final[Mapping[str, str]] = {
    "application/json": ".json", "application/x-ndjson": ".jsonl", "audio/aac": ".aac", "audio/m4a": ".m4a", "audio/mp3": ".mp3",
    "audio/opus": ".opus", "audio/vnd.wave": ".wav", "audio/wave": ".wav", "audio/x-flac": ".flac", "audio/x-m4a": ".m4a",
    "audio/x-wav": ".wav", "image/jpg": ".jpg", "image/svg+xml": ".svg", "text/csv": ".csv", "text/html": ".html",
    "text/markdown": ".md", "text/x-markdown": ".md", "video/mpeg": ".mpeg", "video/quicktime": ".mov",
}  # fmt: skip
"""Other names of the same types, and types whose ending Python's table leaves open."""
_MAGIC: Final[tuple[tuple[re.Pattern[bytes], str], ...]] = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), ".png"),
    (re.compile(rb"\xff\xd8\xff"), ".jpg"),
    (re.compile(rb"GIF8[79]a"), ".gif"),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), ".webp"),
    (re.compile(rb"RIFF.{4}WAVE", re.DOTALL), ".wav"),
    (re.compile(rb"ID3|\xff[\xfb\xf3\xf2]"), ".mp3"),
    (re.compile(rb"OggS"), ".ogg"),
    (re.compile(rb"fLaC"), ".flac"),
    (re.compile(rb".{4}ftypM4A", re.DOTALL), ".m4a"),
    (re.compile(rb".{4}ftyp", re.DOTALL), ".mp4"),
    (re.compile(rb"%PDF-"), ".pdf"),
    (re.compile(rb"PK\x03\x04"), ".zip"),
)


def safe_name(name: str) -> str:
    """A path's base name, of any system: no quotes, control characters or outer dots, <= 200 characters."""
    base = re.split(r"[/\\]", name.rstrip("/\\ "))[-1]
    clean = "".join(char for char in base if char.isprintable() and char not in '"<>|:*?').strip(" .")
    stem, dot, extension = clean.rpartition(".")
    if len(clean) <= _NAME_LENGTH or not dot or len(extension) >= _NAME_LENGTH // 2:
        return clean[:_NAME_LENGTH]
    return f"{stem[: _NAME_LENGTH - len(extension) - 1]}.{extension}"


def guess_type(name: str) -> str:
    """The content type that a file name suggests, the same everywhere; else ``application/octet-stream``."""
    suffix = Path(name).suffix.lower()
    return _TYPES.get(suffix) or _python_types().get(suffix) or OCTETS


def is_content_type(text: object) -> bool:
    """Whether ``text`` follows the grammar of RFC 9110 section 8.3.1, in ASCII."""
    return isinstance(text, str) and _CONTENT_TYPE.fullmatch(text) is not None


def default_name(head: bytes = b"", content_type: str = "") -> str:
    """A name for a file that has none; the extension comes from its content type or its first bytes."""
    kind = essence(content_type)
    declared = _EXTENSIONS.get(kind) or _ALIASES.get(kind) or _python_extensions().get(kind)
    return "file" + (declared or next((extension for magic, extension in _MAGIC if magic.match(head)), ".bin"))


_DEFAULTS: Final = frozenset(f"file{extension}" for extension in (".bin", ".txt", *(extension for _, extension in _MAGIC)))


def is_default(name: str) -> bool:
    """Whether nobody gave a file this name."""
    return name in _DEFAULTS


@cache
def _python_extensions() -> Mapping[str, str]:
    return {kind: extension for extension, kind in reversed(list(_python_types().items())) if kind != OCTETS}


@cache
def _python_types() -> Mapping[str, str]:
    # An instance of its own: the module's functions read the machine's tables from disk.
    return mimetypes.MimeTypes().types_map[True]
