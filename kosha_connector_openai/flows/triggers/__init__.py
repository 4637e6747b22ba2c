"""Triggers: a webhook's delivery or a list of jobs comes in; typed events come out, each once, with the action that goes on with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.flows.triggers.endpoints import *
    from kosha_connector_openai.flows.triggers.events import *
    from kosha_connector_openai.flows.triggers.polling import *
    from kosha_connector_openai.flows.triggers.replay import *
    from kosha_connector_openai.flows.triggers.signature import *
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "endpoints": "endpoint_rules list_endpoints register remove sent_types",
            "events": "NextCall TriggerEvent list_events read_event sample verify",
            "polling": "PollState apoll poll",
            "replay": "MemoryGuard ReplayGuard",
            "signature": "sign",
        },
    )
