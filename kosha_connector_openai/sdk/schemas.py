"""Schemas: a Python annotation as JSON Schema 2020-12; classes and aliases with a name become components.

One module: one table of constructs, and the functions that it names.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kosha_connector_openai.sdk.classes import (
    ClassField,
    ClassShape,
    Scope,
    forward,
    functional,
    is_call_of,
    metadata,
    shape,
    type_variables,
)
from kosha_connector_openai.sdk.fault import SourceFault
from kosha_connector_openai.sdk.modules import DEPTH, Module, Symbol
from kosha_connector_openai.sdk.names import plain_name
from kosha_connector_openai.sdk.node import SCHEMA_PREFIX, Node, references, schema_ref

BINARY: Node = {"type": "string", "format": "binary"}
ABSENT: Node = {"x-absent": True}
"""What stands for "not given" in a signature; it is no value on the wire."""

SCALARS: dict[str, Node] = {
    "builtins.str": {"type": "string"},
    "builtins.int": {"type": "integer"},
    "builtins.float": {"type": "number"},
    "builtins.bool": {"type": "boolean"},
    "builtins.object": {},
    "builtins.bytes": BINARY,
    "builtins.dict": {"type": "object"},
    "builtins.list": {"type": "array"},
    "typing.Any": {},
    "typing.Dict": {"type": "object"},
    "typing.List": {"type": "array"},
    "typing_extensions.Any": {},
    "datetime.datetime": {"type": "string", "format": "date-time"},
    "datetime.date": {"type": "string", "format": "date"},
    "datetime.time": {"type": "string", "format": "time"},
    "datetime.timedelta": {"type": "string", "format": "duration"},
    "uuid.UUID": {"type": "string", "format": "uuid"},
    "decimal.Decimal": {"type": "number"},
    "pydantic.AnyUrl": {"type": "string", "format": "uri"},
    "pydantic.StrictStr": {"type": "string"},
    "pydantic.StrictInt": {"type": "integer"},
    "pydantic.StrictFloat": {"type": "number"},
    "pydantic.StrictBool": {"type": "boolean"},
    "_types.FileTypes": BINARY,
    "_types.FileContent": BINARY,
    "_types.Base64FileInput": {"type": "string", "format": "byte"},
    "_types.Body": {},
    "_types.NoneType": {"type": "null"},
    "_types.Omit": ABSENT,
    "_types.NotGiven": ABSENT,
    "_legacy_response.HttpxBinaryResponseContent": BINARY,
}
ARRAYS = frozenset({"List", "list", "Iterable", "Sequence", "SequenceNotStr", "MutableSequence", "Collection", "Set", "set", "FrozenSet"})
MAPS = frozenset({"Dict", "dict", "Mapping", "MutableMapping"})
TRANSPARENT = frozenset({"Required", "NotRequired", "ReadOnly", "Final", "TypeAlias"})
FORMATS = {"iso8601": "date-time", "base64": "byte"}
BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum", "multiple_of": "multipleOf"}
BOUNDS |= {"pattern": "pattern", "regex": "pattern"}
LENGTHS = {"min_length": ("minLength", "minItems"), "max_length": ("maxLength", "maxItems")}
JSON_TYPES: tuple[tuple[type, str], ...] = ((bool, "boolean"), (str, "string"), (int, "integer"), (float, "number"))


@dataclass
class Schemas:
    """The components that annotations have needed so far, by name, and the faults of those that could not be read.

    `names` has the component of each class by its dotted name.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    components: dict[str, Node] = field(default_factory=dict)
    broken: dict[str, SourceFault] = field(default_factory=dict)

    def of(self, node: ast.expr, scope: Scope) -> Node:
        """The schema of an annotation; raises SourceFault where it has a type that is not known."""
        match node:
            case ast.Constant(value=None):
                return {"type": "null"}
            case ast.Constant(value=str()):
                return self.of(forward(node, scope.module), scope)
            case ast.BinOp(op=ast.BitOr(), left=left, right=right):
                return union([self.of(left, scope), self.of(right, scope)])
            case ast.Subscript(value=head, slice=inner):
                return self._generic(node, scope.module.symbol(head), inner.elts if isinstance(inner, ast.Tuple) else [inner], scope)
            case ast.Name(id=name) if name in scope.variables:
                return dict(scope.variables[name])
            case ast.Name() | ast.Attribute():
                return self._named(scope.module.symbol(node), node, scope)
        raise scope.module.fault(node, f"the type {ast.unparse(node)[:80]!r} is not known")

    def shape_of(self, body: ClassShape) -> Node:
        """The object schema of a class's fields."""
        if body.kind == "enum":
            return literal(list(body.values))
        out: Node = {"type": "object", "properties": {one.name: self.of_field(one) for one in body.fields.values()}}
        out["required"] = [one.name for one in body.fields.values() if one.required]
        if body.extra:
            out["additionalProperties"] = self.of(*body.extra) or True
        elif body.closed:
            out["additionalProperties"] = False
        return {keyword: value for keyword, value in out.items() if value != []}

    def of_field(self, one: ClassField) -> Node:
        """The schema of a field, with bounds, format and default where its metadata has them."""
        out = with_facts(self.of(one.annotation, one.scope), one.facts)
        default = one.facts.get("default")
        if isinstance(default, ast.Constant) and default.value not in (None, ...):
            out = {**out, "default": default.value}
        return out

    def fault_in(self, schema: Any) -> SourceFault | None:
        """The fault of a component that `schema` needs, directly or through others."""
        waiting, seen = [schema], set[str]()
        while waiting:
            for target in references(waiting.pop()):
                name = target.removeprefix(SCHEMA_PREFIX)
                if name in self.broken:
                    return self.broken[name]
                if name not in seen:
                    seen.add(name)
                    waiting.append(self.components[name])
        return None

    def _named(self, symbol: Symbol, node: ast.expr, scope: Scope) -> Node:
        symbol = _followed(symbol)
        if symbol.dotted in SCALARS:
            return dict(SCALARS[symbol.dotted])
        if symbol.dotted in ("builtins.None", "types.NoneType"):
            return {"type": "null"}
        if symbol.module is None or symbol.node is None:
            raise scope.module.fault(node, f"the type {ast.unparse(node)} ({symbol.dotted}) is not known")
        if is_call_of(symbol.node, "TypeVar"):
            return {}
        return self._component(symbol, lambda: self._definition(symbol))

    def _component(self, symbol: Symbol, build: Callable[[], Node]) -> Node:
        """A reference to the component of `symbol`; it is made on first use, so that a type may contain itself."""
        name = self.names.get(symbol.dotted) or plain_name(symbol.dotted)
        if name not in self.components and name not in self.broken:
            self.components[name] = {}
            try:
                self.components[name] = build()
            except SourceFault as fault:
                self.broken[name] = fault
            except RecursionError:
                self.broken[name] = _circle(symbol)
            if name in self.broken:
                del self.components[name]
        return schema_ref(name)

    def _definition(self, symbol: Symbol) -> Node:
        assert symbol.module
        scope = Scope(symbol.module, {})
        if isinstance(symbol.node, ast.ClassDef):
            return self.shape_of(shape(symbol, {}))
        if isinstance(symbol.node, ast.Call) and is_call_of(symbol.node, "TypedDict"):
            return self.shape_of(functional(symbol.node, scope))
        assert isinstance(symbol.node, ast.expr)
        return self.of(symbol.node, scope)

    def _generic(self, node: ast.Subscript, head: Symbol, inner: list[ast.expr], scope: Scope) -> Node:
        word = head.dotted.rpartition(".")[2]
        if word == "Literal":
            return literal(_literal_values(node, inner, scope.module))
        if word == "Annotated":
            facts = {name: value for part in inner[1:] for name, value in metadata(part).items()}
            return with_facts(self.of(inner[0], scope), facts)
        if isinstance(head.node, ast.ClassDef) and head.dotted != "_types.SequenceNotStr":
            given = dict(zip(type_variables(head), (self.of(one, scope) for one in inner), strict=False))
            return self.shape_of(shape(head, given))
        found = _container(word, [self.of(one, scope) for one in inner if not _is_ellipsis(one)], open_end=any(map(_is_ellipsis, inner)))
        if found is None:
            raise scope.module.fault(node, f"the type {ast.unparse(node)[:80]!r} is not known")
        return found


