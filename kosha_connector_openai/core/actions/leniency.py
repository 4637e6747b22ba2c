"""How strictly inputs are held to the description: which faults refuse a call, and which go with it as warnings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from kosha_connector_openai.errors import Fault
from kosha_connector_openai.manifest import Validation
from kosha_connector_openai.schema import BOUNDS, CheckReport
from kosha_connector_openai.text import at, tokens

UNLISTED: Final = frozenset({"enum", "const", "anyOf", "oneOf"})
"""Rules that a value breaks which the description does not know: one of no list, or an object of no kind."""
_DISPUTED: Final = UNLISTED | BOUNDS.keys()
"""Rules that other servers of the same API draw otherwise."""
_FORM: Final = frozenset({"json", "too-complex", "twice", "body"})
"""Rules without which nothing can be written."""
_ABSENT: Final = object()
_TAG: Final = "type"
_SENT: Final = "It is sent as it is."


@dataclass(frozen=True, slots=True)
class Leniency:
    """What of an action's body is let through with a warning.

    ``validation`` is ``on`` (nothing), ``open`` (values that the description does not list) or ``warn`` (all that can be written).
    Under the places in ``given_back`` stand parts of earlier answers: there nulls and items of unknown types pass in any case, since the
    server wrote them itself.
    """

    validation: Validation = "on"
    given_back: Sequence[str] = ()

    def passes(self, fault: Fault, body: Any) -> bool:
        """Whether a fault of the body is no more than a warning."""
        if self.validation == "warn":
            return fault.rule not in _FORM
        if self.validation == "open" and fault.rule in UNLISTED:
            return True
        place = next((place for place in self.given_back if fault.pointer.startswith(f"{place}/")), None)
        if place is None:
            return False
        if fault.rule in UNLISTED:
            return tokens(fault.pointer)[len(tokens(place)) + 1 :] == (_TAG,) and not fault.fix
        return fault.rule == "type" and at(body, fault.pointer, _ABSENT) is None

    def settled(self, report: CheckReport, body: Any, way_out: str) -> CheckReport:
        """The report with what passes among the warnings; what another server may take says ``way_out``."""
        if not report.faults:
            return report
        passed = [fault for fault in report.faults if self.passes(fault, body)]
        if not passed and _DISPUTED.isdisjoint(fault.rule for fault in report.faults):
            return report
        refused = tuple(_with_way_out(fault, way_out) for fault in report.faults if fault not in passed)
        if all(fault.rule == "more" for fault in refused):
            refused = ()
        return CheckReport(refused, (*report.warnings, *(replace(fault, fix=_SENT) for fault in passed)))


def _with_way_out(fault: Fault, way_out: str) -> Fault:
    return replace(fault, fix=f"{fault.fix} {way_out}".strip()) if fault.rule in _DISPUTED else fault


def merged(body: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """The body with the extra fields, objects merged with objects."""
    found = dict(body)
    for name, value in extra.items():
        own = found.get(name)
        found[name] = merged(own, value) if isinstance(own, Mapping) and isinstance(value, Mapping) else value
    return found


def given_twice(body: Mapping[str, Any], extra: Mapping[str, Any], pointer: str) -> Iterator[str]:
    """The places of extra fields that stand in the body too, where not both are objects."""
    for name, value in extra.items():
        if name in body:
            own, place = body[name], f"{pointer}/{name}"
            if isinstance(own, Mapping) and isinstance(value, Mapping):
                yield from given_twice(own, value, place)
            else:
                yield place


def without_extra(report: CheckReport, body: Mapping[str, Any], extra: Mapping[str, Any]) -> CheckReport:
    """The report without what it says of fields that ``extra`` adds to the body: they go as they are. What cannot be written stays."""

    def stays(fault: Fault) -> bool:
        return fault.rule in _FORM or not _is_about(tokens(fault.pointer), body, extra, fault.rule)

    return CheckReport(tuple(filter(stays, report.faults)), tuple(filter(stays, report.warnings)))


def _is_about(path: Iterable[str], body: Any, extra: Any, rule: str) -> bool:
    """Whether a fault lies in an extra field, or is the choice of a form for an object that has one."""
    for step in path:
        if not isinstance(extra, Mapping) or step not in extra:
            return not isinstance(extra, Mapping)
        if not isinstance(body, Mapping) or step not in body:
            return True
        body, extra = body[step], extra[step]
    return rule in UNLISTED
