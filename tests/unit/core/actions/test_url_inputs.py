"""Parameters as text: each is read as its schema takes it, so that a URL is judged as the same values would be."""

from __future__ import annotations

from typing import Any

import pytest

from kosha_connector_openai.core.actions.inputs import Inputs
from kosha_connector_openai.core.actions.url_inputs import TextInputs
from kosha_connector_openai.openapi.document import parse_document

TEXT = """
openapi: 3.1.0
info: {title: t, version: "1"}
paths:
  /a/{id}:
    get:
      operationId: a
      parameters:
        - {name: id, in: path, required: true, schema: {type: string, maxLength: 3}}
        - {name: n, in: query, schema: {type: integer, minimum: 1}}
        - {name: f, in: query, schema: {type: number}}
        - {name: b, in: query, schema: {type: boolean}}
        - {name: s, in: query, schema: {type: string}}
        - {name: e, in: query, schema: {enum: [x, 2, null]}}
        - {name: l, in: query, schema: {type: array, items: {type: integer}}}
        - {name: c, in: query, explode: false, style: form, schema: {type: array, items: {enum: [x, y]}}}
        - {name: o, in: query, style: deepObject, explode: true, schema: {type: object, required: [k]}}
        - {name: r, in: query, required: true, schema: {type: string}}
        - {name: u, in: query, schema: {anyOf: [{type: string, maxLength: 2}, {type: integer}]}}
      responses: {}
"""


@pytest.fixture(scope="module")
def inputs() -> TextInputs:
    document = parse_document(TEXT.encode())
    return TextInputs(Inputs(document, document["a"]), document)


@pytest.mark.parametrize(
    ("name", "text", "rule"),
    [
        ("n", "1", None), ("n", "0", "minimum"), ("n", "x", "type"), ("n", "1.5", "type"), ("n", "", "type"), ("n", "01", "type"),
        ("n", "9" * 5_000, "type"),
        ("f", "1", None), ("f", "-1.5e3", None), ("f", "x", "type"), ("f", "NaN", "type"), ("f", "1e400", "type"),
        ("b", "true", None), ("b", "1", "type"), ("b", "True", "type"),
        ("s", "12", None), ("s", "true", None), ("s", "", None),
        ("e", "x", None), ("e", "2", None), ("e", "null", None), ("e", "y", "enum"),
        ("l", "1", None), ("l[]", "1", None), ("l", "x", "type"),
        ("c", "x,y", None), ("c", "x", None), ("c", "x,z", "enum"),
        ("o[k]", "1", None), ("o[z][y]", "1", None), ("other", "1", None),
        ("u", "12345", None), ("u", "abc", None),
    ],
)  # fmt: skip
def test_one_value(inputs: TextInputs, name: str, text: str, rule: str | None) -> None:
    """Its first rule that is broken, or none."""
    if (name, text) == ("u", "abc"):
        rule = "maxLength"
    faults = inputs.faults({"id": "x"}, [("r", "1"), (name, text)])
    assert ([fault.rule for fault in faults][:1] or [None])[0] == rule, faults
    assert not text.strip() or len(text) < 3 or not any(text in str(fault) for fault in faults)


def test_many_values(inputs: TextInputs) -> None:
    """A name that is given more than once is a list."""
    assert inputs.faults({"id": "x"}, [("r", "1"), ("l", "1"), ("l", "2")]) == ()
    assert [fault.pointer for fault in inputs.faults({"id": "x"}, [("r", "1"), ("n", "1"), ("n", "2")])] == ["/n"]


def test_path_values_and_what_is_missing(inputs: TextInputs) -> None:
    """All faults at once."""
    found: list[tuple[str, Any]] = [(fault.pointer, fault.rule) for fault in inputs.faults({"id": "long"}, [])]
    assert found == [("/r", "required"), ("/id", "maxLength")]
