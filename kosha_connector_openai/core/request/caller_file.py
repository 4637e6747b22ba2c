"""Files that the caller of a flow names: marked when they come in, so that no reply can name one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class CallerFile(dict[str, Any]):
    """``{"path": ...}`` as the caller of a flow gave it; the values of replies are plain objects."""


def caller_files(value: Any) -> Any:
    """The inputs of a flow with each object that has a ``path`` made a CallerFile."""
    if isinstance(value, Mapping):
        return CallerFile(value) if "path" in value else {name: caller_files(part) for name, part in value.items()}
    return [caller_files(part) for part in value] if isinstance(value, list) else value
