"""Two schemas that hold at once as one: how each keyword of JSON Schema 2020-12 combines under ``allOf``."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from kosha_connector_openai.schema import BOUNDS, common_types

Flat = Mapping[str, Any]
"""The keywords of one alternative without any composition; ``type`` is a set of names, ``enum`` maps JSON text to value."""

EMPTY: Final[Flat] = MappingProxyType({})


def json_text(value: Any) -> str:
    """JSON text that is equal for equal values: 1 and 1.0 are one number, true is none."""
    return json.dumps(_plain(value), ensure_ascii=False, sort_keys=True)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def merged(one: Flat, other: Flat) -> Flat:
    """Both at once; the very same object where one of them says nothing."""
    if not one or not other:
        return one or other
    out = dict(one)
    for keyword, value in other.items():
        out[keyword] = _MERGES.get(keyword, _both)(out[keyword], value) if keyword in out else value
    return out


def _values(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    return {text: value for text, value in one.items() if text in other}


def _properties(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    return {**one, **{name: _schemas(one[name], part) if name in one else part for name, part in other.items()}}


def _schemas(one: Any, other: Any) -> Any:
    if one is False or other is False:
        return False
    return one if one == other or other is True else other if one is True else {"allOf": [one, other]}


def _both(one: Any, other: Any) -> Any:
    """Two rules that cannot be made one: a list that stands for both."""
    rules = {json_text(rule): rule for part in (one, other) for rule in (part if isinstance(part, list) else [part])}
    found = [rules[text] for text in sorted(rules)]
    return found[0] if len(found) == 1 else found


_MERGES: Final[Mapping[str, Callable[[Any, Any], Any]]] = MappingProxyType(
    {
        "type": lambda one, other: frozenset(common_types(one, other)),
        "enum": _values,
        "required": frozenset.union,
        "properties": _properties,
        "additionalProperties": _schemas,
        "items": _schemas,
        "prefixItems": lambda one, other: one if one == other else _longest(one, other),
        "name": lambda one, _: one,
        **BOUNDS,
    }
)


def _longest(one: list[Any], other: list[Any]) -> list[Any]:
    size = max(len(one), len(other))
    pairs = zip((one + [True] * size)[:size], (other + [True] * size)[:size], strict=True)
    return [_schemas(first, second) for first, second in pairs]
