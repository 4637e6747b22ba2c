"""Raw path -> the operations there: from the catalog alone, matched on the path as it was sent, so that no two readings of it differ."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final
from urllib.parse import unquote, unquote_plus

from kosha_connector_openai.core.actions import RETIRED, Action, BodyForm, Catalog, TextInputs
from kosha_connector_openai.core.request import check_segment
from kosha_connector_openai.errors import DocumentError, InputError
from kosha_connector_openai.manifest.parts import Privileged
from kosha_connector_openai.text import essence

_VARIABLE: Final = re.compile(r"\{([^{}]+)\}")


class Route:
    """One operation as the gateway serves it."""

    def __init__(self, action: Action, catalog: Catalog) -> None:
        self.action = action
        self.id = action.id
        self.method = action.operation.method
        self.names = tuple(_VARIABLE.findall(action.operation.path))
        self.query = action.operation.query
        self.first = True
        """Whether no body was checked for it yet: the first check compiles its schema."""
        self._catalog = catalog

    @property
    def group(self) -> str:
        """The id of the action's group."""
        return self.action.group.id

    @cached_property
    def text_inputs(self) -> TextInputs:
        """The check of path and query."""
        return TextInputs(self.action.inputs, self._catalog.document)

    @cached_property
    def forms(self) -> Mapping[str, BodyForm]:
        """How a body may be written: media type -> its form."""
        return {essence(form.media_type.name): form for form in self.action.inputs.bodies}

    @cached_property
    def retired(self) -> str | None:
        """What to tell about an operation that was shut down; None where it was not."""
        value = self.action.operation.extensions.get(RETIRED)
        if not isinstance(value, Mapping):
            return None
        since = f" on {value['since']}" if value.get("since") else ""
        text = f"The provider has shut this operation down{since}."
        successor = self._catalog.document[value["successor"]] if value.get("successor") in self._catalog.document else None
        return f"{text} Use {successor.method} {successor.path} ({successor.id}) instead." if successor else text


