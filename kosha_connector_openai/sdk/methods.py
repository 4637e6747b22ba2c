"""Methods: what one method of a resource sends, read from its syntax tree: method, path, body, query, headers, answer."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from kosha_connector_openai.sdk.classes import Scope, is_call_of
from kosha_connector_openai.sdk.fault import SourceFault
from kosha_connector_openai.sdk.modules import Module

VERBS = {f"_{verb}": verb for verb in ("get", "post", "put", "patch", "delete")} | {"_get_api_list": "get"}
RESOURCE = "_resource.SyncAPIResource"
OWN_WORDS = frozenset({"self", "extra_headers", "extra_query", "extra_body", "timeout"})
MULTIPART = "multipart/form-data"
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class SentTable:
    """A table of fields that is sent: the Python name of each with the value, and the annotation of its type, if one is named."""

    values: dict[str, ast.expr] | None
    types: list[ast.expr]


@dataclass
class Method:
    """One method that calls the service once."""

    name: str
    scope: Scope
    node: Function
    call: ast.Call
    verb: str
    path: str
    path_arguments: dict[str, ast.expr]
    overloads: list[Function] = field(default_factory=list)

    @property
    def arguments(self) -> dict[str, ast.arg]:
        given = self.node.args
        return {one.arg: one for one in (*given.posonlyargs, *given.args, *given.kwonlyargs) if one.arg not in OWN_WORDS}

    @property
    def without_default(self) -> set[str]:
        given = self.node.args
        plain = [*given.posonlyargs, *given.args]
        names = {one.arg for one in plain[: len(plain) - len(given.defaults)]}
        return names | {one.arg for one, default in zip(given.kwonlyargs, given.kw_defaults, strict=True) if default is None}

    @property
    def deprecated(self) -> bool:
        marked = [_is_deprecated(one) for one in (self.node, *self.overloads)]
        return marked[0] or (len(marked) > 1 and all(marked[1:]))

    def word(self, name: str) -> ast.expr | None:
        """An argument of the call by its name."""
        return next((word.value for word in self.call.keywords if word.arg == name), None)

    def option(self, name: str) -> ast.expr | None:
        """A word of `make_request_options(...)`, or of a plain table of options."""
        options = self.word("options")
        if isinstance(options, ast.Call):
            return next((word.value for word in options.keywords if word.arg == name), None)
        if isinstance(options, ast.Dict):
            pairs = zip(options.keys, options.values, strict=True)
            return next((value for key, value in pairs if isinstance(key, ast.Constant) and key.value == name), None)
        return None

    def sent(self, node: ast.expr | None) -> SentTable | None:
        """The table behind an argument: through `maybe_transform`, copies, `cast`, runtime helpers and local names."""
        if node is None or (isinstance(node, ast.Constant) and node.value is None):
            return None
        transform = self._find(node, lambda one: is_call_of(one, "maybe_transform"))
        types = [transform.args[1]] if isinstance(transform, ast.Call) and len(transform.args) > 1 else []
        table = self._find(node, lambda one: isinstance(one, ast.Dict))
        if isinstance(table, ast.Dict):
            return SentTable(self._pairs(table), [part for one in types for part in _choices(one)])
        return SentTable(None, [part for one in types or [node] for part in _choices(one)])

    def headers(self) -> Iterator[tuple[str, ast.expr, bool]]:
        """Name, value and whether it is sent only under a condition, of every header that the method sets itself."""
        for value, conditional in self._assigned("extra_headers"):
            for table in [one for one in ast.walk(value) if isinstance(one, ast.Dict)]:
                for key, given in zip(table.keys, table.values, strict=True):
                    if isinstance(key, ast.Constant) and isinstance(key.value, str):
                        yield key.value, given, conditional

    def part_types(self) -> dict[str, str]:
        """Media type by part, where the method encodes a form with types of its own."""
        for node in ast.walk(self.node):
            if is_call_of(node, "encode_multipart") and isinstance(node, ast.Call):
                table = next((one for one in node.args if isinstance(one, ast.Dict)), None)
                pairs = zip(table.keys, table.values, strict=True) if table else []
                return {
                    str(key.value): str(value.elts[0].value)
                    for key, value in pairs
                    if isinstance(key, ast.Constant) and isinstance(value, ast.Tuple) and isinstance(value.elts[0], ast.Constant)
                }
        return {}

    def fault(self, node: ast.AST | None, reason: str) -> SourceFault:
        return self.scope.module.fault(node or self.node, reason)

    def _pairs(self, table: ast.Dict) -> dict[str, ast.expr]:
        if any(not isinstance(key, ast.Constant) for key in table.keys):
            raise self.fault(table, "a table of fields with names that are no constants")
        return {str(key.value): value for key, value in zip(table.keys, table.values, strict=True) if isinstance(key, ast.Constant)}

    def _assigned(self, name: str) -> list[tuple[ast.expr, bool]]:
        """Values that the method gives a local name, in order, each with whether it stands under an `if`."""
        found: list[tuple[ast.expr, bool]] = []

        def visit(body: list[ast.stmt], *, conditional: bool) -> None:
            for statement in body:
                if isinstance(statement, ast.Assign) and any(name in _target_names(target) for target in statement.targets):
                    found.append((statement.value, conditional))
                for inner in (getattr(statement, "body", []), getattr(statement, "orelse", [])):
                    visit(inner, conditional=True)

        visit(self.node.body, conditional=False)
        return found

    def _find(self, node: ast.expr, wanted: object, seen: frozenset[str] = frozenset()) -> ast.expr | None:
        """The first part of an expression that is wanted, through calls and local names, the innermost last."""
        assert callable(wanted)
        if wanted(node):
            return node
        match node:
            case ast.Name(id=name) if name not in seen:
                parts = [value for value, _ in self._assigned(name)]
                seen |= {name}
            case ast.Call(args=args):
                parts = args
            case ast.Attribute(value=value) | ast.Starred(value=value):
                parts = [value]
            case _:
                parts = []
        return next((found for part in parts if (found := self._find(part, wanted, seen)) is not None), None)


def read_methods(module: Module) -> Iterator[Method | SourceFault]:
    """The methods of a file's resources that call the service; a SourceFault for each that is not understood."""
    for statement in module.tree.body:
        if isinstance(statement, ast.ClassDef) and _is_resource(statement, module):
            overloads: dict[str, list[Function]] = {}
            for node in statement.body:
                if isinstance(node, ast.FunctionDef) and _has_decorator(node, "overload"):
                    overloads.setdefault(node.name, []).append(node)
                elif isinstance(node, ast.FunctionDef):
                    yield from _method(node, module, overloads.get(node.name, []))


