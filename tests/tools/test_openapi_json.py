"""openapi.json as it is committed: what everyone who builds on it may rely on."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import jsonschema_rs
import pytest
from openapi_spec_validator import validate
from openapi_spec_validator.schemas import schema_v31

from tests.tables import check_each, compiled

Node = dict[str, Any]
Faults = Callable[[Node, str, Any], list[str]]
GROUPS = (
    *("Completions", "Chat", "Responses", "Conversations", "Images", "Fine tuning", "Graders", "Evals", "Fine tunes"),
    *("Models", "Moderation", "Audio", "Voices", "Realtime", "Embeddings", "Files", "Batches", "Uploads"),
    *("Vector stores", "Containers", "Skills", "Content provenance", "ChatKit", "Responses (beta)"),
    *("Agents", "Agent sessions", "Agent automations", "Agent environments", "Vaults", "Live sessions", "Decisions"),
    *("Webhook endpoints", "Safety", "Videos"),
    *("Assistants", "Threads", "Runs", "Edits", "Search"),
)
ADMINISTRATION = (
    *("Users", "Invites", "User groups", "Roles", "Projects", "Project users", "Project groups", "Project roles"),
    *("Service accounts", "Project keys", "Project limits", "Checkpoint permissions", "Admin keys", "Certificates"),
    *("Data retention", "Spend limits", "Spend alerts", "Costs and usage", "External keys", "External storage"),
    *("Workload identity", "Project service tiers", "Audit logs"),
)
ORIGINAL = (
    *("createCompletion", "createChatCompletion", "createEdit", "createImage", "createImageEdit"),
    *("createImageVariation", "createEmbedding", "createTranscription", "createTranslation", "createSearch"),
    *("listFiles", "createFile", "deleteFile", "retrieveFile", "downloadFile", "createFineTune"),
    *("listFineTunes", "retrieveFineTune", "cancelFineTune", "listFineTuneEvents"),
    *("listModels", "retrieveModel", "deleteModel", "createModeration"),
)
RETIRED = {
    "createEdit": "2024-01-04",
    "createSearch": None,
    "createFineTune": "2024-01-04",
    "listFineTunes": "2024-01-04",
    "retrieveFineTune": "2024-01-04",
    "cancelFineTune": "2024-01-04",
    "listFineTuneEvents": "2024-01-04",
}
VERBS = {
    *("Accept", "Activate", "Add", "Archive", "Assign", "Cancel", "Check", "Compact", "Complete", "Count", "Create", "Deactivate"),
    *("Delete", "Download", "Edit", "Extend", "Fork", "Hang", "Invite", "List", "Modify", "Pause", "Refer", "Reject", "Remix", "Remove"),
    *(
        "Rename",
        "Reset",
        "Resume",
        "Retrieve",
        "Rotate",
        "Run",
        "Search",
        "Set",
        "Stream",
        "Submit",
        "Test",
        "Unassign",
        "Update",
        "Upload",
        "Validate",
    ),
}


def _nodes(node: Any, key: str = "") -> Iterator[tuple[str, Node]]:
    """Every object below `node` with the key it stands under."""
    if isinstance(node, dict):
        yield key, node
        for name, value in node.items():
            yield from _nodes(value, name)
    elif isinstance(node, list):
        for value in node:
            yield from _nodes(value, key)


def test_is_openapi(openapi: Node) -> None:
    """By the specification's own schema of 3.1, which leaves out what Schema Objects hold."""
    assert openapi["openapi"] == "3.1.0"
    compiled(json.loads(json.dumps(dict(schema_v31)))).validate(openapi)


def test_every_schema_is_json_schema_2020_12(openapi: Node) -> None:
    """By the meta-schema."""
    schemas = openapi["components"]["schemas"]
    check_each(schemas, lambda name: jsonschema_rs.meta.validate(schemas[name]))


@pytest.mark.slow
def test_is_valid_openapi(openapi: Node) -> None:
    """Both by the reference engine, which also looks at references, path variables and defaults."""
    validate(openapi)


def test_head(openapi: Node) -> None:
    """Our name, a relative server, both key schemes, and where the facts come from."""
    assert openapi["info"]["title"] == "OpenAI REST API (Kosha connector)"
    assert openapi["info"]["version"] == openapi["x-kosha-source"]["version"]
    assert re.fullmatch(r"[0-9a-f]{64}", openapi["x-kosha-source"]["sha256"])
    assert openapi["servers"] == [{"url": "/"}]
    assert openapi["security"] == [{"ApiKeyAuth": []}]
    assert set(openapi["components"]["securitySchemes"]) == {"ApiKeyAuth", "AdminApiKeyAuth"}


def test_groups_in_order_with_one_tag_each(openapi: Node, operations: Node) -> None:
    """A group is the single tag of its operations; paths follow the groups."""
    order = [operation["tags"] for operation in operations.values()]
    groups = [*GROUPS, *ADMINISTRATION]
    assert [tag["name"] for tag in openapi["tags"]] == groups
    assert all(tag["description"].endswith(".") for tag in openapi["tags"])
    assert all(len(tags) == 1 for tags in order)
    assert list(dict.fromkeys(tags[0] for tags in order)) == groups


