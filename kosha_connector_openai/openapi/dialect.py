"""OpenAPI 3.0, 3.1 and Swagger 2.0 schemas -> self-contained JSON Schema 2020-12.

Validators and forms read only translated schemas: each holds its own definitions, so nothing is ever fetched, and the
keywords of the older dialects, which occur in 3.1 files too, are rewritten.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from kosha_connector_openai.errors import DocumentError, Fault
from kosha_connector_openai.openapi.keyword_values import VALUES
from kosha_connector_openai.schema import (
    LIST,
    MAP,
    ONE,
    SAME_VALUE,
    Tokens,
    children,
    circle,
    flatten_properties,
    is_flagged,
    keeps_neighbours,
    reference_target,
    reference_tokens,
    refused,
)
from kosha_connector_openai.text import to_pointer

_TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
_VERBATIM = frozenset({
    "const", "contentEncoding", "contentMediaType", "default", "dependentRequired", "deprecated", "description", "discriminator",
    "enum", "exclusiveMaximum", "exclusiveMinimum", "format", "maxContains", "maxItems", "maxLength", "maxProperties", "maximum",
    "minContains", "minItems", "minLength", "minProperties", "minimum", "multipleOf", "pattern", "readOnly", "title", "type",
    "uniqueItems", "writeOnly",
})  # fmt: skip
"""Beside schemas these are kept; ``example``, ``xml``, ``x-*`` and what would move a ``$ref`` are dropped."""
_NAMED = MAP - {"$defs"}
"""Definitions inside a schema are reached by reference, like all others."""
_ANNOTATIONS = ("title", "description", "default", "deprecated", "readOnly", "writeOnly")
_COMPOSED = frozenset({"$ref", "allOf", "anyOf", "oneOf", "not", "if", "const"})
_NULL: Mapping[str, Any] = {"type": "null"}
_DEFINED = (("components", "schemas"), ("definitions",))

_PYTHON_TYPES: Mapping[str, tuple[type, ...]] = {
    "array": (list,),
    "boolean": (bool,),
    "integer": (int,),
    "null": (type(None),),
    "number": (int, float),
    "object": (dict,),
    "string": (str,),
}

Node = dict[str, Any]

__all__ = ["Definitions", "flatten_properties", "to_json_schema"]


def to_json_schema(
    root: Mapping[str, Any],
    schema: Any,
    *,
    version: str,
    request: bool,
    faults: list[Fault] | None = None,
    pointer: str = "",
    files: bool = True,
) -> Node:
    """The schema in JSON Schema 2020-12, with a closed ``$defs`` over the references that it reaches.

    ``version`` is the document's ``openapi`` or ``swagger`` value: before 3.1 the neighbours of a ``$ref``
    are ignored (OpenAPI 3.0.3, section 4.7.23). For a ``request`` a ``oneOf`` becomes an ``anyOf``, since
    senders cannot be held to a provider's overlapping branches, and read-only properties are not required;
    otherwise write-only ones are not. Raises DocumentError on references that leave the document, point at
    nothing or form a circle. With ``faults`` these are added there, their places counted from ``pointer``, and
    what they stand in takes any value. Without ``files`` a binary text is a text: JSON has no files. A keyword
    whose value is none is passed over. Nothing given is changed.
    """
    return _Translation(root, version, request, faults, files=files).whole(schema, pointer)


class Definitions:
    """The request schemas of one document, each definition translated once, when it is first asked for, and shared by all users.

    Not for threads without a lock around it. What it gives must not be changed. What cannot be translated takes any value and has a
    fault in ``faults``.
    """

    def __init__(self, root: Mapping[str, Any], version: str) -> None:
        self.faults: list[Fault] = []
        self._translation = _Translation(root, version, request=True, faults=self.faults)
        self._done: dict[str, Any] = {}

    def schema(self, raw: Any, pointer: str = "") -> Any:
        """A schema of the document in JSON Schema 2020-12; its references lead here, not into ``$defs`` of its own."""
        return self._translation.schema(raw, pointer)

    def complete(self) -> None:
        """Translates all definitions that the schemas so far lead to."""
        self._done |= self._translation.definitions()

    def __getitem__(self, name: str) -> Any:
        """The definition that ``#/$defs/<name>`` leads to; raises KeyError where no schema that was asked for refers to it."""
        if name not in self._done:
            self._done[name] = self._translation.definition(name)
        return self._done[name]


