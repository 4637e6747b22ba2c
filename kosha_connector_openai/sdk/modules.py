"""Modules: the syntax trees of a package, and what a name in one of them stands for."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from kosha_connector_openai.sdk.fault import SourceFault

Statement = ast.ClassDef | ast.expr
DEPTH = 40  # names that are imported from one another in a circle end here


@dataclass(frozen=True)
class Symbol:
    """What a name stands for: `dotted` (`typing.Union`, `types.beta.agent.Agent`), and its definition where the package has it."""

    dotted: str
    module: Module | None = None
    node: Statement | None = None


@dataclass
class Module:
    """One file of the package: dotted name, path, and what its names stand for."""

    name: str
    file: str
    text: bytes
    is_package: bool
    modules: Modules = field(repr=False)

    @cached_property
    def tree(self) -> ast.Module:
        """Raises SourceFault where the file is no Python of this interpreter."""
        try:
            return ast.parse(self.text)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            line = getattr(error, "lineno", None) or 1
            raise SourceFault(self.file, line, f"cannot be parsed: {getattr(error, 'msg', '') or type(error).__name__}") from None

    @cached_property
    def names(self) -> dict[str, ast.stmt]:
        """Statement by the name that it binds at the top of the module."""
        found: dict[str, ast.stmt] = {}
        for statement in _statements(self.tree.body):
            for name in _bound(statement):
                found[name] = statement
        return found

    def fault(self, node: ast.AST | None, reason: str) -> SourceFault:
        return SourceFault(self.file, getattr(node, "lineno", 0), reason)

    def symbol(self, node: ast.expr) -> Symbol:
        """What a name or a dotted name stands for; raises SourceFault where it stands for nothing."""
        if isinstance(node, ast.Name):
            return self.lookup(node.id, node)
        if isinstance(node, ast.Attribute):
            holder = self.symbol(node.value)
            return self.modules.member(holder.dotted, node.attr, node, self)
        raise self.fault(node, f"{ast.unparse(node)[:80]!r} is no name")

    def lookup(self, name: str, node: ast.AST, depth: int = 0) -> Symbol:
        statement = self.names.get(name)
        if depth > DEPTH:
            raise self.fault(node, f"{name} is imported in a circle")
        match statement:
            case ast.ClassDef():
                return Symbol(f"{self.name}.{name}", self, statement)
            case ast.AnnAssign(value=ast.expr() as value) | ast.Assign(value=value):
                return Symbol(f"{self.name}.{name}", self, value)
            case ast.Import():
                alias = next(alias for alias in statement.names if _import_name(alias) == name)
                return Symbol(alias.name if alias.asname else name)
            case ast.ImportFrom():
                alias = next(alias for alias in statement.names if (alias.asname or alias.name) == name)
                return self.modules.member(self._target(statement), alias.name, node, self, depth + 1)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                return Symbol(f"{self.name}.{name}", self)
        if hasattr(builtins, name):
            return Symbol(f"builtins.{name}")
        raise self.fault(node, f"the name {name} is not known")

    def _target(self, statement: ast.ImportFrom) -> str:
        """The module that is imported from; one outside the package has a dotted name that no module of it has."""
        if not statement.level:
            return statement.module or ""
        parts = self.name.split(".") if self.name else []
        cut = statement.level - (1 if self.is_package else 0)
        parts = parts[: len(parts) - cut] if cut else parts
        return ".".join([*parts, *([statement.module] if statement.module else [])])


class Modules:
    """All modules of a package by dotted name below it; the package itself is the empty name."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self._modules: dict[str, Module] = {}
        for path, text in files.items():
            parts = path.removesuffix(".py").split("/")
            is_package = parts[-1] == "__init__"
            name = ".".join(parts[:-1] if is_package else parts)
            self._modules[name] = Module(name, path, text, is_package, self)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules.values())

    def get(self, name: str) -> Module | None:
        return self._modules.get(name)

    def member(self, holder: str, name: str, node: ast.AST, user: Module, depth: int = 0) -> Symbol:
        """What `name` of the module `holder` stands for: a definition, a submodule, or something outside the package."""
        module, dotted = self._modules.get(holder), f"{holder}.{name}" if holder else name
        if module and name in module.names:
            return module.lookup(name, node, depth)
        if module and dotted not in self._modules:
            raise user.fault(node, f"{module.file} has no {name}")
        return Symbol(dotted, self._modules.get(dotted))


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements in order, those of `if TYPE_CHECKING` and `try` last in their place, so that a type checker's view counts."""
    for statement in body:
        if isinstance(statement, ast.If):
            negated = isinstance(statement.test, ast.UnaryOp)
            for branch in (statement.body, statement.orelse) if negated else (statement.orelse, statement.body):
                yield from _statements(branch)
        elif isinstance(statement, ast.Try):
            for handler in statement.handlers:
                yield from _statements(handler.body)
            yield from _statements(statement.body)
        else:
            yield statement


def _bound(statement: ast.stmt) -> list[str]:
    match statement:
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return [name]
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr()):
            return [name]
        case ast.Assign(targets=targets):
            return [target.id for target in targets if isinstance(target, ast.Name)]
        case ast.Import(names=aliases):
            return [_import_name(alias) for alias in aliases]
        case ast.ImportFrom(names=aliases):
            return [alias.asname or alias.name for alias in aliases]
    return []


def _import_name(alias: ast.alias) -> str:
    return alias.asname or alias.name.split(".", maxsplit=1)[0]
