"""HTTP clients behind one seam: a WireRequest goes in, a reply whose body has not been read comes out; no other folder imports one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.http.aiohttp_engine import *
    from kosha_connector_openai.http.async_pool import *
    from kosha_connector_openai.http.content_coding import *
    from kosha_connector_openai.http.engine import *
    from kosha_connector_openai.http.exchange import *
    from kosha_connector_openai.http.headers import *
    from kosha_connector_openai.http.httpx_engine import *
    from kosha_connector_openai.http.origin import *
    from kosha_connector_openai.http.pool import *
    from kosha_connector_openai.http.tls import *
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "aiohttp_engine": "AsyncAiohttp",
            "async_pool": "AsyncPool",
            "content_coding": "adecoded decoded",
            "engine": "AsyncEngine AsyncReply EngineSettings HeaderList NOT_SENT "
            "Phase SyncEngine SyncReply WireError WireRequest WireTimeouts",
            "exchange": "ANYWHERE WholeReply read_whole send_once",
            "headers": "CREDENTIALS FRAMING HOP_BY_HOP PROTECTED is_protected",
            "httpx_engine": "AsyncHttpx SyncHttpx",
            "pool": "SyncPool",
            "origin": "EgressPolicy Network Origin Server allowed check_addresses join parse_origin parse_server",
            "tls": "tls_context",
        },
    )
