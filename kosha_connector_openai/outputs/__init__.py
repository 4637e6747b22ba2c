"""What is offered beside a result. In: a reply and the parts of the manifest. Out: short results, files, costs and budgets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.outputs.budget import Budget as Budget
    from kosha_connector_openai.outputs.budget import Ticket as Ticket
    from kosha_connector_openai.outputs.outputs import OutputRoom as OutputRoom
    from kosha_connector_openai.outputs.prices import Prices as Prices
    from kosha_connector_openai.outputs.shapes import ShortResult as ShortResult
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "budget": "Budget Ticket",
            "outputs": "OutputRoom",
            "prices": "Prices",
            "shapes": "ShortResult",
        },
    )
