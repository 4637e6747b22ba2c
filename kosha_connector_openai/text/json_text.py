"""JSON text (RFC 8259) in and out: strict about what people write, exact about numbers, bounded in depth, count and size."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from gc import get_referents
from itertools import accumulate, chain, islice
from typing import Any, Final

import orjson

from kosha_connector_openai.errors import Fault, InputError
from kosha_connector_openai.text.json_faults import DEFAULT_LIMITS, JsonLimits, faults_of, too_large, too_many
from kosha_connector_openai.text.json_pointer import escape, walk

_CONTAINERS: Final = frozenset({dict, list})
_PLAIN: Final = _CONTAINERS | {str, int, float, bool, type(None)}
_MOST_FAULTS: Final = 20
_FEW: Final = 32
_WHOLE: Final = 2.0**63  # from here on, orjson may have turned an integer into a float
_STRUCTURE: Final = b'[]{},"'
_NOT_STRUCTURE: Final = bytes(byte for byte in range(256) if byte not in _STRUCTURE)
_QUOTES: Final = 4
"""Quotation marks for each value at most: its name's and its own."""
_NAMES: Final = re.compile(rb'"[ \t\r\n]*:')
"""The end of each name; also of some texts, which asks for a closer look."""
_UNREAD: Final = object()
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
    value = _read_quickly(raw, limits)
    if value is not _UNREAD:
        return value
    try:
        text = data if isinstance(data, str) else data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _refusal(what, Fault("", "utf-8", f"is not UTF-8 at byte {error.start}.")) from None
    value = _parse(text.removeprefix("\ufeff"), limits, what)
    # What was read from a checked text is JSON, its numbers and their count left. Half of a surrogate pair comes from an escape or from
    # text in memory alone.
    if data is raw and b"\\u" not in raw and len(raw) <= limits.string and _has_plain_numbers(value, limits):
        return value
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
    if not _is_plain(value, limits):
        _check_closely(value, limits, pointer)
    try:
        text = orjson.dumps(value)
    except TypeError:  # a lone surrogate, or an integer beyond 64 bits, which is fine
        _check_closely(value, limits, pointer)
        text = json.dumps(value, ensure_ascii=False, check_circular=False, separators=(",", ":")).encode()
    if len(text) > min(limits.bytes, limits.string):
        _check_closely(value, limits, pointer, size=len(text))
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
    for depth, (level, kinds) in enumerate(_levels(value)):
        if depth >= limits.depth and kinds & _CONTAINERS:
            raise JsonTextError(f"is nested deeper than {limits.depth}")
        floats = floats or (float in kinds and not _within(_of_kind(float, level, kinds)))
    return _decode_slowly(data, limits, "has a number that cannot be read") if floats else value


def _read_quickly(raw: bytes, limits: JsonLimits) -> Any:
    """What orjson reads of a text that :func:`_check_text` passed, where :func:`_parse` would read the same; else ``_UNREAD``.

    orjson keeps the last of equal names and rounds integers beyond 64 bits.
    """
    if len(raw) > min(limits.string, limits.nodes):  # a value takes a byte
        return _UNREAD
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return _UNREAD
    names = 0
    for level, kinds in _levels(value):
        if dict in kinds:
            names += sum(map(len, _of_kind(dict, level, kinds)))
        if (int in kinds and not _within(_of_kind(int, level, kinds))) or (float in kinds and not _within(_of_kind(float, level, kinds))):
            return _UNREAD
    return value if names == len(_NAMES.findall(raw)) else _UNREAD


def _refusal(what: str, *faults: Fault) -> InputError:
    return InputError(f"The {what} cannot be read.", faults)


def _check_text(raw: bytes, limits: JsonLimits, what: str) -> None:
    """Bound the work of the parser: bytes first, then depth and count from the text's structure alone."""
    if len(raw) > limits.bytes:
        raise _refusal(what, too_large(limits))
    if len(raw) <= limits.nodes and raw.count(b"[") + raw.count(b"{") <= limits.depth:
        return  # each value takes a byte, and each level a bracket
    # Without escapes every second piece between quotes lies outside strings; no loop over characters.
    unescaped = raw.replace(b"\\\\", b"").replace(b'\\"', b"")
    marks = unescaped.translate(None, _NOT_STRUCTURE)
    if marks.count(b'"') > _QUOTES * limits.nodes:
        raise _refusal(what, too_many(limits))
    structure = b"".join(marks.split(b'"')[::2])
    if (
        max(structure.count(b",") + 1, structure.count(b"[") + structure.count(b"{"), structure.count(b"]") + structure.count(b"}"))
        > limits.nodes
    ):
        raise _refusal(what, too_many(limits))
    if max(accumulate(map(_STEP.__getitem__, structure)), default=0) > limits.depth:
        raise _refusal(what, Fault("", "depth", f"is nested deeper than {limits.depth}.", allowed=limits.depth))