def _followed(symbol: Symbol) -> Symbol:
    """What a second name for the same thing stands for in the end."""
    first = symbol
    for _ in range(DEPTH):
        if symbol.dotted in SCALARS or symbol.module is None or not isinstance(symbol.node, ast.Name | ast.Attribute):
            return symbol
        symbol = symbol.module.symbol(symbol.node)
    raise _circle(first)


def _circle(symbol: Symbol) -> SourceFault:
    assert symbol.module
    return symbol.module.fault(symbol.node, f"{symbol.dotted} is defined by itself")


def _container(word: str, parts: list[Node], *, open_end: bool) -> Node | None:
    """The schema of `word[parts]`; None where the word is not known, or has too few parts."""
    if len(parts) < (2 if word in MAPS else 1):
        return None
    if word in ("Union", "Optional"):
        return union([*parts, *([{"type": "null"}] if word == "Optional" else [])])
    if word in ("Tuple", "tuple"):
        return _tuple(parts, open_end=open_end)
    if word in MAPS:
        return {"type": "object", "additionalProperties": parts[1] or True}
    if word in ARRAYS:
        return {"type": "array", "items": parts[0]}
    return parts[0] if word in TRANSPARENT else None


def _tuple(parts: list[Node], *, open_end: bool) -> Node:
    if open_end:
        return {"type": "array", "items": parts[0]}
    return {"type": "array", "prefixItems": parts, "minItems": len(parts), "maxItems": len(parts)}


