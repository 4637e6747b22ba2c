"""A finished call -> its short result, by a shape of the part ``outputs``: text, parsed JSON, tool calls, vectors, files, rows."""

from __future__ import annotations

import json
from array import array
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from sys import byteorder
from typing import Any, Final

from kosha_connector_openai.core.result import REPLY_LIMITS, Result, SavedFile
from kosha_connector_openai.errors import Fault
from kosha_connector_openai.manifest import parts as spec
from kosha_connector_openai.outputs.files import OutputFile, from_base64, from_bytes, from_saved, from_url, media_type
from kosha_connector_openai.outputs.stream_fold import Folded, fold
from kosha_connector_openai.text import OBJECT, JsonTextError, all_of, decode, find, first_of

_FLOAT: Final = 4
"""Bytes of one number of a vector in base64."""


@dataclass(frozen=True, slots=True)
class ShortResult:
    """The short ``result`` that a workflow maps, with outcome, usage, cost, model and request id.

    ``outcome`` is ``complete``, ``pending``, ``incomplete``, ``refused``, ``filtered`` or ``failed``, with ``reasons``; ``usage`` has
    the same names whatever the action; ``cost`` is an estimate where prices were given.
    """

    action: str
    result: Mapping[str, Any]
    outcome: str = "complete"
    reasons: tuple[str, ...] = ()
    usage: Mapping[str, int | float] | None = None
    cost: Mapping[str, Any] | None = None
    model: str | None = None
    request_id: str | None = None
    warnings: tuple[Fault, ...] = ()
    """Those of the call, and what a stream's events had that its answer has no place for."""
    raw: tuple[Any, ...] = ()
    """The data of such events, as they came."""

    @property
    def files(self) -> tuple[OutputFile, ...]:
        """Every file of the result, in order."""
        return tuple(_files(self.result))

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values; a file is told by name, type, size and digest, never by its bytes."""
        return {
            "action": self.action,
            "outcome": self.outcome,
            "reasons": list(self.reasons),
            "result": _plain(self.result),
            "usage": dict(self.usage) if self.usage is not None else None,
            "cost": dict(self.cost) if self.cost is not None else None,
            "model": self.model,
            "request_id": self.request_id,
            "warnings": [{"pointer": w.pointer, "rule": w.rule, "message": w.message, "fix": w.fix} for w in self.warnings],
            "raw": list(self.raw),
        }


@dataclass(frozen=True, slots=True)
class AnswerPart:
    """An answer, or an item of it, as its fields read it: JSON values or one text; the answer as a file; what the item stands in."""

    value: Any
    file: Callable[[str], OutputFile] = field(repr=False)
    around: Any = None


def shaped(result: Result, shape: spec.Shape, part: spec.OutputsPart) -> Folded:
    """The fields of the short result of a call, and what of a stream they have no place for."""
    folded = Folded(result.value)
    if result.kind == "events":
        folded = fold(result.value, shape.stream) if shape.stream else Folded({})
    body = _body(result, folded.value)
    found = fields_of(shape, part)
    values = {name: _READ[type(entry)](entry, body, part) for name, entry in found.items()}
    if result.kind == "events" and result.incomplete:  # its text is in its events, whatever else is missing
        texts = (name for name, entry in found.items() if isinstance(entry, spec.TextField) and not values[name])
        values |= dict.fromkeys(list(texts)[:1], result.text)
    return Folded(values, folded.raw, folded.warnings)


def shape_of(action: str, part: spec.OutputsPart) -> spec.Shape | None:
    """The shape of an action's result; None where it has none of its own."""
    if action in part.actions:
        return part.shapes.get(part.actions[action])
    if action in part.singles:
        return spec.Shape(help="One object.", of=part.singles[action])
    if action not in part.tables:
        return None
    rows = spec.ListField(kind="list", at=part.page.rows, of=part.tables[action], help="The rows of this page.")
    return spec.Shape(help="A page of rows.", answers="items", fields={"items": rows, **part.page.fields})


