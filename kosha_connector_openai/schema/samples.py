"""Sample values of a schema, made from it alone, always the same ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, product
from typing import Any, Final

from kosha_connector_openai.errors import DocumentError
from kosha_connector_openai.schema.backend import NOT_JSON, SchemaBackend
from kosha_connector_openai.schema.backend_choice import default_backend
from kosha_connector_openai.schema.keywords import BOUNDS, common_types
from kosha_connector_openai.schema.sample_scalars import numbers, texts
from kosha_connector_openai.text import tokens

FileMaker = Callable[[str], Any]
FlatSample = dict[str, Any]
"""A schema without references and combinations."""

_SCALARS: Final = (str, int, float, type(None))
_TRIES: Final = 200
_MOST_ITEMS: Final = 1_000
_DEPTH: Final = 4
"""Levels of optional properties."""
_SHAPES: Final = (
    ("object", ("properties", "required", "additionalProperties", "minProperties")),
    ("array", ("items", "prefixItems", "minItems", "uniqueItems")),
    ("number", ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")),
    ("string", ("pattern", "format", "minLength", "maxLength")),
)


def sample(schema: Mapping[str, Any], *, seed: str = "", minimal: bool = False, file: FileMaker | None = None, hidden: str = "") -> Any:
    """A value that is valid under a self-contained JSON Schema 2020-12, the same for the same schema and ``seed``.

    ``minimal`` gives the least: required properties only, null where it is allowed, empty arrays. ``file`` makes the
    values of binary fields from their names. Properties with the flag ``hidden`` (``readOnly``, ``writeOnly``) are left out, and optional
    ones that no value is found for. Raises DocumentError where no value is found.
    """
    check = default_backend().compile(schema)
    for value in candidates(schema, seed=seed, optional=not minimal, nulls=minimal, hidden=hidden):
        if _accepts(check.is_valid, with_files(value, str)):
            return with_files(value, file or str)
    raise DocumentError("No sample value can be made for this schema.")


def candidates(schema: Mapping[str, Any], *, seed: str = "", optional: bool, nulls: bool = False, hidden: str = "") -> Iterator[Any]:
    """Values in order of preference, at most 200, each to be completed by ``with_files`` and then checked."""
    return islice(_Sampler(schema, seed, optional=optional, nulls=nulls, hidden=hidden).values(schema, "sample"), _TRIES)


def _accepts(check: Callable[[Any], bool], value: Any) -> bool:
    try:
        return check(value)
    except NOT_JSON:
        return False


@dataclass(frozen=True, slots=True)
class _File:
    """Stands for a file until the value is found."""

    name: str


def with_files(value: Any, file: FileMaker) -> Any:
    """The candidate with a file made for each binary field, from the field's name."""
    if isinstance(value, _File):
        return file(value.name)
    if isinstance(value, dict):
        return {key: with_files(item, file) for key, item in value.items()}
    return [with_files(item, file) for item in value] if isinstance(value, list) else value


