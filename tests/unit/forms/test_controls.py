"""Every form of the connector can be filled in: each shape has what its widget needs, and nothing is a choice that has one answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from kosha_connector_openai import Connector

NEEDS: Final = {
    "select": "enum",
    "multi-select": "enum",
    "variants": "variants",
    "list": "items",
    "object": "fields",
    "file": "file",
    "date": "date",
}


def faults(shape: dict[str, Any], where: str) -> Iterator[str]:
    """What of a shape, and of those inside it, could not be drawn or chosen."""
    if "$ref" in shape:
        return
    widget, need = shape["widget"], NEEDS.get(shape["widget"])
    if need and not shape.get(need):
        yield f"{where}: {widget} without {need}"
    if widget == "variants" and len(shape["variants"]) == 1:
        yield f"{where}: one variant"
    if widget == "select" and len(shape["enum"]) == 1 and not shape.get("open") and "constant" not in shape:
        yield f"{where}: one option that is no constant"
    if "constant" in shape and shape.get("required") and shape["visibility"] != "internal":
        yield f"{where}: a constant that is asked for"
    for field in shape.get("fields", ()):
        yield from faults(field, f"{where}/{field['name']}")
    for part in ("items", "values"):
        if part in shape:
            yield from faults(shape[part], f"{where}/{part}")
    for variant in shape.get("variants", ()):
        yield from faults(variant, f"{where}/{variant['id']}")


def test_every_field_of_every_form_can_be_filled_in(connector: Connector) -> None:
    """All actions, and each definition once."""
    found: list[str] = []
    seen: set[str] = set()
    for name, form in connector.forms.items():
        for field in form.fields:
            found += faults(field, f"{name}/{field['name']}")
        for key, shape in form.definitions.items():
            if key not in seen:
                seen.add(key)
                found += faults(shape, f"{name}#{key}")
    assert found == []


def test_what_most_people_mean_stands_first(connector: Connector) -> None:
    """A user's message, a plain message, one file before several; what tells an object is hidden, optional or not."""
    chat = connector.forms["createChatCompletion"]
    assert chat.definition("#/$defs/ChatCompletionRequestMessage")["variants"][0]["id"] == "user"
    items = connector.forms["createResponse"].definition("#/$defs/InputItem")["variants"]
    assert items[0]["$ref"] == "#/$defs/EasyInputMessage"
    message = connector.forms["createResponse"].definition(items[0]["$ref"])
    kind = next(field for field in message["fields"] if field["name"] == "type")
    assert (kind["required"], kind["visibility"], kind["constant"]) == (False, "internal", "message")
    files = connector.forms["CreateSkill"].to_json_schema()["properties"]["files"]["anyOf"]
    assert [part.get("type") for part in files] == ["string", "array"]


def test_what_is_left_to_the_provider_does_not_look_like_a_choice(connector: Connector) -> None:
    """Of any default that is not filled in."""
    drawn = connector.forms["createImage"].to_ui_schema()
    assert drawn["quality"]["ui:placeholder"] == "left to the provider: Auto"
