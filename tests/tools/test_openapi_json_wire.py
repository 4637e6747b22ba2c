"""openapi.json on the wire: media types, streams, headers, how parameters and bodies are written."""

from __future__ import annotations

from typing import Any

import pytest

Node = dict[str, Any]
STREAMS = {
    "createCompletion": "CreateCompletionResponse",
    "createChatCompletion": "CreateChatCompletionStreamResponse",
    "createResponse": "ResponseStreamEvent",
    "getResponse": "ResponseStreamEvent",
    "createImage": "ImageGenStreamEvent",
    "createImageEdit": "ImageEditStreamEvent",
    "createSpeech": "CreateSpeechResponseStreamEvent",
    "createTranscription": "CreateTranscriptionResponseStreamEvent",
    "listFineTuneEvents": "FineTuneEvent",
    "beta_createResponse": "BetaResponseStreamEvent",
    "beta_getResponse": "BetaResponseStreamEvent",
    "createAgentSession": "AgentSessionEvent",
    "streamAgentSessionEvents": "AgentSessionEvent",
    "createRun": "AssistantStreamEvent",
    "createThreadAndRun": "AssistantStreamEvent",
    "submitToolOuputsToRun": "AssistantStreamEvent",
}
SUBTITLES = {"application/json", "text/plain", "text/vtt", "application/x-subrip"}
SOUNDS = {"audio/mpeg", "audio/opus", "audio/aac", "audio/flac", "audio/wav", "application/octet-stream"}


def _success(operation: Node) -> Node:
    content: Node = next(iter(operation["responses"].values())).get("content", {})
    return content


def _bodies(openapi: Node, operation: Node) -> dict[str, Node]:
    """The schema of each media type of an operation's request body, its reference followed."""
    schemas = openapi["components"]["schemas"]
    given = {name: content["schema"] for name, content in operation.get("requestBody", {}).get("content", {}).items()}
    return {name: schemas[s["$ref"].rsplit("/", 1)[1]] if "$ref" in s else s for name, s in given.items()}


def test_request_bodies_are_open(openapi: Node, operations: Node) -> None:
    """An unknown field is the validator's matter, which can suggest a name."""
    for operation in operations.values():
        assert all(schema.get("additionalProperties") is not False for schema in _bodies(openapi, operation).values())


def test_bodies_with_required_fields_are_required(openapi: Node, operations: Node) -> None:
    """A call without a body could not work."""
    for operation_id, operation in operations.items():
        if any(schema.get("required") for schema in _bodies(openapi, operation).values()):
            assert operation["requestBody"]["required"] is True, operation_id


@pytest.mark.parametrize(
    ("operation_id", "media_types"),
    [
        ("CreateContainerFile", {"multipart/form-data": ["file"], "application/json": []}),
        ("CreateSkill", {"multipart/form-data": ["files"], "application/json": []}),
        ("CreateSkillVersion", {"multipart/form-data": ["files"], "application/json": []}),
        ("create-realtime-call", {"multipart/form-data": ["sdp"], "application/sdp": []}),
    ],
)
def test_requests_have_their_true_media_types(
    operation_id: str, media_types: dict[str, list[str]], openapi: Node, operations: Node
) -> None:
    """Bytes travel in forms, ids in JSON."""
    bodies = _bodies(openapi, operations[operation_id])
    assert {name: schema.get("required", []) for name, schema in bodies.items()} == media_types


@pytest.mark.parametrize(
    ("group", "value"),
    [("Assistants", "assistants=v2"), ("Threads", "assistants=v2"), ("Runs", "assistants=v2"), ("ChatKit", "chatkit_beta=v1")],
)
def test_interfaces_behind_a_header_declare_it(group: str, value: str, operations: Node) -> None:
    """Every documented call carries it."""
    found = [operation for operation in operations.values() if operation["tags"] == [group]]
    assert found
    for operation in found:
        headers = [p for p in operation["parameters"] if p["in"] == "header"]
        assert [(p["name"], p["required"], p["schema"]["enum"]) for p in headers] == [("OpenAI-Beta", True, [value])]


@pytest.mark.parametrize("operation_id", ["listPaginatedFineTuningJobs", "listChatCompletions", "list-audit-logs"])
def test_objects_in_the_query_say_how_they_are_written(operation_id: str, operations: Node) -> None:
    """As `name[key]=value`, which is not OpenAPI's default."""
    styles = {p["name"]: p["style"] for p in operations[operation_id]["parameters"] if "style" in p}
    assert list(styles.values()) == ["deepObject"]


@pytest.mark.parametrize(("operation_id", "event"), STREAMS.items())
def test_streams_are_declared(operation_id: str, event: str, operations: Node) -> None:
    """Whatever can stream says so, with the schema of its events."""
    schema = _success(operations[operation_id])["text/event-stream"]["schema"]
    assert schema == {"$ref": f"#/components/schemas/{event}"}


def test_nothing_else_streams(operations: Node) -> None:
    """And only that."""
    assert {name for name, o in operations.items() if "text/event-stream" in _success(o)} == set(STREAMS)


@pytest.mark.parametrize(
    ("operation_id", "media_types"),
    [
        ("createSpeech", SOUNDS | {"text/event-stream"}),
        ("createTranscription", SUBTITLES | {"text/event-stream"}),
        ("createTranslation", SUBTITLES),
        ("downloadFile", {"application/octet-stream", "application/jsonl"}),
        ("deleteResponse", set()),
        ("beta_deleteResponse", set()),
        ("DeleteContainer", set()),
        ("DeleteContainerFile", set()),
        ("RetrieveContainerFileContent", {"application/octet-stream"}),
        ("RetrieveVideoContent", {"video/mp4", "image/webp", "image/jpeg"}),
        ("GetSkillContent", {"application/zip"}),
        ("GetSkillVersionContent", {"application/zip"}),
        ("create-realtime-call", {"application/sdp"}),
        ("hangup-realtime-call", set()),
    ],
)
def test_replies_have_their_true_media_types(operation_id: str, media_types: set[str], operations: Node) -> None:
    """Sound, subtitles and bytes are not JSON."""
    assert set(_success(operations[operation_id])) == media_types


def test_bytes_are_binary(operations: Node) -> None:
    """Sound, films and file content, whatever their media type."""
    for operation_id in (
        *("createSpeech", "downloadFile", "RetrieveContainerFileContent", "RetrieveVideoContent"),
        *("GetSkillContent", "GetSkillVersionContent"),
    ):
        for media_type, content in _success(operations[operation_id]).items():
            if media_type != "text/event-stream":
                assert content["schema"] == {"type": "string", "format": "binary"}


def test_errors_are_declared_everywhere(openapi: Node, operations: Node) -> None:
    """One shape of error, with the headers that say when to try again."""
    responses, schemas = openapi["components"]["responses"], openapi["components"]["schemas"]
    for operation in operations.values():
        assert {"4XX", "429", "5XX"} <= set(operation["responses"])
    for response in responses.values():
        assert response["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/ErrorResponse"}
    assert {"Retry-After", "x-ratelimit-remaining-tokens", "x-request-id"} <= set(responses["TooManyRequests"]["headers"])
    assert set(schemas["Error"]["properties"]) == {"message", "type", "param", "code"}
