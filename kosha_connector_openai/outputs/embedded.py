"""Files that stand as base64 inside JSON answers: pictures, sounds, documents; each found with its place."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from kosha_connector_openai.manifest.parts import FileField, ListField, OutputField, OutputsPart
from kosha_connector_openai.outputs.files import OutputFile, from_bytes
from kosha_connector_openai.text import escape

_SHORTEST: Final = 32
"""Characters; less is no file."""
_STARTS: Final[Mapping[str, str]] = {
    "iVBORw0KGgo": "image/png",
    "/9j/": "image/jpeg",
    "R0lGODdh": "image/gif",
    "R0lGODlh": "image/gif",
    "UklGR": "application/octet-stream",
    "SUQz": "audio/mpeg",
    "ZkxhQ": "audio/flac",
    "T2dnUw": "audio/ogg",
    "JVBERi0": "application/pdf",
}
"""How base64 of a file begins, whatever the place is called; the bytes of a RIFF file say more."""
_PICTURES: Final = tuple(start for start, kind in _STARTS.items() if kind.startswith("image/"))
_DATA: Final = "data:"

See = Callable[[str, OutputFile, str], Any]
"""Takes the JSON Pointer of a file, the file and its text; gives what stands there instead."""


def embedded_names(part: OutputsPart) -> frozenset[str]:
    """The properties that hold base64 by the rules of short results."""
    found: set[str] = set()
    for shape in part.shapes.values():
        found.update(_names(shape.fields))
        if shape.stream is not None and shape.stream.merge is not None:
            found.update(shape.stream.merge.base64)
        if shape.stream is not None and shape.stream.bytes is not None:
            found.add(shape.stream.bytes.at.rpartition("/")[2])
    return frozenset(found)


def _names(fields: Mapping[str, OutputField]) -> Iterator[str]:
    for entry in fields.values():
        if isinstance(entry, FileField):
            yield from (path.rpartition("/")[2] for path in entry.at)
        elif isinstance(entry, ListField):
            yield from _names(entry.fields)


def replaced(value: Any, names: frozenset[str], see: See, pointer: str = "", name: str = "", *, pictures: bool = False) -> Any:
    """The value with ``see``'s answer in the place of each file; the very same value where it holds none.

    ``names`` are those of ``embedded_names``; with ``pictures`` nothing else counts, as in events, where sound comes in pieces.
    """
    if isinstance(value, str):
        file = _file(value, name, frozenset() if pictures else names, _PICTURES if pictures else tuple(_STARTS))
        return value if file is None else see(pointer, file, value)
    if isinstance(value, Mapping):
        made = {key: replaced(inner, names, see, f"{pointer}/{escape(key)}", key, pictures=pictures) for key, inner in value.items()}
        return made if any(made[key] is not inner for key, inner in value.items()) else value
    if isinstance(value, list) and value and not isinstance(value[0], (int, float)):
        items = [replaced(inner, names, see, f"{pointer}/{number}", name, pictures=pictures) for number, inner in enumerate(value)]
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    return value


def _file(text: str, name: str, names: frozenset[str], starts: tuple[str, ...]) -> OutputFile | None:
    if len(text) < _SHORTEST:
        return None
    declared = ""
    if text.startswith(_DATA):
        head, comma, text = text.partition(",")
        if not comma or not head.endswith(";base64"):
            return None
        declared = head[len(_DATA) : -len(";base64")] or "text/plain"
    elif text.startswith(starts):
        declared = next(kind for start, kind in _STARTS.items() if text.startswith(start))
    elif name not in names:
        return None
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return from_bytes(data, name=name or "file", declared=declared or "application/octet-stream")
