"""The tables of docs/triggers.md: the events that are told by webhook, and the lists that tell the same."""

from __future__ import annotations

from kosha_connector_openai import Connector
from kosha_connector_openai.manifest.parts import FollowUp, Triggers


def _call(rule: FollowUp) -> str:
    return f"`{rule.action}`" + (f" (needs {', '.join(f'`{name}`' for name in rule.needs)})" if rule.needs else "")


def triggers(connector: Connector) -> list[tuple[str, ...]]:
    """A row for each event."""
    rows: list[tuple[str, ...]] = []
    for name, kind in connector.part("triggers", Triggers).events.items():
        calls = [_call(kind.fetch)] if kind.fetch else [_call(rule) for rule in kind.answers]
        rows.append((f"`{name}`", kind.summary, kind.end or "", ", ".join(calls)))
    return rows


def polls(connector: Connector) -> list[tuple[str, ...]]:
    """A row for each list."""
    found = connector.part("triggers", Triggers).polls
    return [(f"`{name}`", f"`{rule.list}`", ", ".join(f"`{need}`" for need in rule.needs)) for name, rule in found.items()]
