"""Two budgets over the same calls: a call has room in both, and what it used counts in both."""

from decimal import Decimal

import pytest

from kosha_connector_openai import Connector
from kosha_connector_openai.core.result import Result
from kosha_connector_openai.errors import ApiError, BudgetError
from kosha_connector_openai.gateway.pages.budget_pair import BudgetPair


@pytest.mark.parametrize("caps", [(1, 5), (5, 1)])
def test_a_call_has_room_in_both(connector: Connector, caps: tuple[int, int]):
    """Whichever is used up refuses, and the other has nothing set aside then."""
    both = [connector.outputs.budget(calls=cap) for cap in caps]
    pair = BudgetPair(*both)
    pair.reserve("listModels", {}, 0, paid=False).settle(Result("listModels", 200, "json", {}), None)
    with pytest.raises(BudgetError):
        pair.reserve("listModels", {}, 0, paid=False)
    assert [budget.spent["calls"] for budget in both] == [1, 1]
    assert [Decimal(budget.kept["calls"]) for budget in both] == [1, 1]


def test_what_was_used_counts_in_both(connector: Connector):
    """An answer by its usage; a refusal as a call."""
    both = [connector.outputs.budget(), connector.outputs.budget()]
    pair = BudgetPair(*both)
    answer = Result("createCompletion", 200, "json", {}, usage={"total_tokens": 7, "prompt_tokens": 3, "completion_tokens": 4})
    pair.reserve("createCompletion", {"model": "m", "prompt": "x"}, 20, paid=True).settle(answer, None)
    pair.reserve("createCompletion", {"model": "m", "prompt": "x"}, 20, paid=True).settle(
        None, ApiError("no", status=400, category="invalid_request")
    )
    assert [(budget.spent["calls"], budget.spent["tokens"]) for budget in both] == [(2, 7), (2, 7)]
