"""Selects the branch of an ``anyOf`` or ``oneOf`` that a value was meant for, and reports only its faults.

The criteria are, in order: the JSON type; the tags (properties such as ``role`` and ``type`` that accept only
listed texts); the depth of the deepest fault; the number of faults. Where several branches remain, the union itself is the
fault.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from kosha_connector_openai.schema.backend import RawFault
from kosha_connector_openai.schema.keywords import Path
from kosha_connector_openai.schema.messages import json_type
from kosha_connector_openai.schema.reader import SchemaReader
from kosha_connector_openai.text import at

CLOSED = frozenset({"additionalProperties", "unevaluatedProperties"})
"""Keywords whose faults are unknown names, which are judged by another rule."""
LISTED = frozenset({"const", "enum"})
"""Keywords that list the permitted values."""


@dataclass(frozen=True, slots=True)
class _Branch:
    """One alternative: its schema and its faults."""

    schema: Any
    raws: tuple[RawFault, ...]


@dataclass(frozen=True, slots=True)
class _Match:
    """How an object fits a branch: the tags it shares, those with another text, required ones it lacks."""

    branch: _Branch
    tags: Mapping[str, tuple[str, ...]]
    hits: int
    missed: tuple[str, ...]
    lacked: tuple[str, ...]
    known: int
    """How many of the object's names the branch knows."""


class UnionFaults:
    """Reduces a backend's tree of faults for one value to the list that is reported."""

    def __init__(self, reader: SchemaReader, value: Any) -> None:
        self._reader = reader
        self._value = value

    def faults(self, raws: Iterable[RawFault]) -> list[RawFault]:
        """The faults without branches; a choice that stays open is one fault with ``params["schemas"]``."""
        return [leaf for raw in raws for leaf in (self._choice(raw) if raw.branches else [raw])]

    def _choice(self, union: RawFault) -> list[RawFault]:
        here = at(self._value, union.instance_path)
        branches = self._flat(union)
        fitting = [branch for branch in branches if not _is_other_type(branch, union.instance_path, here)]
        if not fitting:
            return [_type_fault(union, branches)]
        if isinstance(here, Mapping):
            decided = self._by_tags(union, fitting, here)
            if isinstance(decided, RawFault):
                return [decided]
            fitting = decided
        told = [(branch, self.faults(branch.raws)) for branch in fitting]
        best = min(_rank(leaves) for _, leaves in told)
        kept = [(branch, leaves) for branch, leaves in told if _rank(leaves) == best]
        if len({_places(leaves) for _, leaves in kept}) == 1:
            return _merged([leaves for _, leaves in kept])
        return [replace(union, params={"schemas": [branch.schema for branch, _ in kept]}, branches=())]

    def _flat(self, union: RawFault) -> list[_Branch]:
        """The branches; one that is itself nothing but a choice at the same place is opened up."""
        found: list[_Branch] = []
        for index, raws in enumerate(union.branches):
            inner = raws[0]
            if len(raws) == 1 and inner.branches and inner.instance_path == union.instance_path:
                found += self._flat(inner)
            else:
                found.append(_Branch(self._reader.at((*union.schema_path, index)), raws))
        return found

    def _by_tags(self, union: RawFault, branches: list[_Branch], here: Mapping[str, Any]) -> list[_Branch] | RawFault:
        """The branches whose tags the object has; where there is none, the fault that the tag itself is."""
        matches = self._matches(branches, here)
        candidates = _candidates(matches)
        most = max(match.hits for match in candidates)
        best = [match for match in candidates if match.hits == most]
        if best[0].missed:
            missed = Counter(name for match in best for name in match.missed)
            name = missed.most_common(1)[0][0]
            # Every branch that only this tag excludes, not those alone that know the object best: the list is the true one.
            return _tag_fault(union, "enum", name, [match for match in matches if match.hits == most and name in match.tags])
        whole = [match.branch for match in best if not match.lacked]
        shared = [name for name in best[0].lacked if all(name in match.lacked for match in best)]
        if len(best) > 1 and shared and not whole:
            return _tag_fault(union, "required", shared[0], best)
        return whole or [match.branch for match in best]

    def _matches(self, branches: list[_Branch], here: Mapping[str, Any]) -> list[_Match]:
        tags = [self._reader.tags(branch.schema) for branch in branches]
        deciding = sorted({name for tag in tags for name, texts in tag.items() if len(texts) == 1})
        return [self._match(branch, tag, deciding, here) for branch, tag in zip(branches, tags, strict=True)]

    def _match(self, branch: _Branch, tags: Mapping[str, tuple[str, ...]], deciding: list[str], here: Mapping[str, Any]) -> _Match:
        names = [name for name in deciding if name in tags]
        given = [name for name in names if here.get(name) is not None]
        missed = tuple(name for name in given if here[name] not in tags[name])
        required = self._reader.required(branch.schema)
        lacked = tuple(name for name in names if name not in here and name in required)
        known = len(self._reader.names(branch.schema) & here.keys())
        return _Match(branch, tags, len(given) - len(missed), missed, lacked, known)


