"""Runtime expressions (Arazzo 1.0.1, section "Runtime Expressions"): read once from a document, looked up once in a run.

What an expression finds is a value. It is never read as an expression again, whatever it holds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from kosha_connector_openai.text import at, tokens

Kind = Literal["url", "method", "statusCode", "request", "response", "inputs", "outputs", "steps", "workflows", "source", "parameter"]
NAME: Final = re.compile(r"[A-Za-z0-9_-]+")
_BARE: Final[Mapping[str, Kind]] = {"$url": "url", "$method": "method", "$statusCode": "statusCode"}
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_ESCAPES: Final = re.compile(r"~(?![01])")
_LOOKS: Final = re.compile(r"\$[A-Za-z]")
_LONGEST: Final = 1_000


class _Missing:
    """Nothing was found, which is not the same as null."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()


class ExpressionError(ValueError):
    """A text is no runtime expression, or one that is not supported. ``rule`` is a word of a Fault."""

    def __init__(self, message: str, fix: str = "", rule: str = "expression") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix
        self.rule = rule


@dataclass(frozen=True, slots=True)
class Expression:
    """One expression: ``kind``, the names after it (``steps``: step and output; ``request``: place and name), and a JSON Pointer's tokens.

    ``steps_in`` are property names and indexes that a condition goes on with; nowhere else are there any.
    """

    kind: Kind
    names: tuple[str, ...] = ()
    pointer: tuple[str, ...] = ()
    steps_in: tuple[str | int, ...] = ()


def looks_like_one(text: str) -> bool:
    """Whether a text is meant as an expression: a dollar sign and a letter."""
    return _LOOKS.match(text) is not None


def parse(text: str) -> Expression:
    """The expression in a text; raises ExpressionError."""
    if len(text) > _LONGEST:
        raise ExpressionError("is longer than an expression may be.")
    if text in _BARE:
        return Expression(_BARE[text])
    head, dot, rest = text.partition(".")
    reader = _READERS.get(head)
    if reader is None or not dot:
        raise ExpressionError("is not a runtime expression.", "Expressions begin with $inputs., $steps., $response. and the like.")
    found: Expression = reader(rest)
    return found


def find(value: Any, path: Sequence[str | int]) -> Any:
    """The value at the end of a path; MISSING where nothing is there."""
    return at(value, path, MISSING)


def pointer_tokens(text: str) -> tuple[str, ...]:
    """The tokens of a JSON Pointer (RFC 6901); raises ExpressionError."""
    if text and not text.startswith("/"):
        raise ExpressionError("holds a JSON Pointer that does not begin with a slash.", "Write `#/name`.")
    if _ESCAPES.search(text):
        raise ExpressionError("holds a JSON Pointer with a bare `~`.", "Write `~0`.")
    return tokens(text)


def _split(rest: str) -> tuple[str, tuple[str, ...]]:
    name, sharp, pointer = rest.partition("#")
    return name, pointer_tokens(pointer) if sharp else ()


def _named(kind: Kind) -> Any:
    def read(rest: str) -> Expression:
        name, pointer = _split(rest)
        if not name:
            raise ExpressionError("names nothing.")
        return Expression(kind, (name,), pointer)

    return read


def _steps(rest: str) -> Expression:
    step, _, after = rest.partition(".")
    word, _, output = after.partition(".")
    name, pointer = _split(output)
    if word != "outputs" or not name:
        raise ExpressionError("is not `$steps.<stepId>.outputs.<name>`.", "A step shows its outputs and nothing else.")
    return Expression("steps", (step, name), pointer)


def _workflows(rest: str) -> Expression:
    workflow, _, after = rest.partition(".")
    word, _, output = after.partition(".")
    name, pointer = _split(output)
    if word not in ("inputs", "outputs") or not name:
        raise ExpressionError("is not `$workflows.<workflowId>.inputs.<name>` or `.outputs.<name>`.")
    return Expression("workflows", (workflow, word, name), pointer)


def _message(kind: Literal["request", "response"]) -> Any:
    def read(rest: str) -> Expression:
        if rest == "body" or rest.startswith("body#"):
            return Expression(kind, ("body",), _split(rest)[1])
        place, _, name = rest.partition(".")
        if place == "header" and _TOKEN.fullmatch(name):
            return Expression(kind, ("header", name.lower()))
        if place in ("query", "path") and name and kind == "request":
            return Expression(kind, (place, name))
        if place in ("query", "path") and kind == "response":
            raise ExpressionError("asks a reply for a part of a request.", f"Write `$request.{place}.…`.")
        raise ExpressionError(f"names no part of a {kind}.", "There is `body`, `body#/pointer` and `header.<name>`.")

    return read


def _source(rest: str) -> Expression:
    name, _, word = rest.rpartition(".")
    if word != "url" or not name:
        raise ExpressionError("is not `$sourceDescriptions.<name>.url`.", rule="unsupported")
    return Expression("source", (name,))


def _components(rest: str) -> Expression:
    word, _, name = rest.partition(".")
    if word != "parameters" or not name:
        raise ExpressionError("is not `$components.parameters.<name>`.", rule="unsupported")
    return Expression("parameter", (name,))


_READERS: Final[Mapping[str, Any]] = {
    "$inputs": _named("inputs"),
    "$outputs": _named("outputs"),
    "$steps": _steps,
    "$workflows": _workflows,
    "$request": _message("request"),
    "$response": _message("response"),
    "$sourceDescriptions": _source,
    "$components": _components,
}
