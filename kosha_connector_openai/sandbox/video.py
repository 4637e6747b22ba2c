"""A short real MP4: one second of a still picture, each frame a JPEG."""

from __future__ import annotations

import struct

from kosha_connector_openai.sandbox.media import jpeg

_FRAMES = 4
_SCALE = 4
"""Time units a second, so one a frame."""
_UNITY = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_JPEG = 0x6C
"""Object type of JPEG pictures (ISO/IEC 14496-1, table 5)."""


def mp4(width: int = 320, height: int = 180) -> bytes:
    """The file: its type, its samples, then what they are (ISO/IEC 14496-12 and 14496-14)."""
    frame = jpeg(width, height)
    start = _box(b"ftyp", b"isom\0\0\2\0isommp42")
    samples = _box(b"mdat", frame * _FRAMES)
    header = struct.pack(">IIIIIIHHII", 0, 0, 0, _SCALE, _FRAMES, 0x10000, 0x100, 0, 0, 0)
    movie = _box(b"mvhd", header + _UNITY + bytes(24) + struct.pack(">I", 2))
    return start + samples + _box(b"moov", movie + _track(width, height, len(frame), len(start) + 8))


def _track(width: int, height: int, size: int, offset: int) -> bytes:
    head = struct.pack(">IIIIIIIIHHHH", 3, 0, 0, 1, 0, _FRAMES, 0, 0, 0, 0, 0, 0) + _UNITY
    head += struct.pack(">II", width << 16, height << 16)
    media = _box(b"mdhd", struct.pack(">IIIIIHH", 0, 0, 0, _SCALE, _FRAMES, 0x55C4, 0))
    media += _box(b"hdlr", struct.pack(">II4s", 0, 0, b"vide") + bytes(13))
    source = _box(b"dref", struct.pack(">II", 0, 1) + _box(b"url ", struct.pack(">I", 1)))
    table = _box(b"stsd", struct.pack(">II", 0, 1) + _picture_entry(width, height))
    table += _box(b"stts", struct.pack(">IIII", 0, 1, _FRAMES, 1))
    table += _box(b"stsc", struct.pack(">IIIII", 0, 1, 1, _FRAMES, 1))
    table += _box(b"stsz", struct.pack(">III", 0, size, _FRAMES))
    table += _box(b"stco", struct.pack(">III", 0, 1, offset))
    info = _box(b"vmhd", struct.pack(">IQ", 1, 0)) + _box(b"dinf", source) + _box(b"stbl", table)
    return _box(b"trak", _box(b"tkhd", head) + _box(b"mdia", media + _box(b"minf", info)))


def _picture_entry(width: int, height: int) -> bytes:
    decoder = _descriptor(4, struct.pack(">BBHBII", _JPEG, 0x11, 0, 0, 0, 0))
    stream = _descriptor(3, struct.pack(">HB", 1, 0) + decoder + _descriptor(6, b"\2"))
    head = bytes(6) + struct.pack(">H", 1) + bytes(16) + struct.pack(">HHIIIH", width, height, 0x480000, 0x480000, 0, 1)
    return _box(b"mp4v", head + bytes(32) + struct.pack(">Hh", 24, -1) + _box(b"esds", bytes(4) + stream))


def _descriptor(tag: int, data: bytes) -> bytes:
    return bytes([tag, len(data)]) + data


def _box(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data) + 8) + name + data
