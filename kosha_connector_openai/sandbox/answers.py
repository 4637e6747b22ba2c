"""Answers made from an operation's output schema, with the request's own values and a template's facts laid over them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import cached_property
from typing import Any

from kosha_connector_openai.connector import Action
from kosha_connector_openai.schema import NOT_JSON, SchemaReader, default_backend, sample


class Answers:
    """The answers of one action."""

    def __init__(self, action: Action) -> None:
        self.action = action

    @cached_property
    def schema(self) -> Mapping[str, Any]:
        """The output schema; anything goes where there is none."""
        return self.action.output_schema or {}

    @cached_property
    def _base(self) -> Any:
        """The least that is valid, with every property that can have one value only: servers send those, whether or not they must."""
        made = sample(self.schema, minimal=True, hidden="writeOnly") if self.action.output_schema else {}
        return self.lay(made, self._fixed) if isinstance(made, dict) else made

    @cached_property
    def _fixed(self) -> Mapping[str, Any]:
        shown = {name: inner for part in SchemaReader(self.schema).parts(self.schema) for name, inner in part.get("properties", {}).items()}
        values = {
            name: [inner["const"]] if "const" in inner else inner.get("enum", [])
            for name, inner in shown.items()
            if isinstance(inner, Mapping)
        }
        return {name: only[0] for name, only in values.items() if len(only) == 1}

    @cached_property
    def _valid(self) -> Callable[[Any], bool]:
        return default_backend().compile(self.schema).is_valid

    @cached_property
    def names(self) -> frozenset[str]:
        """The properties that an answer may have."""
        return SchemaReader(self.schema).names(self.schema)

    def base(self) -> Any:
        """The least that is valid."""
        return deepcopy(self._base)

    def fits(self, value: Any) -> bool:
        """Whether a value is a valid answer."""
        try:
            return self._valid(value)
        except NOT_JSON:
            return False

    def make(self, values: Mapping[str, Any], echo: Mapping[str, Any] | None = None) -> Any:
        """The least answer with ``values``; of ``echo`` what the schema knows and takes."""
        made = self.base()
        if not isinstance(made, dict):
            return made
        return {**self.lay(made, echo or {}), **values}

    def lay(self, made: Mapping[str, Any], echo: Mapping[str, Any]) -> dict[str, Any]:
        """``made`` with those values of ``echo`` that the schema knows and takes."""
        found = dict(made)
        for name in sorted(self.names & echo.keys()):
            changed = {**found, name: echo[name]}
            if self.fits(changed):
                found = changed
        return found

    def part(self, name: str) -> Any:
        """The least valid item of the array property ``name``."""
        filled = sample({**self.schema, "required": [name], "minItems": 1}, minimal=False, hidden="writeOnly")
        found = filled.get(name) if isinstance(filled, dict) else None
        return deepcopy(found[0]) if isinstance(found, list) and found else {}

    def entries(self, name: str, values: list[Any]) -> list[Any]:
        """``values`` as items of the array property ``name``: one that its schema refuses keeps what the schema takes of it."""
        if not isinstance(self._base, dict) or self.fits({**self._base, name: values}):
            return values
        return [value if self.fits({**self._base, name: [value]}) else self._entry(name, value) for value in values]

    def _entry(self, name: str, value: Any) -> Any:
        found = self.part(name)
        if not isinstance(found, dict) or not isinstance(value, Mapping):
            return value
        for key, inner in value.items():
            changed = {**found, key: inner}
            if self.fits({**self._base, name: [changed]}):
                found = changed
        return found
