"""A budget of several processes: nothing leaves before what it set aside is kept, and what others have spent counts."""

from __future__ import annotations

import asyncio

import pytest

from kosha_connector_openai import Connector
from kosha_connector_openai.core import Attempt
from kosha_connector_openai.errors import BudgetError, SetupError
from kosha_connector_openai.flows.bulk import KeptBudget


async def test_a_call_waits_until_its_part_is_kept(opened: Connector) -> None:
    """Each attempt is kept anew; one that others were faster than is refused."""
    budget, kept = opened.outputs.budget(calls=2), list[asyncio.Future[None]]()

    def keep() -> asyncio.Future[None]:
        kept.append(asyncio.get_running_loop().create_future())
        return kept[-1]

    pace = KeptBudget(None, budget, keep)
    budget.reserve("createCompletion", {}, 1, paid=True)
    first, second = Attempt("createCompletion"), Attempt("createCompletion")
    assert pace.wait(first) > 0
    assert pace.wait(first) > 0
    kept[0].set_result(None)
    assert pace.wait(first) == 0
    assert pace.wait(second) > 0
    budget.go_on({"calls": "2"})
    kept[1].set_result(None)
    with pytest.raises(BudgetError, match="cap on calls"):
        pace.wait(second)
    assert len(kept) == 2
    third = Attempt("createCompletion")
    assert pace.wait(third) > 0
    kept[2].set_exception(SetupError("The ledger cannot be used."))
    with pytest.raises(SetupError, match="ledger"):
        pace.wait(third)
