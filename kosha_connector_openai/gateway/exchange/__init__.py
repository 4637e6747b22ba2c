"""A call on its way through. In: a request and a route. Out: the upstream's reply, byte for byte, with what is looked at beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.gateway.exchange.bodies import ClientLeft as ClientLeft
    from kosha_connector_openai.gateway.exchange.bodies import Store as Store
    from kosha_connector_openai.gateway.exchange.context import Broken as Broken
    from kosha_connector_openai.gateway.exchange.context import Headers as Headers
    from kosha_connector_openai.gateway.exchange.context import Refused as Refused
    from kosha_connector_openai.gateway.exchange.context import Site as Site
    from kosha_connector_openai.gateway.exchange.disconnect import Departure as Departure
    from kosha_connector_openai.gateway.exchange.headers import HeaderRules as HeaderRules
    from kosha_connector_openai.gateway.exchange.passage import Passage as Passage
    from kosha_connector_openai.gateway.exchange.response import Answer as Answer
    from kosha_connector_openai.gateway.exchange.usage_scan import UsageFinder as UsageFinder
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "bodies": "ClientLeft Store",
            "context": "Broken Headers Refused Site",
            "disconnect": "Departure",
            "headers": "HeaderRules",
            "passage": "Passage",
            "response": "Answer",
            "usage_scan": "UsageFinder",
        },
    )
