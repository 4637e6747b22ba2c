"""How many sessions of MCP a caller may have open."""

from __future__ import annotations

import pytest

from kosha_connector_openai.gateway.exchange import Refused
from kosha_connector_openai.gateway.pages.mcp_page import OpenSessions


def test_one_caller_does_not_take_the_room_of_others() -> None:
    """The limit is each caller's own; ending a session, or not using it for half an hour, makes room again."""
    now = 0.0
    sessions = OpenSessions(most=2, idle=10, clock=lambda: now)
    for key in ("one", "two"):
        sessions.check("a/a")
        sessions.use("a/a", key)
    with pytest.raises(Refused) as caught:
        sessions.check("a/a")
    assert (caught.value.refusal.status, caught.value.refusal.code) == (429, "too_many_sessions")
    sessions.check("b/b")
    sessions.end("a/a", "one")
    sessions.check("a/a")
    sessions.use("a/a", "three")
    now = 5.0
    sessions.use("a/a", "two")
    now = 12.0
    sessions.check("a/a")  # the third was not used for longer than it is kept
