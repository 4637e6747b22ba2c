"""Values of a run as JSON and back: bytes, errors and records too. A value that JSON has stays as it is."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

import orjson

from kosha_connector_openai import errors
from kosha_connector_openai.errors import ConnectorError, Fault, InputError
from kosha_connector_openai.flows.workflows import StepRecord, StepReply

_MARK: Final = "$kosha"
_RECORDS: Final[dict[str, type[Any]]] = {"fault": Fault, "record": StepRecord, "reply": StepReply}
_MISSING: Final = StepReply().body
_PLAIN: Final = (str, int, float, bool, type(None))


def dump(value: Any) -> bytes:
    """The value as JSON. Raises InputError where it cannot be kept."""
    return orjson.dumps(_packed(value))


def load(data: bytes) -> Any:
    """The value of ``dump``."""
    return _unpacked(orjson.loads(data))


def _packed(value: Any) -> Any:  # noqa: PLR0911 - one for each kind
    if isinstance(value, _PLAIN):
        return value
    if value is _MISSING:
        return {_MARK: "missing"}
    if isinstance(value, (bytes, bytearray)):
        return {_MARK: "bytes", "value": base64.b64encode(value).decode()}
    if isinstance(value, ConnectorError):
        kept = {name: part for name, part in vars(value).items() if not name.startswith("_") and name != "result"}
        return {_MARK: "error", "kind": type(value).__name__, "value": _packed(kept)}
    for name, kind in _RECORDS.items():
        if isinstance(value, kind):
            return {_MARK: name, "value": {field.name: _packed(getattr(value, field.name)) for field in fields(kind)}}
    if isinstance(value, Mapping):
        plain = {str(name): _packed(part) for name, part in value.items()}
        return {_MARK: "map", "value": plain} if _MARK in plain else plain
    if isinstance(value, (list, tuple)):
        return [_packed(part) for part in value]
    if hasattr(value, "to_dict"):
        return _packed(value.to_dict())
    raise InputError(
        "A value cannot be kept for another process.",
        [Fault("/inputs", "type", f"has a value of type {type(value).__name__}.", "Give JSON or bytes.")],
    )


def _unpacked(value: Any) -> Any:  # noqa: PLR0911 - one for each kind
    if isinstance(value, list):
        return [_unpacked(part) for part in value]
    if not isinstance(value, dict):
        return value
    mark = value.get(_MARK)
    if mark is None:
        return {name: _unpacked(part) for name, part in value.items()}
    if mark == "missing":
        return _MISSING
    if mark == "bytes":
        return base64.b64decode(value["value"])
    parts = {name: _unpacked(part) for name, part in value["value"].items()}
    if mark == "map":
        return parts
    if mark == "error":
        return _error(value["kind"], parts)
    return _RECORDS[mark](**{name: tuple(part) if name in ("warnings", "allowed") else part for name, part in parts.items()})


def _error(name: str, parts: dict[str, Any]) -> ConnectorError:
    kind = getattr(errors, name, ConnectorError)
    found = kind if isinstance(kind, type) and issubclass(kind, ConnectorError) else ConnectorError
    error = found.__new__(found, parts.get("message", ""))
    error.__dict__.update({key: tuple(part) if key == "faults" else part for key, part in parts.items()})
    return error
