"""What an error says, in whatever shape it comes: with a status, in a 200, as an event of a stream, in a job's list of errors.

One reader for all of them, by the paths of ``error_body`` in the manifest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from kosha_connector_openai.manifest import ErrorBody
from kosha_connector_openai.text import JsonTextError, decode, find, first_of

_DEEPEST: Final = 6
_SHOWN: Final = 5
"""Errors of a list that are told; of those that name a line only the first, since the others are most often the same."""
_TEXT: Final = 2_000
_TITLE: Final = re.compile(r"<title[^>]*>(.*?)</title>|<h1[^>]*>(.*?)</h1>", re.IGNORECASE | re.DOTALL)
_HIDDEN: Final = re.compile(r"<(script|style)\b.*?(?:</\1>|$)", re.IGNORECASE | re.DOTALL)
_TAG: Final = re.compile(r"<[^>]*>")


@dataclass(frozen=True, slots=True)
class ErrorFacts:
    """What an error says. ``status`` is one that its body names; ``words`` are what the error table may know it by."""

    message: str = ""
    code: str | None = None
    type: str | None = None
    param: str | None = None
    status: int | None = None
    words: frozenset[str] = field(default_factory=frozenset)
    values: Any = field(default_factory=dict)
    """The error as it came: an object or a list; a text as an object with a ``message``."""
    place: str = ""
    """The pointer in the body where the values stood, such as ``/error``."""


def read_error_bytes(body: bytes, rules: ErrorBody) -> ErrorFacts:
    """What the body of an error says: JSON, the events of a stream, a web page, plain text, or nothing."""
    text = body.decode("utf-8", "replace").strip()
    value = _decoded(text)
    value = _decoded(text.partition("\n")[0]) if value is None and text.startswith("{") else value  # JSON lines
    return read_error(text[:_TEXT] if value is None else value, rules)


def read_error(value: Any, rules: ErrorBody) -> ErrorFacts:
    """What an error's values say: an object, a list of them, or a text."""
    whole = _first(value)
    if isinstance(whole, str):
        text = _readable(whole, rules, 0)
        return ErrorFacts(message=text, values={"message": text} if text else {})
    if not isinstance(whole, Mapping):
        return ErrorFacts()
    found = ((path, first_of(whole, (path,))) for path in rules.places)
    place, inner = next(((path, value) for path, value in found if value is not True and tells(value)), ("", whole))
    inner = _opened(inner)
    around = (whole,) if place else ()
    sources = [source for source in (_first(inner), *around) if isinstance(source, Mapping)]
    code, kind = _word(sources, rules.code), _word(sources, rules.type, texts=True)
    several = isinstance(value, list) and (len(value) > 1 or _line(whole, rules) is not None)
    more = (str(found) for path in rules.words for source in sources for found in find(source, path) if isinstance(found, (str, int)))
    return ErrorFacts(
        message=(_listed(value, rules, 0) if several else "") or _message(inner, around, rules),
        code=code,
        type=kind,
        param=_word(sources, rules.param, texts=True) or _field(sources, rules),
        status=_status(sources, rules),
        words=frozenset(word for word in (code, kind, *more) if word),
        values={"message": inner} if isinstance(inner, str) else inner,
        place=place,
    )


def shows_error(value: Any, rules: ErrorBody) -> bool:
    """Whether an answer that does not hold its result says that it is an error."""
    whole = _first(value)
    if not isinstance(whole, Mapping):
        return False
    return any(_shows(first_of(whole, (sign.at,)), sign.equals) for sign in rules.signs)


def names_error(value: Any, rules: ErrorBody) -> bool:
    """Whether a value says in one word that it is an error, such as ``object: error``, whatever else is in it."""
    return isinstance(value, Mapping) and any(
        sign.equals is not None and _shows(first_of(value, (sign.at,)), sign.equals) for sign in rules.signs
    )


def tells(value: Any) -> bool:
    """Whether a value says anything: nulls, empty texts, zeros, and objects and lists of such do not."""
    if isinstance(value, Mapping):
        return any(map(tells, value.values()))
    if isinstance(value, list):
        return any(map(tells, value))
    return bool(value)


def _shows(found: Any, wanted: str | bool | int | None) -> bool:
    return tells(found) if wanted is None else found == wanted and type(found) is type(wanted)


def _decoded(text: str) -> Any:
    """The values of JSON text, or of the first event of a stream that holds some; None where there are none."""
    lines = (line.removeprefix("data:") for line in text.splitlines() if line.startswith("data:"))
    sources: Iterable[str] = lines if text.startswith(("data:", "event:", ":")) else (text,)
    for source in sources:
        try:
            return decode(source.strip().encode())
        except (JsonTextError, UnicodeEncodeError):
            continue
    return None


def _first(value: Any) -> Any:
    """The first that tells something of a list, however deep; any other value itself."""
    for _ in range(_DEEPEST):
        if not isinstance(value, list):
            break
        value = next(filter(tells, value), None)
    return value


