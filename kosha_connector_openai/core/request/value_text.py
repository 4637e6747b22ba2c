"""Values as text: one leaf, the parts of an array or object, and nested values as named leaves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NoReturn

from kosha_connector_openai.errors import Fault, InputError
from kosha_connector_openai.text import check_value, escape

MAX_DEPTH: Final = 64


def flatten(name: str, value: Any, pointer: str, depth: int = 0, *, lists: str | None = None) -> Iterator[tuple[str, Any, str]]:
    """The leaves of nested values as (name, leaf, pointer), for forms and deep objects; None is left out.

    A member of an object is ``a[b]``. ``lists`` says what an item is: ``name[0]``, ``name[]``, or ``name`` as it is, but for
    items that have parts themselves: only an index keeps these together. A key with a bracket is refused.
    """
    if depth > MAX_DEPTH:
        refuse(pointer, "depth", f"is nested deeper than {MAX_DEPTH}.")
    if isinstance(value, Mapping):
        for key, child in value.items():
            if set(field_name(key, pointer)) & set("[]"):
                refuse(pointer, "key", "has a key with a bracket.")
            yield from flatten(f"{name}[{key}]", child, f"{pointer}/{escape(key)}", depth + 1, lists=lists)
    elif isinstance(value, (list, tuple)):
        for index, child in enumerate(value):
            yield from flatten(item_name(name, index, child, lists), child, f"{pointer}/{index}", depth + 1, lists=lists)
    elif value is not None:
        yield name, value, pointer


def item_name(name: str, index: int, item: Any, lists: str | None) -> str:
    """What an item of a list is called."""
    if name.endswith("[]"):
        return name
    if lists == "name[]":
        return f"{name}[]"
    return f"{name}[{index}]" if lists == "name[0]" or isinstance(item, (Mapping, list, tuple)) else name


def field_name(name: Any, pointer: str) -> str:
    """``name`` if it is text that UTF-8 can write."""
    if not isinstance(name, str):
        refuse(pointer, "type", "has a key that is not text.")
    check_value(name, pointer=pointer)
    return name


def scalar_text(value: Any, pointer: str) -> str:
    """One value as text: ``true``, ``false``, ``null``, exact integers, the shortest form of a float."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    check_value(value, pointer=pointer)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, float):
        return repr(float(value)).removesuffix(".0")
    if not isinstance(value, int):
        refuse(pointer, "style", "is nested deeper than its style can write.", "Give text or numbers.")
    return str(int(value))


def items(value: Any, pointer: str) -> Iterator[tuple[str | None, Any]]:
    """A scalar as itself, the items of an array, the members of an object; each with its key or None."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield field_name(key, pointer), item
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield None, item
    else:
        yield None, value


def refuse(pointer: str, rule: str, message: str, fix: str = "") -> NoReturn:
    """Raise the :class:`InputError` of one fault."""
    raise InputError("The value cannot be written.", [Fault(pointer, rule, message, fix)])
