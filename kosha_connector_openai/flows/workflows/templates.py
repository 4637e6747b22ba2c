"""Values of a document in which runtime expressions stand: read once, filled in once for each use."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from kosha_connector_openai.core.request import is_file_value
from kosha_connector_openai.errors import Fault, InputError
from kosha_connector_openai.flows.workflows.expressions import MISSING, Expression, ExpressionError, looks_like_one
from kosha_connector_openai.text import DEFAULT_LIMITS, escape

_EMBEDDED: Final = re.compile(r"\{(\$[A-Za-z][^{}]*)\}")
_DEEPEST: Final = 64
_LONGEST: Final = DEFAULT_LIMITS.string
"""Characters of a text that is filled in."""
Read = Callable[[str], Expression]
Lookup = Callable[[Expression], Any]


class Unfilled(Exception):
    """An expression at ``pointer`` found nothing."""

    def __init__(self, pointer: str) -> None:
        super().__init__(pointer)
        self.pointer = pointer


class Omitted(Exception):
    """The value is an input that may be left out, and was."""


@dataclass(frozen=True, slots=True)
class Template:
    """A value: constant, one expression (its result keeps its type), a text with expressions in braces, or a structure of these.

    ``pointer`` is where it stands in the document; ``optional`` marks an expression whose place may be left out.
    """

    pointer: str
    kind: str
    content: Any
    optional: bool = False

    def fill(self, look: Lookup) -> Any:
        """The value with what its expressions find. Raises Unfilled, or Omitted; InputError for a text that becomes too long."""
        return _FILL[self.kind](self, look)

    def expressions(self) -> Iterator[tuple[str, Expression]]:
        """All expressions with their pointers."""
        if self.kind == "expression":
            yield self.pointer, self.content
        elif self.kind == "text":
            yield from ((self.pointer, part) for part in self.content if isinstance(part, Expression))
        elif self.kind in ("object", "array"):
            for part in self.content.values() if self.kind == "object" else self.content:
                yield from part.expressions()


def read_template(value: Any, pointer: str, read: Read, fault: Callable[[str, ExpressionError], None], depth: int = 0) -> Template:
    """The template in a value of a document; what is wrong goes to ``fault`` with its pointer."""
    if depth > _DEEPEST:
        fault(pointer, ExpressionError(f"is nested deeper than {_DEEPEST}.", rule="depth"))
        return Template(pointer, "constant", None)
    if isinstance(value, Mapping):
        parts = {name: read_template(part, f"{pointer}/{escape(name)}", read, fault, depth + 1) for name, part in value.items()}
        return Template(pointer, "object", parts)
    if isinstance(value, list):
        return Template(pointer, "array", [read_template(part, f"{pointer}/{n}", read, fault, depth + 1) for n, part in enumerate(value)])
    if isinstance(value, str):
        try:
            return _text(value, pointer, read)
        except ExpressionError as error:
            fault(pointer, error)
    return Template(pointer, "constant", value)


def _text(text: str, pointer: str, read: Read) -> Template:
    if looks_like_one(text):
        return _expression(read(text), pointer)
    parts: list[str | Expression] = []
    end = 0
    for match in _EMBEDDED.finditer(text):
        parts += [text[end : match.start()], read(match[1])]
        end = match.end()
    if "{$" in _EMBEDDED.sub("", text) and looks_like_one(text[text.index("{$") + 1 :]):
        raise ExpressionError("opens an expression with `{$` and does not close it.")
    if not parts:
        return Template(pointer, "constant", text)
    whole = [part for part in (*parts, text[end:]) if part != ""]
    if len(whole) == 1 and isinstance(whole[0], Expression):
        return _expression(whole[0], pointer)
    return Template(pointer, "text", tuple(whole))


def _expression(expression: Expression, pointer: str) -> Template:
    return Template(pointer, "expression", expression, expression.kind == "inputs" and not expression.pointer)


def as_text(value: Any) -> str:
    """A value inside a text: texts as they are, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _fill_expression(template: Template, look: Lookup) -> Any:
    value = look(template.content)
    if value is MISSING:
        raise Omitted if template.optional else Unfilled(template.pointer)
    return value


def _fill_text(template: Template, look: Lookup) -> str:
    found, size = [], 0
    for part in template.content:
        value = look(part) if isinstance(part, Expression) else part
        if value is MISSING or is_file_value(value):
            raise Unfilled(template.pointer)
        found.append(as_text(value))
        size += len(found[-1])
        if size > _LONGEST:  # workflows that hand a text to each other, each many times over, would fill the memory
            fault = Fault(template.pointer, "maxLength", f"becomes longer than {_LONGEST} characters.", allowed=_LONGEST)
            raise InputError("A text of the step is too long; nothing was sent.", [fault], pointer=template.pointer)
    return "".join(found)


def _fill_object(template: Template, look: Lookup) -> dict[str, Any]:
    found = {}
    for name, part in template.content.items():
        try:
            found[name] = part.fill(look)
        except Omitted:
            continue
    return found


def _fill_array(template: Template, look: Lookup) -> list[Any]:
    found = []
    for part in template.content:
        try:
            found.append(part.fill(look))
        except Omitted:
            raise Unfilled(part.pointer) from None
    return found


_FILL: Final[Mapping[str, Callable[[Template, Lookup], Any]]] = {
    "constant": lambda template, _: template.content,
    "expression": _fill_expression,
    "text": _fill_text,
    "object": _fill_object,
    "array": _fill_array,
}
