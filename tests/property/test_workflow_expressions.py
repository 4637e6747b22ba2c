"""Expressions, conditions and documents of any text: read, or refused with a declared error; never anything else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kosha_connector_openai import Connector, open_connector
from kosha_connector_openai.errors import WorkflowDocumentError
from kosha_connector_openai.flows.workflows.conditions import compare, parse_condition
from kosha_connector_openai.flows.workflows.criteria import read_jsonpath, read_regex
from kosha_connector_openai.flows.workflows.expressions import MISSING, Expression, ExpressionError, find, parse
from kosha_connector_openai.flows.workflows.parse_document import read_workflows
from kosha_connector_openai.flows.workflows.templates import Omitted, Unfilled, read_template

JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
WORDS = ["$inputs", "$steps", "$response", ".", "#", "/", "a", "body", "header", "outputs", "~", "$", "{", "}", "[0]", "1"]
EXPRESSIONS = st.lists(st.sampled_from(WORDS), max_size=8).map("".join) | st.text(max_size=30)
PIECES = [
    "$a",
    "$b.c",
    "'x'",
    "''",
    "1",
    "-2.5e3",
    "true",
    "null",
    "==",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "!",
    "&&",
    "||",
    "(",
    ")",
    "[",
    "]",
    ".p",
    " ",
]
CONDITIONS = st.lists(st.sampled_from(PIECES), max_size=16).map(" ".join) | st.text(max_size=40)
VALUES = JSON | st.just(MISSING)


def read(text: str) -> Expression:
    return Expression("inputs", (text,))


@given(EXPRESSIONS)
@example("$response.body#" + "/a" * 600)
def test_an_expression_is_read_or_refused(text: str) -> None:
    """Any text gives an expression or an ExpressionError."""
    with suppress(ExpressionError):
        assert isinstance(parse(text), Expression)


@given(CONDITIONS, VALUES)
@example("(" * 400 + "1" + ")" * 400, 1)
@example("!" * 1_000 + "true", 1)
@example("9" * 500 + " == 1", 1)
@settings(max_examples=400)
def test_a_condition_is_true_false_undecided_or_refused(text: str, value: Any) -> None:
    """Any text and value decide to one of three values, or the text is refused."""
    with suppress(ExpressionError):
        condition = parse_condition(text, read)
        assert condition.decide(lambda expression: find(value, expression.steps_in)) in (True, False, None)


@given(VALUES, VALUES, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]))
def test_comparisons_are_decided_both_ways(left: Any, right: Any, sign: str) -> None:
    """A comparison says what its mirror says, and `!=` is the contrary of `==`."""
    mirrored = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}.get(sign, sign)
    found = compare(left, right, sign)
    assert found in (True, False, None)
    assert found is compare(right, left, mirrored)
    if sign in ("==", "!=") and found is not None:
        assert compare(left, right, "!=" if sign == "==" else "==") is not found


@given(JSON, EXPRESSIONS)
def test_a_value_of_a_document_is_filled_or_refused(value: Any, text: str) -> None:
    """A template of any value is filled, also where what is filled in looks like an expression."""
    faults: list[Any] = []
    template = read_template([value, {"k": text}], "", parse, lambda *fault: faults.append(fault))
    try:
        template.fill(lambda _: "{$inputs.again} $inputs.again")
    except (Omitted, Unfilled):
        raise AssertionError("a value that is there is always filled in") from None


@given(st.text(max_size=30))
@example("$[?match(@.a, '(a+)+$')]")
@example("$" + "[?@.a" * 200)
@example("$..a..b")
def test_queries_and_patterns_are_read_or_refused(text: str) -> None:
    """Any text is a query or a pattern that decides on a long text, or is refused."""
    for kind in (read_jsonpath, read_regex):
        with suppress(ExpressionError):
            test = kind(text)
            assert test({"a": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"}) in (True, False, None)


@pytest.fixture(scope="module")
def described() -> Iterator[Connector]:
    with open_connector() as opened:
        yield opened


KEYS = st.sampled_from(
    [
        "arazzo",
        "info",
        "sourceDescriptions",
        "workflows",
        "workflowId",
        "steps",
        "stepId",
        "operationId",
        "parameters",
        "requestBody",
        "outputs",
        "successCriteria",
        "condition",
        "onFailure",
        "onSuccess",
        "type",
        "name",
        "inputs",
        "components",
        "$ref",
        "in",
        "value",
        "reference",
        "x-a",
    ]
)
TEXTS = st.sampled_from(
    ["1.0.1", "openai", "listModels", "a", "end", "goto", "$inputs.a", "#/components/inputs/a", "retry", "simple", "regex"]
)
TREES: Any = st.recursive(
    TEXTS | st.none() | st.integers() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=25,
)


@given(TREES, TREES, TREES)
@settings(max_examples=300, deadline=None)
def test_any_document_is_read_or_refused(described: Connector, steps: Any, inputs: Any, components: Any) -> None:
    """Whatever stands in a document, only WorkflowDocumentError is raised."""
    head = {"arazzo": "1.0.1", "info": {"title": "t", "version": "1"}, "sourceDescriptions": [{"name": "openai", "url": "u"}]}
    step = {"stepId": "s", "operationId": "listModels"}
    for workflows in (steps, [{"workflowId": "w", "inputs": inputs, "steps": steps}], [{"workflowId": "w", "steps": [step, steps]}]):
        with suppress(WorkflowDocumentError):
            read_workflows({**head, "workflows": workflows, "components": components}, described)
    if isinstance(steps, dict):
        with suppress(WorkflowDocumentError):
            read_workflows({**head, "workflows": [{"workflowId": "w", "steps": [{**step, **steps}]}]}, described)
