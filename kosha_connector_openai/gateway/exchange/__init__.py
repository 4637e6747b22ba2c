"""A call on its way through. In: a request and a route. Out: the upstream's reply, byte for byte, or a refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.gateway.exchange.bodies import *
    from kosha_connector_openai.gateway.exchange.check_processes import *
    from kosha_connector_openai.gateway.exchange.context import *
    from kosha_connector_openai.gateway.exchange.disconnect import *
    from kosha_connector_openai.gateway.exchange.headers import *
    from kosha_connector_openai.gateway.exchange.multipart_scan import *
    from kosha_connector_openai.gateway.exchange.passage import *
    from kosha_connector_openai.gateway.exchange.response import *
    from kosha_connector_openai.gateway.exchange.usage_scan import *
    from kosha_connector_openai.gateway.exchange.validation import *
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "bodies": "BodyBudget BodyReader BodyRefused ClientLeft declared_length too_large",
            "check_processes": "BodyAnswer BodyQuestion CheckProcesses",
            "context": "Broken CallContext Refused",
            "disconnect": "DisconnectWatch",
            "headers": "HeaderRules",
            "multipart_scan": "Parts boundary",
            "passage": "Passage",
            "response": "UpstreamResponse",
            "usage_scan": "UsageFinder",
            "validation": "LARGE LARGE_LIMITS PAGE_LIMITS QUICK",
        },
    )
