"""One tool as a client of the protocol sees it, and the choice of which there are."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

_LONGEST: Final = 64
"""Characters of a tool's name that every known client takes."""
Kind = Literal["task", "action", "search", "describe", "run"]


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """Which actions become tools.

    ``actions`` and ``groups`` are offered beside the default ones, or with ``only`` in place of them; ``search`` adds the tools that
    find, describe and run the others.
    """

    actions: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    only: bool = False
    search: bool = True


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool: what it is called, takes and gives, and what a client may show before it is called."""

    name: str
    kind: Kind
    target: str
    """The id of the action or the name of the task; "" where it is neither."""
    title: str
    description: str
    input_schema: Mapping[str, Any]
    output_schema: Mapping[str, Any]
    read_only: bool = False
    destructive: bool = False
    idempotent: bool = False
    open_world: bool = True

    def describe(self) -> dict[str, Any]:
        """The tool as the protocol writes it (MCP 2025-11-25, ``Tool``)."""
        return {
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "inputSchema": dict(self.input_schema),
            "outputSchema": dict(self.output_schema),
            "annotations": {
                "readOnlyHint": self.read_only,
                "destructiveHint": self.destructive,
                "idempotentHint": self.idempotent,
                "openWorldHint": self.open_world,
            },
        }


def tool_name(identifier: str, taken: Container[str]) -> str:
    """An id as a tool's name that is not taken: letters, digits, ``_`` and ``-``, at most 64 of them."""
    base = re.sub(r"[^A-Za-z0-9_-]+", "_", identifier)[:_LONGEST] or "tool"
    name, number = base, 2
    while name in taken:
        suffix = f"_{number}"
        name, number = f"{base[: _LONGEST - len(suffix)]}{suffix}", number + 1
    return name