class _DoubledError(Exception):
    """An object has a name twice."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _DoubledError
    return found


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_object)


def _parse(text: str, limits: JsonLimits, what: str) -> Any:
    try:
        return _DECODER.decode(text)
    except (ValueError, _DoubledError):
        return _parse_closely(text, limits, what)


def _parse_closely(text: str, limits: JsonLimits, what: str) -> Any:
    """The same for a text with integers that Python does not read by itself; raises with the faults of any other."""
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
        raise _refusal(what, *faults[:_MOST_FAULTS])
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


def _is_plain(value: Any, limits: JsonLimits) -> bool:
    """Whether a value is JSON within the limits, as far as a quick look tells; False asks for :func:`_check_closely`."""
    nodes = size = 0
    for depth, (level, kinds) in enumerate(_levels(value)):
        nodes += len(level)
        if nodes > limits.nodes or not kinds <= _PLAIN or (depth >= limits.depth and kinds & _CONTAINERS):
            return False
        # orjson writes NaN as null.
        if float in kinds and not _are_finite(_of_kind(float, level, kinds)):
            return False
        if str in kinds:
            size += sum(map(len, _of_kind(str, level, kinds)))
        size += _key_size(level, kinds, limits)
        if size > limits.bytes:  # one long string that is shared many times
            return False
    return True


def _check_closely(value: Any, limits: JsonLimits, pointer: str, size: int = 0) -> None:
    """Raise with the faults that :func:`_is_plain` only suspects; ``size`` is that of the text, if known."""
    crowded = _is_crowded(value, limits)
    faults = [too_many(limits, pointer)] if crowded else list(islice(faults_of(value, limits, pointer), _MOST_FAULTS))
    if size > limits.bytes and not faults:
        faults = [too_large(limits, pointer)]
    if faults:
        raise InputError("The value cannot be written as JSON.", faults)


def _levels(value: Any) -> Iterator[tuple[list[Any], set[type]]]:
    """The values nested 0, 1, 2, ... deep and their types, as far as dicts and lists reach.

    ``get_referents`` gives the members of many dicts and lists in one step in C; a loop in Python costs
    several times what orjson does. It shows no str keys; other keys may appear, and orjson refuses those.
    """
    level, kinds = [value], {type(value)}
    yield level, kinds
    while kinds & _CONTAINERS and (level := get_referents(*level)):
        kinds = set(map(type, level))
        yield level, kinds


def _has_plain_numbers(value: Any, limits: JsonLimits) -> bool:
    """Whether a value of a text whose depth is known has no more values than allowed, and no number that asks for a closer look."""
    nodes = 0
    for level, kinds in _levels(value):
        nodes += len(level)
        if int in kinds and not _within(_of_kind(int, level, kinds)):
            return False
        if float in kinds and not _are_finite(_of_kind(float, level, kinds)):
            return False
    return nodes <= limits.nodes


def _are_finite(numbers: list[float]) -> bool:
    """A sum is finite only if every part is; where it overflows, a closer look tells."""
    return math.isfinite(sum(numbers))


def _of_kind(kind: type, level: list[Any], kinds: set[type]) -> list[Any]:
    """The values of a level that have this very type."""
    return level if len(kinds) == 1 else [item for item in level if type(item) is kind]


def _key_size(level: list[Any], kinds: set[type], limits: JsonLimits) -> int:
    """Characters in the keys of a level's dicts; more than any limit where a key is no text."""
    if dict not in kinds:
        return 0
    try:
        return sum(map(len, chain.from_iterable(_of_kind(dict, level, kinds))))
    except TypeError:
        return limits.bytes + 1


def _is_crowded(value: Any, limits: JsonLimits) -> bool:
    """Whether plain objects and arrays hold too many values: walking over millions of them takes seconds."""
    nodes = 0
    for depth, (level, kinds) in enumerate(_levels(value)):
        nodes += len(level)
        if nodes > limits.nodes or depth >= limits.depth or not kinds <= _PLAIN:
            break
    return nodes > limits.nodes
