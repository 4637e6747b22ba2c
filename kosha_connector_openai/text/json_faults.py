"""What JSON values may hold: their limits, and every fault of a value by them, each at its JSON Pointer (RFC 6901)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from kosha_connector_openai.errors import Fault
from kosha_connector_openai.text.json_pointer import walk

MIB: Final = 1024 * 1024
_SCALARS: Final = (str, int, float, type(None))
_ARRAYS: Final = (list, tuple)


@dataclass(frozen=True, slots=True)
class JsonLimits:
    """Bytes of text, nested arrays and objects, values, bytes of one string, digits of an integer beyond 64 bits."""

    bytes: int = 80 * MIB
    depth: int = 64
    nodes: int = 2_000_000
    string: int = 80 * MIB
    digits: int = 400


DEFAULT_LIMITS: Final = JsonLimits()


def too_many(limits: JsonLimits, pointer: str = "") -> Fault:
    """The fault of a text or a value with too many values."""
    return Fault(pointer, "nodes", f"holds more than {limits.nodes} values.", allowed=limits.nodes)


def too_large(limits: JsonLimits, pointer: str = "") -> Fault:
    """The fault of a text or a value with too many bytes."""
    return Fault(pointer, "size", f"is larger than {limits.bytes} bytes.", allowed=limits.bytes)


def faults_of(value: Any, limits: JsonLimits, pointer: str) -> Iterator[Fault]:
    """Every fault, in the order of the text. A cycle ends at the depth limit, sharing at count or size."""
    size = 0
    base = pointer.count("/")
    for nodes, (here, node) in enumerate(walk(value, pointer), 1):
        if nodes > limits.nodes:
            yield too_many(limits, pointer)
            return
        if isinstance(node, (dict, *_ARRAYS)):
            if here.count("/") - base >= limits.depth:
                yield Fault(here, "depth", f"is nested deeper than {limits.depth}.", allowed=limits.depth)
                return
            if isinstance(node, dict):
                yield from _key_faults(node, here)
                size += sum(len(key) for key in node if isinstance(key, str))
        else:
            yield from _scalar_faults(node, here, limits)
            size += len(node) if isinstance(node, str) else 1
        if size > limits.bytes:
            yield too_large(limits, pointer)
            return


def _key_faults(node: dict[Any, Any], here: str) -> Iterator[Fault]:
    for key in node:
        if not isinstance(key, str):
            yield Fault(here, "type", "has a key that is not text.", "Use strings as keys.")
        elif _is_torn(key):
            yield Fault(here, "surrogate", "has a key with half of a surrogate pair.", "Send whole characters.")


def _scalar_faults(node: Any, here: str, limits: JsonLimits) -> Iterator[Fault]:
    if not isinstance(node, _SCALARS):
        yield Fault(here, "type", f"is a {type(node).__name__}, which JSON lacks.")
    elif isinstance(node, float) and not math.isfinite(node):
        yield Fault(here, "finite", "is not a finite number.", "Leave it out, or use null.")
    elif isinstance(node, int) and abs(node) >= 10**limits.digits:
        yield Fault(here, "digits", f"has more than {limits.digits} digits.", allowed=limits.digits)
    elif isinstance(node, str):
        if _is_torn(node):
            yield Fault(here, "surrogate", "has half of a surrogate pair.", "Send whole characters.")
        elif len(node.encode()) > limits.string:
            yield Fault(here, "string", f"is longer than {limits.string} bytes.", allowed=limits.string)


def _is_torn(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
