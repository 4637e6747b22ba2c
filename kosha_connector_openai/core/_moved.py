"""Module paths that the documentation named before 0.1: each leads to the module that has its names now, until 0.2."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any, Final
from warnings import warn

PACKAGE: Final = "kosha_connector_openai"
MOVED: Final = {
    "core.connector": "connector",
    "core.errors": "errors",
    "core.hookspecs": "hookspecs",
    "core.plugins": "plugins",
    "core.testing": "testing",
    "core.connection.secret": "secrets",
    "core.connection.store": "secrets",
    "core.connection.stores": "secrets.stores",
    "core.connection.stores.chain": "secrets.stores",
    "core.connection.stores.computed": "secrets.stores",
    "core.connection.stores.scoped": "secrets.stores",
    "core.connection.stores.vault": "secrets.stores",
}
"""Old path -> new path, both inside the package."""


def register() -> None:
    """Lets the old paths be imported. Nothing is loaded before a name of theirs is used."""
    for old, new in MOVED.items():
        sys.modules.setdefault(f"{PACKAGE}.{old}", _Alias(f"{PACKAGE}.{old}", f"{PACKAGE}.{new}"))


class _Alias(ModuleType):
    """A module whose names are those of another."""

    def __init__(self, old: str, new: str) -> None:
        super().__init__(old, f"Moved to {new}.")
        self._new = new

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        warn(f"{self.__name__} is now {self._new}.", DeprecationWarning, stacklevel=2)
        return getattr(import_module(self._new), name)
