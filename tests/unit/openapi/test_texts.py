"""Texts of one description laid over another: words, tags and extensions of the same operations, parameters and fields."""

from __future__ import annotations

from typing import Any

from kosha_connector_openai.openapi.texts import with_texts


def document(line: str, schema: Any, name: str = "x", **more: Any) -> dict[str, Any]:
    """One operation with a parameter, a body and a component."""
    operation = {
        "operationId": "act",
        "summary": line,
        "parameters": [{"name": name, "in": "query", "description": line, "schema": {"type": "string"}}],
        "requestBody": {"content": {"application/json": {"schema": schema}}},
        **more,
    }
    return {"paths": {"/a": {"post": operation}}, "components": {"schemas": {"Thing": schema}}}


def field(line: str, **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"name": {"type": "string", "description": line, **more}}}


def test_words_are_ours_and_facts_theirs() -> None:
    """Summary, tags and extensions of the operation; the words of its parameter, its body's field and the component's."""
    found = with_texts(document("theirs", field("theirs", maxLength=3)), document("ours", field("ours"), tags=["T"], **{"x-note": 1}))
    operation = found["paths"]["/a"]["post"]
    assert (operation["summary"], operation["tags"], operation["x-note"]) == ("ours", ["T"], 1)
    assert operation["parameters"][0]["description"] == "ours"
    body = operation["requestBody"]["content"]["application/json"]["schema"]
    assert body["properties"]["name"] == found["components"]["schemas"]["Thing"]["properties"]["name"]
    assert body["properties"]["name"] == {"type": "string", "description": "ours", "maxLength": 3}


def test_items_are_walked_and_unions_left() -> None:
    """The field of a list's item has our words; which branch is which nobody says."""
    theirs, ours = ({"type": "array", "items": field(line)} for line in ("theirs", "ours"))
    found = with_texts(document("", theirs), document("", ours))
    assert found["components"]["schemas"]["Thing"]["items"]["properties"]["name"]["description"] == "ours"
    theirs, ours = ({"anyOf": [field(line)]} for line in ("theirs", "ours"))
    assert with_texts(document("", theirs), document("", ours))["components"]["schemas"]["Thing"] == theirs


def test_what_ours_lacks_keeps_its_words() -> None:
    """Another operation, parameter or field is as it was; neither description is changed."""
    theirs, ours = document("theirs", field("theirs"), name="y"), document("ours", {"type": "object"})
    ours["paths"]["/a"]["post"]["operationId"] = "other"
    before = str((theirs, ours))
    assert with_texts(theirs, ours) == theirs
    assert str((theirs, ours)) == before
    assert with_texts({"paths": {"/x": {"$ref": "#/y"}}}, {"paths": {"/x": None}}) == {"paths": {"/x": {"$ref": "#/y"}}}
