"""HTTP clients behind one seam: a WireRequest goes in, a reply whose body has not been read comes out; no other folder imports one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.http.aiohttp_engine import AsyncAiohttp as AsyncAiohttp
    from kosha_connector_openai.http.engine import NOT_SENT as NOT_SENT
    from kosha_connector_openai.http.engine import AsyncEngine as AsyncEngine
    from kosha_connector_openai.http.engine import AsyncReply as AsyncReply
    from kosha_connector_openai.http.engine import EngineSettings as EngineSettings
    from kosha_connector_openai.http.engine import HeaderList as HeaderList
    from kosha_connector_openai.http.engine import Phase as Phase
    from kosha_connector_openai.http.engine import SyncEngine as SyncEngine
    from kosha_connector_openai.http.engine import SyncReply as SyncReply
    from kosha_connector_openai.http.engine import WireError as WireError
    from kosha_connector_openai.http.engine import WireRequest as WireRequest
    from kosha_connector_openai.http.engine import WireTimeouts as WireTimeouts
    from kosha_connector_openai.http.exchange import ANYWHERE as ANYWHERE
    from kosha_connector_openai.http.exchange import WholeReply as WholeReply
    from kosha_connector_openai.http.exchange import read_whole as read_whole
    from kosha_connector_openai.http.exchange import send_once as send_once
    from kosha_connector_openai.http.headers import CREDENTIALS as CREDENTIALS
    from kosha_connector_openai.http.headers import FRAMING as FRAMING
    from kosha_connector_openai.http.headers import HOP_BY_HOP as HOP_BY_HOP
    from kosha_connector_openai.http.headers import PROTECTED as PROTECTED
    from kosha_connector_openai.http.httpx_engine import AsyncHttpx as AsyncHttpx
    from kosha_connector_openai.http.httpx_engine import SyncHttpx as SyncHttpx
    from kosha_connector_openai.http.origin import EgressPolicy as EgressPolicy
    from kosha_connector_openai.http.origin import Origin as Origin
    from kosha_connector_openai.http.origin import Server as Server
    from kosha_connector_openai.http.origin import allowed as allowed
    from kosha_connector_openai.http.origin import check_addresses as check_addresses
    from kosha_connector_openai.http.origin import join as join
    from kosha_connector_openai.http.origin import parse_origin as parse_origin
    from kosha_connector_openai.http.origin import parse_server as parse_server
    from kosha_connector_openai.http.tls import tls_context as tls_context
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "aiohttp_engine": "AsyncAiohttp",
            "engine": "AsyncEngine AsyncReply EngineSettings HeaderList NOT_SENT "
            "Phase SyncEngine SyncReply WireError WireRequest WireTimeouts",
            "exchange": "ANYWHERE WholeReply read_whole send_once",
            "headers": "CREDENTIALS FRAMING HOP_BY_HOP PROTECTED",
            "httpx_engine": "AsyncHttpx SyncHttpx",
            "origin": "EgressPolicy Origin Server allowed check_addresses join parse_origin parse_server",
            "tls": "tls_context",
        },
    )
