"""Which branch of a union became which: by the field that tells them apart, by name, by their fields, by likeness."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Final

from kosha_connector_openai.openapi.diff.branch import TypeBranch
from kosha_connector_openai.openapi.diff.merging import json_text
from kosha_connector_openai.openapi.diff.shape import Shapes

_ALIKE: Final = 0.5
"""The share of common fields from which two objects without a name in common count as the same."""
_LEAST: Final = 0.01
"""The same where one side has a single branch left, which then became the one most like it."""
_EQUAL: Final = 2.0
Look = tuple[str, frozenset[str], str]
Pair = tuple[TypeBranch, TypeBranch]
Key = Callable[[TypeBranch, Shapes], Hashable | None]


@dataclass(frozen=True, slots=True)
class Paired:
    """Branches of one kind before and after: the pairs, what went and what came."""

    pairs: tuple[Pair, ...]
    removed: tuple[TypeBranch, ...]
    added: tuple[TypeBranch, ...]


def pair(before: Sequence[TypeBranch], after: Sequence[TypeBranch], old: Shapes, new: Shapes) -> Paired:
    """Pairs the branches of a union that have one kind; a branch is in at most one pair."""
    pairs: list[Pair] = []
    left, right = list(before), list(after)
    if len(left) > 1 or len(right) > 1:
        tag = _tag(left, right, old, new)
        left, right = _parted(left, right, tag, old, new), _parted(right, left, tag, new, old)
        for key in _keys(tag):
            _take(pairs, left, right, [key(branch, old) for branch in left], [key(branch, new) for branch in right])
        _take_alike(pairs, left, right, old, new)
    if len(left) == len(right) == 1:
        pairs.append((left.pop(), right.pop()))
    return Paired(tuple(pairs), tuple(left), tuple(right))


def label(branch: TypeBranch, shapes: Shapes, siblings: Sequence[TypeBranch]) -> str:
    """A short name of a branch among its siblings: the value that tells it apart, its own name, or its type."""
    tag = _tag(siblings, [], shapes, shapes)
    values = shapes.tags(branch).get(tag) if tag else None
    names = [found.name for found in siblings]
    if values and len(values) == 1 and sum(shapes.tags(found).get(tag or "") == values for found in siblings) <= 1:
        return next(iter(values)).strip('"')
    return branch.name if branch.name and names.count(branch.name) == 1 else shapes.word(branch)


def _parted(branches: list[TypeBranch], others: list[TypeBranch], tag: str | None, shapes: Shapes, other: Shapes) -> list[TypeBranch]:
    """The branches, one for all roles made one for each role where the other side has one for each."""
    if tag is None:
        return branches
    found: list[TypeBranch] = []
    theirs = [other.tags(one).get(tag, frozenset()) for one in others]
    for branch in branches:
        values = shapes.tags(branch).get(tag, frozenset())
        spread = values not in theirs and sum(bool(values & some) for some in theirs) > 1
        found += shapes.parted(branch, tag) if spread else [branch]
    return found


def _keys(tag: str | None) -> tuple[Key, ...]:
    def tagged(branch: TypeBranch, shapes: Shapes) -> frozenset[str] | None:
        return shapes.tags(branch).get(tag) if tag else None

    def named(branch: TypeBranch, _: Shapes) -> str | None:
        return branch.name or None

    def both(branch: TypeBranch, shapes: Shapes) -> Hashable | None:
        found = tagged(branch, shapes), named(branch, shapes)
        return found if all(found) else None

    return (both, tagged, named)


def _tag(before: Sequence[TypeBranch], after: Sequence[TypeBranch], old: Shapes, new: Shapes) -> str | None:
    """The field that most branches fix, and fix to most different values."""
    tags = [*(old.tags(branch) for branch in before), *(new.tags(branch) for branch in after)]
    names = sorted({name for found in tags for name in found})
    return max(names, key=lambda name: (sum(name in found for found in tags), len({found.get(name) for found in tags})), default=None)


def _take(pairs: list[Pair], left: list[TypeBranch], right: list[TypeBranch], olds: Sequence[Hashable], news: Sequence[Hashable]) -> None:
    """Moves branches that share a key, which no other branch of their side has, from both lists to ``pairs``."""
    common = [key for key in olds if key is not None and olds.count(key) == news.count(key) == 1]
    found = [(left[olds.index(key)], right[news.index(key)]) for key in common]
    for one, other in found:
        left.remove(one)
        right.remove(other)
    pairs += found


def _take_alike(pairs: list[Pair], left: list[TypeBranch], right: list[TypeBranch], old: Shapes, new: Shapes) -> None:
    """Pairs the branches that have most in common, the most alike first."""
    looks = [_look(branch, old) for branch in left], [_look(branch, new) for branch in right]
    least = _ALIKE if min(len(left), len(right)) > 1 else _LEAST
    likeness = [(-_likeness(one, other), i, j) for i, one in enumerate(looks[0]) for j, other in enumerate(looks[1])]
    found: list[tuple[int, int]] = []
    for score, i, j in sorted(likeness):
        if -score >= least and all(i != taken and j != other for taken, other in found):
            found.append((i, j))
    pairs += [(left[i], right[j]) for i, j in found]
    left[:] = [branch for i, branch in enumerate(left) if i not in {taken for taken, _ in found}]
    right[:] = [branch for j, branch in enumerate(right) if j not in {taken for _, taken in found}]


def _look(branch: TypeBranch, shapes: Shapes) -> Look:
    """What can be said without opening the parts: the names of fields or the type of entries, and all the rest."""
    parts = frozenset([shapes.words(branch.items)] if branch.type == "array" else branch.fields)
    values = None if branch.values is None else sorted(branch.values)
    return branch.type, parts, json_text([values, branch.limits, branch.rules, sorted(branch.required)])


def _likeness(one: Look, other: Look) -> float:
    if one == other:
        return _EQUAL
    common, every = one[1] & other[1], one[1] | other[1]
    return len(common) / len(every) if every and one[0] == other[0] else 0.0
