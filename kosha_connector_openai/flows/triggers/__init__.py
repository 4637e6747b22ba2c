"""Triggers: a webhook's delivery or a list of jobs comes in; typed events come out, each once, with the action that goes on with it."""

from __future__ import annotations

from kosha_connector_openai.flows.triggers.events import NextCall, TriggerEvent, list_events, read_event, sample, verify
from kosha_connector_openai.flows.triggers.polling import PollState, apoll, poll
from kosha_connector_openai.flows.triggers.replay import MemoryGuard, ReplayGuard
from kosha_connector_openai.flows.triggers.signature import sign

__all__ = [
    "MemoryGuard", "NextCall", "PollState", "ReplayGuard", "TriggerEvent", "apoll", "list_events", "poll", "read_event", "sample", "sign",
    "verify",
]  # fmt: skip
