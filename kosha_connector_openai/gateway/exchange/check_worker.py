"""The process that checks large bodies: bytes on standard input, what is wrong with them on standard output. It holds no secret.

A message is a head, one line of JSON, and after a question's head as many bytes as it says.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any, Final

import orjson

from kosha_connector_openai.connector import Connector
from kosha_connector_openai.core.actions import Leniency
from kosha_connector_openai.core.request import FilePolicy, check_inputs
from kosha_connector_openai.errors import ConnectorError, Fault, InputError
from kosha_connector_openai.gateway.access import Claim, ObjectNames
from kosha_connector_openai.gateway.exchange.validation import LARGE_LIMITS, form_faults, own_fields, refused_in_text, refused_name
from kosha_connector_openai.gateway.routes import Route, administration_actions, sound_actions
from kosha_connector_openai.manifest import Validation
from kosha_connector_openai.manifest.parts import RelayRules
from kosha_connector_openai.outputs import extent_of
from kosha_connector_openai.text import JsonLimits, loads_strict

_MEMORY: Final = 3 * 1024 * 1024 * 1024
"""Bytes of address space: some ten times what the largest body needs as values."""


def main(folder: str) -> None:
    """Answers questions until standard input ends."""
    _confine()
    connector = Connector(Path(folder))
    into, out = sys.stdin.buffer, sys.stdout.buffer
    while line := into.readline():
        question = orjson.loads(line)
        raw = into.read(question["size"])
        for piece in _answer(connector, question, raw):
            out.write(piece)
        out.flush()


def _confine() -> None:
    """No dumps, bounded memory."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))


def _answer(connector: Connector, question: Mapping[str, Any], raw: bytes) -> Iterator[bytes]:
    answer: dict[str, Any] = {"faults": [], "warnings": [], "unread": False, "refused": None, "texts": 0}
    named = b""
    own = question["kind"] == "body"
    limits = JsonLimits(bytes=question["limit"], string=question["limit"]) if own else LARGE_LIMITS
    try:
        value = loads_strict(raw, limits, what="body")
    except InputError as error:
        answer |= {"unread": True, "faults": _written(error.faults), "refused": refused_in_text(raw, frozenset(question["refused"]))}
    else:
        if question["kind"] == "inputs":
            answer |= _inputs(connector, question["action"], value, question["validation"])
        elif own:
            form = Route(connector.catalog[question["action"]], connector.catalog).forms.get(question["media_type"])
            answer["refused"] = refused_name(value, frozenset(question["refused"]), form)
            if question["texts"]:
                claims = {
                    (claim.name, text) for text, claim in _names(connector).in_value(value) if text.isprintable() or claim is not Claim.TEXT
                }
                named = "\n".join(f"{claim} {' '.join(text.split())}" for claim, text in claims).encode("utf-8", "replace")
            if question["extent"]:
                answer["extent"] = asdict(extent_of(connector.outputs.part, question["action"], own_fields(value), len(raw)))
            if form is not None and question["check"]:
                leniency = Leniency(question["validation"], connector.catalog[question["action"]].overlay.given_back)
                answer["faults"] = _written(form_faults(form, value, leniency))
    answer["texts"] = len(named)
    yield orjson.dumps(answer) + b"\n"
    yield named


@cache
def _names(connector: Connector) -> ObjectNames:
    rules = connector.part("relay", RelayRules)
    return ObjectNames(sound_actions(connector.catalog), rules.objects, administration_actions(connector.catalog, rules.privileged))


def _inputs(connector: Connector, action: str, value: Any, validation: Validation) -> dict[str, Any]:
    """What is wrong with the inputs of a run, where they are an object; the shape of all else is checked by who asks."""
    given = value.get("inputs", {}) if isinstance(value, Mapping) else None
    if not isinstance(given, Mapping):
        return {"unread": True}
    try:
        told = check_inputs(connector.catalog[action], given, FilePolicy(), validation)
        return {"warnings": _written((*told, *connector.models.advice(action, given)))}
    except InputError as error:
        return {"faults": _written(error.faults), "message": error.message}
    except ConnectorError:
        return {}  # found again, and told, by who asks


def _written(faults: tuple[Fault, ...]) -> list[dict[str, Any]]:
    return [asdict(fault) for fault in faults]


if __name__ == "__main__":
    main(sys.argv[1])
