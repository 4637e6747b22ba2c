"""Discriminators that say which value means which schema, since generators of clients and validators take them at their word.

Without a ``mapping`` a discriminator's value is the schema's *name* (OpenAPI 3.1, section 4.8.25); descriptions often forget that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

_PREFIX: Final = "#/components/schemas/"


def mapped(value: Any, schemas: Mapping[str, Any]) -> Any:
    """``value``, copied, each discriminator in it with its mapping; without the discriminator where none can be told."""
    if isinstance(value, list):
        return [mapped(item, schemas) for item in value]
    if not isinstance(value, Mapping):
        return value
    found = {name: mapped(item, schemas) for name, item in value.items()}
    rule = value.get("discriminator")
    if isinstance(rule, Mapping) and isinstance(rule.get("propertyName"), str) and "mapping" not in rule:
        pairs = _pairs(value, rule["propertyName"], schemas)
        if pairs is None:
            del found["discriminator"]
        else:
            found["discriminator"] = {**rule, "mapping": pairs}
    return found


def _pairs(schema: Mapping[str, Any], name: str, schemas: Mapping[str, Any]) -> dict[str, str] | None:
    """Value -> reference, over all branches; None where a branch names no value, or two name the same one."""
    pairs: dict[str, str] = {}
    for branch in schema.get("oneOf") or schema.get("anyOf") or ():
        reference = branch.get("$ref", "") if isinstance(branch, Mapping) else ""
        values = list(_values(schemas.get(str(reference).removeprefix(_PREFIX)), name))
        if not values or not pairs.keys().isdisjoint(values):
            return None
        pairs.update(dict.fromkeys(values, reference))
    return pairs or None


def _values(schema: Any, name: str) -> Iterator[str]:
    """The texts that a property of an object can be."""
    part = schema.get("properties", {}).get(name) if isinstance(schema, Mapping) else None
    if isinstance(part, Mapping):
        known = part.get("enum", [part["const"]] if "const" in part else [])
        yield from (value for value in known if isinstance(value, str))
