"""Small real pictures of one colour in any size: PNG, JPEG and WebP."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping
from typing import Final

_MOST = 4096


def picture(kind: str, width: int, height: int) -> bytes:
    """A whole picture; kinds are png, jpeg and webp; sizes in pixels, at most 4096."""
    return _MAKERS.get(kind, png)(min(max(width, 1), _MOST), min(max(height, 1), _MOST))


def png(width: int, height: int) -> bytes:
    """One bit a pixel, with a palette (PNG, third edition, section 11)."""
    rows = (b"\0" + bytes((width + 7) // 8)) * height
    header = struct.pack(">IIBBBBB", width, height, 1, 3, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"PLTE", bytes([0x4F, 0x7C, 0xAC])), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def jpeg(width: int, height: int) -> bytes:
    """Baseline, grey: the first block says how bright, the others that nothing changes (ITU-T T.81, annex B and F).

    The Huffman tables hold two codes for brightness (0: no change, 10: four bits follow) and one for the end of a block (0).
    """
    blocks = -(-width // 8) * -(-height // 8)
    bits = "10" + "1001" + "0" + "00" * (blocks - 1)
    bits += "1" * (-len(bits) % 8)
    scan = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
    segments = (
        (0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0"),
        (0xDB, b"\0" + bytes([16] * 64)),
        (0xC0, struct.pack(">BHHB", 8, height, width, 1) + bytes([1, 0x11, 0])),
        (0xC4, b"\0" + bytes([1, 1, *[0] * 14]) + bytes([0, 4])),
        (0xC4, b"\x10" + bytes([1, *[0] * 15]) + bytes([0])),
        (0xDA, bytes([1, 1, 0, 0, 63, 0])),
    )
    return b"\xff\xd8" + b"".join(_segment(mark, data) for mark, data in segments) + scan + b"\xff\xd9"


def _segment(mark: int, data: bytes) -> bytes:
    return bytes([0xFF, mark]) + struct.pack(">H", len(data) + 2) + data


def webp(width: int, height: int) -> bytes:
    """Lossless, five prefix codes of one symbol each, so no pixel takes a bit (RFC 9649, section 3)."""
    fields = [(0x2F, 8), (width - 1, 14), (height - 1, 14), (0, 1), (0, 3), (0, 1), (0, 1), (0, 1)]
    for symbol in (0x7C, 0x4F, 0xAC, 0xFF):
        fields += [(1, 1), (0, 1), (1, 1), (symbol, 8)]
    fields += [(1, 1), (0, 1), (0, 1), (0, 1)]
    number = shift = 0
    for value, size in fields:
        number |= value << shift
        shift += size
    data = number.to_bytes((shift + 7) // 8, "little")
    padded = data + b"\0" * (len(data) % 2)
    return b"RIFF" + struct.pack("<I", 12 + len(padded)) + b"WEBPVP8L" + struct.pack("<I", len(data)) + padded


_MAKERS: Final[Mapping[str, Callable[[int, int], bytes]]] = {"png": png, "jpeg": jpeg, "webp": webp}
