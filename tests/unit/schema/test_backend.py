"""Both backends answer in one shape; neither fetches, and neither runs a pattern without bound."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

import pytest

from kosha_connector_openai.errors import DocumentError
from kosha_connector_openai.schema.backend import RawFault, SchemaBackend
from kosha_connector_openai.schema.backend_choice import default_backend
from kosha_connector_openai.schema.python_backend import PythonBackend
from kosha_connector_openai.schema.rust_backend import RustBackend

EVIL = "a" * 40 + "!"
both = pytest.mark.parametrize("backend", [RustBackend(), PythonBackend()], ids=["rust", "python"])


@both
@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        ({"type": "string"}, 1, RawFault("type", (), ("type",), {"value": ["string"]})),
        ({"required": ["a"]}, {}, RawFault("required", (), ("required",), {"name": "a"})),
        ({"dependentRequired": {"a": ["b"]}}, {"a": 1}, RawFault("required", (), ("dependentRequired",), {"name": "b"})),
        ({"properties": {"a": {"enum": [1]}}}, {"a": 2}, RawFault("enum", ("a",), ("properties", "a", "enum"), {"value": [1]})),
        ({"items": {"const": "x"}}, ["y"], RawFault("const", (0,), ("items", "const"), {"value": "x"})),
        ({"maximum": 2}, 3, RawFault("maximum", (), ("maximum",), {"value": 2})),
        ({"propertyNames": {"maxLength": 1}}, {"ab": 1}, RawFault("propertyNames", ("ab",), ("propertyNames", "maxLength"))),
        ({"additionalProperties": False}, {"a": 1}, RawFault("additionalProperties", (), ("additionalProperties",), {"names": ["a"]})),
        ({"unevaluatedProperties": False}, {"a": 1}, RawFault("unevaluatedProperties", (), ("unevaluatedProperties",), {"names": ["a"]})),
        ({"if": {}, "then": {"minimum": 1}}, 0, RawFault("minimum", (), ("then", "minimum"), {"value": 1})),
        (
            {"anyOf": [{"type": "string"}, {"minimum": 1}]},
            0,
            RawFault(
                "anyOf",
                (),
                ("anyOf",),
                branches=(
                    (RawFault("type", (), ("anyOf", 0, "type"), {"value": ["string"]}),),
                    (RawFault("minimum", (), ("anyOf", 1, "minimum"), {"value": 1}),),
                ),
            ),
        ),
        ({"oneOf": [{}, True]}, 0, RawFault("oneOf", (), ("oneOf",))),
    ],
)
def test_one_shape(backend: SchemaBackend, schema: dict[str, Any], value: Any, expected: RawFault) -> None:
    """Each keyword's fault has the same words, paths and parameters from both backends."""
    compiled = backend.compile(schema)
    assert list(compiled.errors(value)) == [expected]
    assert not compiled.is_valid(value)


@both
@pytest.mark.parametrize(
    ("pattern", "text", "valid"),
    [
        ("^[a-zA-Z0-9_-]+$", "a_b-9", True),
        ("^[a-zA-Z0-9_-]+$", "a\n", False),
        (r"^\d{2}$", "१२", False),
        ("^tunnel_[a-z0-9]{2}$", "tunnel_a1", True),
        ("b", "abc", True),
        ("^$", "", True),
    ],
)
def test_patterns_are_read_alike(backend: SchemaBackend, pattern: str, text: str, valid: bool) -> None:
    """A pattern means what ECMA-262 says: ``$`` is the very end, ``\\d`` is ASCII, and it may match anywhere."""
    assert backend.compile({"pattern": pattern}).is_valid(text) is valid


@pytest.mark.parametrize(
    "schema",
    [
        {"pattern": "^(a+)+$"},
        {"pattern": r"^(?:(a+)\1?)+$"},
        {"pattern": r"^(a|aa)+(?=b)b\1$"},
        {"pattern": "^(?=(?:(?=.*b)a)+c)a"},
        {"propertyNames": {"pattern": r"^(?:(a+)\1?)+$"}},
        {"not": {"pattern": r"^(?:(a+)\1?)+$"}},
        {"patternProperties": {"^(a+)+$": False}, "additionalProperties": False},
        {"pattern": "^(?:a?){30}a{30}$"},
    ],
)
@pytest.mark.parametrize("value", [EVIL, {EVIL: 1}, "a" * 100_000])
def test_hostile_patterns_end(schema: dict[str, Any], value: Any) -> None:
    """S10: patterns that take exponential time elsewhere are decided within a second."""
    started = time.perf_counter()
    list(RustBackend().compile(schema).errors(value))
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize("pattern", ["^(a+)+$", r"^(?:(a+)\1?)+$", "a+b", "^a*a*$", "^a?a?$", "^.*$", "(a|b)"])
def test_the_reference_backend_refuses_what_it_cannot_bound(pattern: str) -> None:
    """S10: a pattern that could step back is refused with its place before any text is seen."""
    with pytest.raises(DocumentError) as caught:
        PythonBackend().compile({"properties": {"a": {"pattern": pattern}}})
    assert caught.value.pointer == "/properties/a/pattern"


