"""The check of what people write, by pydantic's adapters of the records; imported only where something is checked or described."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from types import UnionType
from typing import Annotated, Any, Final, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import Discriminator, Field, Tag, TypeAdapter, ValidationError
from pydantic_core import core_schema

from kosha_connector_openai.errors import Fault, ManifestError
from kosha_connector_openai.text import nearest, to_pointer

_P = TypeVar("_P")


adapter: Final[Callable[[Any], TypeAdapter[Any]]] = cache(TypeAdapter)
"""What pydantic makes of a record's annotations."""


def json_schema(model: type[Any]) -> dict[str, Any]:
    """The record as JSON Schema 2020-12."""
    return adapter(model).json_schema()


def json_value(record: object, *, exclude_none: bool = False) -> Any:
    """The record as a JSON value: objects, arrays, text for dates and paths."""
    return adapter(type(record)).dump_python(record, mode="json", exclude_none=exclude_none)


def validate(raw: Any, model: type[_P], name: str) -> _P:
    """``raw`` as a record; raises ManifestError with every fault and its JSON Pointer."""
    try:
        found: _P = adapter(model).validate_python(raw)
        return found
    except ValidationError as error:
        faults = [_fault(model, entry["loc"], entry["type"], entry["msg"]) for entry in error.errors(include_input=False)]
    # Raised out here: inside, the library's error would stay its context, and that one holds the values.
    what = "the manifest's schema" if name == "connector.yaml" else "its schema"
    raise ManifestError(f"{name} breaks {what}.", faults)


def constrained(source: Any, rules: Mapping[str, Any]) -> Any:
    """A type with constraints, as pydantic writes it."""
    return Annotated[source, Field(**rules)]


def tagged(union: Any, default: str) -> Any:
    """A union of records by the values of their ``kind``, as pydantic writes it."""

    def _kind(value: Any) -> Any:
        return value.get("kind", default) if isinstance(value, Mapping) else getattr(value, "kind", None)

    members = tuple(Annotated[member, Tag(get_args(get_type_hints(member)["kind"])[0])] for member in get_args(union))
    return Annotated[Union[members], Discriminator(_kind)]  # noqa: UP007 - made of a tuple


def accepting(accept: Callable[[Any], Any], schema: Any) -> Any:
    """A schema for what ``accept`` returns."""
    return core_schema.no_info_before_validator_function(accept, schema)


def _fault(model: type[Any], location: tuple[int | str, ...], rule: str, message: str) -> Fault:
    pointer = to_pointer(location)
    if rule == "dataclass_type":
        rule, message = "model_type", "must be an object"
    if rule == "missing":
        return Fault(pointer, rule, "is missing.", f"Add `{location[-1]}`.")
    if rule != "unexpected_keyword_argument":
        return Fault(pointer, rule, f"{message}.")
    names = sorted(_names(model, location[:-1]))
    near = nearest(str(location[-1]), names)
    fix = f"Did you mean `{near}`?" if near else f"Known here: {', '.join(names)}."
    return Fault(pointer, "unknown", "No such key.", fix, allowed=names)


def _names(model: Any, location: Iterable[int | str]) -> set[str]:
    """The keys known at a place, found by following the records' annotations."""
    for token in location:
        for part in _members(model):
            if isinstance(token, str) and dataclasses.is_dataclass(part):
                model = get_type_hints(part).get(token)
            elif get_origin(part) is not None:
                arguments = get_args(part)
                model = arguments[-1] if arguments[-1] is not Ellipsis else arguments[0]
    return {entry.name for part in _members(model) if dataclasses.is_dataclass(part) for entry in dataclasses.fields(part)}


def _members(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