class _Sampler:
    """One run over one schema. Each method yields values in order of preference, none where there is none."""

    def __init__(self, root: Mapping[str, Any], seed: str, *, optional: bool, nulls: bool, hidden: str) -> None:
        self._definitions = root.get("$defs", {})
        self._root = root
        self._seed = seed
        self._optional = optional
        self._nulls = nulls
        self._hidden = hidden
        self._backend: SchemaBackend = default_backend()

    def values(self, schema: Any, name: str, chain: tuple[str, ...] = (), depth: int = 0) -> Iterator[Any]:
        """Values of a schema. ``chain`` holds the references on the way here: none is entered twice, so recursion ends.

        One under ``allOf`` may be entered once more, marked: many schemas share a base, and a part of an object may have it too.
        """
        found: Iterator[tuple[FlatSample, tuple[str, ...]]] = islice(self._alternatives(schema, chain), _TRIES)
        if self._nulls:
            found = iter(sorted(found, key=lambda pair: "null" not in _types(pair[0]) or _is_fixed(pair[0])))
        for flat, inner in found:
            for value in self._flat_values(flat, name, inner, depth):
                if self._is_one_of(schema, value):
                    yield value

    def _alternatives(self, schema: Any, chain: tuple[str, ...]) -> Iterator[tuple[FlatSample, tuple[str, ...]]]:
        """The schema as flat schemas, one for each combination of branches."""
        if not isinstance(schema, Mapping):
            if schema is not False:
                yield {}, chain
            return
        reference = schema.get("$ref")
        if reference in chain:
            return
        inner = chain if reference is None else (*chain, reference)
        groups: list[list[Any]] = [[part] for part in schema.get("allOf", ())]
        shared = len(groups)
        groups += [list(schema[key]) for key in ("anyOf", "oneOf") if key in schema]
        if reference is not None:
            groups.append([self._target(reference)])
        own = {key: value for key, value in schema.items() if key not in ("$ref", "$defs", "allOf", "anyOf", "oneOf")}
        for branches in product(*groups):
            for parts in product(*(tuple(islice(self._alternatives(branch, inner), _TRIES)) for branch in branches)):
                merged = _merge([own, *(part for part, _ in parts)])
                if merged is not None:
                    bases = (_base(step, inner) for _, steps in parts[:shared] for step in steps)
                    yield merged, tuple(dict.fromkeys([*inner, *bases, *(step for _, steps in parts[shared:] for step in steps)]))

    def _target(self, reference: str) -> Any:
        if reference == "#":
            return self._root
        return self._definitions.get(tokens(reference)[-1], False)

    def _is_one_of(self, schema: Any, value: Any) -> bool:
        """Whether just one branch fits (JSON Schema 2020-12, Core, section 10.2.1.3)."""
        if not isinstance(schema, Mapping) or "oneOf" not in schema:
            return True
        branches = {"oneOf": schema["oneOf"], "$defs": self._definitions}
        return _accepts(self._backend.compile(branches).is_valid, with_files(value, str))

    def _flat_values(self, flat: FlatSample, name: str, chain: tuple[str, ...], depth: int) -> Iterator[Any]:
        fits = self._backend.compile(_scalar_part(flat)).is_valid
        if flat.get("format") == "binary" or flat.get("contentMediaType") == "application/octet-stream":
            yield _File(name)
            return
        if "const" in flat or "enum" in flat:
            fixed = flat.get("enum", [flat.get("const")])
            yield from (value for value in sorted(fixed, key=lambda value: value is None) if fits(value))
            return
        types = _types(flat)
        if self._nulls and "null" in types:
            yield None
        if "default" in flat and isinstance(flat["default"], _SCALARS) and flat["default"] is not None:
            yield from (value for value in [flat["default"]] if _accepts(fits, value))
        for kind in sorted(types, key=lambda kind: kind == "null"):
            yield from self._typed(kind, flat, name, chain, depth)

    def _typed(self, kind: str, flat: FlatSample, name: str, chain: tuple[str, ...], depth: int) -> Iterator[Any]:
        if kind == "object":
            yield from self._objects(flat, chain, depth)
        elif kind == "array":
            yield from self._arrays(flat, name, chain, depth)
        elif kind == "string":
            yield from texts(flat, f"{name}-{self._seed}" if self._seed else name)
        elif kind in ("integer", "number"):
            yield from numbers(flat, whole=kind == "integer")
        else:
            yield from {"boolean": (False, True), "null": (None,)}.get(kind, ())

    def _objects(self, flat: FlatSample, chain: tuple[str, ...], depth: int) -> Iterator[dict[str, Any]]:
        properties, rest = flat.get("properties", {}), flat.get("additionalProperties", True)
        needed = list(flat.get("required", ()))
        others = [name for name in properties if name not in needed and not self._is_hidden(properties[name])]
        least, most = min(int(flat.get("minProperties", 0)), _MOST_ITEMS), int(flat.get("maxProperties", _MOST_ITEMS))
        spare = [*others, *(f"key{number}" for number in range(1, least + 1))]
        for optional in (others, []) if self._optional and depth < _DEPTH else ([], others):
            value: dict[str, Any] = {}
            for name in dict.fromkeys([*needed, *optional, *spare]):
                if name not in needed and len(value) >= (min(most, _MOST_ITEMS) if name in optional else least):
                    continue
                try:
                    made = list(islice(self.values(properties.get(name, rest), name, chain, depth + 1), 1))
                except DocumentError:  # a pattern that nothing is made for
                    if name in needed:
                        raise
                    continue
                if made:
                    value[name] = made[0]
                elif name in needed:
                    return
            yield value

    def _is_hidden(self, schema: Any) -> bool:
        """Whether a property, or what it refers to, has the flag."""
        for _ in range(_DEPTH):
            if not self._hidden or not isinstance(schema, Mapping):
                return False
            if schema.get(self._hidden) is True:
                return True
            if "$ref" not in schema:
                break
            schema = self._target(schema["$ref"])
        return False

    def _arrays(self, flat: FlatSample, name: str, chain: tuple[str, ...], depth: int) -> Iterator[list[Any]]:
        least = int(flat.get("minItems", 0))
        if least > _MOST_ITEMS:
            return
        heads = flat.get("prefixItems", ())
        first = next(self.values(flat.get("items", True), name, chain, depth + 1), None)
        wish = 1 if (self._optional and depth < _DEPTH) or isinstance(first, _File) else 0
        for size in dict.fromkeys((min(max(least, wish), int(flat.get("maxItems", _TRIES))), least)):
            value: list[Any] = []
            for index in range(size):
                part = heads[index] if index < len(heads) else flat.get("items", True)
                found = self.values(part, name if index == 0 else f"{name}{index + 1}", chain, depth + 1)
                fresh = (item for item in found if not flat.get("uniqueItems") or item not in value)
                value += islice(fresh, 1)
            if len(value) == size:
                yield value


