"""An action's answer -> how it ended: whole, refused, cut short; and whether its text fits the schema that it was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kosha_connector_openai.core.actions.validation import SchemaValidator
from kosha_connector_openai.core.errors import Fault, InputError
from kosha_connector_openai.core.json_text import JsonTextError, decode
from kosha_connector_openai.core.result.result import Result
from kosha_connector_openai.core.result.stream import at
from kosha_connector_openai.core.spec.parts.presets import Reading
from kosha_connector_openai.flows.presets.result import Ending

_REFUSED = Ending("refused", "The model refused to answer.")
_EMPTY = Ending("incomplete", "The answer is empty.")
_NO_JSON = "The answer is not the JSON that was asked for."
_MISFIT = "The answer does not fit the schema that it was asked for."


def ending(result: Result, reading: Reading | None) -> Ending:
    """How the answer ended, by its own words; a missing or an unknown reason is no end of its own."""
    if result.incomplete:
        return Ending("incomplete", "The answer was cut off on its way.")
    if reading is None:
        return Ending()
    if any(isinstance(text := at(result.value, pointer), str) and text for pointer in reading.refusal):
        return _REFUSED
    reason = at(result.value, reading.reason) if reading.reason is not None else None
    if isinstance(reason, str) and reason in reading.refused:
        return Ending("refused", reading.refused[reason])
    if isinstance(reason, str) and reason in reading.incomplete:
        return Ending("incomplete", reading.incomplete[reason])
    return _EMPTY if reading.text is not None and not text_of(result, reading).strip() else Ending()


def text_of(result: Result, reading: Reading | None) -> str:
    """The answer's text; "" where there is none."""
    found = at(result.value, reading.text) if reading is not None and reading.text is not None else None
    return found if isinstance(found, str) else result.text


def parsed(text: str) -> tuple[Any, Ending]:
    """The JSON in an answer's text, and whether it is any."""
    try:
        return decode(text.strip().encode()), Ending()
    except JsonTextError as error:
        return None, Ending("unfit", _NO_JSON, (Fault("", "json", f"{error}"),))
    except UnicodeEncodeError:
        return None, Ending("unfit", _NO_JSON, (Fault("", "json", "is no text that UTF-8 can write."),))


def fits(value: Any, schema: Mapping[str, Any]) -> Ending:
    """Whether a value fits a schema; the faults point into the value and do not repeat it."""
    try:
        report = SchemaValidator(schema).check(value)
    except InputError as error:
        return Ending("unfit", _MISFIT, error.faults)
    # A closed object lets an unknown name through with a warning; an answer that was bound to the schema may not have one.
    faults = (*report.faults, *(Fault(w.pointer, w.rule, w.message) for w in report.warnings))
    return Ending("unfit", _MISFIT, faults) if faults else Ending()
