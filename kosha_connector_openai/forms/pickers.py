"""Which picker a field has, for forms and for lists of options: what the part ``pickers`` of the manifest says of its name and action."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from kosha_connector_openai.manifest.parts import FieldPicker


def _names(entry: FieldPicker, field: str) -> bool:
    return field in entry.fields or any(fnmatchcase(field, name) for name in entry.fields if "*" in name)


class PickerNames:
    """Looks up pickers; the first entry that fits counts."""

    def __init__(self, entries: Iterable[FieldPicker]) -> None:
        self._entries = tuple(entries)
        self._by_field: dict[str, tuple[FieldPicker, ...]] = {}

    def get(self, action: str, field: str) -> str | None:
        """The name of the picker of an action's field."""
        if field not in self._by_field:
            self._by_field[field] = tuple(entry for entry in self._entries if _names(entry, field))
        for entry in self._by_field[field]:
            if "*" in entry.actions or action in entry.actions or any(fnmatchcase(action, name) for name in entry.actions if "*" in name):
                return entry.picker
        return None
