"""What is offered beside a result. In: a reply and the parts of the manifest. Out: short results, files, costs and budgets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.outputs.budget import *
    from kosha_connector_openai.outputs.cost import *
    from kosha_connector_openai.outputs.embedded import *
    from kosha_connector_openai.outputs.files import *
    from kosha_connector_openai.outputs.outputs import *
    from kosha_connector_openai.outputs.prices import *
    from kosha_connector_openai.outputs.shapes import *
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "budget": "Budget Extent Ticket extent_of",
            "cost": "amount most",
            "embedded": "embedded_names replaced",
            "files": "OutputFile file_name from_bytes",
            "outputs": "OutputRoom",
            "prices": "Price Prices read_prices",
            "shapes": "ShortResult normalised_usage total_tokens",
        },
    )
