"""The generator's rules, each on the smallest schema that shows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from kosha_connector_openai.sdk.node import reachable
from tools.spec.components import open_bodies, require_bodies
from tools.spec.corrections import correct
from tools.spec.dialect import clean, drop_bad_defaults
from tools.spec.facts import operation_facts, schema_facts
from tools.spec.selection import select
from tools.spec.source import operations_by_id
from tools.spec.texts import Texts, describe_operation, describe_schema, read_texts
from tools.spec.unions import relax_unions

REF_A = {"$ref": "#/components/schemas/A"}


def test_sentences_examples_and_extensions_stay_behind() -> None:
    """Only keywords of the list survive, at every depth."""
    schema = {
        "type": "object",
        "description": "A sentence.",
        "title": "Thing",
        "x-oaiMeta": {"name": "x"},
        "properties": {"description": {"type": "string", "example": "y", "x-stainless-const": True}},
    }
    assert schema_facts(schema, "A") == {"type": "object", "properties": {"description": {"type": "string"}}}


def test_inline_union_branches_keep_their_label() -> None:
    """The title of an inline branch is its only name; a referenced one has its component's."""
    schema = {"anyOf": [{"type": "string", "title": "Text"}, {**REF_A, "title": "Gone"}]}
    assert schema_facts(schema, "B") == {"anyOf": [{"type": "string", "title": "Text"}, REF_A]}


def test_recursive_reference_names_its_component() -> None:
    """The 2019-09 keyword for recursion becomes a plain reference."""
    assert schema_facts({"$recursiveRef": "#"}, "A") == REF_A


def test_operation_keeps_success_replies_only() -> None:
    """Errors are the same for all operations and come from replies.yaml."""
    operation = {
        "operationId": "getIt",
        "summary": "A sentence.",
        "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
        "responses": {"200": {"description": "OK"}, "404": {"description": "No"}},
    }
    assert operation_facts(operation) == {
        "operationId": "getIt",
        "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
        "responses": {"200": {"content": {}}},
    }


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        ({"type": "string", "nullable": False}, {"type": "string"}),
        (
            {"type": "string", "enum": ["a"], "nullable": True},
            {"type": ["string", "null"], "enum": ["a", None]},
        ),
        ({"anyOf": [REF_A], "nullable": True}, {"anyOf": [REF_A, {"type": "null"}]}),
        ({**REF_A, "nullable": True}, {"anyOf": [REF_A, {"type": "null"}]}),
        (
            {"allOf": [REF_A], "nullable": True, "deprecated": True},
            {"anyOf": [{"allOf": [REF_A]}, {"type": "null"}], "deprecated": True},
        ),
        ({"allOf": [REF_A, {"nullable": True}], "default": None}, {"anyOf": [REF_A, {"type": "null"}], "default": None}),
        ({"allOf": [REF_A, {}, {"nullable": True}]}, {"anyOf": [{"allOf": [REF_A, {}]}, {"type": "null"}]}),
        ({"minimum": 0, "exclusiveMinimum": True}, {"exclusiveMinimum": 0}),
        ({"maximum": 2, "exclusiveMaximum": False}, {"maximum": 2}),
        ({"required": ["a", "a"]}, {"required": ["a"]}),
        ({"type": "array", "items": {"required": []}}, {"type": "array", "items": {}}),
    ],
)
def test_habits_of_openapi_30_become_json_schema(given: Any, expected: Any) -> None:
    """Null, exclusive bounds and required lists in the form of 2020-12."""
    assert clean(given) == expected


def test_default_that_its_own_schema_refuses_is_dropped() -> None:
    """The first connector's `inf` on an integer is such a one; a valid default stays."""
    schema = {"properties": {"a": {"type": "integer", "default": "inf"}, "b": {"type": "integer", "default": 1}}}
    cleaned = drop_bad_defaults(schema, {"schemas": {}})
    assert cleaned == {"properties": {"a": {"type": "integer"}, "b": {"type": "integer", "default": 1}}}


def _tagged(value: str, *, required: bool = True) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": {"type": {"enum": [value]}}}
    return {**schema, "required": ["type"]} if required else schema