def _opened(value: Any) -> Any:
    """An object or a list that is written as JSON in a text."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        inner = _decoded(value)
        return inner if isinstance(inner, (dict, list)) and tells(inner) else value
    return value


def _message(inner: Any, around: Sequence[Any], rules: ErrorBody) -> str:
    text = _text(inner, rules, 0)
    if around and (not text or isinstance(inner, str)):
        text = _joined((text, *(_own_text(source, rules, 0) for source in around)), ": ")
    return text


def _text(value: Any, rules: ErrorBody, depth: int) -> str:
    if depth > _DEEPEST:
        return ""
    if isinstance(value, str):
        return _readable(value, rules, depth)
    if isinstance(value, Mapping):
        return _own_text(value, rules, depth)
    return _listed(value, rules, depth) if isinstance(value, list) else ""


def _own_text(value: Mapping[str, Any], rules: ErrorBody, depth: int) -> str:
    return _told(value, rules, depth) or _by_field(value, rules, depth)


def _by_field(value: Mapping[str, Any], rules: ErrorBody, depth: int) -> str:
    """The words of an object that has, in place of a message, a list of texts for each field that is wrong."""
    lists = [(name, texts) for name, texts in value.items() if isinstance(texts, list) and texts and isinstance(texts[0], str)]
    return _joined((f"{name}: {_listed(texts, rules, depth)}" for name, texts in lists[:_SHOWN]), "; ")


def _told(value: Mapping[str, Any], rules: ErrorBody, depth: int) -> str:
    told = (_text(found, rules, depth + 1) for path in rules.message if tells(found := first_of(value, (path,))))
    more = (_text(found, rules, depth + 1) for path in rules.more for found in find(value, path))
    return _joined((next(filter(None, told), ""), *more), ": ")


def _readable(text: str, rules: ErrorBody, depth: int) -> str:
    """A text as people read it: that of an error inside it, the title of a web page, or itself."""
    text = text.strip()
    opened = _opened(text)
    if opened is not text and (inner := _text(read_error(opened, rules).message if depth < _DEEPEST else "", rules, _DEEPEST)):
        return inner
    if not text.startswith("<"):
        return text
    title = _TITLE.search(text)
    shown = next(filter(None, title.groups())) if title and any(title.groups()) else _HIDDEN.sub(" ", text)
    return " ".join(_TAG.sub(" ", shown).split())


def _listed(items: Sequence[Any], rules: ErrorBody, depth: int) -> str:
    told = [text for item in items[: 10 * _SHOWN] if (text := _item(item, rules, depth))]
    most = 1 if any(_line(item, rules) is not None for item in items[:_SHOWN]) else _SHOWN
    rest = len(items) - min(most, len(told))
    return _joined((*told[:most], *([f"and {rest} more"] if told and rest > 0 and len(told) > most else [])), "; ")


def _item(item: Any, rules: ErrorBody, depth: int) -> str:
    """One of several errors, with its line and code, or its field, before its words."""
    text = _text(item, rules, depth + 1)
    if not isinstance(item, Mapping):
        return text
    line, code = _line(item, rules), _word([item], rules.code)
    if line is not None:
        return f"Line {line}{f' ({code})' if code else ''}: {text}".removesuffix(": ")
    name = _field([item], rules)
    return f"{name}: {text}" if name and text else text


def _line(item: Any, rules: ErrorBody) -> int | None:
    found = first_of(item, rules.line) if isinstance(item, Mapping) else None
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def _field(sources: Iterable[Any], rules: ErrorBody) -> str | None:
    for source in sources:
        found = first_of(source, rules.field)
        steps = found if isinstance(found, list) else [found]
        if tells(found) and all(isinstance(step, (str, int)) for step in steps):
            return ".".join(map(str, steps))
    return None


def _word(sources: Iterable[Mapping[str, Any]], paths: Sequence[str], *, texts: bool = False) -> str | None:
    kinds = str if texts else (str, int)
    for found in _values(sources, paths):
        if isinstance(found, kinds) and not isinstance(found, bool) and found != "":
            return str(found)
    return None


def _status(sources: Iterable[Mapping[str, Any]], rules: ErrorBody) -> int | None:
    for found in _values(sources, rules.status):
        number = int(found) if isinstance(found, str) and found.isascii() and found.isdecimal() and len(found) == 3 else found  # noqa: PLR2004
        if isinstance(number, int) and not isinstance(number, bool) and 400 <= number <= 599:  # noqa: PLR2004 - RFC 9110
            return number
    return None


def _values(sources: Iterable[Mapping[str, Any]], paths: Sequence[str]) -> Iterator[Any]:
    return (found for source in sources for path in paths for found in find(source, path))


def _joined(texts: Iterable[str], by: str) -> str:
    """The texts in one, without those that another holds already."""
    kept: list[str] = []
    for text in texts:
        if text and not any(text in other for other in kept):
            kept = [*(other for other in kept if other not in text), text]
    return by.join([*(text.rstrip(". ") for text in kept[:-1]), *kept[-1:]])
