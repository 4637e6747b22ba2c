"""Checks path and query parameters that arrive as text in a URL against the action's schemas."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from kosha_connector_openai.core.actions.inputs import Inputs
from kosha_connector_openai.errors import Fault
from kosha_connector_openai.openapi import Document, Parameter
from kosha_connector_openai.schema import SchemaValidator
from kosha_connector_openai.text import escape

_WORDS: Final[Mapping[str, Any]] = {"true": True, "false": False, "null": None}
_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,17})?(?:[eE][+-]?[0-9]{1,2})?")
_COMMA: Final = ","
_TYPE: Final = "type"


class TextInputs:
    """The path and query parameters of one action."""

    def __init__(self, inputs: Inputs, document: Document) -> None:
        self._path = {each.name: each for each in inputs.parameters.values() if each.location == "path"}
        self._query = {each.name: each for each in inputs.parameters.values() if each.location == "query"}
        self._required = [name for name, each in self._query.items() if each.required and each.input_name not in inputs.constants]
        self._document = document
        self._validators: dict[str, SchemaValidator] = {}

    def faults(self, path: Mapping[str, str], query: Sequence[tuple[str, str]]) -> tuple[Fault, ...]:
        """What is wrong with decoded path values and query pairs; unknown names are let through."""
        given: dict[str, list[str]] = {}
        for name, text in query:
            given.setdefault(self._known(name), []).append(text)
        found = [Fault(f"/{escape(name)}", "required", "is missing.", f"Add `{name}`.") for name in self._required if name not in given]
        pairs = [
            *((self._path.get(name), [text]) for name, text in path.items()),
            *((self._query.get(name), given[name]) for name in given),
        ]
        for parameter, texts in pairs:
            if parameter is not None:
                found += self._check(parameter, texts)
        return tuple(found)

    def _known(self, name: str) -> str:
        """The parameter that a name in a query means: ``a[]`` and ``a[b]`` may be written for ``a``."""
        if name in self._query:
            return name
        base = name.partition("[")[0]
        # An object's members arrive one by one, and are no value to check; the bracket keeps them apart.
        return base if name == f"{base}[]" and base in self._query else f"{base}[" if base in self._query else name

    def _check(self, parameter: Parameter, texts: list[str]) -> tuple[Fault, ...]:
        validator = self._validator(parameter)
        worst: tuple[Fault, ...] = ()
        for value in _readings(texts, split=not parameter.explode):
            report = validator.check({parameter.input_name: value})
            if not report.faults:
                return ()
            # A wrong type says little about a text that could be read in several ways.
            if not worst or worst[0].rule == _TYPE or report.faults[0].rule != _TYPE:
                worst = report.faults
        return worst

    def _validator(self, parameter: Parameter) -> SchemaValidator:
        name = parameter.input_name
        found = self._validators.get(name)
        if found is None:
            schema = self._document.schema({"type": "object", "properties": {name: parameter.schema}}, request=True)
            found = self._validators[name] = SchemaValidator(schema)
        return found


def _readings(texts: list[str], *, split: bool) -> Iterator[Any]:
    """The values that the texts may stand for; the likeliest reading last, since its fault is told."""
    yield [_typed(text) for text in texts]
    yield texts
    if len(texts) > 1:
        return
    if split and _COMMA in texts[0]:
        yield texts[0].split(_COMMA)
    yield texts[0]
    typed = _typed(texts[0])
    if typed is not texts[0]:
        yield typed


def _typed(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else text
