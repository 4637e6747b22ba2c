"""JSON text (RFC 8259) in and out: strict about what people write, exact about numbers, bounded."""

from __future__ import annotations

import json
from collections import Counter
from itertools import accumulate
from typing import Any, Final

import orjson

from kosha_connector_openai.errors import Fault, InputError
from kosha_connector_openai.text.json_bounds import (
    CONTAINERS,
    DEFAULT_LIMITS,
    MIB,
    MOST_FAULTS,
    JsonLimits,
    check_closely,
    escape,
    faults_of,
    is_plain,
    is_shallow,
    levels,
    of_kind,
    too_large,
    walk,
)

__all__ = [
    "DEFAULT_LIMITS",
    "MIB",
    "JsonLimits",
    "JsonTextError",
    "check_value",
    "decode",
    "encode",
    "escape",
    "is_shallow",
    "loads_strict",
    "walk",
]

_WHOLE: Final = 2.0**63  # from here on, orjson may have turned an integer into a float
_STRUCTURE: Final = b'[]{},"'
_NOT_STRUCTURE: Final = bytes(byte for byte in range(256) if byte not in _STRUCTURE)
_STEP: Final = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1, ord(","): 0}


class JsonTextError(ValueError):
    """A reply is not the JSON that it should be. The text says what and where, and quotes nothing."""


def loads_strict(data: bytes | str, limits: JsonLimits = DEFAULT_LIMITS, *, what: str = "JSON") -> Any:
    """The value of a JSON text that somebody wrote for us; integers are exact, one BOM is accepted.

    Refused, as :class:`InputError` with JSON Pointers (RFC 6901): duplicate keys (RFC 8259 section 4 calls them unpredictable), NaN,
    Infinity, numbers beyond a double, lone surrogates, invalid UTF-8, all over ``limits``. Sizes are checked before a parser sees it.
    """
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    _check_text(raw, limits, what)
    try:
        text = data if isinstance(data, str) else data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _refusal(what, Fault("", "utf-8", f"is not UTF-8 at byte {error.start}.")) from None
    value = _parse(text.removeprefix("\ufeff"), limits, what)
    try:
        encode(value, limits)
    except InputError as error:
        raise _refusal(what, *error.faults) from None
    return value


def check_value(value: Any, limits: JsonLimits = DEFAULT_LIMITS, pointer: str = "") -> None:
    """Raise :class:`InputError` unless ``value`` is JSON within ``limits``; faults point below ``pointer``.

    JSON is dict with str keys, list or tuple, str, int, finite float, bool and None, and their subclasses.
    """
    encode(value, limits, pointer)


def encode(value: Any, limits: JsonLimits = DEFAULT_LIMITS, pointer: str = "") -> bytes:
    """``value`` as compact UTF-8 JSON: keys in their order, integers of any size exact, no NaN.

    It is also the check of its value: what JSON lacks and what passes ``limits`` is an :class:`InputError`.
    """
    if not is_plain(value, limits):
        check_closely(value, limits, pointer)
    try:
        text = orjson.dumps(value)
    except TypeError:  # a lone surrogate, or an integer beyond 64 bits, which is fine
        check_closely(value, limits, pointer)
        text = json.dumps(value, ensure_ascii=False, check_circular=False, separators=(",", ":")).encode()
    if len(text) > min(limits.bytes, limits.string):
        check_closely(value, limits, pointer, size=len(text))
    return text


def decode(data: bytes, limits: JsonLimits = DEFAULT_LIMITS) -> Any:
    """The value of a reply's JSON text; integers are exact, one BOM is accepted, the last of equal keys wins.

    Of ``limits`` the bytes, the depth and, for integers beyond 64 bits, the digits count. Raises :class:`JsonTextError`.
    """
    if len(data) > limits.bytes:
        raise JsonTextError(f"is larger than {limits.bytes} bytes")
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        return _decode_slowly(data, limits, f"is not JSON at line {error.lineno}, column {error.colno}")
    floats = False
    for depth, (level, kinds) in enumerate(levels(value)):
        if depth >= limits.depth and kinds & CONTAINERS:
            raise JsonTextError(f"is nested deeper than {limits.depth}")
        floats = floats or (float in kinds and not _within(of_kind(float, level, kinds)))
    return _decode_slowly(data, limits, "has a number that cannot be read") if floats else value


def _refusal(what: str, *faults: Fault) -> InputError:
    return InputError(f"The {what} cannot be read.", faults)


def _check_text(raw: bytes, limits: JsonLimits, what: str) -> None:
    """Bound the work of the parser: bytes first, then depth and count from the text's structure alone."""
    if len(raw) > limits.bytes:
        raise _refusal(what, too_large(limits))
    # Without escapes every second piece between quotes lies outside strings; no loop over characters.
    unescaped = raw.replace(b"\\\\", b"").replace(b'\\"', b"")
    structure = b"".join(unescaped.translate(None, _NOT_STRUCTURE).split(b'"')[::2])
    if max(accumulate(map(_STEP.__getitem__, structure)), default=0) > limits.depth:
        raise _refusal(what, Fault("", "depth", f"is nested deeper than {limits.depth}.", allowed=limits.depth))
    if max(structure.count(b",") + 1, structure.count(b"[") + structure.count(b"{")) > limits.nodes:
        raise _refusal(what, Fault("", "nodes", f"holds more than {limits.nodes} values.", allowed=limits.nodes))


def _parse(text: str, limits: JsonLimits, what: str) -> Any:
    doubled: dict[int, tuple[Any, str]] = {}  # holds the objects too, so that their ids stay theirs

    def collect(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            doubled[id(found)] = found, Counter(name for name, _ in pairs).most_common(1)[0][0]
        return found

    def integer(digits: str) -> int:
        return int(digits) if len(digits) <= limits.digits else 10**limits.digits

    try:
        try:
            value = json.loads(text, object_pairs_hook=collect)
        except json.JSONDecodeError:
            raise
        except ValueError:  # more digits than Python reads: put a number there that the check will name
            value = json.loads(text, object_pairs_hook=collect, parse_int=integer)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise _refusal(what, Fault("", "json", f"is not valid JSON at {where}: {error.msg}.")) from None
    if doubled:
        twice = [f"{pointer}/{escape(doubled[id(node)][1])}" for pointer, node in walk(value) if id(node) in doubled]
        faults = [Fault(pointer, "duplicate", "occurs twice in one object.", "Keep one.") for pointer in twice]
        raise _refusal(what, *faults[:MOST_FAULTS])
    return value


def _within(numbers: list[float]) -> bool:
    return min(numbers) > -_WHOLE and max(numbers) < _WHOLE


def _decode_slowly(data: bytes, limits: JsonLimits, reason: str) -> Any:
    """What orjson cannot say: integers beyond 64 bits. The rest of what it refuses stays refused."""
    try:
        _check_text(data, JsonLimits(limits.bytes, limits.depth, limits.bytes), "reply")
        value = json.loads(data.decode("utf-8"))
    except (ValueError, InputError):
        raise JsonTextError(reason) from None
    roomy = JsonLimits(limits.bytes, limits.depth, limits.bytes, limits.bytes, limits.digits)
    if next(faults_of(value, roomy, ""), None) is not None:
        raise JsonTextError(reason)
    return value
