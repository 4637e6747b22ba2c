"""A connector in the formats of other tools. In: a connector and the gateway's address. Out: a file's values or bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.exports.address import *
    from kosha_connector_openai.exports.chosen import *
    from kosha_connector_openai.exports.mcp_files import *
    from kosha_connector_openai.exports.node_red import *
    from kosha_connector_openai.exports.openapi3 import *
    from kosha_connector_openai.exports.power_platform import *
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "address": "address_parts",
            "chosen": "chosen_actions",
            "mcp_files": "mcpb server_json",
            "node_red": "write_node_red",
            "openapi3": "write_openapi3",
            "power_platform": "PowerPlatform write_power_platform",
        },
    )
