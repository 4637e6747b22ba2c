"""Whether an answer is a whole one: cut, refused and filtered answers come with status 200, and must not pass for success unsaid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

from kosha_connector_openai.core.result.result import Result
from kosha_connector_openai.errors import AnswerError, Fault, IncompleteAnswerError, RefusedAnswerError
from kosha_connector_openai.manifest import OutcomeRule, ResultRules
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


def judge(result: Result, rules: ResultRules, policy: Policy) -> None:
    """Sets the outcome and its reasons, and adds a warning for each reason where the policy is to warn."""
    if result.kind not in ("json", "events"):
        return
    values = (event.data for event in result.value) if result.kind == "events" else (result.value,)
    signs = list(_signs(values, rules))
    outcomes, reasons = [rule.outcome for rule in signs], [rule.reason for rule in signs]
    if result.incomplete:
        outcomes.append("incomplete")
        reasons.append(f"{result.incomplete}.")
        result.warnings = (*result.warnings, Fault("", "incomplete", reasons[-1], "What came before it is kept."))
    if not outcomes:
        return
    result.outcome = max(outcomes, key=RANKS.index)
    result.reasons = tuple(dict.fromkeys(reasons))
    if policy == "warn":
        told = [Fault("", rule.outcome, rule.reason, rule.advice) for rule in signs if rule.outcome not in GOOD]
        result.warnings = (*result.warnings, *dict.fromkeys(told))


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


def _signs(values: Iterable[Any], rules: ResultRules) -> Iterable[OutcomeRule]:
    signs = rules.signs
    seen: dict[int, OutcomeRule] = {}
    for value in values:
        if isinstance(value, dict):
            for head, own in signs.items():
                if head in value:
                    seen |= {id(rule): rule for rule in own if _shows(value, rule)}
    return seen.values()


def _shows(value: Any, rule: OutcomeRule) -> bool:
    found = find(value, rule.at)
    if not found:
        return False
    shown = any(found) if rule.equals is None else rule.equals in found
    return shown and all(find(value, pointer) == [wanted] for pointer, wanted in rule.where.items())
