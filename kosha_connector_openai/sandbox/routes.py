"""Which operation a request means: method and path against the description's templates (OpenAPI 3.1, section 4.8.8)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

from kosha_connector_openai.connector import Action


@dataclass(frozen=True)
class Match:
    """The action that a request means, and the values of its path."""

    action: Action
    values: Mapping[str, str]


class NoRoute(Exception):
    """No operation has this path, or not with this method; then ``allowed`` names the methods."""

    def __init__(self, allowed: frozenset[str] = frozenset()) -> None:
        super().__init__()
        self.allowed = allowed


class OperationRoutes:
    """The operations of a catalog by method and path; literal segments win over variables."""

    def __init__(self, actions: Mapping[str, Action]) -> None:
        found = [(_pattern(action.operation.path), action) for action in actions.values()]
        self._table = sorted(found, key=lambda entry: _rank(entry[1]))

    def match(self, method: str, path: str, query: str) -> Match:
        """The operation; raises NoRoute."""
        pairs = set(parse_qsl(query, keep_blank_values=True))
        allowed = set()
        for pattern, action in self._table:
            found = pattern.fullmatch(path)
            if found is None or not set(action.operation.query) <= pairs:
                continue
            allowed.add(action.operation.method)
            if action.operation.method == method:
                names = re.findall(r"\{([^{}]+)\}", action.operation.path)
                values = [unquote(value) for value in found.groups()]
                return Match(action, dict(zip(names, values, strict=True)))
        raise NoRoute(frozenset(allowed))


def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"\{[^{}]+\}", template)
    return re.compile("([^/]+)".join(re.escape(part) for part in parts))


def _rank(action: Action) -> tuple[int, int]:
    """More of the path key's own query first, then fewer variables."""
    return -len(action.operation.query), action.operation.path.count("{")
