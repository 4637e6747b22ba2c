"""What the sandbox remembers: objects by collection, each with its life cycle."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from kosha_connector_openai.sandbox.message import Blob
from kosha_connector_openai.sandbox.templates import ABSENT

Kept = dict[str, "Item"]


@dataclass
class Item:
    """One remembered object.

    ``steps`` are the statuses that it goes through, ``at`` is the present one. ``early`` holds the values of fields before the status
    ``final``, ABSENT for those that are not there yet. ``inputs`` are those that made it, ``content`` the bytes that it stands for.
    """

    object: dict[str, Any]
    inputs: Mapping[str, Any]
    steps: list[str] = field(default_factory=list)
    at: int = 0
    held: bool = False
    final: str | None = None
    early: dict[str, Any] = field(default_factory=dict)
    stamps: frozenset[str] = frozenset()
    content: Blob | None = None
    history: list[str] = field(default_factory=list)

    @property
    def status(self) -> str | None:
        """The present status."""
        return self.steps[self.at] if self.steps else None

    @property
    def ended(self) -> bool:
        """Whether the life cycle has ended."""
        return self.at >= len(self.steps) - 1

    def enter(self, steps: list[str], now: int, *, at: int = 0) -> None:
        """Starts a life cycle."""
        self.steps, self.at = steps, at
        self._arrive(now)

    def advance(self, now: int) -> str | None:
        """Moves one step on; returns the status that was reached, or None where it stays."""
        if self.ended or self.held:
            return None
        self.at += 1
        self._arrive(now)
        return self.status

    def _arrive(self, now: int) -> None:
        if self.status is None:
            return
        self.history.append(self.status)
        self.object["status"] = self.status
        if f"{self.status}_at" in self.stamps:
            self.object[f"{self.status}_at"] = now

    def view(self) -> dict[str, Any]:
        """The object as a caller sees it now."""
        shown = deepcopy(self.object)
        if self.status != self.final:
            shown |= self.early
        return {name: value for name, value in shown.items() if value is not ABSENT}


class ObjectStore:
    """All collections, by the path that a caller used: ``/v1/things/thing_1/parts``."""

    def __init__(self) -> None:
        self._collections: dict[str, Kept] = {}
        self.lock = threading.RLock()
        """Held while an operation is carried out, so that each sees the others whole."""

    def collection(self, path: str, seed: Callable[[], Kept] = dict) -> Kept:
        """The objects of one collection, oldest first; ``seed`` makes the first ones."""
        if path not in self._collections:
            self._collections[path] = seed()
        return self._collections[path]

    def find(self, path: str) -> Item | None:
        """The object at ``collection/id``."""
        parent, _, name = path.rpartition("/")
        return self._collections.get(parent, {}).get(name)
