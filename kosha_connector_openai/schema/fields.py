"""The top-level properties of an object schema, merged from its ``$ref``, ``allOf``, ``anyOf`` and ``oneOf``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kosha_connector_openai.errors import DocumentError
from kosha_connector_openai.schema.references import Tokens, circle, is_flagged, keeps_neighbours, reference_target, reference_tokens
from kosha_connector_openai.text import to_pointer

Fields = Mapping[str, Any]


def flatten_properties(
    root: Mapping[str, Any], schema: Any, version: str, *, tolerant: bool = False
) -> tuple[dict[str, Any], tuple[str, ...], bool] | None:
    """An object schema's top-level properties, the required ones of them, and whether others are forbidden.

    The properties' schemas stay in the document's own dialect. ``$ref`` and ``allOf`` are merged. Of the
    branches of an ``anyOf`` or ``oneOf`` the union is taken: every property of any branch, required only
    where every branch requires it; so a value can have these fields and still fit no branch. Read-only
    properties are never required. None where the schema does not describe an object, or where only some of
    its branches do. Raises DocumentError as ``to_json_schema`` does; ``tolerant``, it passes over what it cannot follow.
    """
    found = _Flattening(root, keeps_neighbours(version), tolerant).fields(schema, ())
    if found is None or not (found.is_object or found.properties):
        return None
    required = [name for name in found.required if not is_flagged(root, found.properties.get(name), "readOnly")]
    return found.properties, tuple(dict.fromkeys(required)), found.closed


@dataclass(slots=True)
class _Object:
    """The properties found so far; a schema without ``type`` does not decide whether the value is an object."""

    properties: dict[str, Any] = field(default_factory=dict)
    required: list[str] = field(default_factory=list)
    closed: bool = False
    is_object: bool = False

    def add(self, other: _Object, *, joined_by: str = "allOf") -> None:
        """Takes another schema's fields; a name in both must fit both (``allOf``) or either (``anyOf``)."""
        for name, schema in other.properties.items():
            mine = self.properties.get(name, schema)
            self.properties[name] = schema if mine == schema else {joined_by: [mine, schema]}
        self.is_object |= other.is_object or bool(other.properties)


class _Flattening:
    """One run over one schema."""

    def __init__(self, root: Mapping[str, Any], neighbours: bool, tolerant: bool) -> None:
        self._root = root
        self._neighbours = neighbours
        self._tolerant = tolerant
        self._done: dict[Tokens, _Object | None] = {}

    def fields(self, schema: Any, chain: tuple[str, ...]) -> _Object | None:
        """The fields; None where the schema is of another type. ``chain``: the references on the way here."""
        if not isinstance(schema, Mapping):
            return _Object()
        parts: list[Any] = []
        own = _Object()
        if "$ref" in schema:
            parts.append(self._referred(schema["$ref"], chain))
        if "$ref" not in schema or self._neighbours:
            if not _may_be_object(schema):
                return None
            own = _own(schema)
            parts += [self.fields(part, chain) for part in _list(schema, "allOf")]
            parts += [self._union(branches, chain) for key in ("anyOf", "oneOf") if (branches := _list(schema, key))]
        for part in parts:
            if part is None:
                return None
            own.add(part)
            own.required += part.required
            own.closed |= part.closed
        return own

    def _referred(self, reference: object, chain: tuple[str, ...]) -> _Object | None:
        try:
            return self._followed(reference, chain)
        except DocumentError:
            if self._tolerant:
                return _Object()
            raise

    def _followed(self, reference: object, chain: tuple[str, ...]) -> _Object | None:
        path = reference_tokens(reference, "")
        step = "#" + to_pointer(path)
        if step in chain:
            raise circle((*chain[chain.index(step) :], step), to_pointer(path))
        if path not in self._done:
            self._done[path] = self.fields(reference_target(self._root, path, ""), (*chain, step))
        return self._done[path]

    def _union(self, branches: Iterable[Any], chain: tuple[str, ...]) -> _Object | None:
        found = [self.fields(branch, chain) for branch in branches if not _is_null(branch)]
        objects = [branch for branch in found if branch is not None]
        if len(objects) < len(found):
            return None
        merged = _Object(closed=bool(objects) and all(branch.closed for branch in objects))
        for branch in objects:
            merged.add(branch, joined_by="anyOf")
        merged.required = _common([branch.required for branch in objects])
        return merged


def _own(schema: Mapping[str, Any]) -> _Object:
    """The schema's own keywords, without its subschemas."""
    properties = schema.get("properties")
    return _Object(
        properties=dict(properties) if isinstance(properties, Mapping) else {},
        required=[name for name in _list(schema, "required") if isinstance(name, str)],
        closed=False in (schema.get("additionalProperties"), schema.get("unevaluatedProperties")),
        is_object=schema.get("type") is not None,
    )


def _may_be_object(schema: Mapping[str, Any]) -> bool:
    given = schema.get("type", "object")
    return given in ("object", None) or (isinstance(given, list) and "object" in given)


def _list(schema: Mapping[str, Any], keyword: str) -> list[Any]:
    """The list under a keyword; an empty one where there is none."""
    found = schema.get(keyword)
    return found if isinstance(found, list) else []


def _is_null(schema: Any) -> bool:
    return isinstance(schema, Mapping) and schema.get("type") in ("null", ["null"])


def _common(lists: Sequence[list[str]]) -> list[str]:
    """The names that are in every list, in the order of the first."""
    return [name for name in (lists[0] if lists else ()) if all(name in other for other in lists)]
