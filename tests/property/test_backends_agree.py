"""The compiled backend and the reference backend agree on thousands of bodies: the same verdict, the same faults."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kosha_connector_openai.openapi.dialect import to_json_schema
from kosha_connector_openai.openapi.document import read_document
from kosha_connector_openai.schema.backend import SchemaBackend
from kosha_connector_openai.schema.python_backend import PythonBackend
from kosha_connector_openai.schema.rust_backend import RustBackend
from kosha_connector_openai.schema.samples import sample
from kosha_connector_openai.schema.validator import SchemaValidator

DESCRIPTION = Path(__file__).parents[2] / "openapi.json"
EXAMPLES = 60
LEAST_BODIES = 5_000
STEP = 16
"""Of the description's bodies each sixteenth is compared every time, the others where slow tests are run."""

DROP, RENAME = object(), object()
JUNK = (None, True, 0, -1, 1.0, 2.5, 10**30, "", "1", "a\nb", "user", [], [None], ["a", 1], {}, {"type": "text"}, {"role": "user"})
SMALL = {
    "bounds": {"properties": {"a": {"type": "number", "exclusiveMinimum": 0, "maximum": 2, "multipleOf": 0.5}}, "required": ["a"]},
    "texts": {"properties": {"a": {"type": "string", "minLength": 1, "pattern": "^[a-z_]+$"}, "b": {"const": "user"}}, "minProperties": 1},
    "lists": {"properties": {"a": {"type": "array", "items": {"enum": ["a", 1, None, True]}, "uniqueItems": True, "minItems": 1}}},
    "closed": {"properties": {"a": {"type": "integer"}, "abc": {}}, "additionalProperties": False, "dependentRequired": {"abc": ["a"]}},
    "conditional": {
        "properties": {"a": {"type": ["string", "null"]}},
        "if": {"properties": {"a": {"const": "1"}}},
        "then": {"required": ["b"]},
        "propertyNames": {"maxLength": 3},
    },
}

GIVEN = {"createImageEdit": {"prompt": "a hat", "images": [{"image_url": "https://example.org/a.png"}, {"file_id": "file-1"}]}}
"""Bodies for schemas whose conditions no generator sees through."""


@cache
def described() -> dict[str, Callable[[], Any]]:
    """Every JSON body that the description has, each as what makes its schema."""
    document = read_document(DESCRIPTION) if DESCRIPTION.exists() else {}
    found: dict[str, Callable[[], Any]] = {}
    for name in document:
        body = document[name].request_body
        media_type = body.content.get("application/json") if body else None
        if media_type and media_type.schema is not None:
            found[name] = partial(to_json_schema, document.root, media_type.schema, version=document.version, request=True)
    return found


@cache
def schema(name: str) -> Any:
    """A small schema, or that of one of the description's bodies."""
    return SMALL[name] if name in SMALL else described()[name]()


@cache
def validators(name: str) -> tuple[SchemaValidator, SchemaValidator]:
    return tuple(SchemaValidator(schema(name), backend=backend) for backend in (RustBackend(), PythonBackend()))


def start(name: str, seed: str = "", minimal: bool = False) -> Any:
    """A valid body."""
    given = copy.deepcopy(GIVEN.get(name))
    return given or sample(schema(name), seed=seed, minimal=minimal)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container and key in a value."""
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from places(value[key])


def mutate(value: Any, where: int, how: Any) -> None:
    """Drops, renames or replaces one part of a value."""
    found = list(places(value))
    if not found:
        return
    owner, key = found[where % len(found)]
    if how is DROP:
        del owner[key]
    elif how is RENAME and isinstance(owner, dict):
        owner[f"{key}s"] = owner.pop(key)
    else:
        owner[key] = copy.deepcopy(how) if how is not RENAME else "renamed"


@st.composite
def bodies(draw: st.DrawFn, name: str) -> Any:
    value = {"body": start(name, str(draw(st.integers(0, 20))), draw(st.booleans()))}
    for _ in range(draw(st.integers(0, 3))):
        mutate(value["body"], draw(st.integers(0, 200)), draw(st.sampled_from((DROP, RENAME, *JUNK))))
    return value["body"]


NAMES = [
    pytest.param(name, marks=() if name in SMALL or number % STEP == 0 else pytest.mark.slow)
    for number, name in enumerate(sorted({*SMALL, *described()}))
]


@pytest.mark.parametrize("name", NAMES)
def test_backends_agree(name: str) -> None:
    """For bodies that are valid, or changed in up to three places, both backends tell the same faults at the same places."""
    rust, python = validators(name)

    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(bodies(name))
    def agree(body: Any) -> None:
        mine, reference = rust.check(body), python.check(body)
        assert {(fault.pointer, fault.rule) for fault in mine.faults} == {(fault.pointer, fault.rule) for fault in reference.faults}
        assert mine == reference

    agree()


def test_there_are_enough_bodies() -> None:
    """The test above compares at least five thousand bodies where the description is present."""
    if not DESCRIPTION.exists():
        pytest.skip("the description is not here")
    assert len(NAMES) * EXAMPLES >= LEAST_BODIES


@pytest.mark.parametrize("backend", [RustBackend(), PythonBackend()], ids=["rust", "python"])
@pytest.mark.parametrize("name", NAMES)
def test_samples_are_valid(name: str, backend: SchemaBackend) -> None:
    """The bodies that the changes start from are valid, so that valid ones are compared too."""
    assert SchemaValidator(schema(name), backend=backend).check(start(name)).faults == ()