def _base(step: str, chain: tuple[str, ...]) -> str:
    """A reference that was followed under ``allOf``, marked the first time."""
    return step if f"^{step}" in chain or step.startswith("^") else f"^{step}"


def _common_properties(first: FlatSample, second: FlatSample) -> FlatSample:
    shared = {key: {"allOf": [first[key], second[key]]} for key in first if key in second}
    return {**first, **second, **shared}


def _merge(parts: list[FlatSample]) -> FlatSample | None:
    """One flat schema that holds all of them; None where their types or values exclude each other."""
    merged: FlatSample = {}
    for part in parts:
        for key, value in part.items():
            join = _JOINED.get(key)
            merged[key] = join(merged[key], value) if join and key in merged else value
    clash = merged.get("type") == [] or merged.get("enum") == []
    constants = [part["const"] for part in parts if "const" in part]
    return None if clash or any(value != constants[0] for value in constants) else merged


def _types(flat: FlatSample) -> list[str]:
    given = flat.get("type")
    if given is not None:
        return [given] if isinstance(given, str) else list(given)
    return [kind for kind, keywords in _SHAPES if any(word in flat for word in keywords)][:1] or ["string"]


def _is_fixed(flat: FlatSample) -> bool:
    return "const" in flat or "enum" in flat


def _scalar_part(flat: FlatSample) -> FlatSample:
    """What can be said of a value without looking into it."""
    nested = ("items", "prefixItems", "properties", "additionalProperties", "not", "if", "then", "else", "propertyNames",
              "patternProperties", "dependentSchemas", "contains", "default")  # fmt: skip
    return {key: value for key, value in flat.items() if key not in nested}


_JOINED: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    **BOUNDS,
    "required": lambda a, b: list(dict.fromkeys([*a, *b])),
    "items": lambda a, b: {"allOf": [a, b]},
    "additionalProperties": lambda a, b: {"allOf": [a, b]},
    "enum": lambda a, b: [value for value in a if value in b],
    "properties": _common_properties,
    "type": lambda a, b: common_types(*([value] if isinstance(value, str) else value for value in (a, b))),
    "uniqueItems": lambda a, b: a or b,
}
"""How two values of a keyword become one that holds both; elsewhere the later one stands."""
