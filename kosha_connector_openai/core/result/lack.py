"""What an answer lacks of the result that its carrier has to hold: one decision for whole answers and for streams, item by item."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kosha_connector_openai.core.result.error_body import tells
from kosha_connector_openai.errors import Fault
from kosha_connector_openai.manifest import Carrier
from kosha_connector_openai.schema import a_type, json_type
from kosha_connector_openai.text import OBJECT, at, find

_CHECK = "Check the server and what stands between: this is no answer of the action."
_KEPT = "What came is kept; the rest has to be asked for again."


def wanted_items(rule: Carrier | None, inputs: Mapping[str, Any]) -> int:
    """How many items the inputs ask for; 0 where they do not say."""
    if rule is None or not (rule.per or rule.asked):
        return 0
    count = 1
    for pointer in (*rule.per, *rule.asked):
        count *= len(find(inputs, pointer)) if pointer.endswith("/*") else _count(at(inputs, pointer))
    return count


def failed(message: str) -> Fault:
    """The lack of an answer that is none."""
    return Fault("", "failed", message, _CHECK)


def lack_of(answer: Mapping[str, Any], rule: Carrier, wanted: int = 0) -> Fault | None:
    """What a whole answer lacks; None where nothing."""
    found = answer.get(rule.name)
    if found is None:
        return failed(f"The answer does not have `{rule.name}`, which carries its result.")
    if not isinstance(found, list) and (rule.each or rule.some):
        return failed(f"`{rule.name}`, which carries the answer's result, is {a_type(json_type(found))} and not a list.")
    if rule.filled and not found:
        return failed(f"`{rule.name}`, which carries the answer's result, is empty.")
    if rule.some and not holds(found, rule.some, rule):
        return failed(f"`{rule.name}`, which carries the answer's result, holds none.")
    if rule.each or wanted:
        hold = not rule.each or all(holds(item, rule.each, rule) for item in found)
        ended = not rule.end or all(end_of(item, rule.end) is not False for item in found)
        return lack_of_items(len(found), rule, wanted, hold=hold, ended=ended)
    return None


def has_part(answer: Any, rule: Carrier | None) -> bool:
    """Whether an answer, however it ended, holds a part of its result."""
    found = answer.get(rule.name) if rule is not None and isinstance(answer, Mapping) else None
    if rule is not None and rule.each and isinstance(found, list):
        return any(holds(item, rule.each, rule) for item in found)
    return bool(found)


def lack_of_items(count: int, rule: Carrier, wanted: int, *, hold: bool, ended: bool) -> Fault | None:
    """What the items of an answer lack: a result, one of their number, or an end. ``hold``: all hold one; ``ended``: none lacks its end."""
    if not hold:
        return failed(f"An item of `{rule.name}` has no result.")
    if wanted and (count < wanted or (rule.per and count > wanted)):
        outcome = "failed" if rule.per else "incomplete"
        return Fault("", outcome, f"`{rule.name}` holds {count} of {wanted} results that were asked for.", _KEPT)
    if not ended:
        return Fault("", "incomplete", f"The server does not say that an item of `{rule.name}` came to its end.", "It may be cut.")
    return None


def holds(value: Any, paths: Iterable[str], rule: Carrier) -> bool:
    """Whether there is something at one of the paths. A list is nothing by itself: a path leads to its items."""
    for path in paths:
        for found in find(value, path):
            if tells(found) if isinstance(found, dict) else not isinstance(found, list) and (rule.text or found != ""):
                return True
    return False


def end_of(item: Any, name: str) -> bool | None:
    """Whether an item came to its end: False where what says so is null or empty, None where it is not there."""
    return bool(item[name]) if isinstance(item, OBJECT) and name in item else None


def _count(asked: Any) -> int:
    """How many results an input asks for: a number of them, one for each text or list in a list, and one for all else."""
    if isinstance(asked, int) and not isinstance(asked, bool):
        return max(asked, 1)
    return len(asked) if isinstance(asked, (list, tuple)) and asked and isinstance(asked[0], (str, list, tuple)) else 1
