"""Tasks over mocked answers, and what was really sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from pytest_httpx import HTTPXMock

from kosha_connector_openai import Connection, Connector
from kosha_connector_openai.flows.tasks import TaskResult, run_task

SERVER = "https://api.openai.com"
Run = Callable[..., TaskResult]


@pytest.fixture
def connection(connector: Connector, key: str) -> Connection:
    """The default server, each call sent once."""
    return connector.connection({"api_key": "env:OPENAI_API_KEY"}, retries={"attempts": 1})


@pytest.fixture
def run(connector: Connector, connection: Connection) -> Run:
    """Runs a task by name."""

    def call(task: str, inputs: dict[str, Any], **options: Any) -> TaskResult:
        return run_task(connector, task, inputs, connection, **options)

    return call


def said(content: str | None, *, reason: str = "stop", tokens: int = 3, **message: Any) -> dict[str, Any]:
    """A chat's answer."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "m-1",
        "choices": [{"index": 0, "finish_reason": reason, "message": {"role": "assistant", "content": content, **message}}],
        "usage": {
            "prompt_tokens": 2,
            "completion_tokens": tokens,
            "total_tokens": 2 + tokens,
            "prompt_tokens_details": {"cached_tokens": 1},
        },
    }


def sent(mock: HTTPXMock) -> list[Any]:
    """The JSON bodies of all requests."""
    return [json.loads(request.content) for request in mock.get_requests()]