class _Translation:
    """One run over one schema and everything that it refers to."""

    def __init__(
        self, root: Mapping[str, Any], version: str, request: bool, faults: list[Fault] | None = None, *, files: bool = True
    ) -> None:
        self._root = root
        self._files = files
        self._faults = faults
        self._siblings = keeps_neighbours(version)
        self._request = request
        self._hidden = "readOnly" if request else "writeOnly"
        self._names: dict[Tokens, str] = {}
        self._paths: dict[str, Tokens] = {}
        self._waiting: list[str] = []

    def schema(self, schema: Any, pointer: str) -> Node | bool:
        return self._schema(schema, pointer)

    def definition(self, name: str) -> Node | bool:
        path = self._paths[name]
        pointer = to_pointer(path)
        return self._schema(reference_target(self._root, path, pointer), pointer)

    def whole(self, schema: Any, pointer: str) -> Node:
        translated = self._schema(schema, pointer)
        out = translated if isinstance(translated, dict) else ({} if translated else {"not": {}})
        if definitions := self.definitions():
            out["$defs"] = dict(sorted(definitions.items()))
        return out

    def definitions(self) -> Node:
        """The definitions that were asked for since the last call, and those that they lead to."""
        found: Node = {}
        while self._waiting:
            name = self._waiting.pop()
            found[name] = self.definition(name)
        self._cut_circles(found)
        return found

    def _fault(self, error: DocumentError) -> None:
        """Notes the fault, or raises it where nobody takes notes."""
        if self._faults is None:
            raise error
        self._faults += error.faults

    def _schema(self, schema: Any, pointer: str) -> Node | bool:
        if isinstance(schema, bool):
            return schema
        if not isinstance(schema, Mapping):
            self._fault(refused(pointer, "the schema is not an object"))
            return {}
        out: Node = {}
        if "$ref" in schema:
            try:
                out["$ref"] = self._reference(schema["$ref"], f"{pointer}/$ref")
            except DocumentError as error:
                self._fault(error)
        if "$ref" not in schema or self._siblings:
            self._keywords(schema, pointer, out)
            for step in _STEPS:
                step(out)
            if not self._files and out.get("format") == "binary":
                del out["format"]
        return _with_null(out) if True in (schema.get("nullable"), schema.get("x-nullable")) else out

    def _keywords(self, schema: Mapping[str, Any], pointer: str, out: Node) -> None:
        for keyword, value in schema.items():
            fits = VALUES.get(keyword)
            if fits is not None and not fits(value):
                if self._faults is not None:
                    self._faults.append(Fault(f"{pointer}/{keyword}", keyword, f"is no value of {keyword}, and is passed over."))
                continue
            if keyword in _VERBATIM:
                out[keyword] = value
                continue
            where = f"{pointer}/{keyword}"
            if keyword == "required":
                out[keyword] = self._required(schema, value)
            elif keyword in _NAMED:
                out[keyword] = {name: self._schema(part, where + to_pointer((name,))) for name, part in value.items()}
            elif keyword in LIST:
                parts = [self._schema(part, f"{where}/{index}") for index, part in enumerate(value)]
                self._put(out, "anyOf" if keyword == "oneOf" and self._request else keyword, parts)
            elif keyword in ONE:
                out[keyword] = self._schema(value, where)

    @staticmethod
    def _put(out: Node, keyword: str, parts: list[Any]) -> None:
        """Adds branches; a second list under one keyword must hold as well, so it goes under ``allOf``."""
        if keyword == "allOf":
            out[keyword] = parts + out.get(keyword, [])
        elif keyword in out:
            out.setdefault("allOf", []).append({keyword: parts})
        else:
            out[keyword] = parts

    def _required(self, schema: Mapping[str, Any], names: list[Any]) -> list[str]:
        properties = schema.get("properties")
        known = properties if isinstance(properties, Mapping) else {}
        return [
            name
            for name in dict.fromkeys(name for name in names if isinstance(name, str))
            if not is_flagged(self._root, known.get(name), self._hidden)
        ]

    def _reference(self, reference: object, pointer: str) -> str:
        path = reference_tokens(reference, pointer)
        if path not in self._names:
            reference_target(self._root, path, pointer)
            name = self._names[path] = self._unused_name(path)
            self._paths[name] = path
            self._waiting.append(name)
        return f"#/$defs/{self._names[path]}"

    def _unused_name(self, path: Tokens) -> str:
        plain = path[-1] if path[:-1] in _DEFINED else "-".join(token.strip("/") for token in path)
        name = base = re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip("-") or "root"
        number = 1
        while name in self._paths:
            number += 1
            name = f"{base}-{number}"
        return name

    def _cut_circles(self, definitions: Node) -> None:
        """A definition that applies itself to the same value is empty; a validator may not terminate on it."""
        edges = {name: set(_applied(schema)) for name, schema in definitions.items()}
        while True:
            try:
                TopologicalSorter(edges).prepare()
            except CycleError as error:
                names = tuple(reversed(error.args[1]))
                pointers = tuple("#" + to_pointer(self._paths[name]) for name in names)
                self._fault(circle(pointers, pointers[0].removeprefix("#")))
                definitions[names[0]], edges[names[0]] = {}, set()
            else:
                return