def fields_of(shape: spec.Shape | spec.ListField, part: spec.OutputsPart) -> Mapping[str, spec.OutputField]:
    """The fields of a shape, those of its record first."""
    return {**(part.records[shape.of] if shape.of else {}), **shape.fields}


def file_names(shape: spec.Shape | spec.ListField, part: spec.OutputsPart) -> frozenset[str]:
    """The names of the files that a shape's results can have, those of its rows too."""
    fields = fields_of(shape, part).values()
    inner = (file_names(entry, part) for entry in fields if isinstance(entry, spec.ListField))
    return frozenset(entry.name for entry in fields if isinstance(entry, (spec.FileField, spec.BodyField))).union(*inner)


def normalised_usage(usage: Mapping[str, Any] | None, part: spec.OutputsPart) -> dict[str, int | float] | None:
    """A usage object's counts by the connector's own names; None where the answer told none. ``total`` is added up where it is missing."""
    if usage is None:
        return None
    found = {name: value for name, paths in part.usage.items() if _is_count(value := first_of(dict(usage), paths))}
    if "total" not in found and ("input" in found or "output" in found):
        found["total"] = found.get("input", 0) + found.get("output", 0)
    return {name: found[name] for name in part.usage if name in found} | {k: v for k, v in found.items() if k not in part.usage}


def total_tokens(usage: Any, part: spec.OutputsPart) -> int | float | None:
    """``total`` of ``normalised_usage`` alone, for who counts each of many answers; None where it is no usage object or tells none."""
    if not isinstance(usage, OBJECT):
        return None
    told = first_of(usage, part.usage.get("total", ()))
    if _is_count(told):
        total: int | float = told
        return total
    sides = [count for name in ("input", "output") if _is_count(count := first_of(usage, part.usage.get(name, ())))]
    return sum(sides) if sides else None


def _is_count(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _body(result: Result, value: Any) -> AnswerPart:
    content_type = result.content_type
    if result.kind == "events":
        content_type = "" if isinstance(value, bytes) else "application/json"
    elif isinstance(value, SavedFile) and media_type(content_type).endswith("json"):
        value = _read(value)
    raw = result.raw if result.raw is not None else result.value if result.kind == "file" else value

    def file(name: str) -> OutputFile:
        if isinstance(raw, SavedFile):
            return from_saved(raw)
        text = "" if raw is None else raw if isinstance(raw, (str, bytes)) else json.dumps(raw)
        return from_bytes(text.encode() if isinstance(text, str) else text, name=name, declared=content_type)

    return AnswerPart(value if isinstance(value, (dict, list, str)) else {}, file)


def _read(saved: SavedFile) -> Any:
    """The values in an answer that was saved; nothing where the file is gone or no JSON any more."""
    try:
        return decode(saved.path.read_bytes(), REPLY_LIMITS)
    except (OSError, JsonTextError):
        return {}


def _value(entry: spec.ValueField, body: AnswerPart, _: spec.OutputsPart) -> Any:
    found = first_of(body.value, entry.at)
    return found if found is not None and (entry.type is None or _TYPES[entry.type](found)) else entry.default


def _text(entry: spec.TextField | spec.ParsedField, body: AnswerPart, _: spec.OutputsPart) -> str:
    texts = ("".join(text for text in find(body.value, path) if isinstance(text, str)) for path in entry.at)
    return next(filter(None, texts), "")


def _parsed(entry: spec.ParsedField, body: AnswerPart, part: spec.OutputsPart) -> Any:
    if isinstance(found := first_of(body.value, entry.at), (dict, list)):  # some servers send values in place of their text
        return found
    text = _text(entry, body, part).strip()
    if text[:1] not in ("{", "["):
        return None
    try:
        return decode(text.encode())
    except (JsonTextError, UnicodeEncodeError):
        return None


def _time(entry: spec.TimeField, body: AnswerPart, _: spec.OutputsPart) -> str | None:
    seconds = first_of(body.value, entry.at)
    if not _is_count(seconds):
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):
        return None


