"""Whether an answer is a whole one: cut, refused and filtered answers come with status 200, and must not pass for success unsaid."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal

from kosha_connector_openai.core.result.result import Result
from kosha_connector_openai.errors import AnswerError, Fault, IncompleteAnswerError, RefusedAnswerError
from kosha_connector_openai.manifest import OutcomeRule, ResultRules, SignPlace
from kosha_connector_openai.text import find

Policy = Literal["fail", "warn", "pass"]
RANKS: Final = ("complete", "pending", "incomplete", "refused", "filtered", "failed")
"""Of several outcomes in one answer, the later one here is the answer's."""
_ERRORS: Final[Mapping[str, type[AnswerError]]] = {
    "incomplete": IncompleteAnswerError,
    "refused": RefusedAnswerError,
    "filtered": RefusedAnswerError,
    "failed": AnswerError,
}
GOOD: Final = frozenset({"complete", "pending"})
"""Outcomes that are no trouble: nothing is lost."""


def judge(
    result: Result, rules: ResultRules, policy: Policy, lack: Fault | None = None, words: Callable[[Any], str] = lambda _: ""
) -> None:
    """Sets the outcome and its reasons, and adds a warning for each reason where the policy is to warn.

    ``lack`` says what the answer lacks of what the action promises: where it is none, that counts if no sign explains it. ``words`` reads
    the provider's own out of what a rule points at.
    """
    values = [event.data for event in result.value] if result.kind == "events" else [result.value] if result.kind == "json" else []
    told = [Fault("", rule.outcome, _sentence(rule.reason, said), rule.advice) for rule, said in _signs(values, rules, words)]
    if result.incomplete:
        told.append(Fault("", "incomplete", f"{result.incomplete[0].upper()}{result.incomplete[1:]}.", "What came before it is kept."))
    elif lack and (not told or lack.rule != "failed"):
        told.append(lack)
    if not told:
        return
    result.outcome = max((fault.rule for fault in told), key=RANKS.index)
    result.reasons = tuple(dict.fromkeys(fault.message for fault in told))
    # That a stream was cut is told whatever the policy: what is lost of it nobody can see.
    shown = [fault for fault in told if fault.rule not in GOOD] if policy == "warn" else told[-1:] if result.incomplete else []
    result.warnings = (*result.warnings, *dict.fromkeys(shown))


def settle(result: Result | None, policy: Policy) -> None:
    """Raises an AnswerError where an answer is not a whole one, nor still being made, and the policy is to fail."""
    if policy != "fail" or result is None or result.outcome in GOOD:
        return
    faults = [Fault("", result.outcome, reason) for reason in result.reasons]
    raise _ERRORS[result.outcome](
        f"The answer is {result.outcome}.",
        faults,
        hint="Change the input or its limits; the policy `warn` gives what there is.",
        usage=result.usage,
        request_ids=[result.request_id] if result.request_id else (),
    )


def _signs(values: Sequence[Any], rules: ResultRules, words: Callable[[Any], str]) -> Iterable[tuple[OutcomeRule, str]]:
    """The rules that a value shows, each with the provider's words."""
    seen: dict[int, tuple[OutcomeRule, str]] = {}
    for value in values:
        for place in _places(value, rules):
            found = find(value, place.path)
            for rule in place.fitting(found):
                if shown := _shown(value, rule, found):
                    seen[id(rule)] = rule, _said(value, rule, shown, words)
    return [(rule, said) for rule, said in seen.values() if not any(find(value, path) for path in rule.unless for value in values)]


def _places(value: Any, rules: ResultRules) -> Iterator[SignPlace]:
    """The places at which a value may have a sign."""
    if isinstance(value, dict):
        for head, places in rules.signs.items():
            if head in value:
                names = _names(value[head])
                yield from (place for place in places if place.member is None or place.member in names)


def _names(items: Any) -> set[str]:
    """What the members of a list's objects are called."""
    return set[str]().union(*(item for item in items if isinstance(item, dict))) if isinstance(items, list) else set()


def _said(value: Any, rule: OutcomeRule, shown: list[Any], words: Callable[[Any], str]) -> str:
    said = shown if rule.known else find(value, rule.says) if rule.says else ()
    return words(said[0]) if said else ""


def _sentence(reason: str, said: str) -> str:
    return f"{reason.rstrip('.')}: {said.rstrip('.')}." if said else reason


def _shown(value: Any, rule: OutcomeRule, found: list[Any]) -> list[Any]:
    """What of the values at the rule's place is its sign; nothing where the answer does not show it."""
    shown = [item for item in found if rule.fits(item)]
    return shown if shown and all(find(value, pointer) == [wanted] for pointer, wanted in rule.where.items()) else []