def _is_resource(node: ast.ClassDef, module: Module) -> bool:
    return any(isinstance(base, ast.Name) and module.symbol(base).dotted == RESOURCE for base in node.bases)


def _method(node: Function, module: Module, overloads: list[Function]) -> Iterator[Method | SourceFault]:
    calls = [one for one in ast.walk(node) if isinstance(one, ast.Call) and _verb(one)]
    if not calls:
        return  # a helper around other methods
    call = calls[0]
    try:
        if len(calls) > 1:
            raise module.fault(calls[1], "a method that calls the service more than once")
        verb = _word(call, "method") or VERBS[_verb(call)]
        path, arguments = _path(call, module)
        yield Method(node.name, Scope(module, {}), node, call, verb, path, arguments, overloads)
    except SourceFault as fault:
        fault.operation = f"the operation of {node.name}"
        yield fault


def _verb(call: ast.Call) -> str:
    """The name of the client's function that sends, or nothing."""
    head = call.func
    if isinstance(head, ast.Attribute) and isinstance(head.value, ast.Name) and head.value.id == "self" and head.attr in VERBS:
        return head.attr
    return ""


def _word(call: ast.Call, name: str) -> str | None:
    value = next((word.value for word in call.keywords if word.arg == name), None)
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else None


def _path(call: ast.Call, module: Module) -> tuple[str, dict[str, ast.expr]]:
    """The path as a template, and the argument of each variable in it."""
    given = call.args[0] if call.args else next((word.value for word in call.keywords if word.arg == "path"), None)
    match given:
        case ast.Constant(value=str(path)):
            return path, {}
        case ast.Call(args=[ast.Constant(value=str(path)), *_], keywords=words) if is_call_of(given, "path_template"):
            return path, {word.arg: word.value for word in words if word.arg}
        case ast.JoinedStr(values=parts):
            text, arguments = "", dict[str, ast.expr]()
            for part in parts:
                if isinstance(part, ast.FormattedValue) and isinstance(part.value, ast.Name):
                    arguments[part.value.id] = part.value
                    text += f"{{{part.value.id}}}"
                elif isinstance(part, ast.Constant):
                    text += str(part.value)
                else:
                    raise module.fault(given, f"the path {ast.unparse(given)} has a part that is no argument")
            return text, arguments
    raise module.fault(given or call, "a path that is neither a text nor a template")


def _choices(node: ast.expr) -> list[ast.expr]:
    """The types of `A if stream else B`."""
    return [*_choices(node.body), *_choices(node.orelse)] if isinstance(node, ast.IfExp) else [node]


def _target_names(target: ast.expr) -> list[str]:
    parts = target.elts if isinstance(target, ast.Tuple) else [target]
    return [part.id for part in parts if isinstance(part, ast.Name)]


def _is_deprecated(node: Function) -> bool:
    return _has_decorator(node, "deprecated")


def _has_decorator(node: Function, name: str) -> bool:
    heads = [one.func if isinstance(one, ast.Call) else one for one in node.decorator_list]
    return any((head.id if isinstance(head, ast.Name) else getattr(head, "attr", "")) == name for head in heads)
