"""Edits of a schema, each with what it means for those who send values and for those who read them."""

from __future__ import annotations

from typing import Any

import pytest

from kosha_connector_openai.openapi.diff import compare_documents
from kosha_connector_openai.openapi.document import Document
from tests.unit.openapi.diff.describe import compare_schemas, echo, json_content, seen

B, C, I = "breaking", "compatible", "information"  # noqa: E741 - as in the table of kinds


def obj(required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}


S, N, W = {"type": "string"}, {"type": "number"}, {"type": "integer"}
CAT, DOG, COW = (obj(("kind",), kind={"const": name}) for name in ("cat", "dog", "cow"))

EDITS = [
    ("new optional field", obj(a=S), obj(a=S, b=S), "/b", "field-added", C, C),
    ("new required field", obj(a=S), obj(("b",), a=S, b=S), "/b", "required-field-added", B, C),
    ("field gone", obj(a=S, b=S), obj(a=S), "/b", "field-removed", B, B),
    ("required field gone", obj(("b",), b=S), obj(), "/b", "field-removed", B, B),
    ("field became required", obj(a=S), obj(("a",), a=S), "/a", "now-required", B, C),
    ("field became optional", obj(("a",), a=S), obj(a=S), "/a", "now-optional", C, B),
    ("name became required that is no property", obj(), {**obj(), "required": ["a"]}, "/a", "required-field-added", B, C),
    ("null allowed", obj(a=S), obj(a={"type": ["string", "null"]}), "/a", "null-added", C, B),
    ("null forbidden", obj(a={"type": ["string", "null"]}), obj(a=S), "/a", "null-removed", B, C),
    ("another type too", obj(a=S), obj(a={"type": ["string", "array"]}), "/a", "type-added", C, B),
    ("a type less", obj(a={"type": ["string", "array"]}), obj(a=S), "/a", "type-removed", B, C),
    ("another type instead", obj(a=S), obj(a={"type": "boolean"}), "/a", "type-changed", B, B),
    ("any type", obj(a=S), obj(a={}), "/a", "type-added", C, B),
    ("no longer any type", obj(a={}), obj(a=S), "/a", "type-removed", B, C),
    ("nothing fits", obj(a=S), obj(a=False), "/a", "type-removed", B, C),
    ("whole numbers to all numbers", obj(a=W), obj(a=N), "/a", "type-added", C, B),
    ("all numbers to whole numbers", obj(a=N), obj(a=W), "/a", "type-removed", B, C),
    ("value added", {"enum": ["a"]}, {"enum": ["a", "b"]}, "", "values-added", C, B),
    ("value removed", {"enum": ["a", "b"]}, {"const": "a"}, "", "values-removed", B, C),
    ("values opened", {"enum": ["a"]}, S, "", "values-opened", C, B),
    ("values closed", S, {"enum": ["a"]}, "", "values-closed", B, C),
    ("values that a bound refuses", {"enum": ["a"]}, {"allOf": [{"enum": ["a"]}, {**S, "maxLength": 0}]}, "", "type-removed", B, C),
    ("values to a pattern", {"enum": ["a"]}, {**S, "pattern": "^b"}, "", "rule-changed", B, B),
    ("known value beside any", S, {"anyOf": [S, {"enum": ["a"]}]}, "", "known-values-changed", I, I),
    ("lower bound raised", {**N, "minimum": 1}, {**N, "minimum": 2}, "", "limit-tightened", B, C),
    ("lower bound lowered", {**N, "minimum": 2}, {**N, "minimum": 1}, "", "limit-loosened", C, B),
    ("lower bound strict", {**N, "minimum": 1}, {**N, "exclusiveMinimum": 1}, "", "limit-tightened", B, C),
    ("upper bound strict", {**N, "maximum": 1}, {**N, "exclusiveMaximum": 1}, "", "limit-tightened", B, C),
    ("upper bound added", N, {**N, "maximum": 1}, "", "limit-tightened", B, C),
    ("upper bound gone", {**N, "maximum": 1}, N, "", "limit-loosened", C, B),
    ("text may be longer", {**S, "maxLength": 1}, {**S, "maxLength": 2}, "", "limit-loosened", C, B),
    ("text may be empty only", S, {**S, "maxLength": 0}, "", "limit-tightened", B, C),
    ("list needs more", {"type": "array", "minItems": 1}, {"type": "array", "minItems": 2}, "", "limit-tightened", B, C),
    ("pattern added", S, {**S, "pattern": "^a"}, "", "rule-added", B, C),
    ("pattern gone", {**S, "pattern": "^a"}, S, "", "rule-removed", C, B),
    ("pattern changed", {**S, "pattern": "^a"}, {**S, "pattern": "^b"}, "", "rule-changed", B, B),
    ("steps added", N, {**N, "multipleOf": 2}, "", "rule-added", B, C),
    ("entries must differ", {"type": "array"}, {"type": "array", "uniqueItems": True}, "", "rule-added", B, C),
    ("forbidden value", S, {**S, "not": {"const": "a"}}, "", "rule-added", B, C),
    ("object closed", obj(a=S), {**obj(a=S), "additionalProperties": False}, "", "object-closed", B, C),
    ("object opened", {**obj(a=S), "unevaluatedProperties": False}, obj(a=S), "", "object-opened", C, C),
    ("unnamed fields typed", obj(), {**obj(), "additionalProperties": S}, "/*", "type-removed", B, C),
    (
        "unnamed fields of another type",
        {**obj(), "additionalProperties": N},
        {**obj(), "additionalProperties": S},
        "/*",
        "type-changed",
        B,
        B,
    ),
    ("entries of another type", {"type": "array", "items": N}, {"type": "array", "items": S}, "/items", "type-changed", B, B),
    ("one place of a pair", {"prefixItems": [N, S]}, {"prefixItems": [N, N]}, "/1", "type-changed", B, B),
    ("branch added", {"oneOf": [CAT, DOG]}, {"oneOf": [CAT, DOG, COW]}, "", "branch-added", C, B),
    ("branch removed", {"anyOf": [CAT, DOG, COW]}, {"anyOf": [COW, CAT]}, "", "branch-removed", B, C),
    ("default changed", {**S, "default": "a"}, {**S, "default": "b"}, "", "default-changed", I, I),
    ("deprecated", S, {**S, "deprecated": True}, "", "deprecated", I, I),
    ("not deprecated", {**S, "deprecated": True}, S, "", "not-deprecated", I, I),
]


