"""Request bodies against openapi.json: plainly good ones pass, plainly wrong ones do not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Node = dict[str, Any]
Faults = Callable[[Node, str, Any], list[str]]

CHAT: Node = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}]}
ASK: Node = {"model": "gpt-4o-mini", "input": "Hi"}
TRAIN: Node = {"model": "gpt-4o-mini", "training_file": "file-1"}
BATCH: Node = {"input_file_id": "file-1", "endpoint": "/v1/embeddings", "completion_window": "24h"}
UPLOAD: Node = {"filename": "a.jsonl", "purpose": "batch", "bytes": 10, "mime_type": "text/jsonl"}
SPEAK: Node = {"model": "tts-1", "input": "Hi", "voice": "alloy"}
TALK: Node = {"type": "realtime", "model": "gpt-realtime"}
MESSAGE: Node = {"role": "user", "content": "Hi"}
ALERT: Node = {
    "threshold_amount": 100,
    "currency": "USD",
    "interval": "month",
    "notification_channel": {"type": "email", "recipients": ["a"]},
}
TEMPLATE: Node = {"type": "template", "template": [{"role": "developer", "content": "Sort {{item.title}}"}]}
ROWS: Node = {"type": "file_content", "content": [{"item": {"title": "News"}}]}
EVAL: Node = {
    "data_source_config": {"type": "custom", "item_schema": {"type": "object"}},
    "testing_criteria": [{"type": "string_check", "name": "same", "input": "a", "reference": "b", "operation": "eq"}],
}
FILTER: Node = {"type": "eq", "key": "year", "value": 2024}


def _say(*parts: Node, role: str = "user") -> Node:
    return {**CHAT, "messages": [{"role": role, "content": list(parts)}]}


def _ask(*items: Node, **more: Any) -> Node:
    return {**ASK, "input": list(items), **more} if items else {**ASK, **more}


GOOD: list[tuple[str, Node]] = [
    ("createCompletion", {"model": "gpt-3.5-turbo-instruct", "prompt": "Once"}),
    (
        "createCompletion",
        {"model": "m", "prompt": [[1, 2], [3]], "stop": ["a", "b"], "logit_bias": {"50256": -100}},
    ),
    ("createChatCompletion", CHAT),
    (
        "createChatCompletion",
        {**CHAT, "stop": None, "temperature": None, "top_logprobs": None, "seed": 2**63 - 1},
    ),
    ("createChatCompletion", _say({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}})),
    ("createChatCompletion", {**CHAT, "tools": [{"type": "function", "function": {"name": "now"}}]}),
    ("createChatCompletion", {**CHAT, "field_of_tomorrow": 1}),
    ("createResponse", ASK),
    ("createResponse", _ask({"role": "user", "content": [{"type": "input_image", "file_id": "file-1"}]})),
    ("createResponse", _ask({"role": "assistant", "content": [{"type": "output_text", "text": "Hello"}]})),
    ("createResponse", _ask({"type": "function_call_output", "call_id": "c", "output": "1"})),
    ("createResponse", _ask({"type": "item_reference", "id": "msg_1"})),
    ("createResponse", _ask(tools=[{"type": "function", "name": "now"}, {"type": "web_search"}])),
    (
        "createResponse",
        _ask(text={"format": {"type": "json_schema", "name": "a", "schema": {"type": "object"}}}),
    ),
    ("Compactconversation", {"model": "gpt-5", "input": "Hi"}),
    ("createImage", {"prompt": "A cat", "size": "2048x1024"}),
    ("createImageEdit", {"prompt": "Blue", "images": [{"file_id": "file-1"}]}),
    (
        "createFineTuningJob",
        {**TRAIN, "integrations": [{"type": "wandb", "wandb": {"project": "p", "tags": ["first"]}}]},
    ),
    ("createModeration", {"input": [{"type": "text", "text": "Hi"}]}),
    ("createModeration", {"input": ["a", "b"]}),
    ("createSpeech", {**SPEAK, "voice": {"id": "voice_1"}}),
    ("createEmbedding", {"model": "text-embedding-3-small", "input": ["a"], "encoding_format": "base64"}),
    ("createEmbedding", {"model": "text-embedding-3-small", "input": [[1, 2]], "dimensions": 256}),
    ("createBatch", BATCH),
    ("createUpload", UPLOAD),
    ("createVectorStore", {}),
    ("createVectorStoreFileBatch", {}),
    (
        "createVectorStoreFileBatch",
        {"files": [{"file_id": "file-1", "attributes": {"year": 2024, "new": True}}]},
    ),
    ("searchVectorStore", {"query": "refunds", "filters": FILTER}),
    ("searchVectorStore", {"query": ["a", "b"], "filters": {"type": "and", "filters": [FILTER, FILTER]}}),
    ("createEdit", {"model": "text-davinci-edit-001", "instruction": "Fix it", "input": None}),
    ("createSearch", {"query": "president", "documents": ["White House"]}),
    ("updateChatCompletion", {"metadata": {"topic": "cats"}}),
    ("modifyVectorStore", {"expires_after": None}),
    ("beta_createResponse", {**ASK, "multi_agent": {"enabled": True}}),
    ("beta_createResponse", _ask({"role": "assistant", "content": [{"type": "output_text", "text": "Hello"}]})),
    ("createConversation", {}),
    ("createConversation", {"metadata": None, "items": [{"type": "message", **MESSAGE}]}),
    ("createConversationItems", {"items": [{"type": "message", **MESSAGE}]}),
    ("createEval", EVAL),
    ("createEvalRun", {"data_source": {"type": "completions", "model": "gpt-4o-mini", "input_messages": TEMPLATE, "source": ROWS}}),
    ("createEvalRun", {"data_source": {"type": "jsonl", "source": {"type": "file_id", "id": "file-1"}}}),
    ("runGrader", {"grader": EVAL["testing_criteria"][0], "model_sample": "a"}),
    ("accept-realtime-call", {**TALK, "instructions": "You answer the telephone."}),
    ("accept-realtime-call", {**TALK, "tracing": None, "audio": {"input": {"turn_detection": None}}}),
    ("create-realtime-client-secret", {"session": TALK}),
    ("create-realtime-session", {"model": "gpt-realtime", "modalities": ["text"]}),
    ("reject-realtime-call", {}),
    ("CreateContainer", {"name": "c", "network_policy": {"type": "allowlist", "allowed_domains": ["example.com"]}}),
    ("CreateContainerFile", {"file_id": "file-1"}),
    ("CreateContainerFile", {}),
    ("CreateSkill", {}),
    ("CreateSkillVersion", {"default": True}),
    ("createVideo", {"prompt": "A cat", "seconds": "8", "input_reference": {"file_id": "file-1"}}),
    ("CreateVideoExtend", {"prompt": "It sleeps", "seconds": "16", "video": {"id": "video_1"}}),
    ("CreateChatSessionMethod", {"workflow": {"id": "wf_1"}, "user": "visitor"}),
    ("createAssistant", {"model": "gpt-4o", "tools": [{"type": "file_search"}], "response_format": "auto"}),
    ("createThread", {}),
    ("createMessage", MESSAGE),
    ("createRun", {"assistant_id": "asst_1", "truncation_strategy": None, "tool_choice": None}),
    ("create-project", {"name": "p", "residency": None}),
    ("create-organization-spend-alert", ALERT),
    ("create-project-user", {"email": "a", "role": "member"}),
    ("admin-api-keys-create", {"name": "n", "expires_in_seconds": 86400}),
]

WRONG: list[tuple[str, Any]] = [
    ("createCompletion", {"prompt": "Once"}),
    ("createCompletion", {"model": "m", "prompt": "Once", "n": 0}),
    ("createCompletion", {"model": "m", "prompt": "Once", "logprobs": 6}),
    ("createCompletion", {"model": "m", "prompt": 7}),
    ("createChatCompletion", []),
    ("createChatCompletion", {"model": "gpt-4o-mini"}),
    ("createChatCompletion", {**CHAT, "messages": []}),
    ("createChatCompletion", {**CHAT, "messages": "Hi"}),
    ("createChatCompletion", {**CHAT, "messages": [{"role": "wizard", "content": "Hi"}]}),
    ("createChatCompletion", {**CHAT, "messages": [{"content": "Hi"}]}),
    ("createChatCompletion", {**CHAT, "messages": [{"role": "tool", "content": "1"}]}),
    ("createChatCompletion", {**CHAT, "temperature": 3}),
    ("createChatCompletion", {**CHAT, "temperature": "hot"}),
    ("createChatCompletion", {**CHAT, "max_tokens": "inf"}),
    ("createChatCompletion", {**CHAT, "stop": ["a", "b", "c", "d", "e"]}),
    ("createChatCompletion", {**CHAT, "stream": "yes"}),
    ("createChatCompletion", {**CHAT, "top_logprobs": 21}),
    ("createChatCompletion", {**CHAT, "tools": [{"type": "function"}]}),
    ("createChatCompletion", {**CHAT, "response_format": {"type": "json_schema"}}),
    ("createChatCompletion", {**CHAT, "metadata": {"a": 1}}),
    ("createChatCompletion", _say({"type": "image_url"})),
    ("createChatCompletion", _say({"type": "text", "text": "Hi"}, {"type": "video"})),
    ("createResponse", {**ASK, "input": 7}),
    ("createResponse", {**ASK, "max_output_tokens": 1}),
    ("createResponse", _ask(tools=[{"type": "function"}])),
    ("createResponse", _ask(tools=[{"type": "hammer"}])),
    ("createResponse", _ask({"role": "user", "content": [{"type": "input_text"}]})),
    ("createResponse", _ask({"type": "function_call_output", "call_id": "c"})),
    ("createResponse", _ask(text={"format": {"type": "json_schema", "name": "a"}})),
    ("createResponse", _ask(include=["everything"])),
    ("createResponse", _ask(reasoning={"effort": "heroic"})),
    ("Compactconversation", {"input": "Hi"}),
    ("createImage", {}),
    ("createImage", {"prompt": "A cat", "n": 11}),
    ("createImage", {"prompt": "A cat", "quality": "best"}),
    (
        "createImageEdit",
        {"prompt": "Blue", "images": [{"image_url": "https://example.com/a.png", "file_id": "f"}]},
    ),
    ("createFineTuningJob", {"model": "gpt-4o-mini"}),
    ("createFineTuningJob", {**TRAIN, "method": {"type": "magic"}}),
    ("createFineTuningJob", {**TRAIN, "hyperparameters": {"n_epochs": 51}}),
    ("createFineTuningJob", {**TRAIN, "hyperparameters": {"learning_rate_multiplier": 0}}),
    ("createModeration", {}),
    ("createModeration", {"input": [{"type": "text"}]}),
    ("createSpeech", {"model": "tts-1", "voice": "alloy"}),
    ("createSpeech", {**SPEAK, "speed": 4.5}),
    ("createSpeech", {**SPEAK, "response_format": "midi"}),
    ("createTranscription", {"model": "whisper-1"}),
    ("createEmbedding", {"model": "text-embedding-3-small", "input": []}),
    ("createEmbedding", {"model": "text-embedding-3-small", "input": "a", "dimensions": 0}),
    ("createEmbedding", {"model": "text-embedding-3-small", "input": "a", "encoding_format": "hex"}),
    ("createFile", {"file": "bytes", "purpose": "fun"}),
    (
        "createFile",
        {"file": "bytes", "purpose": "batch", "expires_after": {"anchor": "created_at", "seconds": 60}},
    ),
    ("createBatch", {**BATCH, "completion_window": "1h"}),
    ("createBatch", {**BATCH, "endpoint": "/v1/files"}),
    ("createUpload", {**UPLOAD, "bytes": "10"}),
    ("addUploadPart", {}),
    ("completeUpload", {"part_ids": "part_1"}),
    ("createVectorStore", {"expires_after": {"anchor": "last_active_at", "days": 0}}),
    ("createVectorStore", {"file_ids": ["file-1"], "chunking_strategy": {"type": "static"}}),
    ("createVectorStoreFile", {"file_id": "f", "attributes": {"list": [1]}}),
    (
        "createVectorStoreFile",
        {
            "file_id": "f",
            "chunking_strategy": {
                "type": "static",
                "static": {"max_chunk_size_tokens": 99, "chunk_overlap_tokens": 0},
            },
        },
    ),
    ("searchVectorStore", {"query": "refunds", "max_num_results": 51}),
    ("searchVectorStore", {"query": "refunds", "filters": {"type": "like", "key": "year", "value": 2024}}),
    ("createEdit", {"model": "text-davinci-edit-001"}),
    ("createFineTune", {}),
    ("createSearch", {"query": ""}),
    ("updateChatCompletion", {}),
    ("beta_createResponse", {**ASK, "input": 7}),
    ("beta_createResponse", {**ASK, "multi_agent": {"max_concurrent_subagents": 2}}),
    ("createConversationItems", {}),
    ("createConversationItems", {"items": [{"type": "hammer"}]}),
    ("createEval", {**EVAL, "testing_criteria": [{"type": "string_check"}]}),
    ("createEvalRun", {"name": "run"}),
    ("runGrader", {"model_sample": "a"}),
    ("accept-realtime-call", {"model": "gpt-realtime"}),
    ("create-realtime-client-secret", {"session": {"type": "karaoke"}}),
    ("create-realtime-session", {"modalities": "text"}),
    ("refer-realtime-call", {}),
    ("CreateContainer", {"file_ids": ["file-1"]}),
    ("CreateContainer", {"name": "c", "memory_limit": "3g"}),
    ("CreateContainerFile", {"file_id": 1}),
    ("CreateSkillVersion", {"default": "yes"}),
    ("createVideo", {"prompt": "A cat", "seconds": 8}),
    ("CreateVideoExtend", {"prompt": "It sleeps", "seconds": "24", "video": {"id": "video_1"}}),
    ("UpdateSkillDefaultVersion", {}),
    ("CreateChatSessionMethod", {"workflow": {"id": "wf_1"}}),
    ("createAssistant", {"name": "n"}),
    ("createMessage", {"role": "wizard", "content": "Hi"}),
    ("createRun", {"assistant_id": "asst_1", "truncation_strategy": {"type": "never"}}),
    ("submitToolOuputsToRun", {}),
    ("create-project", {}),
    ("create-organization-spend-alert", {**ALERT, "currency": "EUR"}),
    ("update-project-model-permissions", {"mode": "some", "model_ids": []}),
    ("activateOrganizationCertificates", {"certificate_ids": []}),
    ("admin-api-keys-create", {}),
]


def test_good_body_is_accepted(openapi: Node, faults: Faults) -> None:
    """What the service takes must not be refused here."""
    assert [(name, found) for name, body in GOOD if (found := faults(openapi, name, body))] == []


def test_wrong_body_is_refused(openapi: Node, faults: Faults) -> None:
    """What the service would refuse must not leave the house."""
    assert [(name, body) for name, body in WRONG if not faults(openapi, name, body)] == []
