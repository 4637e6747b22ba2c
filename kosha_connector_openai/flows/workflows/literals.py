"""What a step gives its target by literals, held against the target's schema before anything of the document is run or paid for.

What an expression will find is not known yet: its places are filled with a stand-in, and a fault counts only where no such place could
be its cause.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from kosha_connector_openai.core.actions import BODY, Action
from kosha_connector_openai.errors import ConnectorError, Fault, InputError
from kosha_connector_openai.flows.workflows.model import StepBody, StepParameter
from kosha_connector_openai.flows.workflows.templates import Template
from kosha_connector_openai.manifest import Validation
from kosha_connector_openai.text import escape

if TYPE_CHECKING:
    from kosha_connector_openai.flows.tasks import TaskForm

_TEXT: Final = "\ue000"
_FILE: Final = "data:application/octet-stream;base64,AAAA"
"""Stand-ins for what is not known: a text, and where the field may be a file, a file."""
_TELLERS: Final = ("type", "role", "kind", "mode", "object")
"""Properties that tell alternatives apart; where one is not known, nothing beside it can be judged."""


def literal_faults(
    action: Action, parameters: Iterable[StepParameter], body: StepBody | None, step: str, validation: Validation
) -> list[Fault]:
    """The faults of a step's literals, each with its pointer in the document; ``step`` is the step's own."""
    found: list[Fault] | None = None
    for stand_in in (_TEXT, _FILE) if len(action.inputs.bodies) > 1 else (_TEXT,):
        judged = _Judged(action, tuple(parameters), body, step, stand_in).faults(validation)
        found = judged if found is None else [fault for fault in found if _like(fault) in set(map(_like, judged))]
    return found or []


def task_faults(form: TaskForm, parameters: Iterable[StepParameter]) -> list[Fault]:
    """The same for a task's inputs."""
    given = {parameter.name: parameter.value for parameter in parameters}
    known = {name: template for name, template in given.items() if not any(True for _ in template.expressions())}
    try:
        form.check({name: _plain(known[name]) if name in known else _TEXT for name in given})
    except InputError as error:
        return [
            Fault(given[name].pointer + fault.pointer.removeprefix(f"/{escape(name)}"), fault.rule, fault.message, fault.fix, fault.allowed)
            for fault in error.faults
            for name in known
            if fault.pointer == f"/{escape(name)}" or fault.pointer.startswith(f"/{escape(name)}/")
        ]
    return []


def _plain(template: Template) -> Any:
    """A template without expressions as the value that it is."""
    if template.kind == "object":
        return {name: _plain(part) for name, part in template.content.items()}
    return [_plain(part) for part in template.content] if template.kind == "array" else template.content


def _like(fault: Fault) -> tuple[str, str]:
    return fault.pointer, fault.rule


class _Judged:
    """One look at the inputs of a step, with one stand-in."""

    def __init__(self, action: Action, parameters: tuple[StepParameter, ...], body: StepBody | None, step: str, stand_in: str) -> None:
        self._action = action
        self._stand_in = stand_in
        self._step = step
        self._body = body
        self._pointers = {parameter.name: parameter.value.pointer for parameter in parameters}
        self._unknown: set[str] = set()
        self._files = {name for form in action.inputs.bodies for name in form.file_fields}
        self._inputs: dict[str, Any] = {
            parameter.name: self._filled(parameter.value, f"/{escape(parameter.name)}") for parameter in parameters
        }
        self._whole = body is not None and not any(form.is_flat for form in action.inputs.bodies)
        if body is not None:
            self._add(body)

    def _add(self, body: StepBody) -> None:
        prefix = f"/{BODY}" if self._whole else ""
        payload = self._filled(body.payload, prefix)
        self._unknown.update(prefix + "".join(f"/{escape(part)}" for part in replacement.target) for replacement in body.replacements)
        if self._whole:
            self._inputs[BODY] = payload
        elif isinstance(payload, Mapping):
            self._inputs = {**payload, **self._inputs}
        else:
            self._unknown.add("")

    def faults(self, validation: Validation) -> list[Fault]:
        """Those that no unknown place could have caused."""
        if "" in self._unknown:
            return []
        try:
            self._action.check(self._inputs, validation)
        except InputError as error:
            return [self._placed(fault) for fault in error.faults if not self._excused(fault.pointer)]
        except ConnectorError:
            return []  # the description is faulty: that is told when the action is used
        return []

    def _filled(self, template: Template, pointer: str) -> Any:
        if template.kind == "object":
            return {name: self._filled(part, f"{pointer}/{escape(str(name))}") for name, part in template.content.items()}
        if template.kind == "array":
            return [self._filled(part, f"{pointer}/{number}") for number, part in enumerate(template.content)]
        if template.kind == "constant":
            return template.content
        self._unknown.add(pointer)
        return self._stand_in if pointer.removeprefix("/") in self._files else _TEXT

    def _excused(self, pointer: str) -> bool:
        """Whether an unknown place is at, in or around the pointer, or beside it where it tells alternatives apart."""
        around = pointer.rpartition("/")[0]
        beside = {f"{place}/{name}" for place in _parents(around) for name in _TELLERS}
        return any(
            place == pointer or place.startswith(f"{pointer}/") or pointer.startswith(f"{place}/") or place in beside
            for place in self._unknown
        )

    def _placed(self, fault: Fault) -> Fault:
        first = fault.pointer.split("/")[1] if fault.pointer else ""
        if first in map(escape, self._pointers):
            name = next(name for name in self._pointers if escape(name) == first)
            return Fault(
                self._pointers[name] + fault.pointer.removeprefix(f"/{first}"), fault.rule, fault.message, fault.fix, fault.allowed
            )
        rest = fault.pointer.removeprefix(f"/{BODY}") if self._whole else fault.pointer
        where = f"{self._body.pointer}/payload{rest}" if self._body is not None else f"{self._step}{_place(self._action, first)}{rest}"
        return Fault(where, fault.rule, fault.message, fault.fix, fault.allowed)


def _place(action: Action, name: str) -> str:
    """Where in a step an input belongs that is not there."""
    return "/parameters" if name in {escape(each) for each in action.inputs.parameters} else "/requestBody/payload"


def _parents(pointer: str) -> Iterator[str]:
    while pointer:
        yield pointer
        pointer = pointer.rpartition("/")[0]
    yield ""