@pytest.mark.parametrize(
    ("before", "after", "where", "kind", "request_verdict", "response_verdict"), [row[1:] for row in EDITS], ids=[row[0] for row in EDITS]
)
def test_an_edit_is_one_change_for_each_side(
    before: Any, after: Any, where: str, kind: str, request_verdict: str, response_verdict: str
) -> None:
    """Nothing but this change is found, at its place, and with a verdict for senders and one for readers."""
    assert seen(compare_schemas(before, after)) == [
        ("request", f"request.body.application/json{where}", kind, request_verdict),
        ("response", f"response.200.application/json{where}", kind, response_verdict),
    ]


SAME = [
    ("type list and null branch", {"type": ["string", "null"]}, {"anyOf": [S, {"type": "null"}]}),
    ("type list and branches", {"type": ["string", "integer"]}, {"oneOf": [W, S]}),
    ("null in a list of values", {"type": ["string", "null"], "enum": ["a", None]}, {"anyOf": [{"enum": ["a"]}, {"type": "null"}]}),
    ("wrapper of one part", obj(a=S), {"allOf": [obj(a=S)]}),
    ("parts and a whole", obj(("a",), a=S, b=N), {"allOf": [obj(a=S), obj(b=N), {"required": ["a"]}]}),
    ("bound of two parts", {**N, "minimum": 2}, {"allOf": [{**N, "minimum": 1}, {**N, "minimum": 2}]}),
    ("values of two parts", {"enum": ["a"]}, {"allOf": [{"enum": ["a", "b"]}, {"enum": ["a", "c"]}]}),
    ("values within a bound", {"enum": ["a", 3]}, {"enum": ["a", "bb", 0, 3, 9], "maxLength": 1, "minimum": 2, "exclusiveMaximum": 9}),
    ("types of two parts", W, {"allOf": [N, W]}),
    (
        "patterns of two parts",
        {"allOf": [{**S, "pattern": "a"}, {**S, "pattern": "b"}]},
        {"allOf": [{**S, "pattern": "b"}, {**S, "pattern": "a"}]},
    ),
    ("one pattern of two parts", {**S, "pattern": "a"}, {"allOf": [{**S, "pattern": "a"}, {"pattern": "a"}]}),
    ("places of two parts", {"prefixItems": [W, S]}, {"allOf": [{"prefixItems": [W]}, {"prefixItems": [N, S]}]}),
    ("a field that one part forbids", obj(a=False), {"allOf": [obj(a=S), obj(a=False)]}),
    ("a field that one part leaves open", obj(a=S), {"allOf": [obj(a=True), obj(a=S)]}),
    ("union beside properties", {"anyOf": [obj(("a",), a=S), obj(("b",), a=S, b=S)]}, {"anyOf": [obj(("b",), a=S, b=S), obj(("a",), a=S)]}),
    ("a constant is a list of one", {"const": 1}, {"enum": [1.0]}),
    ("lists of values side by side", {"enum": ["a", "b"]}, {"oneOf": [{"const": "a"}, {"const": "b"}]}),
    ("both truth values", {"type": "boolean"}, {"enum": [False, True]}),
    ("strict bound of whole numbers", {**W, "exclusiveMinimum": 0}, {**W, "minimum": 1}),
    ("bounds between whole numbers", {**W, "minimum": 0.5, "exclusiveMaximum": 3.5}, {**W, "minimum": 1, "maximum": 3}),
    ("keywords with senseless values", N, {**N, "minimum": "1", "enum": "ab", "maxLength": True}),
    ("limits that say nothing", S, {**S, "minLength": 0}),
    ("open said aloud", obj(a=S), {**obj(a=S), "additionalProperties": {}}),
    ("properties without a type", {"properties": {"a": S}}, obj(a=S)),
    ("a branch that the others hold", S, {"anyOf": [S, {**S, "maxLength": 3}]}),
    ("an impossible branch", S, {"anyOf": [S, {"allOf": [S, N]}]}),
    ("other order of branches", {"oneOf": [CAT, DOG]}, {"oneOf": [DOG, CAT]}),
    ("titles and texts", S, {**S, "title": "A", "description": "A text."}),
]


