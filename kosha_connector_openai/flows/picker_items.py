"""Items of a list, or a field's schema -> the options that they are; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

from kosha_connector_openai.manifest.parts import Picker
from kosha_connector_openai.schema import UNIONS, SchemaReader
from kosha_connector_openai.text import LONGEST_QUERY, find, first_of

_LABEL: Final = 120


@dataclass(frozen=True, slots=True)
class PickerItem:
    """One value on offer. ``known`` is False for what nothing is known of; it is offered last."""

    value: str
    label: str = ""
    about: str = ""
    known: bool = True


def fits(name: str, patterns: Sequence[str]) -> bool:
    """Whether a name fits one of the patterns."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def written(picker: Picker) -> list[PickerItem]:
    """The options that are written in the picker itself."""
    return [PickerItem(entry.value, entry.label, entry.about) for entry in picker.fallback.options]


def read(picker: Picker, items: Sequence[Any]) -> list[PickerItem]:
    """The items as options: those that fit, the latest first, each value once."""
    kept = [item for item in items if all(_shown(item, path, patterns) for path, patterns in picker.where.items())]
    if picker.sort is not None:
        kept.sort(key=lambda item: _rank(first_of(item, [picker.sort or ""])), reverse=True)
    options = {option.value: option for item in reversed(kept) if (option := _option(picker, item))}
    return list(reversed(options.values()))


def _shown(item: Any, path: str, patterns: Sequence[str]) -> bool:
    return any(isinstance(value, str) and fits(value, patterns) for value in find(item, path))


def _rank(value: Any) -> tuple[int, float, str]:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return 1, float(value), ""
    return (1, 0.0, value) if isinstance(value, str) else (0, 0.0, "")


def _option(picker: Picker, item: Any) -> PickerItem | None:
    value = first_of(item, [picker.value])
    if not isinstance(value, str) or not value:
        return None
    label = first_of(item, picker.label)
    about = [str(found) for path in picker.about if isinstance(found := first_of(item, [path]), (str, int))]
    ends = first_of(item, [picker.ends]) if picker.ends else None
    about += [f"goes away on {ends}"] if isinstance(ends, str) else []
    return PickerItem(value, _short(label) if isinstance(label, str) else "", _short(", ".join(about)))


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LABEL else f"{line[: _LABEL - 1]}\u2026"


def searched(options: Sequence[PickerItem], search: str) -> tuple[PickerItem, ...]:
    """Returns the options that have every word; those whose value begins with the words come first."""
    search = search[:LONGEST_QUERY]
    words = set(search.casefold().split())
    found = [o for o in options if all(word in f"{o.value} {o.label} {o.about}".casefold() for word in words)]
    return tuple(sorted(found, key=lambda option: not option.value.casefold().startswith(search.strip().casefold())))


def described(schema: Mapping[str, Any], name: str) -> list[PickerItem]:
    """The texts that the description names for a field, through its references and alternatives, in its order."""
    parts = SchemaReader(schema).parts(schema.get("properties", {}).get(name), (*UNIONS, "items"))
    texts = (value for part in parts for value in (*part.get("enum", ()), part.get("const")) if isinstance(value, str))
    return [PickerItem(value) for value in dict.fromkeys(texts)]
