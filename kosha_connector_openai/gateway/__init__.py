"""The connector as an HTTP service (extra ``gateway``). In: settings and callers' requests. Out: checked calls with the real credential."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.gateway.server import GatewayServer as GatewayServer
    from kosha_connector_openai.gateway.server import listen as listen
    from kosha_connector_openai.gateway.service import Service as Service
    from kosha_connector_openai.gateway.service import make_service as make_service
    from kosha_connector_openai.gateway.settings import DEFAULT as DEFAULT
    from kosha_connector_openai.gateway.settings import ConnectionEntry as ConnectionEntry
    from kosha_connector_openai.gateway.settings import Settings as Settings
    from kosha_connector_openai.gateway.settings import read_settings as read_settings
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "server": "GatewayServer listen",
            "service": "Service make_service",
            "settings": "ConnectionEntry DEFAULT Settings read_settings",
        },
    )
