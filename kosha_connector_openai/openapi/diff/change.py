"""One difference between two descriptions, and the table that says the verdicts of each kind of difference.

A schema is the set of values that it accepts. A smaller set breaks senders, a larger one breaks readers, so most kinds break one
side only. Fields are the exception: readers are expected to ignore unknown fields, and a removed field breaks whoever sent or read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, Literal

Direction = Literal["request", "response"]


class Verdict(StrEnum):
    """The effect of a difference on a caller written for the first description; the gravest first."""

    BREAKING = "breaking"
    COMPATIBLE = "compatible"
    INFORMATION = "information"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference.

    ``where`` is a path such as ``request.body.application/json/messages/items/role``: a place of the operation, then the way
    through its schema, its names escaped as in RFC 6901. ``items`` are the entries of an array, ``*`` the unnamed fields of an
    object, ``(name)`` is one branch of a union. ``before`` and ``after`` are short JSON values, None where nothing was.
    """

    operation: str
    direction: Direction
    where: str
    kind: str
    before: Any
    after: Any
    verdict: Verdict
    message: str


@dataclass(frozen=True, slots=True)
class ChangeKind:
    """What a kind of difference means in a request and in a response, and how it is said."""

    request: Verdict
    response: Verdict
    message: str


_B, _C, _I = Verdict.BREAKING, Verdict.COMPATIBLE, Verdict.INFORMATION

CHANGE_KINDS: Final[Mapping[str, ChangeKind]] = MappingProxyType(
    {
        "operation-added": ChangeKind(_C, _C, "The operation is new."),
        "operation-removed": ChangeKind(_B, _B, "The operation is gone."),
        "operation-renamed": ChangeKind(_B, _B, "The operation has another id: whoever names the old one breaks."),
        "operation-moved": ChangeKind(_B, _B, "The operation has another method or path."),
        "credential-added": ChangeKind(_C, _C, "Another credential is accepted too."),
        "credential-changed": ChangeKind(_B, _B, "A credential that was enough is not accepted any more."),
        "style-changed": ChangeKind(_B, _B, "The value is written in another way."),
        "media-type-added": ChangeKind(_C, _C, "Another media type is offered."),
        "media-type-removed": ChangeKind(_B, _B, "The media type is not offered any more."),
        "answer-added": ChangeKind(_B, _B, "There is another successful answer."),
        "answer-removed": ChangeKind(_B, _B, "The successful answer is not described any more."),
        # A client treats an unknown error status as the first of its class (RFC 9110, section 15).
        "error-answer-added": ChangeKind(_C, _C, "Another error is described."),
        "error-answer-removed": ChangeKind(_C, _C, "The error is not described any more."),
        "field-added": ChangeKind(_C, _C, "The field is new."),
        "required-field-added": ChangeKind(_B, _C, "The field is new and required."),
        "field-removed": ChangeKind(_B, _B, "The field is gone."),
        "field-moved": ChangeKind(_B, _B, "The parameter stands in another place of the request."),
        "now-required": ChangeKind(_B, _C, "It is required now."),
        "now-optional": ChangeKind(_C, _B, "It is not required any more."),
        "null-added": ChangeKind(_C, _B, "It may be null now."),
        "null-removed": ChangeKind(_B, _C, "It may not be null any more."),
        "type-added": ChangeKind(_C, _B, "It may have another type too."),
        "type-removed": ChangeKind(_B, _C, "It may not have this type any more."),
        "type-changed": ChangeKind(_B, _B, "It has another type."),
        "branch-added": ChangeKind(_C, _B, "There is another alternative."),
        "branch-removed": ChangeKind(_B, _C, "An alternative is gone."),
        "values-added": ChangeKind(_C, _B, "More values are allowed."),
        "values-removed": ChangeKind(_B, _C, "Fewer values are allowed."),
        "values-opened": ChangeKind(_C, _B, "Any value is allowed, not only those of a list."),
        "values-closed": ChangeKind(_B, _C, "Only the values of a list are allowed."),
        "known-values-changed": ChangeKind(_I, _I, "Other values are named as examples of what is allowed."),
        "limit-loosened": ChangeKind(_C, _B, "The limit is wider."),
        "limit-tightened": ChangeKind(_B, _C, "The limit is narrower."),
        "rule-added": ChangeKind(_B, _C, "There is another rule."),
        "rule-removed": ChangeKind(_C, _B, "A rule is gone."),
        "rule-changed": ChangeKind(_B, _B, "The rule is another one."),
        "object-opened": ChangeKind(_C, _C, "Fields without a name in the description are allowed."),
        "object-closed": ChangeKind(_B, _C, "Fields without a name in the description are forbidden."),
        "default-changed": ChangeKind(_I, _I, "The default changed: whoever leaves it out may get another behaviour."),
        "deprecated": ChangeKind(_I, _I, "It is deprecated now."),
        "not-deprecated": ChangeKind(_I, _I, "It is not deprecated any more."),
        "text-changed": ChangeKind(_I, _I, "The description changed."),
        "not-compared": ChangeKind(_B, _B, "It is nested too deeply to be compared."),
    }
)
"""Kind -> verdicts. Kinds are stable: files of intended differences name them."""


def change(operation: str, direction: Direction, kind: str, where: str, before: Any, after: Any) -> Change:
    """A change of one of the kinds in CHANGE_KINDS, with its verdict."""
    rule = CHANGE_KINDS[kind]
    verdict = rule.request if direction == "request" else rule.response
    return Change(operation, direction, where, kind, before, after, verdict, rule.message)


class OperationChanges:
    """Collects the changes of one operation."""

    def __init__(self, operation: str) -> None:
        """``operation`` is the id that they are filed under."""
        self.operation = operation
        self.changes: list[Change] = []

    def add(self, direction: Direction, kind: str, where: str, before: Any = None, after: Any = None) -> None:
        """Notes a change of one of the kinds in CHANGE_KINDS."""
        self.changes.append(change(self.operation, direction, kind, where, before, after))
