"""Faults on request: what a server says about coming back."""

from __future__ import annotations

import os

import pytest

from kosha_connector_openai import Connector
from kosha_connector_openai.errors import UnavailableError
from kosha_connector_openai.sandbox import Sandbox
from tests.driving import control

CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Say it works"}]}


@pytest.mark.parametrize(
    ("fault", "attempts"),
    [("retry-after=0.01", 2), ("retry-after-ms=5", 2), ("dont-retry", 1), ("503", 1), ("html=502", 1), ("504", 1), ("524", 1)],
)
def test_a_paid_call_is_sent_again_only_where_it_was_turned_away(
    fault: str, attempts: int, connector: Connector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each can be tried offline: what says that it did not run is sent again, what may have run is not."""
    with Sandbox() as sandbox:
        monkeypatch.setenv("OPENAI_API_KEY", sandbox.key)
        connection = connector.connection({"api_key": "env:OPENAI_API_KEY", "server_url": sandbox.url}, environ=dict(os.environ))
        control(sandbox, "POST", "/faults", {"fault": fault, "times": 1})
        if attempts == 2:
            assert connector.run("createChatCompletion", CHAT, connection).attempts == 2
            return
        with pytest.raises(UnavailableError) as caught:
            connector.run("createChatCompletion", CHAT, connection)
        assert caught.value.attempts == 1
        assert not caught.value.retryable
