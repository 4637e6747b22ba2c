"""A sound file that is too long -> pieces below the limits, each a WAV file with its place in time, one in memory at a time.

WAV (PCM) is cut here, between frames, at the quietest moment before a limit. Other formats are first written as WAV by ffmpeg, where it is
installed.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
import wave
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, cast

from kosha_connector_openai.core.request import FileInput
from kosha_connector_openai.errors import Fault, InputError
from kosha_connector_openai.flows.tasks.child_process import Bounds, find_program, run_program
from kosha_connector_openai.manifest.parts import Split

_HEADER: Final = 4096
"""Room for a WAV header, in bytes."""
_WINDOW: Final = 0.05
"""Seconds over which loudness is measured."""
_WHOLE: Final = 2
"""Bytes of a sample whose loudness can be measured."""
_RATE: Final = 16_000
"""Samples of a second, of two bytes each, in what is decoded."""
_HOURS: Final = 12
_BOUNDS: Final = Bounds(seconds=15 * 60, memory=2 * 1024**3, file=_HOURS * 3600 * _RATE * 2 + 1024 * 1024)
_FORMATS: Final = "aac,aiff,amr,asf,flac,matroska,mov,mp3,ogg,wav,webm"
"""Containers that hold their own sound: no playlists, which could name other files and addresses."""
_PROGRAM: Final = "ffmpeg"


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a sound: WAV bytes, and when it starts, in seconds."""

    content: bytes
    start: float
    length: float


def needs_cut(file: FileInput, split: Split) -> bool:
    """Whether a file passes a limit; the length of a format other than WAV is not known before it is decoded."""
    if file.size is None or file.size > split.bytes:
        return True
    with file.open() as reader:
        if reader.read(4) != b"RIFF":
            return False
    with _opened(file) as sound:
        return sound is not None and sound.getnframes() / sound.getframerate() > split.seconds


@contextmanager
def pieces(file: FileInput, split: Split, pointer: str) -> Iterator[Iterator[Piece]]:
    """The pieces of a file, made as they are asked for; raises InputError where it cannot be cut."""
    with _opened(file) as sound:
        if sound is not None:
            yield _cut(sound, split, pointer)
            return
    with (
        tempfile.TemporaryDirectory(prefix="kosha-sound-") as folder,
        wave.open(str(_decoded(file, Path(folder), split, pointer)), "rb") as decoded,
    ):
        yield _cut(decoded, split, pointer)


@contextmanager
def _opened(file: FileInput) -> Iterator[wave.Wave_read | None]:
    """The file as WAV; None where it is none that can be cut here."""
    with file.open() as reader:
        sound = _as_sound(reader)
        try:
            yield sound
        finally:
            if sound is not None:
                sound.close()


def _as_sound(reader: IO[bytes]) -> wave.Wave_read | None:
    try:
        sound = wave.open(cast("IO[bytes]", _Forward(reader)), "rb")  # noqa: SIM115 - closed by whoever asked for it
    except (wave.Error, EOFError):
        return None
    return sound if sound.getframerate() else None


class _Forward(io.RawIOBase):
    """A reader that only goes forward, as ``wave`` takes it."""

    def __init__(self, reader: IO[bytes]) -> None:
        self._reader = reader

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        return self._reader.read(size)

    def tell(self) -> int:
        """Raises OSError: the reader only goes forward."""
        raise OSError


def _cut(sound: wave.Wave_read, split: Split, pointer: str) -> Iterator[Piece]:
    """Pieces of at most the limits; what follows a quiet moment begins the next piece."""
    rate, size = sound.getframerate(), sound.getsampwidth() * sound.getnchannels()
    most = min(int(split.seconds * rate), (split.bytes - _HEADER) // size)
    if most < rate:
        raise _refused(pointer, "size", "has more bytes in a second than can be sent.", "Lower its rate.", split.bytes)
    rest, start = b"", 0
    while True:
        content = rest + sound.readframes(most - len(rest) // size)
        content = content[: len(content) // size * size]
        if not content:
            return
        frames = len(content) // size
        end = frames if frames < most else _quiet(content, sound, int(split.quiet * rate))
        yield Piece(_as_wav(sound, content[: end * size]), start / rate, end / rate)
        rest, start = content[end * size :], start + end


def _quiet(content: bytes, sound: wave.Wave_read, reach: int) -> int:
    """The frame at the middle of the quietest moment among the last ``reach`` frames; the end where loudness cannot be measured."""
    channels, width = sound.getnchannels(), sound.getsampwidth()
    frames = len(content) // (channels * width)
    window = max(1, int(_WINDOW * sound.getframerate()))
    first = max(frames // 2, frames - reach)
    if width != _WHOLE or frames - first < window:
        return frames
    samples = array("h", content[first * channels * width :])
    if sys.byteorder == "big":
        samples.byteswap()
    step = window * channels
    loudness = [sum(map(abs, samples[place : place + step])) for place in range(0, len(samples) - step + 1, step)]
    quietest = min(range(len(loudness)), key=loudness.__getitem__)
    return first + quietest * window + window // 2


def _as_wav(sound: wave.Wave_read, content: bytes) -> bytes:
    target = io.BytesIO()
    with wave.open(target, "wb") as made:
        made.setnchannels(sound.getnchannels())
        made.setsampwidth(sound.getsampwidth())
        made.setframerate(sound.getframerate())
        made.writeframes(content)
    return target.getvalue()


def _decoded(file: FileInput, folder: Path, split: Split, pointer: str) -> Path:
    """The file as WAV: 16 kHz, one channel, 16 bit; raises InputError."""
    program = find_program(_PROGRAM)
    if program is None:
        message = f"is larger than {split.bytes} bytes, and only WAV (PCM) can be cut here."
        raise _refused(pointer, "size", message, f"Send WAV, cut it, or install {_PROGRAM}.", split.bytes)
    given, made = folder / "given", folder / "made.wav"
    with given.open("wb") as target:
        for chunk in file.chunks():
            target.write(chunk)
    command = [program, "-hide_banner", "-nostdin", "-loglevel", "error", "-protocol_whitelist", "file", "-format_whitelist", _FORMATS]
    command += ["-threads", "1", "-i", str(given), "-vn", "-map", "0:a:0", "-ac", "1", "-ar", str(_RATE), "-c:a", "pcm_s16le"]
    command += ["-t", str(_HOURS * 3600), "-fs", str(_BOUNDS.file), "-f", "wav", str(made)]
    try:
        code = run_program(command, folder, _BOUNDS)
    except (OSError, subprocess.TimeoutExpired):
        raise _refused(pointer, "file", f"could not be decoded by {_PROGRAM} in time.", "Send WAV, or a shorter file.") from None
    if made.exists() and made.stat().st_size >= _HOURS * 3600 * _RATE * 2:
        raise _refused(pointer, "size", f"is longer than {_HOURS} hours.", "Cut it into files of its own.")
    if code != 0 or not made.exists():
        raise _refused(pointer, "file", f"holds no sound that {_PROGRAM} can decode.", "Send a sound file.")
    return made


def _refused(pointer: str, rule: str, message: str, fix: str, allowed: object = None) -> InputError:
    return InputError("The sound cannot be sent.", [Fault(pointer, rule, message, fix, allowed)])
