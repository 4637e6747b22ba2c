"""Simple conditions (Arazzo 1.0.1, section "Criterion Object"): literals, operators and runtime expressions, read by a parser of our own.

A condition is true, false or undecided. It is undecided where it hangs on a value that is not there: such a condition is never satisfied,
so that a misspelt name cannot let anything through. Only ``== null`` and ``!= null`` may be asked of what is not there.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from kosha_connector_openai.flows.workflows.expressions import MISSING, Expression, ExpressionError

_LONGEST: Final = 2_000
_DEEPEST: Final = 32
_TOKENS: Final = re.compile(
    r"""\s*(?:
      (?P<text>'(?:[^']|'')*')
    | (?P<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![\w.]))
    | (?P<expression>\$[^\s()\[\]<>=!&|',]+)
    | (?P<property>\.[A-Za-z_][\w-]*)
    | (?P<word>true|false|null)(?!\w)
    | (?P<sign><=|>=|==|!=|&&|\|\||[<>!()\[\]])
    )""",
    re.VERBOSE,
)
_WORDS: Final = {"true": True, "false": False, "null": None}
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_DIGITS: Final = 400
_ORDERS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_COMPARED: Final = frozenset({*_ORDERS, "==", "!="})
Lookup = Callable[[Expression], Any]
Truth = bool | None
"""None is undecided."""


@dataclass(frozen=True, slots=True)
class SimpleCondition:
    """One parsed condition; ``expressions`` are all that it looks up."""

    decide: Callable[[Lookup], Truth]
    expressions: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class _Operand:
    """A value still to be looked up, or the truth of a part."""

    value: Callable[[Lookup], Any]
    truth: Callable[[Lookup], Truth]


def parse_condition(text: str, read: Callable[[str], Expression]) -> SimpleCondition:
    """The condition in a text; ``read`` makes the expressions in it. Raises ExpressionError."""
    if len(text) > _LONGEST:
        raise ExpressionError(f"is longer than {_LONGEST} characters.", rule="condition")
    parser = _Parser(_tokens(text), read)
    operand = parser.whole()
    return SimpleCondition(operand.truth, tuple(parser.expressions))


def _tokens(text: str) -> list[tuple[str, str]]:
    found, position = [], 0
    text = text.rstrip()
    while position < len(text):
        match = _TOKENS.match(text, position)
        if match is None or match.lastgroup is None:
            raise ExpressionError(f"cannot be read from character {position + 1} on.", "Texts stand in single quotes.", "condition")
        found.append((match.lastgroup, match[match.lastgroup]))
        position = match.end()
    return found


class _Parser:
    """Recursive descent over the tokens: or, and, comparison, not, value."""

    def __init__(self, tokens: list[tuple[str, str]], read: Callable[[str], Expression]) -> None:
        self._tokens = tokens
        self._read = read
        self._next = 0
        self._depth = 0
        self.expressions: list[Expression] = []

    def whole(self) -> _Operand:
        operand = self._either()
        if self._next < len(self._tokens):
            raise ExpressionError("goes on after its end.", "Join parts by && or ||.", "condition")
        return operand

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._next] if self._next < len(self._tokens) else ("end", "")

    def _take(self, sign: str) -> bool:
        taken = self._peek() == ("sign", sign)
        self._next += taken
        return taken

    def _either(self) -> _Operand:
        found = [self._both()]
        while self._take("||"):
            found.append(self._both())
        return found[0] if len(found) == 1 else _logic(found, decisive=True)

    def _both(self) -> _Operand:
        found = [self._comparison()]
        while self._take("&&"):
            found.append(self._comparison())
        return found[0] if len(found) == 1 else _logic(found, decisive=False)

    def _comparison(self) -> _Operand:
        left = self._negation()
        kind, sign = self._peek()
        if kind != "sign" or sign not in _COMPARED:
            return left
        self._next += 1
        right = self._negation()
        if self._peek()[1] in _COMPARED:
            raise ExpressionError("compares more than two values at once.", "Join comparisons by &&.", "condition")
        return _compared(left, right, sign)

    def _negation(self) -> _Operand:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ExpressionError(f"is nested deeper than {_DEEPEST}.", rule="condition")
        operand = _negated(self._negation()) if self._take("!") else self._value()
        self._depth -= 1
        return operand

    def _value(self) -> _Operand:
        kind, text = self._peek()
        self._next += 1
        if kind == "expression":
            return self._looked_up(text)
        if kind == "text":
            return _constant(text[1:-1].replace("''", "'"))
        if kind == "word":
            return _constant(_WORDS[text])
        if kind == "number":
            number = to_number(text)
            if number is None:
                raise ExpressionError("holds a number that is too long.", rule="condition")
            return _constant(number)
        if (kind, text) == ("sign", "("):
            operand = self._either()
            if not self._take(")"):
                raise ExpressionError("lacks a closing parenthesis.", rule="condition")
            return operand
        raise ExpressionError("ends too early, or has an operator without a value.", rule="condition")

    def _looked_up(self, text: str) -> _Operand:
        expression = self._read(text)
        path: list[str | int] = list(expression.steps_in)
        while True:
            kind, text = self._peek()
            if kind == "property" and path:
                self._next += 1
                path.append(text[1:])
            elif self._take("["):
                path.append(self._index())
            else:
                break
        whole = Expression(expression.kind, expression.names, expression.pointer, tuple(path))
        self.expressions.append(whole)
        return _Operand(lambda look: look(whole), lambda look: _truth(look(whole)))

    def _index(self) -> str | int:
        kind, text = self._peek()
        self._next += 1
        if not self._take("]"):
            raise ExpressionError("lacks a closing bracket.", rule="condition")
        if kind == "number" and text.isdecimal() and len(text) < 10:  # noqa: PLR2004 - no list is longer
            return int(text)
        if kind == "text":
            return text[1:-1].replace("''", "'")
        raise ExpressionError("has an index that is no whole number.", "Count from 0.", "condition")


def _constant(value: Any) -> _Operand:
    return _Operand(lambda _: value, lambda _: _truth(value))


def _logic(parts: list[_Operand], *, decisive: bool) -> _Operand:
    """``||`` where ``decisive`` is True, ``&&`` where it is False; the first part that decides ends it."""

    def truth(look: Lookup) -> Truth:
        found: Truth = not decisive
        for part in parts:
            one = part.truth(look)
            if one is decisive:
                return decisive
            found = None if one is None else found
        return found

    return _Operand(lambda look: _value_of(truth(look)), truth)


def _negated(part: _Operand) -> _Operand:
    def truth(look: Lookup) -> Truth:
        one = part.truth(look)
        return None if one is None else not one

    return _Operand(lambda look: _value_of(truth(look)), truth)


def _compared(left: _Operand, right: _Operand, sign: str) -> _Operand:
    def truth(look: Lookup) -> Truth:
        return compare(left.value(look), right.value(look), sign)

    return _Operand(lambda look: _value_of(truth(look)), truth)


def _value_of(truth: Truth) -> Any:
    return MISSING if truth is None else truth


def _truth(value: Any) -> Truth:
    """A value on its own: null, false, 0 and the empty text are false; what is not there is undecided."""
    if value is MISSING:
        return None
    return bool(value) if isinstance(value, (bool, int, float, str, type(None))) else True


def compare(left: Any, right: Any, sign: str) -> Truth:
    """Two values by one of the six signs, loosely: texts without regard to case, a text that is a number as that number."""
    if left is MISSING or right is MISSING:
        other = right if left is MISSING else left
        return None if other is not None or sign in _ORDERS else sign == "=="
    left, right = _alike(left, right)
    if sign in _ORDERS:
        both = (isinstance(left, str) and isinstance(right, str)) or (_is_number(left) and _is_number(right))
        return _ORDERS[sign](left, right) if both else None
    return _equal(left, right) == (sign == "==")


def _alike(left: Any, right: Any) -> tuple[Any, Any]:
    if isinstance(left, str) and isinstance(right, str):
        return left.casefold(), right.casefold()
    if isinstance(left, str) and isinstance(right, (bool, int, float)):
        return _as(right, left), right
    if isinstance(right, str) and isinstance(left, (bool, int, float)):
        return left, _as(left, right)
    return left, right


def _as(model: Any, text: str) -> Any:
    """A text as the boolean or the number that it spells, where the other side is one; else the text."""
    if isinstance(model, bool):
        return {"true": True, "false": False}.get(text.casefold(), text)
    number = to_number(text.strip())
    return text if number is None else number


def to_number(text: str) -> int | float | None:
    """The number that a text spells in JSON's way; None where it spells none, or one too long."""
    if len(text) > _DIGITS or not _NUMBER.fullmatch(text):
        return None
    return int(text) if text.lstrip("-").isdecimal() else float(text)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _equal(left: Any, right: Any) -> bool:
    """JSON's equality: true is not 1."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        return len(left) == len(right) and all(map(_equal, left, right))
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(_equal(value, right[key]) for key, value in left.items())
    return bool(left == right)
