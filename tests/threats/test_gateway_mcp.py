"""Row B6 at `/mcp`: what one message, or one address, of an MCP client can do to the whole service."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kosha_connector_openai.errors import InputError
from kosha_connector_openai.mcp import ToolChoice, ToolList
from kosha_connector_openai.mcp import tools as tools_module
from tests.recorder import Recorder, reply
from tests.service import whole

PROTOCOL = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json", "mcp-protocol-version": "2025-06-18"}


def message(arguments: Any) -> bytes:
    params = {"name": "createChatCompletion", "arguments": arguments}
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()


def test_b6_a_message_of_many_values_never_reaches_the_loop():
    """Refused with a reason where it has too many values, is too long or no strict JSON; nothing is sent upstream."""
    bodies = {
        "values": (message({"a": [[] for _ in range(60_000)]}), 400),
        "names": (message({f"name{number}": 1 for number in range(60_000)}), 400),
        "bytes": (message({"a": "x" * (2 * 1024 * 1024)}), 413),
        "no JSON": (b"{", 400),
    }
    limits = {"limits": {"body_json": 1024 * 1024}}
    with Recorder(reply(200, {})) as upstream, whole(upstream.url, settings=limits) as gateway:
        found = {name: gateway.call("POST", "/mcp", content=body, headers=PROTOCOL).status_code for name, (body, _) in bodies.items()}
        assert found == {name: status for name, (_, status) in bodies.items()}
        assert not upstream.requests


def test_b6_near_names_of_an_address_are_looked_for_a_few_times(connector, monkeypatch: pytest.MonkeyPatch):
    """However many unknown actions and groups a choice names."""
    asked: list[str] = []
    monkeypatch.setattr(tools_module, "nearest", lambda name, names: asked.append(name))
    names = tuple(f"createChatx{number}" for number in range(1_000))
    with pytest.raises(InputError) as caught:
        ToolList(connector, ToolChoice(names, names))
    assert len(asked) == len(caught.value.faults) <= 10