@dataclass(slots=True)
class _Node:
    """One place in the tree of paths."""

    fixed: dict[str, _Node] = field(default_factory=dict)
    patterns: dict[str, tuple[re.Pattern[str], _Node]] = field(default_factory=dict)
    routes: list[Route] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class PathMatch:
    """A path that is known: its operations, and the path's values, percent-encoded, in order."""

    routes: tuple[Route, ...]
    values: tuple[str, ...]

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that the path takes."""
        return tuple(dict.fromkeys(route.method for route in self.routes))

    def find(self, method: str, query: str) -> Route | None:
        """The operation for a method; of several, the one whose own query the request has."""
        fitting = [route for route in self.routes if route.method == method]
        if len(fitting) == 1 and not fitting[0].query:
            return fitting[0]
        given = set(pairs(query))
        fitting = [route for route in fitting if set(route.query) <= given]
        return max(fitting, key=lambda route: len(route.query), default=None)


class RouteTable:
    """All operations of a catalog by path."""

    def __init__(self, catalog: Catalog, slashes: Iterable[str] = ()) -> None:
        """``slashes``: variables whose values may hold slashes, raw ones too where they end the path."""
        self._root = _Node()
        self._slashes = frozenset(slashes)
        self._by_id: dict[str, Route] = {}
        for action in sound_actions(catalog):
            route = self._by_id[action.id] = Route(action, catalog)
            self._add(route)
        self._places: dict[str, PathMatch] = {}
        firsts = {route.action.operation.path.split("/")[1] for route in self._by_id.values()}
        self.prefix = f"/{firsts.pop()}" if len(firsts) == 1 else ""
        """The segment that all paths begin with; "" where there is none."""

    def __iter__(self) -> Iterator[Route]:
        return iter(self._by_id.values())

    def find(self, path: str) -> PathMatch | None:
        """The place at a raw path; a doubled slash before it is taken for one, as old clients write it."""
        path = path[1:] if path.startswith("//") else path
        return self._known(path) if self.is_prefixed(path) else None

    def alias(self, path: str) -> PathMatch | None:
        """The place at a path that lacks the segment which all begin with."""
        path = path[1:] if path.startswith("//") else path
        return self._known(self.prefix + path) if self.prefix and not self.is_prefixed(path) else None

    def decoded(self, method: str, path: str) -> Iterator[tuple[Route, Mapping[str, str]]]:
        """The other operations, with their values, that a server would find at a path once it has decoded it one to three times."""
        known = self.find(path) or self.alias(path)
        for _ in range(3):
            path = unquote(path)
            found = self.find(path.partition("?")[0]) or self.alias(path.partition("?")[0])
            if found is not None and (known is None or found.routes != known.routes):
                yield from ((each, dict(zip(each.names, found.values, strict=True))) for each in found.routes if each.method == method)

    def is_prefixed(self, path: str) -> bool:
        """Whether a path begins as all do."""
        return not self.prefix or path == self.prefix or path.startswith(f"{self.prefix}/")

    def _known(self, path: str) -> PathMatch | None:
        place = self._places.get(path)
        return place if place is not None else self._search(path)

    def _search(self, path: str) -> PathMatch | None:
        segments = path.split("/")
        if segments[0] or len(segments) > 64:  # noqa: PLR2004 - deeper than any description
            return None
        for node, values in _walk(self._root, segments, 1, ()):
            try:
                for value in values:
                    check_segment("path", value)
            except InputError:
                continue
            place = PathMatch(tuple(node.routes), values)
            if not values:
                self._places[path] = place  # as many as there are paths without variables
            return place
        return self._joined(segments)

    def _joined(self, segments: list[str]) -> PathMatch | None:
        """The place whose last variable takes the rest of the path, as clients write names such as ``owner/model``."""
        for end in range(len(segments) - 2, 1, -1):
            rest = segments[end:]
            for node, values in _walk(self._root, [*segments[:end], "%2F".join(rest)], 1, ()):
                routes = tuple(route for route in node.routes if route.names and route.names[-1] in self._slashes)
                try:
                    for value in (*values[:-1], *rest):
                        check_segment("path", value)
                except InputError:
                    continue
                if routes and all(rest):
                    return PathMatch(routes, values)
        return None

    def _add(self, route: Route) -> None:
        node = self._root
        for segment in route.action.operation.path.split("/")[1:]:
            pieces = _VARIABLE.split(segment)
            if len(pieces) == 1:
                node = node.fixed.setdefault(segment, _Node())
                continue
            text = "".join("([^/]+)" if index % 2 else re.escape(piece) for index, piece in enumerate(pieces))
            node = node.patterns.setdefault(text, (re.compile(text), _Node()))[1]
        node.routes.append(route)


def _walk(node: _Node, segments: list[str], index: int, values: tuple[str, ...]) -> Iterator[tuple[_Node, tuple[str, ...]]]:
    """The nodes with operations that a path leads to, fixed segments before variables."""
    if index == len(segments):
        if node.routes:
            yield node, values
        return
    fixed = node.fixed.get(segments[index])
    if fixed is not None:
        yield from _walk(fixed, segments, index + 1, values)
    for pattern, following in node.patterns.values():
        if match := pattern.fullmatch(segments[index]):
            yield from _walk(following, segments, index + 1, (*values, *match.groups()))


def administration_actions(catalog: Mapping[str, Action], rules: Privileged) -> frozenset[str]:
    """The actions of the privileged security schemes."""
    schemes = set(rules.schemes)
    return frozenset(a.id for a in sound_actions(catalog) if any(schemes & set(wanted) for wanted in a.operation.security))


def privileged_actions(catalog: Mapping[str, Action], rules: Privileged) -> frozenset[str]:
    """The actions of the privileged security schemes, and those that are named."""
    return (administration_actions(catalog, rules) | set(rules.actions)) & frozenset(catalog)


def pairs(query: str) -> Iterable[tuple[str, str]]:
    """The names and values of a query, decoded."""
    for part in query.split("&"):
        name, _, value = part.partition("=")
        yield unquote_plus(name), unquote_plus(value)


def sound_actions(catalog: Mapping[str, Action]) -> Iterator[Action]:
    """The actions whose description can be used."""
    for key in catalog:
        try:
            yield catalog[key]
        except DocumentError:
            continue
