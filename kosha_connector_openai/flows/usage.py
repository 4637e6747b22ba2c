"""Usage of several calls, added up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def add_usage(total: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Counts added name by name, at every depth; what is no number is kept from the first."""
    found = dict(total)
    for name, value in more.items():
        had = found.get(name)
        if isinstance(value, Mapping):
            found[name] = add_usage(had if isinstance(had, Mapping) else {}, value)
        elif _counts(value) and _counts(had):
            found[name] = had + value
        elif had is None:
            found[name] = value
    return found


def _counts(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