def _applied(schema: Any) -> Iterator[str]:
    """The names of the definitions that a schema applies to the very value that it is applied to."""
    if isinstance(schema, dict) and "$ref" in schema:
        yield schema["$ref"].removeprefix("#/$defs/")
    for path, part in children(schema):
        if path[0] in SAME_VALUE:
            yield from _applied(part)


def _known_types(out: Node) -> None:
    """A ``file`` (Swagger 2.0) or binary text is a text here: callers put a short one in its place."""
    given = out.get("type")
    if given == "file" or out.get("format") == "binary":
        kept = {keyword: out[keyword] for keyword in _ANNOTATIONS if keyword in out}
        out.clear()
        out.update({"type": "string", "format": "binary"} | kept)
    elif isinstance(given, str) and given not in _TYPES:
        del out["type"]


def _numeric_bounds(out: Node) -> None:
    """``exclusiveMinimum: true`` beside ``minimum`` (JSON Schema draft 4) as the number itself."""
    for exclusive, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(out.get(exclusive), bool) and out.pop(exclusive) and bound in out:
            out[exclusive] = out.pop(bound)


def _sound_default(out: Node) -> None:
    """Drops a default that the schema's own type or enum forbids; a form would offer it."""
    if "default" not in out or out["default"] is None:
        return
    value, types = out["default"], _types(out)
    fits = not types or any(_is(value, name) for name in types)
    if not fits or ("enum" in out and value not in out["enum"]):
        del out["default"]


_STEPS: tuple[Callable[[Node], None], ...] = (_known_types, _numeric_bounds, _sound_default)


def _with_null(out: Node) -> Node:
    """``nullable: true``: null is accepted too, whatever else the schema says."""
    if "enum" in out and None not in out["enum"]:
        out["enum"] = [*out["enum"], None]
    if not _COMPOSED & out.keys():
        if "type" in out:
            out["type"] = list(dict.fromkeys([*_types(out), "null"]))
        return out
    outer = {keyword: out.pop(keyword) for keyword in _ANNOTATIONS if keyword in out}
    if out.keys() <= {"anyOf", "discriminator"}:
        return out | {"anyOf": [*out["anyOf"], dict(_NULL)]} | outer
    return {"anyOf": [out, dict(_NULL)]} | outer


def _types(schema: Mapping[str, Any]) -> list[str]:
    given = schema.get("type", [])
    return [given] if isinstance(given, str) else list(given)


def _is(value: Any, name: str) -> bool:
    return isinstance(value, _PYTHON_TYPES.get(name, (object,))) and (isinstance(value, bool) == (name == "boolean"))
