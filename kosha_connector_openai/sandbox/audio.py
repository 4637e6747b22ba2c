"""Short real sound files: a tone as WAV, PCM and FLAC, silence as MP3, AAC and Opus."""

from __future__ import annotations

import io
import math
import struct
import wave
from collections.abc import Callable, Mapping
from typing import Final

RATE = 24_000
_SECONDS = 0.5


def sound(kind: str) -> bytes:
    """Half a second of sound; kinds are mp3, wav, pcm, flac, aac and opus."""
    return _MAKERS.get(kind, mp3)()


def pcm() -> bytes:
    """A tone of 440 Hz: 16 bit, little-endian, mono, 24 kHz, without a header."""
    count = int(RATE * _SECONDS)
    return b"".join(struct.pack("<h", int(8000 * math.sin(2 * math.pi * 440 * index / RATE))) for index in range(count))


def wav() -> bytes:
    """The tone with a RIFF header."""
    target = io.BytesIO()
    with wave.open(target, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(pcm())
    return target.getvalue()


def mp3() -> bytes:
    """Silent frames: MPEG-1 layer III, 128 kbit/s, 44.1 kHz, mono; 417 bytes and 1152 samples each (ISO/IEC 11172-3)."""
    frame = b"\xff\xfb\x90\xc4" + bytes(413)
    return frame * math.ceil(_SECONDS * 44_100 / 1152)


def aac() -> bytes:
    """Silent ADTS frames: AAC LC, 24 kHz, mono (ISO/IEC 13818-7, section 6.2); 1024 samples each."""
    data = b"\x00\xc8\x00\x80\x23\x80"
    size = len(data) + 7
    header = bytes([0xFF, 0xF1, 0x58, 0x40 | size >> 11, size >> 3 & 0xFF, (size & 7) << 5 | 0x1F, 0xFC])
    return (header + data) * math.ceil(_SECONDS * RATE / 1024)


def flac() -> bytes:
    """The tone, uncompressed, one block a frame (RFC 9639)."""
    samples = struct.unpack(f"<{int(RATE * _SECONDS)}h", pcm())
    size = 4096
    blocks = [samples[start : start + size] for start in range(0, len(samples), size)]
    info = struct.pack(">HH", size, size) + bytes(6)
    info += (RATE << 44 | 15 << 36 | len(samples)).to_bytes(8, "big") + bytes(16)
    return b"fLaC\x80" + len(info).to_bytes(3, "big") + info + b"".join(map(_flac_frame, range(len(blocks)), blocks))


def _flac_frame(number: int, block: tuple[int, ...]) -> bytes:
    head = b"\xff\xf8\x77\x08" + bytes([number]) + struct.pack(">H", len(block) - 1)
    head += bytes([_crc(head, 8, 0x07)])
    body = head + b"\x02" + struct.pack(f">{len(block)}h", *block)
    return body + _crc(body, 16, 0x8005).to_bytes(2, "big")


def opus() -> bytes:
    """Silent packets of 20 ms in Ogg pages (RFC 7845, RFC 3533)."""
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, 312, RATE, 0, 0)
    vendor = b"sandbox"
    tags = b"OpusTags" + struct.pack("<I", len(vendor)) + vendor + struct.pack("<I", 0)
    packets = [b"\xf8\xff\xfe"] * math.ceil(_SECONDS / 0.02)
    pages = ((2, 0, [head]), (0, 0, [tags]), (4, 960 * len(packets), packets))
    return b"".join(_page(number, *page) for number, page in enumerate(pages))


def _page(number: int, flags: int, position: int, packets: list[bytes]) -> bytes:
    head = b"OggS" + struct.pack("<BBqII", 0, flags, position, 1, number)
    tail = bytes([len(packets), *map(len, packets)]) + b"".join(packets)
    return head + struct.pack("<I", _crc(head + bytes(4) + tail, 32, 0x04C11DB7)) + tail


def _crc(data: bytes, width: int, polynomial: int) -> int:
    """A checksum with its highest bit first and zero at the start."""
    value, top, mask = 0, 1 << (width - 1), (1 << width) - 1
    for byte in data:
        value ^= byte << (width - 8)
        for _ in range(8):
            value = ((value << 1) ^ polynomial if value & top else value << 1) & mask
    return value


_MAKERS: Final[Mapping[str, Callable[[], bytes]]] = {
    "mp3": mp3,
    "wav": wav,
    "pcm": pcm,
    "flac": flac,
    "aac": aac,
    "opus": opus,
}