def _count(entry: spec.CountField, body: AnswerPart, _: spec.OutputsPart) -> int:
    return len(all_of(body.value, entry.at))


def _names(entry: spec.NamesField, body: AnswerPart, _: spec.OutputsPart) -> list[str]:
    found = first_of(body.value, entry.at)
    return sorted(name for name, value in found.items() if value is True) if isinstance(found, dict) else []


def _any(entry: spec.AnyField, body: AnswerPart, _: spec.OutputsPart) -> bool | None:
    values = all_of(body.value, entry.at)
    if any(value is True for value in values):
        return True
    asked = max(len(find(body.value, path.rpartition("/")[0])) for path in entry.at)
    return False if asked and values.count(False) == asked else None


def _vectors(entry: spec.VectorsField, body: AnswerPart, _: spec.OutputsPart) -> list[list[float] | None]:
    return [numbers(first_of(item, [entry.vector])) for item in _ordered(all_of(body.value, entry.at), entry.order)]


def numbers(value: Any) -> list[float] | None:
    """A vector's numbers, also out of base64 of little-endian 32-bit floats; None where it is no vector."""
    if isinstance(value, list):
        return value if set(map(type, value)) <= {int, float} else None
    if not isinstance(value, str):
        return None
    try:
        data = b64decode(value, validate=True)
    except Base64Error:
        return None
    if len(data) % _FLOAT:
        return None
    floats = array("f", data)
    if byteorder == "big":
        floats.byteswap()
    return floats.tolist()


def _file(entry: spec.FileField, body: AnswerPart, _: spec.OutputsPart) -> OutputFile | None:
    declared = first_of(body.value, entry.type) or first_of(body.around, entry.type)
    kind = declared if isinstance(declared, str) else entry.default
    content, url = first_of(body.value, entry.at), first_of(body.value, entry.url)
    if isinstance(content, str):
        return from_base64(content, name=entry.name, declared=kind)
    return from_url(url, name=entry.name, declared=kind) if isinstance(url, str) else None


def _whole(entry: spec.BodyField, body: AnswerPart, _: spec.OutputsPart) -> OutputFile:
    return body.file(entry.name)


def _list(entry: spec.ListField, body: AnswerPart, part: spec.OutputsPart) -> list[dict[str, Any]]:
    fields = fields_of(entry, part)
    bodies = [AnswerPart(item, body.file, body.value) for item in _ordered(all_of(body.value, entry.at), entry.order)]
    return [{name: _READ[type(inner)](inner, item, part) for name, inner in fields.items()} for item in bodies]


def _ordered(items: list[Any], order: str) -> list[Any]:
    """Sorts the items by their index; keeps the given order where an item has none."""
    places: list[Any] = [next(iter(find(item, order)), None) for item in items] if order else []
    if not places or not all(map(_is_count, places)):
        return items
    return [item for _, item in sorted(zip(places, items, strict=True), key=lambda pair: pair[0])]


def _files(value: Any) -> Iterator[OutputFile]:
    if isinstance(value, OutputFile):
        yield value
    elif isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            if isinstance(item, (dict, list, OutputFile)):
                yield from _files(item)


def _plain(value: Any) -> Any:
    if isinstance(value, OutputFile):
        return value.to_dict()
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], (dict, OutputFile)):
        return [_plain(item) for item in value]
    return value


_TYPES: Final[Mapping[str, Callable[[Any], bool]]] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": _is_count,
    "boolean": lambda value: isinstance(value, bool),
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
}
"""A value of another type than was declared counts as none, so that a result always fits its schema."""
_READ: Final[Mapping[type, Callable[[Any, AnswerPart, spec.OutputsPart], Any]]] = {
    spec.ValueField: _value,
    spec.TextField: _text,
    spec.ParsedField: _parsed,
    spec.TimeField: _time,
    spec.CountField: _count,
    spec.NamesField: _names,
    spec.AnyField: _any,
    spec.VectorsField: _vectors,
    spec.FileField: _file,
    spec.BodyField: _whole,
    spec.ListField: _list,
}