def _candidates(matches: list[_Match]) -> list[_Match]:
    """The branches that no tag speaks against; where none speaks for one, those that know the object best."""
    fitting = [match for match in matches if not match.missed]
    if not fitting or any(match.hits for match in fitting):
        return fitting or matches
    most = max(match.known for match in matches)
    best = [match for match in matches if match.known == most]
    return [match for match in best if not match.missed] or best


def _is_other_type(branch: _Branch, path: Path, here: Any) -> bool:
    at_once = [raw for raw in branch.raws if raw.instance_path == path]
    return any(raw.keyword == "type" for raw in at_once) or any(
        json_type(here) not in map(json_type, _options(raw)) for raw in at_once if raw.keyword in LISTED
    )


def _type_fault(union: RawFault, branches: list[_Branch]) -> RawFault:
    at_once = [raw for branch in branches for raw in branch.raws if raw.instance_path == union.instance_path]
    named = [name for raw in at_once if raw.keyword == "type" for name in raw.params["value"]]
    listed = [json_type(option) for raw in at_once if raw.keyword in LISTED for option in _options(raw)]
    return replace(union, keyword="type", params={"value": list(dict.fromkeys(named + listed))}, branches=())


def _tag_fault(union: RawFault, keyword: str, name: str, matches: list[_Match]) -> RawFault:
    texts = list(dict.fromkeys(text for match in matches for text in match.tags.get(name, ())))
    if keyword == "required":
        return replace(union, keyword=keyword, params={"name": name, "value": texts}, branches=())
    path = (*union.instance_path, name)
    return replace(union, keyword=keyword, instance_path=path, params={"value": texts, "tag": True}, branches=())


def _options(raw: RawFault) -> list[Any]:
    value = raw.params["value"]
    return list(value) if raw.keyword == "enum" else [value]


def _rank(leaves: list[RawFault]) -> tuple[bool, int, int, int]:
    """Smaller is nearer: only unknown names, tags that fit, the deepest fault, the fewest faults."""
    real = [leaf for leaf in leaves if leaf.keyword not in CLOSED]
    deepest = max((len(leaf.instance_path) + (leaf.keyword == "required") for leaf in real), default=0)
    return bool(real), sum(map(_is_tag, real)), -deepest, len(real) or len(leaves)


def _is_tag(leaf: RawFault) -> bool:
    return "tag" in leaf.params or (leaf.keyword in LISTED and len(_options(leaf)) == 1)


def _places(leaves: list[RawFault]) -> frozenset[tuple[Path, str, str]]:
    return frozenset((leaf.instance_path, *_sort(leaf)) for leaf in leaves)


def _sort(leaf: RawFault) -> tuple[str, str]:
    if leaf.keyword in LISTED:
        return "enum", ""
    return leaf.keyword, "" if leaf.keyword == "type" else repr(leaf.params)


def _merged(told: list[list[RawFault]]) -> list[RawFault]:
    """The faults of branches that fail alike, with the values that any of them permits."""
    merged: dict[tuple[Path, str, str], RawFault] = {}
    for leaf in (leaf for leaves in told for leaf in leaves):
        key = (leaf.instance_path, *_sort(leaf))
        if leaf.keyword in LISTED or leaf.keyword == "type":
            options = list(leaf.params["value"]) if leaf.keyword == "type" else _options(leaf)
            before = merged[key].params["value"] if key in merged else []
            union = before + [option for option in options if option not in before]
            merged[key] = replace(leaf, keyword=key[1], params={"value": union})
        else:
            merged.setdefault(key, leaf)
    return list(merged.values())
