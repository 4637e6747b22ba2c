"""To whom, and with what right. In: a connection form's values, secret references. Out: a Connection and the headers of one request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.core.connection.auth import Credential as Credential
    from kosha_connector_openai.core.connection.auth import authorize as authorize
    from kosha_connector_openai.core.connection.auth import masked as masked
    from kosha_connector_openai.core.connection.auth import scrub as scrub
    from kosha_connector_openai.core.connection.connection import Connection as Connection
    from kosha_connector_openai.core.connection.connection import form_schema as form_schema
    from kosha_connector_openai.core.connection.connection import home_of_environment as home_of_environment
    from kosha_connector_openai.core.connection.connection import make_connection as make_connection
    from kosha_connector_openai.core.connection.connection import values_from_environment as values_from_environment
    from kosha_connector_openai.core.connection.oauth2_renewal import Exchange as Exchange
    from kosha_connector_openai.core.connection.oauth2_renewal import Grant as Grant
    from kosha_connector_openai.core.connection.oauth2_renewal import RefreshForm as RefreshForm
    from kosha_connector_openai.core.connection.oauth2_renewal import TokenResolver as TokenResolver
    from kosha_connector_openai.core.connection.options import Options as Options
    from kosha_connector_openai.core.connection.options import read_options as read_options
    from kosha_connector_openai.core.connection.scheme import RequestFacts as RequestFacts
    from kosha_connector_openai.core.connection.server_kinds import idle as idle
    from kosha_connector_openai.core.connection.server_kinds import merged as merged
    from kosha_connector_openai.core.connection.server_kinds import preset_of as preset_of
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "auth": "Credential authorize masked scrub",
            "connection": "Connection form_schema home_of_environment make_connection values_from_environment",
            "oauth2_renewal": "Exchange Grant RefreshForm TokenResolver",
            "options": "Options read_options",
            "scheme": "RequestFacts",
            "server_kinds": "idle merged preset_of",
        },
    )
