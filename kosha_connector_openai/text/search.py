"""Search over names, titles and what people call a thing: every word must be found, slips of a letter are forgiven, names go first."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from kosha_connector_openai.text.did_you_mean import nearest

_WORD: Final = re.compile(r"[^\W_]+", re.UNICODE)
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_FILLERS: Final = frozenset({"a", "an", "the", "to", "of", "for", "my", "with", "and", "in", "into", "from", "some", "me", "i", "please"})
LONGEST_QUERY: Final = 300
"""Characters of a query that are looked at: a caller of a service may send any number."""
_ALIAS: Final = 100.0
"""Points of a thing whose other name is the whole query."""


@dataclass(frozen=True)
class SearchEntry:
    """What is searched of one thing. ``names`` are its id and title, ``aliases`` other names, ``texts`` what else is said of it."""

    names: tuple[str, ...]
    aliases: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()

    @cached_property
    def phrases(self) -> frozenset[str]:
        """The names and other names, as one text each without case and marks."""
        return frozenset(_plain(name) for name in (*self.names, *self.aliases))

    @cached_property
    def fields(self) -> tuple[tuple[float, frozenset[str], str], ...]:
        """What a word is looked for in: points, the words, and the whole text in lower case."""
        rows = ((10.0, self.names), (9.0, self.aliases), (3.0, self.texts))
        return tuple((points, frozenset(words(" ".join(given))), " ".join(given).casefold()) for points, given in rows)

    @cached_property
    def known(self) -> frozenset[str]:
        """The words of names and other names, which a slip may have been meant for."""
        return self.fields[0][1] | self.fields[1][1]


def words(text: str) -> list[str]:
    """The words of a text or of an id, in lower case: ``listThings`` is two."""
    return _WORD.findall(_CAMEL.sub(" ", text).casefold())


def ranked(query: str, entries: Sequence[SearchEntry]) -> list[tuple[float, int]]:
    """The points and the places of the entries that have every word of the query, best first; where none has, with slips forgiven."""
    query = query[:LONGEST_QUERY]
    asked = list(dict.fromkeys(words(query)))
    terms = [word for word in asked if word not in _FILLERS] or asked
    if not terms:
        return []
    phrase = _plain(query)
    return _found(terms, phrase, entries, _exact) or _found(terms, phrase, entries, _slipped)


def _found(
    terms: Iterable[str], phrase: str, entries: Sequence[SearchEntry], points: Callable[[str, SearchEntry], float]
) -> list[tuple[float, int]]:
    found = []
    for place, entry in enumerate(entries):
        total = _ALIAS if phrase in entry.phrases else 0.0
        for term in terms:
            more = points(term, entry)
            if not more and total < _ALIAS:
                break
            total += more
        else:
            found.append((total, place))
    return sorted(found, key=lambda pair: (-pair[0], pair[1]))


def _exact(term: str, entry: SearchEntry) -> float:
    best = 0.0
    for points, known, text in entry.fields:
        if term in known or f"{term}s" in known:
            best = max(best, points)
        elif any(word.startswith(term) for word in known):
            best = max(best, points * 0.8)
        elif term in text:
            best = max(best, points * 0.4)
    return best


def _slipped(term: str, entry: SearchEntry) -> float:
    return _exact(term, entry) or (2.0 if nearest(term, entry.known, shortest=4) else 0.0)


def _plain(text: str) -> str:
    return " ".join(words(text))
