"""Checks a request's path, query and JSON body against the action's schemas on a decoded copy; the request itself stays as it came."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from kosha_connector_openai.core.actions import EXTRA_BODY, BodyForm, Leniency
from kosha_connector_openai.errors import DocumentError, Fault, InputError
from kosha_connector_openai.gateway.routes import Route
from kosha_connector_openai.schema import safe
from kosha_connector_openai.text import JsonLimits, loads_strict

LARGE: Final = 64 * 1024
"""Bytes; reading and checking more than this would hold up the other calls of the event loop."""
QUICK: Final = 8 * 1024
"""Bytes of a body that is looked into at once; what is wrong with a larger one can take long to tell."""
PAGE_LIMITS: Final = JsonLimits(nodes=50_000)
"""Of the JSON that our own pages take: it becomes values in this process, and the event loop stands still meanwhile. That grows with the
values; one long text, such as a file in base64, is as long as it may be everywhere."""
LARGE_LIMITS: Final = replace(PAGE_LIMITS, digits=18)
"""Of such JSON that is read elsewhere first: no integer takes longer to read than it is worth."""
_MOST_PAIRS: Final = 4_096
_UNKNOWN: Final = "unknown"
_WAY_OUT: Final = (
    "A server that takes it all the same: the operator sets the connection's option `validation` to `open` for values that are not listed, "
    "to `warn` for values out of bounds."
)


def parameter_faults(route: Route, values: Mapping[str, str], query: str) -> tuple[Fault, ...]:
    """What is wrong with the path's values (percent-encoded) and the query."""
    decoded = {name: unquote(text) for name, text in values.items()}
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=_MOST_PAIRS) if query else []
    except ValueError:
        return (Fault("", "maxItems", f"has more than {_MOST_PAIRS} query parameters.", "Ask for less at once."),)
    own = {name for name, _ in route.query}
    return route.text_inputs.faults(decoded, [(name, text) for name, text in pairs if name not in own])


async def read_json(raw: bytes, limit: int) -> Any:
    """The JSON value; raises InputError with what is wrong with the text."""
    limits = JsonLimits(bytes=limit, string=limit)
    if len(raw) > LARGE:
        return await asyncio.to_thread(loads_strict, raw, limits, what="body")
    return loads_strict(raw, limits, what="body")


async def body_faults(form: BodyForm, value: Any, size: int, leniency: Leniency = Leniency(), *, first: bool = False) -> tuple[Fault, ...]:
    """What is wrong with a JSON body; unknown fields and what ``leniency`` lets pass go through. ``first``: no other was checked yet."""
    if size > LARGE or first:  # the first one compiles the schema
        return await asyncio.to_thread(form_faults, form, value, leniency)
    return form_faults(form, value, leniency)


def form_faults(form: BodyForm, value: Any, leniency: Leniency = Leniency()) -> tuple[Fault, ...]:
    """The same, in this thread."""
    if told := tuple(_in_other_case(form, value)):
        return told
    try:
        faults = leniency.settled(form.check(value), value, _WAY_OUT).faults
    except InputError as error:
        return error.faults
    except DocumentError:
        return ()  # a schema that cannot be used refuses nothing
    return tuple(_without_unknown(form, value, faults)) if faults else ()


def _in_other_case(form: BodyForm, value: Any) -> Iterator[Fault]:
    """Yields fields whose names differ from declared ones in case alone: some servers read them as those, unchecked."""
    unknown = value.keys() - form.properties.keys() if isinstance(value, Mapping) else ()
    if not unknown:
        return
    known = {name.casefold(): name for name in form.properties}
    for name in sorted(unknown):
        if meant := known.get(name.casefold()):
            yield Fault(f"/{safe(name)}", "case", f"differs from `{meant}` in case alone.", f"Write `{meant}`.")


def _without_unknown(form: BodyForm, value: Any, faults: tuple[Fault, ...]) -> Iterator[Fault]:
    """Yields the faults but for unknown names; a required name for which an unknown one was mistaken is still missing."""
    told = {fault.pointer for fault in faults}
    unknown = [fault for fault in faults if fault.rule == _UNKNOWN]
    if unknown and isinstance(value, Mapping):
        for name in form.required:
            if name not in value and f"/{name}" not in told:
                yield Fault(f"/{name}", "required", "is missing.", f"Add `{name}`.")
    yield from (fault for fault in faults if fault.rule != _UNKNOWN)


def own_fields(value: Any) -> Mapping[str, Any]:
    """The fields of a body as the provider reads them: without the name under which our own clients add some."""
    return {name: each for name, each in value.items() if name != EXTRA_BODY} if isinstance(value, Mapping) else {}


def refused_in_text(raw: bytes, refused: frozenset[str]) -> str | None:
    """Returns a refused field in a body that is no JSON by our reading and goes on unchecked: another reader may find the field."""
    text = re.sub(rb"\\u00([0-7][0-9A-Fa-f])", lambda found: bytes.fromhex(found[1].decode()), raw)
    return min((name for name in refused if f'"{name}"'.encode() in text), default=None)


def refused_name(value: Any, refused: frozenset[str], form: BodyForm | None) -> str | None:
    """Returns a field of a JSON body by which the caller would choose the upstream, and which the action does not declare."""
    if not isinstance(value, Mapping):
        return None
    found = refused & value.keys()
    return min(found - form.properties.keys() if form else found, default=None) if found else None