@pytest.mark.parametrize(("one", "other"), [row[1:] for row in SAME], ids=[row[0] for row in SAME])
def test_the_same_written_otherwise_is_no_difference(one: Any, other: Any) -> None:
    """Two ways to accept the same values are equal, in both directions."""
    assert seen(compare_schemas(one, other)) == []
    assert seen(compare_schemas(other, one)) == []


def test_openapi_30_and_31_may_say_the_same() -> None:
    """``nullable`` and boolean bounds of 3.0 equal the type lists and numbers of 3.1; referred equals inline."""
    old = echo(
        {"$ref": "#/components/schemas/Pet"},
        version="3.0.3",
        Pet=obj(
            a={"type": "string", "nullable": True},
            b={"type": "number", "minimum": 0, "exclusiveMinimum": True},
            c={"nullable": True, "allOf": [{"$ref": "#/components/schemas/Name"}]},
        ),
        Name={"type": "string", "enum": ["x"]},
    )
    new = echo(obj(a={"type": ["string", "null"]}, b={**N, "exclusiveMinimum": 0}, c={"enum": ["x", None]}))
    assert compare_documents(old, new).changes == ()


def test_branches_are_paired_by_the_value_that_tells_them_apart() -> None:
    """A field that one branch gained is told in that branch, wherever it stands, and not as branches come and gone."""
    after = {"anyOf": [COW, {**DOG, "properties": {**DOG["properties"], "tail": S}}, CAT]}
    assert seen(compare_schemas({"oneOf": [CAT, DOG, COW]}, after)) == [
        ("request", "request.body.application/json/(dog)/tail", "field-added", C),
        ("response", "response.200.application/json/(dog)/tail", "field-added", C),
    ]


def test_branches_are_paired_by_name_where_no_value_tells() -> None:
    """Components of the same name are compared, although their fields have little in common."""
    union = {"anyOf": [{"$ref": "#/components/schemas/One"}, {"$ref": "#/components/schemas/Two"}]}
    old = echo(union, One=obj(a=S), Two=obj(b=S, c=S))
    new = echo(union, One=obj(b=S, c=S, a=S), Two=obj(b=S))
    assert seen(compare_documents(old, new).changes)[:3] == [
        ("request", "request.body.application/json/(One)/b", "field-added", C),
        ("request", "request.body.application/json/(One)/c", "field-added", C),
        ("request", "request.body.application/json/(Two)/c", "field-removed", B),
    ]


def test_branches_are_paired_by_likeness_at_last() -> None:
    """Without values and names, the branches with most fields in common are compared; the rest came or went."""
    old = {"anyOf": [obj(a=S, b=S, c=S), obj(x=S, y=S, z=S)]}
    new = {"anyOf": [obj(x=S, y=S), obj(a=S, b=S), obj(q=S)]}
    assert [(change.where, change.kind, change.after) for change in compare_schemas(old, new) if change.direction == "request"] == [
        ("request.body.application/json", "branch-added", "object"),
        ("request.body.application/json/(object)/c", "field-removed", None),
        ("request.body.application/json/(object)/z", "field-removed", None),
    ]


def test_one_branch_for_all_roles_equals_one_for_each() -> None:
    """Splitting a list of roles into branches takes nothing away; a new role is a new branch."""
    old = obj(("role",), role={"enum": ["system", "user"]}, text=S)
    new = {"oneOf": [obj(("role",), role={"const": name}, text=S) for name in ("user", "system", "tool")]}
    assert [(change.kind, change.before, change.after) for change in compare_schemas(old, new)] == [("branch-added", None, "tool")] * 2
    assert [(change.kind, change.before, change.after) for change in compare_schemas(new, old)] == [("branch-removed", "tool", None)] * 2