def test_the_administration_has_groups_and_a_key_of_its_own(operations: Node) -> None:
    """So that a host can hide it, and an everyday key never meets it."""
    keys = {tag: {str(o.get("security")) for o in operations.values() if o["tags"] == [tag]} for tag in (*GROUPS, *ADMINISTRATION)}
    assert all(keys[tag] == {"[{'AdminApiKeyAuth': []}]"} for tag in ADMINISTRATION)
    assert all(keys[tag] == {"None"} for tag in GROUPS)


def test_every_operation_is_here(operations: Node) -> None:
    """388 of today, those on trial included, and seven of yesterday."""
    assert len(operations) == 395
    assert sum(name.startswith("beta_") for name in operations) == 7


def test_operations_of_the_first_connector_are_all_here(openapi: Node, operations: Node) -> None:
    """Under their ids, and every path with its version."""
    assert set(ORIGINAL) <= set(operations)
    assert all(path.startswith("/v1/") for path in openapi["paths"])


def test_components_are_all_in_use_and_sorted(openapi: Node) -> None:
    """No dangling reference, no orphan."""
    schemas = openapi["components"]["schemas"]
    used = {node["$ref"].rsplit("/", 1)[1] for _, node in _nodes(openapi) if isinstance(node.get("$ref"), str)}
    assert set(schemas) <= used
    assert used <= {name for kind in openapi["components"].values() for name in kind}
    assert list(schemas) == sorted(schemas)


def test_nothing_of_openapi_30_and_nobodys_extensions(openapi: Node) -> None:
    """Clean 3.1: no nullable, no boolean bounds, no examples, no address of anybody."""
    for key, node in _nodes(openapi):
        if key not in ("properties", "schemas", "headers", "content"):
            assert not {"nullable", "example", "examples", "externalDocs"} & set(node)
            assert not any(isinstance(node.get(bound), bool) for bound in ("exclusiveMinimum", "exclusiveMaximum"))
            assert not [name for name in node if name.startswith("x-") and not name.startswith("x-kosha-")]
    assert not re.search(r"https?://|[\w.]+@\w+\.\w+", json.dumps(openapi))


def test_every_operation_has_a_title_and_a_line(operations: Node) -> None:
    """Short enough for a palette; the line is one sentence, or two."""
    for operation_id, operation in operations.items():
        assert 0 < len(operation["summary"]) <= 52, operation_id
        assert re.fullmatch(r"[A-Z].{10,140}\.", operation["description"]), operation_id


def test_titles_tell_operations_apart(operations: Node) -> None:
    """No title twice; each begins with a verb in upper case and says when it is on trial."""
    titles = [operation["summary"] for operation in operations.values()]
    trials = {name for name, operation in operations.items() if operation["summary"].endswith("(beta)")}
    assert len(set(titles)) == len(titles)
    assert {title.split()[0] for title in titles} <= VERBS
    assert trials == {name for name in operations if name.startswith("beta_")}


def test_every_input_field_has_help(openapi: Node, operations: Node) -> None:
    """Parameters, and properties of everything a request body can hold."""
    schemas = openapi["components"]["schemas"]
    waiting = [operation.get("requestBody", {}) for operation in operations.values()]
    seen: set[str] = set()
    bare = [p["name"] for o in operations.values() for p in o.get("parameters", []) if not p.get("description")]
    while waiting:
        for key, node in _nodes(waiting.pop()):
            if key == "properties":
                bare += [name for name, field in node.items() if not field.get("description")]
            name = str(node.get("$ref", "")).removeprefix("#/components/schemas/")
            if name in schemas and name not in seen:
                seen.add(name)
                waiting.append(schemas[name])
    assert bare == []
    assert len(seen) > 600


@pytest.mark.parametrize("group", ["Videos", "Assistants", "Threads", "Runs"])
def test_withdrawn_interfaces_are_deprecated(group: str, operations: Node) -> None:
    """All of their operations."""
    found = [operation["deprecated"] for operation in operations.values() if operation["tags"] == [group]]
    assert found
    assert all(found)


@pytest.mark.parametrize(("operation_id", "since"), RETIRED.items())
def test_retired_operations_name_a_living_successor(operation_id: str, since: str | None, operations: Node) -> None:
    """So that a call can be answered with what to use instead."""
    operation = operations[operation_id]
    assert operation["deprecated"] is True
    assert operation["x-kosha-retired"].get("since") == since
    assert "x-kosha-retired" not in operations[operation["x-kosha-retired"]["successor"]]


def test_image_variation_is_deprecated(operations: Node) -> None:
    """Its only model is withdrawn."""
    assert operations["createImageVariation"]["deprecated"] is True
    assert "withdrawn" in operations["createImageVariation"]["description"]


def test_misleading_defaults_are_gone(openapi: Node) -> None:
    """What corrections.yaml takes out or mends without changing what is accepted."""
    schemas = openapi["components"]["schemas"]
    texts = [
        *schemas["CreateEmbeddingRequest"]["properties"]["input"]["anyOf"],
        *schemas["CreateModerationRequest"]["properties"]["input"]["anyOf"],
        *schemas["StopConfiguration"]["oneOf"],
    ]
    assert not any("default" in part or "default" in part.get("items", {}) for part in texts)
    seed = schemas["CreateChatCompletionRequest"]["allOf"][1]["properties"]["seed"]
    assert (seed["minimum"], seed["maximum"]) == (-(2**63), 2**63 - 1)
