"""Files that runs made, kept for ten minutes for the caller who ran them, each under a random name."""

from __future__ import annotations

import secrets
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final

from starlette.responses import FileResponse

SECONDS: Final = 600.0
"""How long a file can be fetched."""
_MOST_FILES: Final = 1_000


@dataclass(frozen=True, slots=True)
class Kept:
    """One file, and who may fetch it."""

    path: Path
    owner: str
    size: int
    content_type: str
    until: float


class Downloads:
    """A folder of this process alone (mode 0700), made when the first file comes and removed when it is closed. Safe to share between
    threads."""

    def __init__(self, *, most: int = 1024 * 1024 * 1024, seconds: float = SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        """``most``: bytes of all files together. An owner gets at most half of what the others leave."""
        self._most = most
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._seconds = seconds
        self._clock = clock
        self._kept: dict[str, Kept] = {}
        self._lock = Lock()

    def place(self) -> Path:
        """A path for a file that is about to be written. Raises OSError where there is no room for temporary files."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="kosha-gateway-")
        return Path(self._folder.name) / secrets.token_hex(16)

    def keep(self, path: Path, owner: str, content_type: str) -> tuple[str, float] | None:
        """The name under which ``owner`` can fetch the file, and for how many seconds; None, and no file, where too much is kept."""
        self._sweep()
        size = path.stat().st_size
        if not self._has_room(owner, size):
            path.unlink()
            return None
        name = secrets.token_urlsafe(24)
        self._kept[name] = Kept(path, owner, size, content_type, self._clock() + self._seconds)
        return name, self._seconds

    def store(self, data: bytes, owner: str, content_type: str) -> tuple[str, float] | None:
        """``keep`` for bytes. Raises OSError where they cannot be written."""
        path = self.place()
        path.write_bytes(data)
        return self.keep(path, owner, content_type)

    def find(self, name: str, owner: str) -> Kept | None:
        """The file, if it is this owner's and its time is not over."""
        self._sweep()
        kept = self._kept.get(name)
        return kept if kept is not None and kept.owner == owner else None

    def close(self) -> None:
        """Removes all files."""
        self._kept.clear()
        if self._folder is not None:
            self._folder.cleanup()

    def _has_room(self, owner: str, size: int) -> bool:
        """Whether a file more fits: beside all others, and beside the owner's own, which may take half of it all."""
        own = [kept.size for kept in self._kept.values() if kept.owner == owner]
        every = size + sum(kept.size for kept in self._kept.values())
        fits = len(self._kept) < _MOST_FILES and every <= self._most
        return fits and len(own) < max(1, _MOST_FILES // 2) and size + sum(own) <= max(size, self._most // 2)

    def _sweep(self) -> None:
        now = self._clock()
        with self._lock:
            for name in [name for name, kept in self._kept.items() if kept.until < now]:
                self._kept.pop(name).path.unlink(missing_ok=True)


_SHOWN: Final = frozenset(
    f"{kind}/{name}"
    for kind, names in (
        ("image", "png jpeg webp gif"),
        ("audio", "mpeg wav flac ogg opus aac"),
        ("video", "mp4 webm"),
    )
    for name in names.split()
)
"""Types that a page can show by their address."""


def file_reply(path: Path, content_type: str) -> FileResponse:
    """A file as a reply: an attachment, of a plain type but for what holds no script. What a run made is not for browsers to open."""
    headers = {
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        "content-disposition": "attachment",
        "x-kosha-content-type": content_type,
        "content-security-policy": "default-src 'none'; sandbox",
        "cross-origin-resource-policy": "same-origin",
    }
    shown = content_type if content_type in _SHOWN else "application/octet-stream"
    return FileResponse(path, headers=headers, media_type=shown)
