"""A value of a document with its pointer. Reading it collects every fault instead of stopping at the first one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from kosha_connector_openai.errors import Fault
from kosha_connector_openai.flows.workflows.expressions import ExpressionError
from kosha_connector_openai.schema import a_type, json_type, safe
from kosha_connector_openai.text import escape, nearest

OURS: Final = "x-kosha-"
_EXTENSION: Final = "x-"
_MOST: Final = 100


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one kind of object: needed, and possible."""

    needed: tuple[str, ...] = ()
    possible: tuple[str, ...] = ()
    extensible: bool = True

    @property
    def all(self) -> tuple[str, ...]:
        """Both."""
        return self.needed + self.possible


@dataclass(slots=True)
class DocumentReport:
    """What is wrong with a document, and what has no effect."""

    faults: list[Fault] = field(default_factory=list)
    warnings: list[Fault] = field(default_factory=list)

    def add(self, pointer: str, rule: str, message: str, fix: str = "") -> None:
        """Notes a fault, once for each place and rule."""
        if len(self.faults) < _MOST and not any((one.pointer, one.rule) == (pointer, rule) for one in self.faults):
            self.faults.append(Fault(pointer, rule, message, fix))

    def has(self, pointer: str) -> bool:
        """Whether a fault was noted here."""
        return any(fault.pointer == pointer for fault in self.faults)

    def refuse(self, pointer: str, error: ExpressionError) -> None:
        """Notes what is wrong with an expression."""
        self.add(pointer, error.rule, error.message, error.fix)


class Node:
    """One value. Asking for a type that it does not have notes a fault and gives something empty."""

    def __init__(self, value: Any, findings: DocumentReport, pointer: str = "") -> None:
        self.value = value
        self.findings = findings
        self.pointer = pointer

    def fault(self, rule: str, message: str, fix: str = "") -> None:
        """Notes a fault here."""
        self.findings.add(self.pointer, rule, message, fix)

    def unsupported(self, what: str, fix: str = "") -> None:
        """Notes that something is not supported: it is refused, never skipped."""
        self.fault("unsupported", f"{what} not supported here.", fix)

    def fields(self, keys: Keys) -> dict[str, Node]:
        """The object's known keys; missing and unknown ones are noted."""
        if not self._is(Mapping, "object"):
            return {}
        for name in keys.needed:
            if name not in self.value:
                self.findings.add(f"{self.pointer}/{name}", "required", "is missing.", f"Add `{name}`.")
        found = {}
        for name in self.value:
            if name in keys.all:
                found[name] = self.at(name)
            else:
                self._unknown(str(name), keys)
        return found

    def _unknown(self, name: str, keys: Keys) -> None:
        pointer = f"{self.pointer}/{escape(safe(name))}"
        if name.startswith(_EXTENSION) and not name.startswith(OURS) and keys.extensible:
            self.findings.warnings.append(Fault(pointer, "extension", "is an extension of another tool and has no effect here."))
            return
        near = nearest(name, keys.all)
        known = ", ".join(f"`{key}`" for key in keys.all)
        self.findings.add(pointer, "unknown", "is not a known key.", f"Did you mean `{near}`?" if near else f"Known here: {known}.")

    def at(self, name: str | int) -> Node:
        """The part of this name or index."""
        return Node(self.value[name], self.findings, f"{self.pointer}/{escape(str(name))}")

    def items(self, *, least: int = 0) -> Iterator[Node]:
        """The items of an array."""
        if self._is(list, "array"):
            if len(self.value) < least:
                self.fault("minItems", f"must have at least {least}.")
            yield from (self.at(index) for index in range(len(self.value)))

    def entries(self, pattern: re.Pattern[str] | None = None) -> Iterator[tuple[str, Node]]:
        """The entries of an object used as a map."""
        if self._is(Mapping, "object"):
            for name in self.value:
                if pattern is not None and not pattern.fullmatch(name):
                    self.findings.add(f"{self.pointer}/{escape(safe(name))}", "pattern", "is no allowed name.", "Use A-Z a-z 0-9 . - _")
                yield name, self.at(name)

    def text(self, pattern: re.Pattern[str] | None = None, *, default: str = "") -> str:
        """A text, checked against a pattern."""
        if not self._is(str, "string"):
            return default
        if pattern is not None and not pattern.fullmatch(self.value):
            self.fault("pattern", "has characters that are not allowed here.", "Use A-Z a-z 0-9 - _")
        return str(self.value)

    def choice(self, *allowed: str) -> str:
        """One of these texts; the first one where it is none."""
        if isinstance(self.value, str) and self.value in allowed:
            return self.value
        self.fault("enum", f"must be {' or '.join(allowed)}.")
        return allowed[0]

    def number(self, *, whole: bool = False) -> float:
        """A number that is not negative."""
        kinds = int if whole else (int, float)
        if isinstance(self.value, bool) or not isinstance(self.value, kinds) or self.value < 0:
            self.fault("type", f"must be a {'whole ' if whole else ''}number that is not negative.")
            return 0
        return self.value

    def _is(self, kind: Any, name: str) -> bool:
        if isinstance(self.value, kind):
            return True
        self.fault("type", f"must be {a_type(name)}, and is {a_type(json_type(self.value))}.")
        return False
