"""Classes: the fields of a TypedDict or a model, with those that it inherits."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from kosha_connector_openai.sdk.modules import Module, Symbol
from kosha_connector_openai.sdk.node import Node

TYPED_DICT = {"typing.TypedDict", "typing_extensions.TypedDict"}
MODELS = {"pydantic.BaseModel", "_models.BaseModel", "_models.GenericModel", "pydantic.generics.GenericModel"}
ENUMS = {"enum.Enum", "enum.StrEnum", "enum.IntEnum"}
NO_FIELDS = {"typing.Generic", "typing_extensions.Generic", "typing.Protocol", "typing_extensions.Protocol"}
NO_FIELDS |= {"_base_client.BasePage", "_base_client.BaseSyncPage", "_base_client.BaseAsyncPage", "builtins.str", "builtins.int"}
EXTRA = "__pydantic_extra__"
REQUIRED = {"Required": True, "NotRequired": False}
METADATA = ("PropertyInfo", "Field", "FieldInfo")
CONSTRAINTS = {"Ge": "ge", "Gt": "gt", "Le": "le", "Lt": "lt", "MultipleOf": "multiple_of", "MinLen": "min_length", "MaxLen": "max_length"}
"""Classes of the package annotated-types, each with one value, as words of `Field`."""


@dataclass(frozen=True)
class Scope:
    """Where an annotation stands: its module, and the schemas that its type variables stand for."""

    module: Module
    variables: Mapping[str, Node]


@dataclass(frozen=True)
class ClassField:
    """One field: its name on the wire and in Python, its annotation where it stands, and what is said beside the type."""

    name: str
    python_name: str
    annotation: ast.expr
    scope: Scope
    required: bool
    facts: Mapping[str, ast.expr]


@dataclass(frozen=True)
class ClassShape:
    """A class as data: `kind` is `typed_dict`, `model` or `enum`; `extra` is the type of fields that it does not name."""

    kind: str
    fields: Mapping[str, ClassField]
    extra: tuple[ast.expr, Scope] | None = None
    closed: bool = False
    values: tuple[Any, ...] = ()


def shape(symbol: Symbol, variables: Mapping[str, Node]) -> ClassShape:
    """The fields of a class by their Python names; raises SourceFault where it is neither TypedDict, model nor enum."""
    module, node = _class(symbol)
    whole = ClassShape("", {})
    for base in _bases(module, node, variables):
        fields = {**whole.fields, **base.fields}
        whole = replace(base, kind=base.kind or whole.kind, fields=fields, extra=base.extra or whole.extra)
    if not whole.kind:
        raise module.fault(node, f"the class {node.name} is neither a TypedDict, a model nor an enum")
    if whole.kind == "enum":
        return replace(whole, values=tuple(_enum_values(node)))
    scope = Scope(module, variables)
    words = {word.arg: word.value for word in node.keywords if word.arg}
    total = not _is_constant(words.get("total"), value=False)
    own = {field.python_name: field for field in _fields(whole.kind, _annotations(node.body), scope, total=total)}
    extra = _extra(node, words, scope) or whole.extra
    return replace(whole, fields={**whole.fields, **own}, extra=extra, closed=whole.closed or _is_constant(words.get("closed"), value=True))


def functional(call: ast.Call, scope: Scope) -> ClassShape:
    """The shape of `TypedDict("Name", {"odd-key": T}, total=False)`."""
    table = call.args[1] if len(call.args) > 1 else None
    pairs: list[Pair] = []
    for key, value in zip(table.keys, table.values, strict=True) if isinstance(table, ast.Dict) else [(None, call)]:
        if not isinstance(key, ast.Constant):
            raise scope.module.fault(call, "a TypedDict in the form of a call without a plain table of its fields")
        pairs.append((str(key.value), value, None))
    total = not any(word.arg == "total" and _is_constant(word.value, value=False) for word in call.keywords)
    return ClassShape("typed_dict", {field.python_name: field for field in _fields("typed_dict", pairs, scope, total=total)})


def type_variables(symbol: Symbol) -> list[str]:
    """The type variables of a generic class in order: of `Generic[T]`, or of `Base[T]` where there is no Generic."""
    module, node = _class(symbol)
    found: list[str] = []
    for base in sorted((base for base in node.bases if isinstance(base, ast.Subscript)), key=lambda base: not _is_generic(base, module)):
        names = base.slice.elts if isinstance(base.slice, ast.Tuple) else [base.slice]
        found += [name.id for name in names if isinstance(name, ast.Name) and _is_variable(name, module)]
    return list(dict.fromkeys(found))


def is_call_of(node: ast.AST | None, *names: str) -> bool:
    """Whether `node` calls a function of one of these names, however it is imported."""
    if not isinstance(node, ast.Call):
        return False
    head = node.func
    return (head.id if isinstance(head, ast.Name) else head.attr if isinstance(head, ast.Attribute) else "") in names


def metadata(node: ast.AST | None) -> dict[str, ast.expr]:
    """What `PropertyInfo(...)` or `Field(...)` says, by word; a default by place is `default`."""
    if isinstance(node, ast.Call) and is_call_of(node, *CONSTRAINTS) and node.args:
        return {CONSTRAINTS[ast.unparse(node.func).rpartition(".")[2]]: node.args[0]}
    if not isinstance(node, ast.Call) or not is_call_of(node, *METADATA):
        return {}
    by_place = {"default": node.args[0]} if node.args else {}
    return by_place | {word.arg: word.value for word in node.keywords if word.arg}


def _class(symbol: Symbol) -> tuple[Module, ast.ClassDef]:
    assert symbol.module
    assert isinstance(symbol.node, ast.ClassDef)
    return symbol.module, symbol.node


def _bases(module: Module, node: ast.ClassDef, variables: Mapping[str, Node]) -> Iterator[ClassShape]:
    """The shapes of the bases, the farthest first, so that a later one takes precedence."""
    for base in reversed(node.bases):
        head = base.value if isinstance(base, ast.Subscript) else base
        symbol = module.symbol(head)
        if symbol.dotted in TYPED_DICT:
            yield ClassShape("typed_dict", {})
        elif symbol.dotted in MODELS:
            yield ClassShape("model", {})
        elif symbol.dotted in ENUMS:
            yield ClassShape("enum", {})
        elif symbol.dotted in NO_FIELDS:
            yield ClassShape("model", {}) if symbol.dotted.startswith("_base_client.") else ClassShape("", {})
        elif isinstance(symbol.node, ast.ClassDef):
            yield shape(symbol, _arguments(base, symbol, variables))
        elif isinstance(symbol.node, ast.Call) and symbol.module and is_call_of(symbol.node, "TypedDict"):
            yield functional(symbol.node, Scope(symbol.module, {}))
        else:
            raise module.fault(base, f"the base {ast.unparse(base)} of {node.name} is not known")


def _arguments(base: ast.expr, symbol: Symbol, variables: Mapping[str, Node]) -> Mapping[str, Node]:
    """What the type variables of a base stand for, where it hands on those of the class below it."""
    if not isinstance(base, ast.Subscript):
        return {}
    given = base.slice.elts if isinstance(base.slice, ast.Tuple) else [base.slice]
    names = [node.id if isinstance(node, ast.Name) else "" for node in given]
    return {own: variables[name] for own, name in zip(type_variables(symbol), names, strict=False) if name in variables}


def _is_generic(base: ast.Subscript, module: Module) -> bool:
    return module.symbol(base.value).dotted.endswith(".Generic")


def _is_variable(name: ast.Name, module: Module) -> bool:
    return is_call_of(module.lookup(name.id, name).node, "TypeVar")


Pair = tuple[str, ast.expr, ast.expr | None]


def _annotations(body: list[ast.stmt]) -> list[Pair]:
    """Name, annotation and value of each field that a class names; private names are no fields."""
    return [
        (statement.target.id, statement.annotation, statement.value)
        for statement in body
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and not statement.target.id.startswith("_")
    ]


def _fields(kind: str, pairs: list[Pair], scope: Scope, *, total: bool) -> Iterator[ClassField]:
    for name, annotation, value in pairs:
        bare, facts, marked = _unwrapped(annotation, scope)
        if marked == "ClassVar":
            continue
        facts = {**facts, **metadata(value)}
        if value is not None and not metadata(value):
            facts["default"] = value
        required = REQUIRED.get(marked, total) if kind == "typed_dict" else _has_no_default(facts)
        alias = facts.get("alias")
        wire = str(alias.value) if isinstance(alias, ast.Constant) else name
        yield ClassField(wire, name, bare, scope, required, facts)


def _unwrapped(annotation: ast.expr, scope: Scope) -> tuple[ast.expr, dict[str, ast.expr], str]:
    """The type inside `Required[Annotated[T, ...]]` in any order, what the metadata says, and the mark of presence."""
    facts: dict[str, ast.expr] = {}
    mark = ""
    while isinstance(node := _parsed(annotation, scope.module), ast.Subscript):
        head = scope.module.symbol(node.value).dotted.rpartition(".")[2]
        if head in (*REQUIRED, "ClassVar"):
            mark, annotation = head, node.slice
        elif head in ("ReadOnly", "Final"):
            annotation = node.slice
        elif head == "Annotated" and isinstance(node.slice, ast.Tuple):
            annotation, found = node.slice.elts[0], [metadata(part) for part in node.slice.elts[1:]]
            facts = {**{word: value for part in found for word, value in part.items()}, **facts}
        else:
            break
    return annotation, facts, mark


def _parsed(annotation: ast.expr, module: Module) -> ast.expr:
    return forward(annotation, module) if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str) else annotation


def forward(node: ast.Constant, module: Module) -> ast.expr:
    """The annotation in a text, such as `"Agent"`; raises SourceFault where it is none."""
    try:
        found = ast.parse(str(node.value), mode="eval").body
    except SyntaxError:
        raise module.fault(node, f"{node.value!r} is no annotation") from None
    for part in ast.walk(found):
        ast.copy_location(part, node)
    return found


def _has_no_default(facts: Mapping[str, ast.expr]) -> bool:
    default = facts.get("default")
    return "default_factory" not in facts and (default is None or _is_constant(default, value=...))


def _is_constant(node: ast.AST | None, *, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def _extra(node: ast.ClassDef, words: Mapping[str, ast.expr], scope: Scope) -> tuple[ast.expr, Scope] | None:
    """The type of further fields: `extra_items=T`, or the annotation of `__pydantic_extra__`, under TYPE_CHECKING or not."""
    if "extra_items" in words:
        return words["extra_items"], scope
    for part in ast.walk(node):
        if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name) and part.target.id == EXTRA:
            held = _parsed(part.annotation, scope.module)
            value = held.slice.elts[1] if isinstance(held, ast.Subscript) and isinstance(held.slice, ast.Tuple) else held
            return value, scope
    return None


def _enum_values(node: ast.ClassDef) -> Iterator[Any]:
    for statement in node.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant):
            yield statement.value.value
