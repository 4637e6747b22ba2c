"""Pictures and sounds that other programs can read."""

from __future__ import annotations

import io
import struct
import wave
import zlib

import pytest

from kosha_connector_openai.sandbox.audio import sound
from kosha_connector_openai.sandbox.media import jpeg, picture, png, webp


def test_png_has_its_size_and_all_its_rows() -> None:
    """The header has the size, and the unpacked data one row of bits for each line."""
    data = png(300, 200)
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", data[16:24]) == (300, 200)
    start = data.index(b"IDAT")
    length = struct.unpack(">I", data[start - 4 : start])[0]
    packed = data[start + 4 : start + 4 + length]
    assert len(zlib.decompress(packed)) == 200 * (1 + 38)
    assert struct.unpack(">I", data[start + 4 + length : start + 8 + length])[0] == zlib.crc32(b"IDAT" + packed)
    assert data.endswith(b"IEND\xaeB`\x82")


def test_jpeg_has_its_size() -> None:
    """A frame header with the size between the first and the last marker."""
    data = jpeg(300, 200)
    assert (data[:2], data[-2:]) == (b"\xff\xd8", b"\xff\xd9")
    start = data.index(b"\xff\xc0")
    assert struct.unpack(">HH", data[start + 5 : start + 9]) == (200, 300)


def test_webp_is_one_lossless_chunk() -> None:
    """The sizes in the header are those of the file, and the picture's are stored less one."""
    data = webp(300, 200)
    assert (data[:4], data[8:16]) == (b"RIFF", b"WEBPVP8L")
    assert struct.unpack("<I", data[4:8])[0] == len(data) - 8
    assert struct.unpack("<I", data[21:25])[0] & 0x0FFFFFFF == 299 | 199 << 14


@pytest.mark.parametrize(("width", "height"), [(0, 0), (10**9, 1)])
def test_sizes_have_bounds(width: int, height: int) -> None:
    """No size is empty or takes much memory."""
    assert 50 < len(picture("png", width, height)) < 1000


def test_wav_is_half_a_second_of_tone() -> None:
    """The wave module reads it back."""
    with wave.open(io.BytesIO(sound("wav"))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate(), file.getnframes()) == (1, 2, 24_000, 12_000)
        assert file.readframes(12_000) == sound("pcm")
    assert max(struct.unpack("<12000h", sound("pcm"))) == 8000


@pytest.mark.parametrize(
    ("kind", "start", "size"),
    [
        ("mp3", b"\xff\xfb\x90\xc4", 20 * 417),
        ("aac", b"\xff\xf1\x58\x40", 12 * 13),
        ("flac", b"fLaC\x80\0\0\x22\x10\0\x10\0", 24_075),
        ("opus", b"OggS\0\x02", 225),
        ("anything", b"\xff\xfb\x90\xc4", 20 * 417),
    ],
)
def test_other_sounds_start_as_they_must(kind: str, start: bytes, size: int) -> None:
    """Frames in the right number, with the right first bytes."""
    assert sound(kind).startswith(start)
    assert len(sound(kind)) == size
