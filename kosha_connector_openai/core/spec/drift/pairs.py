"""Which branch of a union became which: by the field that tells them apart, by name, by their fields, by likeness."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Final

from kosha_connector_openai.core.spec.drift.branch import Branch
from kosha_connector_openai.core.spec.drift.shape import Shapes

_ALIKE: Final = 0.5
"""The share of common fields from which two objects without a name in common count as the same."""
Key = Callable[[Branch, Shapes], Hashable | None]


@dataclass(frozen=True, slots=True)
class Paired:
    """Branches of one kind before and after: the pairs, what went and what came."""

    pairs: tuple[tuple[Branch, Branch], ...]
    removed: tuple[Branch, ...]
    added: tuple[Branch, ...]


def pair(before: Sequence[Branch], after: Sequence[Branch], old: Shapes, new: Shapes) -> Paired:
    """Pairs the branches of a union that have one kind; a branch is in at most one pair."""
    pairs: list[tuple[Branch, Branch]] = []
    left, right = list(before), list(after)
    if len(left) > 1 or len(right) > 1:
        tag = _tag(left, right, old, new)
        left, right = _parted(left, right, tag, old, new), _parted(right, left, tag, new, old)
        for key in _keys(tag):
            _take(pairs, left, right, lambda branch, key=key: key(branch, old), lambda branch, key=key: key(branch, new))  # type: ignore[misc]
        _take_alike(pairs, left, right)
    if len(left) == len(right) == 1:
        pairs.append((left.pop(), right.pop()))
    return Paired(tuple(pairs), tuple(left), tuple(right))


def label(branch: Branch, shapes: Shapes, siblings: Sequence[Branch]) -> str:
    """A short name of a branch among its siblings: the value that tells it apart, its own name, or its type."""
    tag = _tag(siblings, [], shapes, shapes)
    values = shapes.tags(branch).get(tag) if tag else None
    names = [found.name for found in siblings]
    if values and len(values) == 1 and sum(shapes.tags(found).get(tag or "") == values for found in siblings) == 1:
        return next(iter(values)).strip('"')
    return branch.name if branch.name and names.count(branch.name) == 1 else shapes.word(branch)


def _parted(branches: list[Branch], others: list[Branch], tag: str | None, shapes: Shapes, other: Shapes) -> list[Branch]:
    """The branches, one for all roles made one for each role where the other side has one for each."""
    found = []
    for branch in branches:
        values = shapes.tags(branch).get(tag or "", frozenset())
        spread = sum(bool(values & other.tags(one).get(tag or "", frozenset())) for one in others) > 1
        found += shapes.parted(branch, tag) if tag and spread else [branch]
    return found


def _keys(tag: str | None) -> tuple[Key, ...]:
    def tagged(branch: Branch, shapes: Shapes) -> frozenset[str] | None:
        return shapes.tags(branch).get(tag) if tag else None

    def named(branch: Branch, _: Shapes) -> str | None:
        return branch.name or None

    def both(branch: Branch, shapes: Shapes) -> Hashable | None:
        found = tagged(branch, shapes), named(branch, shapes)
        return found if all(found) else None

    return (both, tagged, named, _fields, _items)


def _fields(branch: Branch, _: Shapes) -> Hashable | None:
    return (frozenset(branch.fields), branch.required) if branch.fields else None


def _items(branch: Branch, shapes: Shapes) -> Hashable | None:
    return shapes.words(branch.items) if branch.type == "array" else None


def _tag(before: Sequence[Branch], after: Sequence[Branch], old: Shapes, new: Shapes) -> str | None:
    """The field that most branches fix, and fix to most different values."""
    tags = [*(old.tags(branch) for branch in before), *(new.tags(branch) for branch in after)]
    names = sorted({name for found in tags for name in found})
    return max(names, key=lambda name: (sum(name in found for found in tags), len({found.get(name) for found in tags})), default=None)


def _take(
    pairs: list[tuple[Branch, Branch]],
    left: list[Branch],
    right: list[Branch],
    old_key: Callable[[Branch], Hashable | None],
    new_key: Callable[[Branch], Hashable | None],
) -> None:
    """Moves branches that share a key, which no other branch of their side has, from both lists to ``pairs``."""
    olds, news = [old_key(branch) for branch in left], [new_key(branch) for branch in right]
    common = {key for key in olds if key is not None and olds.count(key) == news.count(key) == 1}
    found = [(left[olds.index(key)], right[news.index(key)]) for key in olds if key in common]
    for one, other in found:
        left.remove(one)
        right.remove(other)
    pairs += found


def _take_alike(pairs: list[tuple[Branch, Branch]], left: list[Branch], right: list[Branch]) -> None:
    """Pairs the objects that have most fields in common, the most alike first."""
    alike = sorted(((-_likeness(a, b), i, j) for i, a in enumerate(left) for j, b in enumerate(right)), key=lambda row: row)
    ones, others = list(left), list(right)
    for score, i, j in alike:
        if -score >= _ALIKE and ones[i] in left and others[j] in right:
            left.remove(ones[i])
            right.remove(others[j])
            pairs.append((ones[i], others[j]))


def _likeness(one: Branch, other: Branch) -> float:
    every = one.fields.keys() | other.fields.keys()
    return len(one.fields.keys() & other.fields.keys()) / len(every) if every else 0.0
