"""The connector as an HTTP service (extra ``gateway``). In: settings and callers' requests. Out: checked calls with the real credential."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.gateway.server import *
    from kosha_connector_openai.gateway.service import *
    from kosha_connector_openai.gateway.settings import *
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "server": "GatewayServer listen",
            "service": "Service make_service",
            "settings": "ConnectionEntry DEFAULT Settings TokenEntry read_settings",
        },
    )
