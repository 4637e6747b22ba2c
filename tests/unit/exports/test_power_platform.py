"""The two files of a custom connector: within the limits of Power Platform, and as Microsoft's published schemas have them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft4Validator, Draft7Validator

from kosha_connector_openai import Connector
from kosha_connector_openai.errors import InputError
from kosha_connector_openai.exports import PowerPlatform, chosen_actions, write_power_platform


@pytest.fixture(scope="module")
def made() -> PowerPlatform:
    from kosha_connector_openai import open_connector

    with open_connector() as connector:
        return write_power_platform(connector, chosen_actions(connector, whole=True), server="https://gateway.example/base")


def keys(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*map(keys, value.values())) if value else set()
    return set().union(*map(keys, value)) if isinstance(value, list) else set()


def test_the_limits_are_kept(made: PowerPlatform) -> None:
    """All operations in 1 MB, without a union or an intersection, no schema by name, each id once."""
    assert len(json.dumps(made.definition)) <= 1024 * 1024
    assert keys(made.definition).isdisjoint({"allOf", "anyOf", "oneOf", "$ref", "nullable"})
    operations = [each for item in made.definition["paths"].values() for each in item.values()]
    assert len(operations) > 380
    assert len({each["operationId"] for each in operations}) == len(operations)
    assert (made.definition["host"], made.definition["basePath"], made.definition["schemes"]) == ("gateway.example", "/base", ["https"])


def test_parameters_are_those_of_swagger(made: PowerPlatform) -> None:
    """At most one body, files in forms alone, every variable of a path is required and declared; labels and visibility are there."""
    for path, item in made.definition["paths"].items():
        for operation in item.values():
            places = [each["in"] for each in operation["parameters"]]
            assert places.count("body") <= 1
            assert not ("body" in places and "formData" in places)
            assert {each["name"] for each in operation["parameters"] if each["in"] == "path"} == set(re.findall(r"\{(.*?)\}", path))
            assert "formData" not in places or operation["consumes"] == ["multipart/form-data"]
    chat = made.definition["paths"]["/v1/chat/completions"]["post"]["parameters"][0]["schema"]
    assert chat["properties"]["model"]["x-ms-visibility"] == "important"
    assert chat["properties"]["messages"]["x-ms-summary"] == "Messages"
    assert chat["required"] == ["model", "messages"]


def test_a_picker_is_a_list_of_the_gateway(made: PowerPlatform) -> None:
    """Where a list depends on nothing else, the field names the page that gives it; that page is declared once, and shown to nobody."""
    field = made.definition["paths"]["/v1/chat/completions"]["post"]["parameters"][0]["schema"]["properties"]["model"]
    assert field["x-ms-dynamic-values"] == {
        "operationId": "listCatalogOptions",
        "parameters": {"action": "createChatCompletion", "field": "model"},
        "value-collection": "options",
        "value-path": "value",
        "value-title": "label",
    }
    page = made.definition["paths"]["/kosha/v1/actions/{action}/options/{field}"]["post"]
    assert (page["operationId"], page["x-ms-visibility"]) == ("listCatalogOptions", "internal")
    artifact = made.definition["paths"]["/v1/agents/sessions/{session_id}/artifacts/{artifact_id}"]["get"]["parameters"]
    assert {each["name"]: "x-ms-dynamic-values" in each for each in artifact} == {"session_id": True, "artifact_id": False}


def plain(path: Path) -> Any:
    """JSON with comments and commas before a closing bracket, as the schemas are published."""
    text = re.sub(
        r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', lambda found: found[1] or "", path.read_text(encoding="utf-8"), flags=re.DOTALL
    )
    return json.loads(re.sub(r'("(?:\\.|[^"\\])*")|,(?=\s*[}\]])', lambda found: found[1] or "", text))


def test_both_fit_the_published_schemas(made: PowerPlatform, specs: Path) -> None:
    """Where a path to them is given."""
    folder = specs / "power-platform"
    if not folder.is_dir():
        pytest.skip("Microsoft's schemas are not here")
    definition = Draft4Validator(plain(folder / "apiDefinition.swagger.schema.json"))
    properties = Draft7Validator(plain(folder / "paconn-apiProperties.schema.json"))
    assert [error.message for error in definition.iter_errors(made.definition)] == []
    assert [error.message for error in properties.iter_errors(made.properties)] == []


def test_what_is_too_large_or_no_address_is_refused(connector: Connector, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its place and what to choose."""
    actions = chosen_actions(connector, ("listModels",))
    with pytest.raises(InputError, match=r"gateway\.example"):
        write_power_platform(connector, actions, server="gateway")
    monkeypatch.setitem(write_power_platform.__globals__, "LARGEST", 100)
    with pytest.raises(InputError, match="fewer actions"):
        write_power_platform(connector, actions, server="https://gateway.example")