def _is_ellipsis(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...


def _literal_values(node: ast.Subscript, inner: list[ast.expr], module: Module) -> list[Any]:
    values: list[Any] = []
    for one in inner:
        match one:
            case ast.Constant(value=value):
                values.append(value)
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(value))):
                values.append(-value)
            case _:
                raise module.fault(node, f"{ast.unparse(one)} in a Literal is no constant")
    return values


def literal(values: list[Any]) -> Node:
    """A fixed value, or one of several; null beside others makes it nullable."""
    kept = [value for value in values if value is not None]
    kinds = list(dict.fromkeys(_json_type(value) for value in kept))
    out: Node = {"type": kinds[0] if len(kinds) == 1 else kinds} if kinds else {"type": "null"}
    if kinds == ["boolean"] and set(kept) == {True, False}:
        pass
    elif len(kept) == 1:
        out["const"] = kept[0]
    elif kept:
        out["enum"] = list(dict.fromkeys(kept))
    return nullable(out) if None in values and kept else out


def _json_type(value: Any) -> str:
    return next(name for kind, name in JSON_TYPES if isinstance(value, kind))


def union(branches: Iterable[Node]) -> Node:
    """Any of the branches: nested unions opened, fixed values of one type joined, null last, what is not given left out."""
    flat = [part for branch in branches for part in _opened(branch) if part != ABSENT]
    has_null = any(part == {"type": "null"} for part in flat)
    parts: list[Node] = []
    for part in flat:
        if part == {"type": "null"} or part in parts:
            continue
        twin = next((i for i, other in enumerate(parts) if _is_fixed(part) and _is_fixed(other) and part["type"] == other["type"]), None)
        if twin is None:
            parts.append(part)
        else:
            parts[twin] = literal([*_values(parts[twin]), *_values(part)])
    if not parts:
        return {"type": "null"} if has_null else {}
    whole = parts[0] if len(parts) == 1 else {"anyOf": parts}
    return nullable(whole) if has_null else whole


def _opened(branch: Node) -> list[Node]:
    """The branches of a plain union, and a nullable type as type and null."""
    if set(branch) == {"anyOf"}:
        return [part for inner in branch["anyOf"] for part in _opened(inner)]
    if isinstance(branch.get("type"), list) and "null" in branch["type"]:
        kinds = [kind for kind in branch["type"] if kind != "null"]
        bare = {**branch, "type": kinds[0] if len(kinds) == 1 else kinds}
        if "enum" in bare:
            bare["enum"] = [value for value in bare["enum"] if value is not None]
            if len(bare["enum"]) == 1:
                bare["const"] = bare.pop("enum")[0]
        return [bare, {"type": "null"}]
    return [branch]


def _is_fixed(schema: Node) -> bool:
    return set(schema) in ({"type", "const"}, {"type", "enum"})


def _values(schema: Node) -> list[Any]:
    return [schema["const"]] if "const" in schema else list(schema["enum"])


def nullable(schema: Node) -> Node:
    """`schema`, or null."""
    if not schema or schema == {"type": "null"}:
        return schema
    if set(schema) == {"anyOf"}:
        return {"anyOf": [*schema["anyOf"], {"type": "null"}]}
    if "type" not in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if "null" in kinds:
        return schema
    out = {**schema, "type": [*kinds, "null"]}
    if "const" in out or "enum" in out:
        out["enum"] = [*_values(out), None]
        out.pop("const", None)
    return out


def with_facts(schema: Node, facts: Mapping[str, ast.expr]) -> Node:
    """`schema` with the discriminator, format and bounds that metadata names."""
    out = dict(schema)
    kinds = out.get("type", [])
    for word, value in facts.items():
        if not isinstance(value, ast.Constant):
            continue
        if word == "discriminator" and "anyOf" in out:
            parts = [part for part in out["anyOf"] if part != {"type": "null"}]
            whole: Node = {"anyOf": parts, "discriminator": {"propertyName": value.value}}
            out = whole if parts == out["anyOf"] else nullable(whole)
        elif word == "format" and value.value in FORMATS:
            out["format"] = FORMATS[value.value]
        elif word in BOUNDS:
            out[BOUNDS[word]] = value.value
        elif word in LENGTHS:
            out[LENGTHS[word]["array" in kinds]] = value.value
    return out
