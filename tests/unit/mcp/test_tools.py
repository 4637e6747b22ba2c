"""The list of tools: what is in it, how large it is, and what only a name brings in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator

from kosha_connector_openai import Connector
from kosha_connector_openai.errors import InputError
from kosha_connector_openai.flows.tasks import list_tasks
from kosha_connector_openai.mcp import ToolChoice, ToolList
from kosha_connector_openai.mcp.tool import tool_name


def size(tools: ToolList) -> int:
    return len(orjson.dumps({"tools": [tool.describe() for tool in tools.tools.values()]}))


def test_the_default_list_is_small_and_whole(connector: Connector) -> None:
    """Every task, every featured action that is not retired, three tools for the rest: at most 24 kB, as a client sends it each time."""
    tools = ToolList(connector)
    targets = {(tool.kind, tool.target) for tool in tools.tools.values()}
    featured = {action.id for action in connector.catalog.values() if action.overlay.featured and not action.hints.deprecated}
    assert targets >= {("task", info.name) for info in list_tasks(connector)} | {("action", key) for key in featured}
    assert {tool.kind for tool in tools.tools.values()} == {"task", "action", "search", "describe", "run"}
    assert size(tools) <= 24_000


def test_every_tool_says_what_it_is(connector: Connector) -> None:
    """Schemas are valid, a paid tool says so, hints are those of the action, names fit every known client, no action is hidden in it."""
    tools = ToolList(connector, ToolChoice(actions=("deleteFile",), groups=("images", "files")))
    for tool in tools.tools.values():
        told = tool.describe()
        for schema in (told["inputSchema"], told["outputSchema"]):
            Draft202012Validator.check_schema(schema)
            assert schema["type"] == "object", tool.name
        assert set(told["inputSchema"].get("required", ())) <= set(told["inputSchema"]["properties"]), tool.name
        if tool.kind == "action":
            hints = connector.catalog[tool.target].hints
            assert ("Paid." in tool.description) == hints.paid, tool.name
            assert (tool.read_only, tool.destructive, tool.idempotent) == (hints.read_only, hints.destructive, hints.idempotent)
    assert tools.tools["deleteFile"].describe()["annotations"] == {
        "readOnlyHint": False,
        "destructiveHint": True,
        "idempotentHint": False,
        "openWorldHint": True,
    }


def schemas(schema: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """The schemas of a tool's values, each with its place."""
    inner = [*schema.get("properties", {}).items(), *((str(at), each) for at, each in enumerate(schema.get("anyOf", ())))]
    inner += [("items", schema["items"])] if "items" in schema else []
    for name, each in inner:
        yield f"{place}/{name}", each
        yield from schemas(each, f"{place}/{name}")


def test_every_value_has_one_type(connector: Connector) -> None:
    """Of all actions and tasks: a value has one type or is an anyOf of such, a list says what it holds, choices fit their type.

    Models' own dialects know no lists of types and no values without any, and the clients that translate for them refuse the tool.
    """
    every = ToolChoice(actions=tuple(action.id for action in connector.catalog.values()))
    kinds: dict[str, type | tuple[type, ...]] = {"string": str, "integer": int, "number": (int, float), "boolean": bool}
    unfit = []
    for tool in ToolList(connector, every).tools.values():
        told = tool.describe()
        for place, schema in (*schemas(told["inputSchema"], tool.name), *schemas(told["outputSchema"], f"{tool.name}:out")):
            kind = schema.get("type")
            typed = (isinstance(kind, str) and ("items" in schema) == (kind == "array")) or (kind is None and bool(schema.get("anyOf")))
            if not typed or not all(isinstance(value, kinds.get(kind, object)) for value in schema.get("enum", ())):
                unfit.append((place, schema))
    assert not unfit
    granularities = ToolList(connector).tools["createTranscription"].input_schema["properties"]["timestamp_granularities"]
    assert granularities["items"]["enum"] == ["word", "segment"]


def test_what_deletes_or_administrates_needs_a_name(connector: Connector) -> None:
    """A group does not bring it in, nor does the search; its own name does."""
    grouped = ToolList(connector, ToolChoice(groups=("files",)))
    assert "downloadFile" in grouped.tools
    assert "deleteFile" not in grouped.tools
    assert all(found["action"] != "deleteFile" for found in grouped.search("delete file"))
    for key in ("deleteFile", "admin-api-keys-create", "create-project-api-key"):
        if key in connector.catalog:
            with pytest.raises(InputError, match="only where it is named"):
                grouped.action(key)
            assert ToolList(connector, ToolChoice(actions=(key,))).action(key).id == key


def test_a_choice_of_what_is_not_there_is_refused_with_the_nearest_name(connector: Connector) -> None:
    """All faults at once, each at its place."""
    with pytest.raises(InputError) as caught:
        ToolList(connector, ToolChoice(actions=("listModels", "listModel"), groups=("imagess",)))
    assert [(fault.pointer, fault.fix) for fault in caught.value.faults] == [
        ("/actions/1", "Did you mean `listModels`?"),
        ("/groups/0", "Did you mean `Images`?"),
    ]


def test_only_what_is_named(connector: Connector) -> None:
    """``only`` leaves the default ones out, and without the search there is nothing else."""
    tools = ToolList(connector, ToolChoice(actions=("listModels",), only=True, search=False))
    assert list(tools.tools) == ["listModels"]


def test_what_a_caller_cannot_call_is_not_there(connector: Connector) -> None:
    """Neither as a tool, nor for a task that would use it, nor in the search."""
    tools = ToolList(connector, offers=lambda action: action.id == "listModels")
    assert [tool.name for tool in tools.tools.values() if tool.kind in ("task", "action")] == ["listModels"]
    assert [found["action"] for found in tools.search("models")] == ["listModels"]
    with pytest.raises(InputError):
        tools.action("createImage")


def test_another_connector_features_nothing(root: Path) -> None:
    """Its first actions are the default then, without those that delete."""
    with Connector(root / "examples" / "tides") as tides:
        names = set(ToolList(tides).tools)
        assert {"search_actions", "run_action"} < names
        assert {tool.kind for tool in ToolList(tides).tools.values()} >= {"action"}


def test_a_description_of_any_action_has_all_its_fields(connector: Connector) -> None:
    """What a tool's small schema leaves out, the description of the action has, with inputs that are accepted."""
    told = ToolList(connector).describe("createChatCompletion")
    assert {"frequency_penalty", "logit_bias", "messages"} <= set(told["input_schema"]["properties"])
    connector.check("createChatCompletion", told["example"])


def test_names_of_tools() -> None:
    """Other signs become ``_``, long names are cut, and no name comes twice."""
    taken: set[str] = set()
    for identifier in ("get/things.v2", "get things v2", "x" * 80, "x" * 81, "??"):
        taken.add(tool_name(identifier, taken))
    assert taken == {"get_things_v2", "get_things_v2_2", "x" * 64, f"{'x' * 62}_2", "_"}
