"""JSON values (RFC 8259) and their bounds: how deep, how many, how large, and every place where one breaks a rule."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from gc import get_referents
from itertools import chain, islice
from typing import Any, Final

from kosha_connector_openai.errors import Fault, InputError

MIB: Final = 1024 * 1024
_SCALARS: Final = (str, int, float, type(None))
_ARRAYS: Final = (list, tuple)
CONTAINERS: Final = frozenset({dict, list})
_PLAIN: Final = CONTAINERS | {str, int, float, bool, type(None)}
MOST_FAULTS: Final = 20
_FEW: Final = 32


@dataclass(frozen=True, slots=True)
class JsonLimits:
    """Bytes of text, nested arrays and objects, values, bytes of one string, digits of an integer beyond 64 bits."""

    bytes: int = 16 * MIB
    depth: int = 64
    nodes: int = 2_000_000
    string: int = 8 * MIB
    digits: int = 400


DEFAULT_LIMITS: Final = JsonLimits()


def escape(key: str) -> str:
    """``key`` as one token of a JSON Pointer (RFC 6901 section 3)."""
    return key.replace("~", "~0").replace("/", "~1")


def walk(value: Any, pointer: str = "") -> Iterator[tuple[str, Any]]:
    """Every value with its pointer, parents first, no recursion; lazy, so that a caller can stop a cycle."""
    waiting = [(pointer, value)]
    while waiting:
        here, node = waiting.pop()
        yield here, node
        if isinstance(node, dict):
            waiting += [(f"{here}/{escape(str(key))}", child) for key, child in reversed(node.items())]
        elif isinstance(node, _ARRAYS):
            waiting += [(f"{here}/{index}", node[index]) for index in range(len(node) - 1, -1, -1)]


def is_shallow(value: Any) -> bool:
    """Whether compiled code can walk a value without harm; what JSON lacks may be in it."""
    # Compiled libraries overflow the stack on what Python can build, and never end on one list that holds another many times over.
    nodes, level = 0, [value]
    for _ in range(DEFAULT_LIMITS.depth + 1):
        if len(level) <= _FEW and _key_size(level, set(map(type, level)), DEFAULT_LIMITS) > DEFAULT_LIMITS.string:
            return False
        level = get_referents(*level)
        nodes += len(level)
        if not level or nodes > DEFAULT_LIMITS.nodes:
            return not level
    return False


def is_plain(value: Any, limits: JsonLimits) -> bool:
    """Whether a value is JSON within the limits, as far as a quick look tells; False asks for :func:`check_closely`."""
    nodes = size = 0
    for depth, (level, kinds) in enumerate(levels(value)):
        nodes += len(level)
        if nodes > limits.nodes or not kinds <= _PLAIN or (depth >= limits.depth and kinds & CONTAINERS):
            return False
        # orjson writes NaN as null. A sum is finite only if every part is; an overflow gets the closer look.
        if float in kinds and not math.isfinite(sum(of_kind(float, level, kinds))):
            return False
        if str in kinds:
            size += sum(map(len, of_kind(str, level, kinds)))
        size += _key_size(level, kinds, limits)
        if size > limits.bytes:  # one long string that is shared many times
            return False
    return True


def check_closely(value: Any, limits: JsonLimits, pointer: str, size: int = 0) -> None:
    """Raise with the faults that :func:`is_plain` only suspects; ``size`` is that of the text, if known."""
    crowded = _is_crowded(value, limits)
    faults = [_too_many(limits, pointer)] if crowded else list(islice(faults_of(value, limits, pointer), MOST_FAULTS))
    if size > limits.bytes and not faults:
        faults = [too_large(limits, pointer)]
    if faults:
        raise InputError("The value cannot be written as JSON.", faults)


def levels(value: Any) -> Iterator[tuple[list[Any], set[type]]]:
    """The values nested 0, 1, 2, ... deep and their types, as far as dicts and lists reach.

    ``get_referents`` gives the members of many dicts and lists in one step in C; a loop in Python costs
    several times what orjson does. It shows no str keys; other keys may appear, and orjson refuses those.
    """
    level, kinds = [value], {type(value)}
    yield level, kinds
    while kinds & CONTAINERS and (level := get_referents(*level)):
        kinds = set(map(type, level))
        yield level, kinds


def of_kind(kind: type, level: list[Any], kinds: set[type]) -> list[Any]:
    """The values of a level that have this very type."""
    return level if len(kinds) == 1 else [item for item in level if type(item) is kind]


def _key_size(level: list[Any], kinds: set[type], limits: JsonLimits) -> int:
    """Characters in the keys of a level's dicts; more than any limit where a key is no text."""
    if dict not in kinds:
        return 0
    try:
        return sum(map(len, chain.from_iterable(of_kind(dict, level, kinds))))
    except TypeError:
        return limits.bytes + 1


def _is_crowded(value: Any, limits: JsonLimits) -> bool:
    """Whether plain objects and arrays hold too many values: walking over millions of them takes seconds."""
    nodes = 0
    for depth, (level, kinds) in enumerate(levels(value)):
        nodes += len(level)
        if nodes > limits.nodes or depth >= limits.depth or not kinds <= _PLAIN:
            break
    return nodes > limits.nodes


def _too_many(limits: JsonLimits, pointer: str) -> Fault:
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
            yield _too_many(limits, pointer)
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
