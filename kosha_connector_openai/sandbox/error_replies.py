"""Answers that are errors, in the vendor's shape; the words are data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kosha_connector_openai.sandbox.message import SandboxReply
from kosha_connector_openai.sandbox.templates import ABSENT, render


class RequestFailure(Exception):
    """The request is answered with the error ``name`` of the behaviour's table; ``facts`` fill its text."""

    def __init__(self, name: str, **facts: Any) -> None:
        super().__init__(name)
        self.name = name
        self.facts = facts


class _Facts:
    def __init__(self, facts: Mapping[str, Any]) -> None:
        self._facts = facts

    def get(self, name: str) -> Any:
        return self._facts.get(name, ABSENT)

    def also(self, **more: Any) -> _Facts:
        return _Facts({**self._facts, **more})


def error_reply(behaviour: Mapping[str, Any], failure: RequestFailure) -> SandboxReply:
    """The reply; null stands where an error has no param or code."""
    row = behaviour["errors"][failure.name]
    given = _Facts({"param": None, "code": None, **failure.facts})
    facts = {key: render(row.get(key), given) for key in ("message", "type", "code")}
    shape = render(behaviour["error"], _Facts({"param": failure.facts.get("param"), **facts}))
    reply = SandboxReply.json(shape, int(failure.facts.get("status", row["status"])))
    reply.headers.update({**row.get("headers", {}), **failure.facts.get("headers", {})})
    return reply


def masked(key: str) -> str:
    """The first three and last four characters of a long key, of others nothing."""
    return f"{key[:3]}****{key[-4:]}" if len(key) >= 16 else "****"  # noqa: PLR2004 - shorter ones would be mostly shown