def test_arrays_in_a_union_are_paired_by_their_entries() -> None:
    """Texts or lists of numbers: a list of texts more is one new alternative."""
    old = {"anyOf": [{"type": "array", "items": W}, {"type": "array", "items": {"type": "array", "items": W}}]}
    new = {"anyOf": [{"type": "array", "items": S}, *old["anyOf"]]}
    assert [(change.kind, change.after) for change in compare_schemas(old, new)] == [("branch-added", "array of string")] * 2


def test_a_shared_schema_is_told_once_at_its_shallowest_place() -> None:
    """A change of a component is one change of an operation and direction, however often the component is used."""
    ref = {"$ref": "#/components/schemas/Name"}
    whole = obj(deep=obj(name=ref), name=ref, names={"type": "array", "items": ref})
    old, new = echo(whole, Name=obj(a=S)), echo(whole, Name=obj(a=S, b=S))
    assert [change.where for change in compare_documents(old, new).changes] == [
        "request.body.application/json/name/b",
        "response.200.application/json/name/b",
    ]


def test_recursive_schemas_end() -> None:
    """A schema that holds itself, also through ``allOf``, is compared once."""
    tree = {"$ref": "#/components/schemas/Tree"}
    part = obj(left=tree, right={"allOf": [tree, obj(extra=S)]})
    old = echo(tree, Tree={"allOf": [part, obj(value=S)]})
    new = echo(tree, Tree={"allOf": [part, obj(value=N)]})
    assert [change.where for change in compare_documents(old, new).changes] == [
        "request.body.application/json/value",
        "request.body.application/json/right/value",
        "response.200.application/json/value",
        "response.200.application/json/right/value",
    ]


def test_nesting_beyond_the_bound_is_said_and_breaks() -> None:
    """What is too deep to be compared is never taken for equal."""
    old, new = S, N
    for _ in range(70):
        old, new = obj(a=old), obj(a=new)
    assert {(change.kind, str(change.verdict)) for change in compare_schemas(old, new)} == {("not-compared", B)}


def test_a_product_of_unions_beyond_the_bound_is_one_rule() -> None:
    """Unions that multiply without end are compared as a whole; equal ones stay equal."""
    unions = [{"anyOf": [obj((f"{part}{index}",)) for index in range(9)]} for part in "abc"]
    other = [*unions[:2], {"anyOf": [obj((f"d{index}",)) for index in range(9)]}]
    assert compare_schemas({"allOf": unions}, {"allOf": [*unions], "title": "again"}) == ()
    assert {change.kind for change in compare_schemas({"allOf": unions}, {"allOf": other})} == {"rule-changed"}


def test_what_only_the_other_side_fills_in_is_left_out() -> None:
    """A read-only field is no input: marking it takes it from requests, and from them alone; write-only likewise."""
    assert seen(compare_schemas(obj(a=S, b=S), obj(a={**S, "readOnly": True}, b={**S, "writeOnly": True}))) == [
        ("request", "request.body.application/json/a", "field-removed", B),
        ("response", "response.200.application/json/b", "field-removed", B),
    ]


def test_names_are_escaped_as_in_json_pointers() -> None:
    """A slash and a tilde in a name are ~1 and ~0 (RFC 6901, section 3)."""
    found = compare_schemas(obj(), obj(**{"self-harm/intent~": S}))
    assert found[0].where == "request.body.application/json/self-harm~1intent~0"


def test_values_are_short_json() -> None:
    """Before and after hold what a reviewer needs: values, limits as keywords, types in words."""
    found = compare_schemas(
        obj(a={"enum": [1, "x"]}, b={**N, "exclusiveMaximum": 2}, c={"type": "array", "items": S}), obj(a={"enum": ["x"]}, b=N)
    )
    assert [(change.kind, change.before, change.after) for change in found if change.direction == "request"] == [
        ("field-removed", "array of string", None),
        ("type-removed", "number or string", "string"),
        ("limit-loosened", {"exclusiveMaximum": 2}, None),
    ]


def test_texts_are_compared_on_request_only() -> None:
    """Changed descriptions are information, and left out unless they are asked for."""
    before, after = echo({**S, "description": "Old."}), echo({**S, "description": "New."})
    assert compare_documents(before, after).changes == ()
    assert {change.kind for change in compare_documents(before, after, texts=True).changes} == {"text-changed"}


def test_nothing_given_is_changed() -> None:
    """Comparing leaves the documents as they were."""
    root = {"openapi": "3.1.0", "paths": {"/a": {"get": {"responses": {"200": {"content": json_content(obj(a=S))}}}}}}
    kept = repr(root)
    compare_documents(Document(root), Document({"openapi": "3.1.0", "paths": {}}))
    assert repr(root) == kept
