"""The nearest known name to a misspelt one: what "did you mean" hints are made of."""

from __future__ import annotations

from collections.abc import Iterable

_MAX_LENGTH = 64
_TWO_EDITS = 9
"""From this many letters on, two edits still count as a slip."""


def nearest(name: str, names: Iterable[str], *, shortest: int = 5) -> str | None:
    """The one of ``names`` that ``name`` was most likely meant to be; None where nothing is near.

    Case and punctuation do not count: ``maxTokens`` is ``max_tokens``. Words from ``shortest`` letters on may
    differ by one edit, long ones by two; swapping two neighbours is one edit. Shorter names differ by design
    (``top_p``, ``top_k``). Equal candidates are decided by their spelling, so the answer never depends on the
    order.
    """
    if len(name) > _MAX_LENGTH or not (word := _letters(name)):
        return None
    found = ((_edits(word, _letters(other), shortest), other) for other in names if other != name)
    return min(((edits, other) for edits, other in found if edits is not None), default=(0, None))[1]


def _letters(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isalnum())


def _edits(word: str, other: str, shortest: int) -> int | None:
    """The edits between two words; None where they are too many for a slip."""
    longest = max(len(word), len(other))
    limit = (longest >= shortest) + (longest >= _TWO_EDITS)
    if abs(len(word) - len(other)) > limit or _strange(word, other) > limit:
        return None
    edits = _distance(word, other) if limit else int(word != other)
    return edits if edits <= limit else None


def _strange(word: str, other: str) -> int:
    """The edits are no fewer: each mends one letter at most that only one of the words has. Far cheaper than the edits themselves."""
    return max(len(set(word).difference(other)), len(set(other).difference(word)))


def _distance(word: str, other: str) -> int:
    """Optimal string alignment distance: insert, delete, replace, or swap two neighbours."""
    before: list[int] = []
    above = list(range(len(other) + 1))
    for row, letter in enumerate(word, 1):
        current = [row]
        for column, candidate in enumerate(other, 1):
            cost = min(above[column] + 1, current[-1] + 1, above[column - 1] + (letter != candidate))
            if row > 1 and column > 1 and letter == other[column - 2] and word[row - 2] == candidate:
                cost = min(cost, before[column - 2] + 1)
            current.append(cost)
        before, above = above, current
    return above[-1]
