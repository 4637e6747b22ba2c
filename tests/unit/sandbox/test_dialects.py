"""What the sandbox plays of other servers, and that none of it passes for an answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kosha_connector_openai import CallOptions, Connector, open_connector
from kosha_connector_openai.errors import AnswerError, ApiError, ConnectorError
from kosha_connector_openai.sandbox import Sandbox
from kosha_connector_openai.text import load_yaml

ROOT = Path(__file__).parents[3]
DIALECTS = load_yaml((ROOT / "kosha_connector_openai/sandbox/behaviour.yaml").read_bytes())["dialects"]
CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Say hi"}]}
WHOLE = {"stream-no-done", "stream-as-text"}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture
def connector(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connector]:
    monkeypatch.setenv("OPENAI_API_KEY", sandbox.key)
    with open_connector() as opened:
        yield opened


def call(connector: Connector, sandbox: Sandbox, fault: str) -> Any:
    action, inputs = "createChatCompletion", CHAT
    if fault.endswith("no-verdict"):
        action, inputs = "createModeration", {"input": "x"}
    elif fault.endswith("stream-failed"):
        action, inputs = "createResponse", {"model": "m", "input": "x", "stream": True}
    elif "stream" in fault:
        inputs = {**CHAT, "stream": True}
    connection = connector.connection({"api_key": "env:OPENAI_API_KEY", "server_url": sandbox.url}, headers={"x-kosha-fault": fault})
    return connector.run(action, inputs, connection, CallOptions(policy="fail", attempts=1))


@pytest.mark.parametrize("name", sorted(set(DIALECTS) - WHOLE))
def test_what_is_wrong_never_passes_for_right(connector: Connector, sandbox: Sandbox, name: str) -> None:
    """Each is an error under the policy to fail: the server's with its words, or that of an answer that is none."""
    with pytest.raises(ConnectorError) as caught:
        call(connector, sandbox, f"dialect={name}")
    named = DIALECTS[name].get("status", 200) >= 400 or name in ("error-in-200", "error-choice", "stream-error", "stream-failed")
    assert isinstance(caught.value, ApiError if named else AnswerError)
    assert not str(caught.value).startswith(("The server answered", "The server reports"))


@pytest.mark.parametrize(
    "fault", [*(f"dialect={name}" for name in sorted(WHOLE)), "type=text/plain", "type=application/octet-stream", "type"]
)
def test_what_is_right_passes(connector: Connector, sandbox: Sandbox, fault: str) -> None:
    """A stream without its closing event, and good answers under another name, which are told in a warning."""
    result = call(connector, sandbox, fault)
    assert (result.outcome, bool(result.text)) == ("complete", True)
    assert [warning.rule for warning in result.warnings] == ([] if fault.endswith("no-done") else ["content-type"])


def test_the_page_lists_every_dialect() -> None:
    """docs/sandbox.md names them all."""
    page = (ROOT / "docs/sandbox.md").read_text(encoding="utf-8")
    assert set(DIALECTS) <= set(re.findall(r"`([a-z0-9-]+)`", page))


def test_an_unknown_dialect_is_told(connector: Connector, sandbox: Sandbox) -> None:
    """With the names of those that there are."""
    with pytest.raises(ApiError, match="error-in-200"):
        call(connector, sandbox, "dialect=klingon")
