"""A claim about each row of a large table, as one test: all rows are looked at, and each that fails is named with its fault."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import jsonschema_rs
import pytest

T = TypeVar("T")


def check_each(rows: Iterable[T], claim: Callable[[T], None]) -> None:
    """Fails with each row for which ``claim`` raises, the fault and its line; no row at all fails too."""
    faults, count = [], 0
    for row in rows:
        count += 1
        try:
            claim(row)
        except (Exception, pytest.fail.Exception) as fault:
            line = traceback.extract_tb(fault.__traceback__)[:2][-1].lineno
            faults.append(f"{row}, line {line}: {''.join(traceback.format_exception_only(fault)).strip()}")
    assert count
    if faults:
        pytest.fail(f"{len(faults)} of {count} rows fail:\n" + "\n".join(faults), pytrace=False)


def compiled(schema: Any) -> jsonschema_rs.Draft202012Validator:
    """A validator of JSON Schema 2020-12; fails where the schema is none by its meta-schema."""
    jsonschema_rs.meta.validate(schema)
    return jsonschema_rs.Draft202012Validator(schema)
