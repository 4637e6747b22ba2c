"""To whom, and with what right. In: a connection form's values, secret references. Out: a Connection and the headers of one request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.core.connection.auth import *
    from kosha_connector_openai.core.connection.connection import *
    from kosha_connector_openai.core.connection.credentials import *
    from kosha_connector_openai.core.connection.environment import *
    from kosha_connector_openai.core.connection.oauth2_renewal import *
    from kosha_connector_openai.core.connection.options import *
    from kosha_connector_openai.core.connection.scheme import *
    from kosha_connector_openai.core.connection.server_kinds import *
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "auth": "Credential SCHEMES authorize masked scrub with_key with_mask",
            "connection": "Connection form_schema make_connection",
            "credentials": "described_place",
            "environment": "connection_from schemes_met values_from_environment",
            "oauth2_renewal": "Exchange Grant RefreshForm TokenResolver",
            "options": "Options read_options",
            "scheme": "RequestFacts",
            "server_kinds": "idle merged server_kind_of",
        },
    )
