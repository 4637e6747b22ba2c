"""What the bodies of the paths of bulk runs hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from kosha_connector_openai.gateway.pages.failures import is_object, is_seconds, misshapen
from kosha_connector_openai.gateway.pages.kosha_api import JsonResponse

_MOST: Final = 200
"""Rules of a map, and columns that are kept."""
_CAPS: Final = {"calls", "tokens", "cost"}
_WHAT: Final = frozenset({"target", "map", "inputs", "keep", "dedupe", "if_cut"})
_HOW: Final = frozenset({"in_flight", "timeout", "unknown", "budget"})
KEYS: Final[Mapping[str, frozenset[str]]] = {
    "check": _WHAT,
    "start": _WHAT | _HOW,
    "wait": frozenset({"timeout"}),
    "resume": _HOW | {"retry_failed"},
    "cancel": frozenset(),
}
"""The keys of each verb's body."""


def _texts(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= _MOST and all(isinstance(text, str) and text for text in value)


def _caps(value: Any) -> bool:
    sound = isinstance(value, Mapping) and value.keys() <= _CAPS
    return sound and all(isinstance(cap, (int, float)) and not isinstance(cap, bool) and cap >= 0 for cap in value.values())


_FITS: Final[Mapping[str, tuple[Callable[[Any], bool], str]]] = {
    "target": (lambda value: isinstance(value, str), "`target` is an action or a task."),
    "map": (_texts, "`map` is a list of rules FIELD=COLUMN, or FIELD:=COLUMN for columns of JSON."),
    "inputs": (lambda value: isinstance(value, Mapping), "`inputs` is an object: the fields that all rows share."),
    "keep": (_texts, "`keep` is a list of columns."),
    "dedupe": (lambda value: isinstance(value, bool), "`dedupe` is true or false."),
    "if_cut": (lambda value: value in ("fail", "pass"), "`if_cut` is `fail` or `pass`."),
    "in_flight": (lambda value: type(value) is int and 1 <= value <= 1_000, "`in_flight` is a number from 1 to 1000."),  # noqa: PLR2004
    "timeout": (is_seconds, "`timeout` is more than 0 and at most 86400 seconds."),
    "unknown": (lambda value: value in ("hold", "retry", "skip"), "`unknown` is `hold`, `retry` or `skip`."),
    "budget": (_caps, "`budget` is an object of `calls`, `tokens` and `cost`, numbers."),
    "retry_failed": (lambda value: isinstance(value, bool), "`retry_failed` is true or false."),
}


def wrong_body(verb: str, body: Any) -> JsonResponse | None:
    """What is wrong with the body of a verb; None where nothing is."""
    keys = KEYS[verb]
    needed = "target" if "target" in keys else ""
    if not is_object(body, set(keys), needed=needed):
        names = ", ".join(f"`{key}`" for key in sorted(keys - {needed}))
        most = f"maybe {names}" if names else "nothing in it"
        return misshapen("", f"The body is an object with {f'`{needed}`, and ' if needed else ''}{most}.")
    for name in body:
        fits, message = _FITS[name]
        if not fits(body[name]):
            return misshapen(name, message)
    return None
