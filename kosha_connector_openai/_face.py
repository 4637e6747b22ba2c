"""The face of a wing: the names that the wing shows, each imported from its module when it is first used (PEP 562)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import import_module
from typing import Any
from warnings import warn


def face(package: str, homes: Mapping[str, str], old: Mapping[str, str] = {}) -> tuple[Callable[[str], Any], list[str]]:
    """The package's ``__getattr__`` and ``__all__``; ``homes`` maps each module to the names that it gives, in one text.

    A face costs nothing until a name is used, so a caller of one name does not wait for the imports of the others. Type checkers follow the
    modules named under ``TYPE_CHECKING`` beside it; tests/unit/test_architecture.py holds both lists of modules equal. ``old`` maps the
    names of the version before to their present ones: each gives what its successor gives, with a DeprecationWarning.
    """
    where = {name: module for module, names in homes.items() for name in names.split()}

    def get(name: str) -> Any:
        if name in old:
            warn(f"{package}.{name} is now {old[name]}.", DeprecationWarning, stacklevel=2)
            return get(old[name])
        if name not in where:
            raise AttributeError(f"module {package!r} has no attribute {name!r}", name=name)
        value = getattr(import_module(f"{package}.{where[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return get, sorted(where)


def load(package: str) -> None:
    """Imports all that a face shows, so that no first use has to; what needs a library that is not installed is left out."""
    shown = import_module(package)
    for name in shown.__all__:
        with suppress(ImportError):
            getattr(shown, name)
