"""A call on its way through. In: a request and a route. Out: the upstream's reply, byte for byte, or a refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.gateway.exchange.bodies import BodyBudget as BodyBudget
    from kosha_connector_openai.gateway.exchange.bodies import ClientLeft as ClientLeft
    from kosha_connector_openai.gateway.exchange.context import Broken as Broken
    from kosha_connector_openai.gateway.exchange.context import CallContext as CallContext
    from kosha_connector_openai.gateway.exchange.context import Refused as Refused
    from kosha_connector_openai.gateway.exchange.disconnect import DisconnectWatch as DisconnectWatch
    from kosha_connector_openai.gateway.exchange.headers import HeaderRules as HeaderRules
    from kosha_connector_openai.gateway.exchange.passage import Passage as Passage
    from kosha_connector_openai.gateway.exchange.response import UpstreamResponse as UpstreamResponse
    from kosha_connector_openai.gateway.exchange.usage_scan import UsageFinder as UsageFinder
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "bodies": "ClientLeft BodyBudget",
            "context": "Broken CallContext Refused",
            "disconnect": "DisconnectWatch",
            "headers": "HeaderRules",
            "passage": "Passage",
            "response": "UpstreamResponse",
            "usage_scan": "UsageFinder",
        },
    )