@pytest.mark.parametrize("schema", [{"pattern": "("}, {"pattern": "(?:a{1000}){1000}{1000}"}, {"patternProperties": {"(?=a)": {}}}])
def test_the_compiled_backend_refuses_what_it_cannot_bound(schema: dict[str, Any]) -> None:
    """S10: faulty and huge patterns are refused, and names are matched in linear time or not at all."""
    with pytest.raises(DocumentError, match="not a regular expression that can be run in bounded time"):
        RustBackend().compile(schema)


def test_a_pattern_that_gives_up_says_so() -> None:
    """S10: a text that a pattern cannot be decided on is a fault of its own, and so is one that is too long for it."""
    compiled = RustBackend().compile({"pattern": r"^(?:(a+)\1?)+$"})
    assert [raw.params for raw in compiled.errors(EVIL)] == [{"slow": True}]
    assert [(raw.keyword, raw.params) for raw in compiled.errors("a" * 257)] == [("maxLength", {"value": 256})]
    assert compiled.is_valid("aaaa")


def test_a_constant_that_looks_like_a_pattern_is_left_alone() -> None:
    """Bounding patterns changes schemas only, never the values in them."""
    compiled = RustBackend().compile({"const": {"pattern": "(?=a)"}, "allOf": [{"properties": {"x": {"pattern": "(?=a)"}}}]})
    assert compiled.is_valid({"pattern": "(?=a)"})


@both
@pytest.mark.parametrize("reference", ["http://127.0.0.1:9/schema", "file:///etc/hostname", "#/$defs/None"])
def test_nothing_is_fetched(backend: SchemaBackend, reference: str) -> None:
    """S2: a reference that leads out of the schema is an error, at once or at the first value, and no request."""
    with pytest.raises(DocumentError):
        backend.compile({"$ref": reference}).is_valid(1)


@pytest.mark.parametrize("backend", ["rust_backend.RustBackend", "python_backend.PythonBackend"])
def test_nothing_outside_is_opened(backend: str) -> None:
    """S1, S2: compiling and checking with references to files and hosts opens no file and no connection."""
    module, name = backend.split(".")
    code = f"""
import sys
from kosha_connector_openai.schema.{module} import {name}
from kosha_connector_openai.errors import DocumentError
{name}().compile({{"type": "string"}}).is_valid(1)
seen = []
sys.addaudithook(lambda event, _: seen.append(event) if event in ("open", "socket.connect", "socket.getaddrinfo") else None)
for reference in ("file:///etc/hostname", "http://127.0.0.1:9/x", "other.json#/x"):
    try:
        {name}().compile({{"$ref": reference}}).is_valid(1)
    except DocumentError:
        seen.append("refused")
print(seen)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['refused', 'refused', 'refused']\n"


@both
@pytest.mark.parametrize("schema", [{"type": "text"}, {"minimum": "1"}, {"properties": []}])
def test_a_faulty_schema_is_refused(backend: SchemaBackend, schema: dict[str, Any]) -> None:
    """What is no JSON Schema is a DocumentError with the place in the schema."""
    with pytest.raises(DocumentError) as caught:
        backend.compile(schema)
    assert caught.value.pointer == f"/{next(iter(schema))}"


def test_the_compiled_backend_is_the_default() -> None:
    """Where jsonschema-rs is installed it is used."""
    assert isinstance(default_backend(), RustBackend)


def test_without_the_compiled_backend_the_reference_backend_is_used() -> None:
    """Where jsonschema-rs cannot be imported, jsonschema takes its place."""
    code = (
        "import sys; sys.modules['jsonschema_rs'] = None\n"
        "from kosha_connector_openai.schema.validator import SchemaValidator\n"
        "print(SchemaValidator({'type': 'integer'}).check('1').faults[0].fix, 'jsonschema' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "Remove the quotes. True\n"


def test_the_reference_backend_is_not_imported_without_need() -> None:
    """jsonschema is slow to import, so checking a value does not."""
    code = (
        "import sys\n"
        "from kosha_connector_openai.schema.validator import SchemaValidator\n"
        "SchemaValidator({'type': 'integer'}).check('1')\n"
        "print('jsonschema' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
