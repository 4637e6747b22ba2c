"""Templates of answers: JSON values in which ``$name`` stands for a fact, ``${name}`` for its text.

``$name/a/0`` points into a fact (RFC 6901). In a list, ``{$each: name, ...}`` is repeated with ``$item`` and ``$index``, and
``{$if: fact, ...}`` is left out where the fact is false. What has no value is left out too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from kosha_connector_openai.text import at

_NAME = r"([a-z_]+)((?:/[^/\s{}]+)*)"
_WHOLE = re.compile(rf"\${_NAME}")
_INSIDE = re.compile(rf"\$\{{{_NAME}\}}")
ABSENT: Any = type("Absent", (), {"__bool__": lambda self: False, "__repr__": lambda self: "ABSENT"})()


class TemplateFacts(Protocol):
    """The facts that templates can name."""

    def get(self, name: str) -> Any:
        """The fact, or ABSENT."""

    def also(self, **more: Any) -> TemplateFacts:
        """Returns these facts and ``more``."""


def render(template: Any, facts: TemplateFacts) -> Any:
    """The template with its facts; ABSENT where it is only a fact that has no value."""
    if isinstance(template, str):
        return _text(template, facts)
    if isinstance(template, Mapping):
        made = ((key, render(value, facts)) for key, value in template.items())
        return {key: value for key, value in made if value is not ABSENT}
    return list(items(template, facts)) if isinstance(template, list) else template


def items(template: list[Any], facts: TemplateFacts) -> Iterator[Any]:
    """The items of a list, one by one as they are made."""
    for part in template:
        for inner, scope in _repeated(part, facts):
            value = render(inner, scope)
            if value is not ABSENT:
                yield value


def _repeated(part: Any, facts: TemplateFacts) -> Iterator[tuple[Any, TemplateFacts]]:
    if not isinstance(part, Mapping) or not part.keys() & {"$each", "$if"}:
        yield part, facts
        return
    inner = {key: value for key, value in part.items() if key not in ("$each", "$if")}
    inner = inner.get("$value", inner)
    values = render(part["$each"], facts) if "$each" in part else [None]
    for index, item in enumerate(values or ()):
        scope = facts.also(item=item, index=index) if "$each" in part else facts
        if "$if" not in part or render(part["$if"], scope):
            yield inner, scope


def _text(template: str, facts: TemplateFacts) -> Any:
    whole = _WHOLE.fullmatch(template)
    if whole:
        return at(facts.get(whole[1]), whole[2], ABSENT)
    return _INSIDE.sub(lambda found: _shown(at(facts.get(found[1]), found[2], ABSENT)), template)


def _shown(value: Any) -> str:
    return "" if value is ABSENT or value is None else str(value)
