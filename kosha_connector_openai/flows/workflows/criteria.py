"""Kinds of criteria as a table: how the condition of each is read, and what it asks of its context."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from kosha_connector_openai.errors import DocumentError
from kosha_connector_openai.flows.workflows.conditions import Truth
from kosha_connector_openai.flows.workflows.expressions import MISSING, ExpressionError
from kosha_connector_openai.schema import NOT_JSON, Compiled, default_backend
from kosha_connector_openai.text import install

Test = Callable[[Any], Truth]
"""Asked of the value of a criterion's context."""
_LONGEST: Final = 1_000
_MOST_COMMAS: Final = 4
_FORMS: Final = {"match": "^(?:{})$", "search": "{}"}
"""The functions of JSONPath that take a regular expression (RFC 9535, section 2.4), each with the one that is looked for."""
_QUOTED: Final = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")


def read_regex(condition: str) -> Test:
    """A regular expression that is looked for in the context, a text or the JSON of another value; it runs in bounded time."""
    pattern = _pattern(condition)
    if pattern is None:
        raise ExpressionError("is not a regular expression that can be run in bounded time.", rule="regex")

    def test(value: Any) -> Truth:
        text = _text(value)
        return None if text is None else _fits(pattern, text)

    return test


def read_jsonpath(condition: str) -> Test:
    """A JSONPath query (RFC 9535): satisfied where it selects anything but false and null."""
    bare = _QUOTED.sub("", condition)
    # Each comma may double what is selected so far, and the next one doubles it again.
    if len(condition) > _LONGEST or bare.count("..") > 1 or bare.count("$") > 1 or bare.count(",") > _MOST_COMMAS:
        message = f"could take too long: use at most one `..` and {_MOST_COMMAS} commas, and `$` only at its beginning."
        raise ExpressionError(message, rule="too-complex")
    query, own_error = _query(condition)

    def test(value: Any) -> Truth:
        if value is MISSING or isinstance(value, (bytes, bytearray)):
            return None
        try:
            return any(node.value is not None and node.value is not False for node in query.finditer(value))
        except (ValueError, TypeError, RecursionError, own_error):  # the last where a value is nested deeper than the library goes
            return None

    return test


KINDS: Final[Mapping[str, Callable[[str], Test]]] = {"regex": read_regex, "jsonpath": read_jsonpath}
"""The kinds that need a context; ``simple`` is read by ``conditions.py``."""


def _text(value: Any) -> str | None:
    if value is MISSING or isinstance(value, (bytes, bytearray)):
        return None
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except (TypeError, ValueError):
        return None


@lru_cache(maxsize=256)
def _pattern(pattern: str) -> Compiled | None:
    if len(pattern) > _LONGEST:
        return None
    try:
        compiled = default_backend().compile({"type": "string", "pattern": pattern})
        compiled.is_valid("")
    except (DocumentError, *NOT_JSON):
        return None
    return compiled


def _fits(pattern: Compiled, text: str) -> bool:
    try:
        return pattern.is_valid(text)
    except NOT_JSON:
        return False


def _query(condition: str) -> tuple[Any, type[Exception]]:
    """The compiled query, and the library's own error."""
    try:
        import jsonpath_rfc9535 as library
    except ModuleNotFoundError:
        raise ExpressionError("needs a JSONPath library that is not installed.", install("workflows"), "extra") from None
    try:
        return _environment(library).compile(condition), library.JSONPathError
    except (library.JSONPathError, RecursionError, ValueError):
        pass
    raise ExpressionError("is not a JSONPath query (RFC 9535).", "The root is `$`, a filter is `[?@.name == 'x']`.", "jsonpath")


def _environment(library: Any) -> Any:
    """The library's environment with our own regular expressions: its own can take exponential time."""

    def by(base: type, form: str) -> Any:
        def call(_: Any, text: object, pattern: object) -> bool:
            if not isinstance(text, str) or not isinstance(pattern, str):
                return False
            compiled = _pattern(form.format(pattern))
            return compiled is not None and _fits(compiled, text)

        return type(base.__name__, (base,), {"__call__": call})()

    environment = library.JSONPathEnvironment()
    # Version 2, which needs Python 3.12, and version 1.
    functions = environment.functions if hasattr(environment, "functions") else environment.function_extensions
    for name, form in _FORMS.items():
        functions[name] = by(type(functions[name]), form)
    return environment
