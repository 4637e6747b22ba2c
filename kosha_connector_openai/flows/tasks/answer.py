"""An action's answer -> how it ended: whole, refused, cut short; and whether its text fits the schema that it was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from kosha_connector_openai.core.result import Result
from kosha_connector_openai.errors import Fault, InputError
from kosha_connector_openai.flows.tasks.result import Ending, Outcome
from kosha_connector_openai.schema import SchemaValidator
from kosha_connector_openai.text import JsonTextError, decode

_EMPTY = Ending("incomplete", "The answer is empty.")
_NO_JSON = "The answer is not the JSON that was asked for."
_MISFIT = "The answer does not fit the schema that it was asked for."
_OUTCOMES: Final[Mapping[str, Outcome]] = {
    "complete": "ok",
    "pending": "incomplete",
    "incomplete": "incomplete",
    "failed": "unfit",
    "refused": "refused",
    "filtered": "refused",
}
"""What the manifest's rules say of an answer -> what it means to a task."""


def ending(result: Result, *, needs_text: bool) -> Ending:
    """How the answer ended, by the manifest's rules; where its text is the result, an empty one is none."""
    outcome = _OUTCOMES[result.outcome]
    if outcome != "ok":
        return Ending(outcome, " ".join(result.reasons) or f"The answer is {result.outcome}.")
    return _EMPTY if needs_text and not result.text.strip() else Ending()


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
