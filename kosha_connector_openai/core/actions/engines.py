"""The seam to the JSON Schema libraries: both answer in one shape, neither can fetch, neither runs an unbounded pattern."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, Protocol

Path = tuple[str | int, ...]
NOT_JSON = (ValueError, OverflowError, RecursionError)
"""What engines raise on values that JSON does not have, or that are too deep."""


@dataclass(frozen=True, slots=True)
class RawFault:
    """One violated keyword, in the same words from every engine.

    ``schema_path`` is the way of evaluation through the schema, with ``$ref`` as a step of its own. ``params`` holds
    ``value`` (the keyword's value in the schema), ``name`` or ``names`` (the properties concerned) or ``slow``.
    ``branches`` holds the faults of each branch of a failed ``anyOf`` or ``oneOf``; it is empty where a ``oneOf`` fits
    more than once.
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

    def first_error(self, value: Any) -> RawFault | None:
        """One violated keyword, found without looking for the others."""


class Engine(Protocol):
    """A JSON Schema 2020-12 library."""

    def compile(self, schema: Mapping[str, Any]) -> Compiled:
        """The schema, ready for use.

        Raises DocumentError where it is not a JSON Schema, or holds a pattern that this engine may not run.
        """


def default_engine() -> Engine:
    """The compiled engine where it is installed, else the reference engine."""
    if find_spec("jsonschema_rs") is None:
        from kosha_connector_openai.core.actions.python_engine import PythonEngine  # noqa: PLC0415 - slow to import

        return PythonEngine()
    from kosha_connector_openai.core.actions.rust_engine import RustEngine  # noqa: PLC0415 - not on every platform

    return RustEngine()
