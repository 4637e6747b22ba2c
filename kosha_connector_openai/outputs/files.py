"""A file in a result: its bytes or its URL, its media type, its size and digest. ``to_dict`` never holds the bytes."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from kosha_connector_openai.core.result import FileSink, SavedFile
from kosha_connector_openai.errors import ReplyError
from kosha_connector_openai.text import essence

_TYPES: Final = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "webp": "image/webp",
    "mp3": "audio/mpeg",
    "mpeg": "audio/mpeg",
    "opus": "audio/opus",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
}
_ENDINGS: Final = {**{media: name for name, media in reversed(_TYPES.items())}, "text/plain": "txt", "text/vtt": "vtt",
                   "application/x-subrip": "srt", "application/jsonl": "jsonl", "application/json": "json", "video/mp4": "mp4"}  # fmt: skip
_MAGIC: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"RIFF", ""),
    (b"ID3", "audio/mpeg"),
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
    (b"GIF8", "image/gif"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"\xff\xf3", "audio/mpeg"),
    (b"\xff\xf2", "audio/mpeg"),
)
_RIFF: Final = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}


@dataclass(frozen=True, slots=True)
class OutputFile:
    """One file: ``data``, or ``path`` where it was saved, or ``url`` where the upstream keeps it."""

    name: str
    content_type: str
    data: bytes | None = field(default=None, repr=False)
    url: str | None = None
    path: Path | None = None
    size: int | None = None
    sha256: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """What a log may hold: name, type, size, digest, URL or path."""
        return {
            "name": self.name,
            "content_type": self.content_type,
            "size": self.size,
            "sha256": self.sha256,
            "url": self.url,
            "path": str(self.path) if self.path else None,
        }

    def save(self, target: Path, *, overwrite: bool = False) -> SavedFile:
        """Writes the bytes to a file, whole or not at all; raises InputError for a bad target, ReplyError where there are no bytes."""
        if self.data is None:
            raise ReplyError("The upstream keeps this file; there are no bytes to save.", hint="Fetch its URL.")
        sink = FileSink(target, overwrite=overwrite)
        sink.check()
        sink.write(self.data)
        return sink.commit(self.content_type)


def from_bytes(data: bytes, *, name: str, declared: str) -> OutputFile:
    """A file of these bytes; their first ones say more about the type than what was ``declared``."""
    content_type = media_type(declared)
    if content_type.startswith(("image/", "audio/", "application/octet-stream")):
        content_type = _sniffed(data) or content_type
    return OutputFile(file_name(name, content_type), content_type, data, size=len(data), sha256=hashlib.sha256(data).hexdigest())


def from_base64(text: str, *, name: str, declared: str) -> OutputFile | None:
    """A file of what base64 text stands for; None where it is none."""
    try:
        return from_bytes(base64.b64decode(text, validate=True), name=name, declared=declared)
    except binascii.Error:
        return None


def from_url(url: str, *, name: str, declared: str) -> OutputFile:
    """A file that the upstream keeps."""
    content_type = media_type(declared)
    return OutputFile(file_name(name, content_type), content_type, url=url)


def from_saved(saved: SavedFile) -> OutputFile:
    """A file that was saved."""
    return OutputFile(saved.path.name, media_type(saved.content_type), path=saved.path, size=saved.size, sha256=saved.sha256)


def media_type(declared: str) -> str:
    """A media type without parameters, also from the name of a format such as ``png``."""
    bare = essence(declared)
    return _TYPES.get(bare, bare if "/" in bare else "application/octet-stream")


def _sniffed(data: bytes) -> str:
    kind = next((kind for magic, kind in _MAGIC if data.startswith(magic)), "")
    return _RIFF.get(data[8:12], "") if data.startswith(b"RIFF") else kind


def file_name(name: str, content_type: str) -> str:
    """A name with the ending of its media type."""
    return f"{name}.{_ENDINGS.get(content_type, 'bin')}"
