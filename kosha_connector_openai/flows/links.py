"""The ``Link`` header (RFC 8288): the inputs that the next page is asked for with. The link itself is never followed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

_LINK: Final = re.compile(r'<([^<>]*)>((?:\s*;\s*[\w!#$&+.^`|~*-]+\s*=\s*(?:"[^"]*"|[^\s",;]+))*)')
_RELATION: Final = re.compile(r';\s*rel\s*=\s*(?:"([^"]*)"|([^\s",;]+))', re.IGNORECASE)
_DIGITS: Final = 18


def link_inputs(headers: Mapping[str, str], relation: str, known: Mapping[str, Any]) -> dict[str, Any]:
    """The query parameters of the link with this relation that the action knows; nothing where there is no such link.

    ``known`` holds the schemas of the action's parameters: what takes a whole number gets one.
    Only values are taken from the link, so that a credential goes nowhere else than before.
    """
    for target, parameters in _LINK.findall(headers.get("link", "")):
        named = [(one or other).lower().split() for one, other in _RELATION.findall(parameters)]
        if any(relation.lower() in names for names in named):
            try:
                query = parse_qsl(urlsplit(target).query, max_num_fields=100)
            except ValueError:
                return {}
            return {name: _typed(value, known[name]) for name, value in query if name in known}
    return {}


def _typed(value: str, schema: Any) -> Any:
    whole = isinstance(schema, Mapping) and schema.get("type") == "integer"
    return int(value) if whole and value.isascii() and value.isdigit() and len(value) <= _DIGITS else value
