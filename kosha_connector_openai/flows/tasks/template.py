"""A tree of steps and the inputs -> the tree of values that is sent, and which input each part of it came from.

One pass over the author's tree. What an input holds is put in its place as it is; it is never formatted, split or read for steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from kosha_connector_openai.errors import Fault, InputError
from kosha_connector_openai.manifest.parts import step
from kosha_connector_openai.text import at, escape

Converter = Callable[[Any, str], Any]
"""Makes something of an input's value; it is told the input's pointer."""


class _Nothing:
    """What a step gives whose input is not there."""


NOTHING: Final = _Nothing()


@dataclass
class Filling:
    """The inputs by name, the forms they can take, and where in the result each input went: pointer there -> input."""

    values: Mapping[str, Any]
    forms: Mapping[str, Converter]
    places: dict[str, str] = field(default_factory=dict)

    def fill(self, tree: Any, place: str = "") -> Any:
        """The values of a tree that stands at ``place``; NOTHING where a step gives nothing."""
        kind = step(tree)
        if kind is not None:
            return _STEPS[kind](self, tree, place)
        if isinstance(tree, Mapping):
            found = {key: self.fill(value, f"{place}/{escape(key)}") for key, value in tree.items()}
            return {key: value for key, value in found.items() if value is not NOTHING}
        if isinstance(tree, list):
            items: list[Any] = []
            for part in tree:
                value = self.fill(part, f"{place}/{len(items)}")
                items += [] if value is NOTHING else [value]
            return items
        return tree

    def request(self, tree: Mapping[str, Any]) -> dict[str, Any]:
        """The inputs of the action."""
        found: dict[str, Any] = self.fill(tree)
        return found

    def _input(self, tree: Mapping[str, Any], place: str) -> Any:
        name = tree["$input"]
        value = self.values.get(name, NOTHING)
        if value is NOTHING:
            return NOTHING
        self.places[place] = name
        return self.forms[tree["$as"]](value, f"/{escape(name)}") if "$as" in tree else value

    def _join(self, tree: Mapping[str, Any], place: str) -> Any:
        parts = [self.fill(part, place) for part in tree["$join"]]
        return "".join(str(part) for part in parts if part is not NOTHING)

    def _when(self, tree: Mapping[str, Any], place: str) -> Any:
        return self.fill(tree["$then"] if self.values.get(tree["$when"]) else tree.get("$else", NOTHING), place)

    def _choose(self, tree: Mapping[str, Any], place: str) -> Any:
        return self.fill(tree["$from"].get(self.values.get(tree["$choose"]), NOTHING), place)

    def translated(self, error: InputError) -> InputError:
        """The error of the action's inputs, told of the task's own inputs; a fault of no input stays where it is."""
        faults = [self._translated(fault) for fault in error.faults]
        return InputError("The inputs make no valid call.", faults, hint=error.hint)

    def _translated(self, fault: Fault) -> Fault:
        found = [place for place in self.places if fault.pointer == place or fault.pointer.startswith(f"{place}/")]
        if not found:
            return replace(fault, pointer=f"/request{fault.pointer}")
        place = max(found, key=len)
        return replace(fault, pointer=f"/{escape(self.places[place])}{fault.pointer[len(place) :]}")


_STEPS: Final = {
    "$input": Filling._input,
    "$join": Filling._join,
    "$when": Filling._when,
    "$choose": Filling._choose,
}


def read(tree: Any, answer: Any) -> Any:
    """The result that a tree of ``$at`` steps finds in an answer; null where nothing is there."""
    if isinstance(tree, Mapping):
        if "$at" not in tree:
            return {key: read(value, answer) for key, value in tree.items()}
        found = at(answer, tree["$at"])
        return _true_names(found) if tree.get("$as") == "true_names" else found
    return [read(item, answer) for item in tree] if isinstance(tree, list) else tree


def _true_names(found: Any) -> list[str]:
    return [name for name, value in found.items() if value is True] if isinstance(found, Mapping) else []