@pytest.mark.parametrize(
    ("branches", "keyword"),
    [
        ([{"type": "string"}, {"type": "array"}], "oneOf"),
        ([{"enum": ["a"]}, {"enum": ["b"]}], "oneOf"),
        ([_tagged("a"), _tagged("b")], "oneOf"),
        ([REF_A, _tagged("b")], "oneOf"),
        ([{"anyOf": [{"type": "null"}, {"type": "boolean"}]}, {"type": "string"}], "oneOf"),
        ([{"type": "string"}, {"type": "string", "enum": ["a"]}], "anyOf"),
        ([{"type": "integer"}, {"type": "number"}], "anyOf"),
        ([_tagged("a"), _tagged("b", required=False)], "anyOf"),
        ([REF_A, _tagged("a")], "anyOf"),
        ([{}, {"type": "string"}], "anyOf"),
    ],
)
def test_one_of_stays_only_where_branches_are_provably_disjoint(branches: list[Any], keyword: str) -> None:
    """A value that fits two branches must not be refused."""
    assert relax_unions({"oneOf": branches}, {"A": _tagged("a")}) == {keyword: branches}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"optional": ["a"]}, {"required": ["b"], "type": "object"}),
        ({"optional": ["a", "b"]}, {"type": "object"}),
        ({"add": {"required": ["c"]}}, {"required": ["a", "b", "c"], "type": "object"}),
        ({"add": {"anyOf": [{}]}}, {"required": ["a", "b"], "type": "object", "anyOf": [{}]}),
        ({"drop": ["type"]}, {"required": ["a", "b"]}),
        ({"merge": {"type": None, "minProperties": 1}}, {"required": ["a", "b"], "minProperties": 1}),
        ({"value": {"type": "string"}}, {"type": "string"}),
    ],
)
def test_correction_changes_what_it_points_at(change: Any, expected: Any) -> None:
    """Each kind of change, and nothing beside it."""
    tree = {"schemas": {"A": {"required": ["a", "b"], "type": "object"}, "B": {}}}
    corrected = correct(tree, [{"at": "/schemas/A", "reason": "test", **change}])
    assert corrected == {"schemas": {"A": expected, "B": {}}}


def test_correction_may_hold_in_several_places() -> None:
    """One reason, written once."""
    tree = {"schemas": {"A": {"type": "object"}, "B": {"type": "object"}, "C": {"type": "object"}}}
    corrected = correct(tree, [{"at": ["/schemas/A", "/schemas/B"], "reason": "test", "drop": ["type"]}])
    assert corrected == {"schemas": {"A": {}, "B": {}, "C": {"type": "object"}}}


@pytest.mark.parametrize("correction", [{"at": "/schemas/B", "drop": ["x"]}, {"at": "/schemas/A", "merge": {}}])
def test_correction_without_effect_is_refused(correction: Any) -> None:
    """A correction that points at nothing, or changes nothing, has done its time."""
    with pytest.raises(ValueError, match=r"correction at /schemas/."):
        correct({"schemas": {"A": {"type": "object"}}}, [correction])


def test_only_components_in_use_are_reachable() -> None:
    """Through references of references, sorted by name."""
    schemas: dict[str, Any] = {"A": {}, "B": {"items": REF_A}, "C": {}}
    assert reachable([{"$ref": "#/components/schemas/B"}], schemas) == ["A", "B"]


@pytest.mark.parametrize(("required", "expected"), [(["b"], True), ([], False)])
def test_body_with_a_required_field_is_required(required: list[str], expected: bool) -> None:
    """A call without a body cannot work then, whether or not the source says so."""
    schemas: dict[str, Any] = {"A": {"type": "object", "required": required}}
    operation = {"requestBody": {"required": False, "content": {"application/json": {"schema": REF_A}}}}
    require_bodies([operation, {}], schemas)
    assert operation["requestBody"]["required"] is expected


def test_request_bodies_are_open_at_the_top_only() -> None:
    """Unknown fields are the validator's matter; closed objects inside stay closed."""
    schemas: dict[str, Any] = {"A": {"additionalProperties": False, "properties": {"b": {"additionalProperties": False}}}}
    open_bodies([{"requestBody": {"content": {"application/json": {"schema": REF_A}}}}], schemas)
    assert schemas["A"] == {"properties": {"b": {"additionalProperties": False}}}


