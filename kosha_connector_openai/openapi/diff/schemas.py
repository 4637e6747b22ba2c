"""Two schemas -> every difference in what they accept, breadth first, so that a shared schema is told at its shallowest place."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Final

from kosha_connector_openai.openapi.diff.branch import Limit, Schema, TypeBranch, limit_words
from kosha_connector_openai.openapi.diff.merging import json_text
from kosha_connector_openai.openapi.diff.pairs import label, pair
from kosha_connector_openai.openapi.diff.shape import Shapes
from kosha_connector_openai.schema import LOWER
from kosha_connector_openai.text import escape

Note = Callable[[str, str, Any, Any], None]
"""Takes a kind of difference, where it is, and what was before and after."""

MAX_DEPTH: Final = 64


class SchemaComparison:
    """One run over two schemas. A pair of objects or arrays that occurs in several places is told at the first of them."""

    def __init__(self, before: Shapes, after: Shapes, note: Note, *, texts: bool = False) -> None:
        """``texts``: also say where a description changed."""
        self._before = before
        self._after = after
        self._note = note
        self._texts = texts
        self._queue: deque[tuple[Schema, Schema, str, int]] = deque()
        self._seen: set[tuple[int, int]] = set()

    def run(self, where: str) -> None:
        """Compares the two; ``where`` is their place in the operation."""
        self._later(self._before.root, self._after.root, where, 0)
        while self._queue:
            before, after, place, depth = self._queue.popleft()
            if depth > MAX_DEPTH:
                self._note("not-compared", place, None, None)
            else:
                self._schemas(before, after, place, depth)

    def _later(self, before: Schema, after: Schema, where: str, depth: int) -> None:
        if before is not after:
            self._queue.append((before, after, where, depth))

    def _schemas(self, before: Schema, after: Schema, where: str, depth: int) -> None:
        self._annotations(before, after, where)
        old, new = self._before.shape(before), self._after.shape(after)
        removed, added = old.keys() - new.keys(), new.keys() - old.keys()
        words = self._before.words(before), self._after.words(after)
        for kind in _type_kinds(removed, added):
            self._note(kind, where, *words)
        for kind in old:
            if kind in new:
                self._branches(old[kind], new[kind], where, depth)

    def _annotations(self, before: Schema, after: Schema, where: str) -> None:
        old, new = (shapes.note(schema, "default") for shapes, schema in ((self._before, before), (self._after, after)))
        if json_text(old) != json_text(new):
            self._note("default-changed", where, old, new)
        was, now = (bool(shapes.note(schema, "deprecated")) for shapes, schema in ((self._before, before), (self._after, after)))
        if was != now:
            self._note("deprecated" if now else "not-deprecated", where, None, None)
        if self._texts and self._before.note(before, "description") != self._after.note(after, "description"):
            self._note("text-changed", where, None, None)

    def _branches(self, before: tuple[TypeBranch, ...], after: tuple[TypeBranch, ...], where: str, depth: int) -> None:
        found = pair(before, after, self._before, self._after)
        for branch in found.removed:
            self._note("branch-removed", where, label(branch, self._before, before), None)
        for branch in found.added:
            self._note("branch-added", where, None, label(branch, self._after, after))
        alone = len(before) == len(after) == 1
        for one, other in found.pairs:
            place = where if alone else f"{where}/({escape(label(other, self._after, after))})"
            self._branch(one, other, place, depth)

    def _branch(self, before: TypeBranch, after: TypeBranch, where: str, depth: int) -> None:
        if before.kind in ("object", "array", "any"):
            if (id(before), id(after)) in self._seen:
                return
            self._seen.add((id(before), id(after)))
        if before.type != after.type and before.values is after.values is None:
            self._note("type-added" if before.type == "integer" else "type-removed", where, before.type, after.type)
        self._values(before, after, where)
        if before.values is after.values is None:
            self._limits(before.limits, after.limits, where)
            self._rules(before.rules, after.rules, where)
        self._fields(before, after, where, depth)
        self._rest(before, after, where, depth)
        self._entries(before, after, where, depth)

    def _values(self, before: TypeBranch, after: TypeBranch, where: str) -> None:
        if before.values is not None and after.values is not None:
            self._gone_and_new("values-removed", "values-added", before.values, after.values, where)
        elif before.values is not None:
            self._note("values-opened" if after.is_plain else "rule-changed", where, list(before.values.values()), None)
        elif after.values is not None:
            self._note("values-closed" if before.is_plain else "rule-changed", where, None, list(after.values.values()))
        if before.values is after.values is None:
            self._gone_and_new("known-values-changed", "known-values-changed", before.known, after.known, where)

    def _gone_and_new(self, gone: str, new: str, before: Mapping[str, Any], after: Mapping[str, Any], where: str) -> None:
        if lost := [value for text, value in before.items() if text not in after]:
            self._note(gone, where, lost, None)
        if more := [value for text, value in after.items() if text not in before]:
            self._note(new, where, None, more)

    def _limits(self, before: Mapping[str, Limit], after: Mapping[str, Limit], where: str) -> None:
        for keyword in sorted(before.keys() | after.keys()):
            old, new = before.get(keyword), after.get(keyword)
            if old != new:
                tighter = old is None or (new is not None and (new > old) == (keyword in LOWER))
                words = limit_words(keyword, old), limit_words(keyword, new)
                self._note("limit-tightened" if tighter else "limit-loosened", where, *words)

    def _rules(self, before: Mapping[str, Any], after: Mapping[str, Any], where: str) -> None:
        for keyword in sorted(before.keys() | after.keys()):
            old, new = before.get(keyword), after.get(keyword)
            if json_text(old) != json_text(new):
                kind = "rule-added" if old is None else "rule-removed" if new is None else "rule-changed"
                self._note(kind, where, *(None if rule is None else {keyword: rule} for rule in (old, new)))

    def _fields(self, before: TypeBranch, after: TypeBranch, where: str, depth: int) -> None:
        for name, schema in before.fields.items():
            place = f"{where}/{escape(name)}"
            if name not in after.fields:
                self._note("field-removed", place, self._before.words(schema), None)
                continue
            if (name in before.required) != (name in after.required):
                self._note("now-required" if name in after.required else "now-optional", place, None, None)
            self._later(schema, after.fields[name], place, depth + 1)
        for name, schema in after.fields.items():
            if name not in before.fields:
                kind = "required-field-added" if name in after.required else "field-added"
                self._note(kind, f"{where}/{escape(name)}", None, self._after.words(schema))

    def _rest(self, before: TypeBranch, after: TypeBranch, where: str, depth: int) -> None:
        if (before.rest is False) != (after.rest is False):
            self._note("object-opened" if before.rest is False else "object-closed", where, None, None)
        elif before.rest is not False:
            self._later(before.rest, after.rest, f"{where}/*", depth + 1)

    def _entries(self, before: TypeBranch, after: TypeBranch, where: str, depth: int) -> None:
        for index in range(max(len(before.prefix), len(after.prefix))):
            old = before.prefix[index] if index < len(before.prefix) else before.items
            new = after.prefix[index] if index < len(after.prefix) else after.items
            self._later(old, new, f"{where}/{index}", depth + 1)
        self._later(before.items, after.items, f"{where}/items", depth + 1)


def _type_kinds(removed: AbstractSet[str], added: AbstractSet[str]) -> Iterator[str]:
    """The kinds of difference between the types of two schemas."""
    if "any" in removed | added:
        yield "type-removed" if "any" in removed else "type-added"
    elif removed - {"null"} and added - {"null"}:
        yield "type-changed"
    else:
        for names, word in ((removed, "removed"), (added, "added")):
            yield from sorted({f"{'null' if name == 'null' else 'type'}-{word}" for name in names})
