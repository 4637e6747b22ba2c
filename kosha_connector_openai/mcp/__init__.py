"""The connector as a server of the Model Context Protocol. In: a connector, a choice of actions, a caller. Out: tools and their answers.

Needs the extra ``mcp`` where tools are served; the list of tools is made without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.mcp.backend import *
    from kosha_connector_openai.mcp.calls import *
    from kosha_connector_openai.mcp.server import *
    from kosha_connector_openai.mcp.tool import *
    from kosha_connector_openai.mcp.tools import *
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "backend": "SCOPE Backend EventSink KeptFile LocalBackend",
            "calls": "ToolSession",
            "server": "make_server serve_stdio",
            "tool": "Tool ToolChoice",
            "tools": "ToolList",
        },
    )