def test_selection_names_what_stands_in_no_group() -> None:
    """So that nothing of the source is left out by oversight."""
    selection = select({"groups": {"Ours": ["b"]}}, ["a", "b", "c"])
    assert selection.groups == {"Ours": ["b"]}
    assert selection.left_out == ["a", "c"]


@pytest.mark.parametrize("ids", [["nope"], ["a", "a"]])
def test_selection_refuses_unknown_and_repeated_ids(ids: list[str]) -> None:
    """A slip in selection.yaml is named."""
    with pytest.raises(ValueError, match="selection"):
        select({"groups": {"G": ids}}, ["a"])


def test_repeated_operation_id_is_refused() -> None:
    """Ids are what generated clients hang on."""
    with pytest.raises(ValueError, match="twice"):
        operations_by_id({"/a": {"get": {"operationId": "x"}, "post": {"operationId": "x"}}})


def test_text_is_looked_up_at_the_field_first() -> None:
    """Own text, then the rule for constants, then the text common to the name."""
    texts = Texts(
        schemas={"A": {"own": "Own.", "list.deep": "Deep."}},
        fields={"own": "Common.", "shared": "Shared."},
        constant="Always {value}.",
    )
    schema: dict[str, Any] = {
        "properties": {
            "own": {},
            "kind": {"enum": ["k"]},
            "shared": {},
            "list": {"items": {"anyOf": [{"properties": {"deep": {}}}]}},
        }
    }
    describe_schema("A", schema, texts)
    properties = schema["properties"]
    assert [properties[name].get("description") for name in properties] == [
        "Own.",
        "Always k.",
        "Shared.",
        None,
    ]
    assert properties["list"]["items"]["anyOf"][0]["properties"]["deep"]["description"] == "Deep."
    assert texts.missing == ["schemas.A.list"]


def test_twins_share_their_field_texts() -> None:
    """What is said of `A` and `get` holds for `BetaA` and `beta_get`, unless they say it themselves."""
    texts = Texts(
        operations={"get": {"parameters": {"id": "Id."}}, "beta_get": {"title": "Get (beta)", "line": "It."}},
        schemas={"A": {"one": "One.", "two": "Two."}, "BetaA": {"two": "Own."}},
        twins={"Beta": "", "beta_": ""},
    )
    schema: dict[str, Any] = {"properties": {"one": {}, "two": {}}}
    describe_schema("BetaA", schema, texts)
    operation = {"operationId": "beta_get", "parameters": [{"name": "id", "in": "path", "schema": {}}]}
    described = describe_operation(operation, texts)
    assert schema["properties"] == {"one": {"description": "One."}, "two": {"description": "Own."}}
    assert described["parameters"][0]["description"] == "Id."
    assert texts.missing == []


def test_fields_of_a_body_that_is_no_component_belong_to_the_operation() -> None:
    """They have no name of a schema to stand under."""
    texts = Texts(operations={"make": {"title": "Make", "line": "It.", "fields": {"name": "A name."}}})
    body = {"application/json": {"schema": {"properties": {"name": {}, "size": {}}}}}
    described = describe_operation({"operationId": "make", "requestBody": {"content": body}}, texts)
    fields = described["requestBody"]["content"]["application/json"]["schema"]["properties"]
    assert fields == {"name": {"description": "A name."}, "size": {}}
    assert texts.missing == ["operations.make.fields.size"]


def test_missing_and_stale_texts_are_named() -> None:
    """Both lists stop the generator."""
    about = {"title": "Get", "parameters": {"gone": "x"}, "fields": {"gone": "x"}}
    texts = Texts(operations={"getIt": about}, schemas={"A": {"gone": "x"}})
    operation = {"operationId": "getIt", "parameters": [{"name": "id", "in": "path", "schema": {}}]}
    described = describe_operation(operation, texts)
    assert described["summary"] == "Get"
    assert texts.missing == ["operations.getIt.line", "operations.getIt.parameters.id"]
    assert texts.unused() == ["operations.getIt.fields.gone", "operations.getIt.parameters.gone", "schemas.A.gone"]


def test_two_files_about_one_thing_are_refused(tmp_path: Path) -> None:
    """A text is written once."""
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump({"group": name, "line": "x", "schemas": {"A": {"b": "y"}}}))
    with pytest.raises(ValueError, match=r"b\.yaml repeats"):
        read_texts(tmp_path)
