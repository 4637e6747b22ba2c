"""Triggers: a webhook's delivery or a list of jobs comes in; typed events come out, each once, with the action that goes on with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.flows.triggers.events import NextCall as NextCall
    from kosha_connector_openai.flows.triggers.events import TriggerEvent as TriggerEvent
    from kosha_connector_openai.flows.triggers.events import list_events as list_events
    from kosha_connector_openai.flows.triggers.events import read_event as read_event
    from kosha_connector_openai.flows.triggers.events import sample as sample
    from kosha_connector_openai.flows.triggers.events import verify as verify
    from kosha_connector_openai.flows.triggers.polling import PollState as PollState
    from kosha_connector_openai.flows.triggers.polling import apoll as apoll
    from kosha_connector_openai.flows.triggers.polling import poll as poll
    from kosha_connector_openai.flows.triggers.replay import MemoryGuard as MemoryGuard
    from kosha_connector_openai.flows.triggers.replay import ReplayGuard as ReplayGuard
    from kosha_connector_openai.flows.triggers.signature import sign as sign
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "events": "NextCall TriggerEvent list_events read_event sample verify",
            "polling": "PollState apoll poll",
            "replay": "MemoryGuard ReplayGuard",
            "signature": "sign",
        },
    )
