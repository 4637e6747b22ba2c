"""The interface to JSON Schema libraries: violated keywords come out in one form, nothing is fetched, every pattern is bounded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from kosha_connector_openai.errors import DocumentError, Fault
from kosha_connector_openai.schema.keywords import Path, children
from kosha_connector_openai.text import to_pointer

NOT_JSON = (ValueError, OverflowError, RecursionError, RuntimeError)
"""What backends raise on values that JSON does not have, or that are too deep or too large for them (a panic is a RuntimeError)."""


@dataclass(frozen=True, slots=True)
class RawFault:
    """One violated keyword, in the same words from every backend.

    ``schema_path`` is the way of evaluation through the schema, its ``$ref`` steps left out or not.
    ``params`` holds ``value`` (the keyword's value in the schema), ``name`` or ``names`` (the properties
    concerned) or ``slow``. ``branches`` holds the faults of each branch of a failed ``anyOf`` or ``oneOf``;
    it is empty where a ``oneOf`` fits more than once.
    """

    keyword: str
    instance_path: Path
    schema_path: Path
    params: Mapping[str, Any] = field(default_factory=dict)
    branches: tuple[tuple[RawFault, ...], ...] = ()


class Compiled(Protocol):
    """A schema that is ready to check values. Its methods raise what ``NOT_JSON`` lists."""

    def is_valid(self, value: Any) -> bool:
        """Whether the value is valid."""

    def errors(self, value: Any) -> Iterable[RawFault]:
        """Every violated keyword."""


class SchemaBackend(Protocol):
    """A JSON Schema 2020-12 library."""

    def compile(self, schema: Mapping[str, Any]) -> Compiled:
        """Returns the compiled schema.

        Raises DocumentError where it is not a JSON Schema, or holds a pattern that this backend may not run.
        """


def not_a_schema(place: Path) -> DocumentError:
    """The error for a schema that is not JSON Schema at this place."""
    return _refused(place, "This is not a JSON Schema.")


def unsafe_pattern(place: Path) -> DocumentError:
    """The error for a pattern that may not run: it could take too long, or is not a regular expression."""
    return _refused(place, "This pattern is not a regular expression that can be run in bounded time.")


def _refused(place: Path, message: str) -> DocumentError:
    pointer = to_pointer(place)
    return DocumentError(message, [Fault(pointer, "schema", message)], pointer=pointer)


def patterns(schema: Any, place: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every regular expression in a schema, with its place."""
    if isinstance(schema, Mapping) and isinstance(text := schema.get("pattern"), str):
        yield (*place, "pattern"), text
    for step, part in children(schema):
        if step[0] == "patternProperties":
            yield (*place, *step), str(step[1])
        yield from patterns(part, (*place, *step))
