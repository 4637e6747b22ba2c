"""R24: a body that the library accepts the gateway accepts, and what it refuses is refused at the same places; unknown names aside."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kosha_connector_openai import Connector
from kosha_connector_openai.core.actions import Leniency
from kosha_connector_openai.errors import InputError
from kosha_connector_openai.gateway.exchange import validation as checks
from kosha_connector_openai.gateway.routes import Route

PIECES: dict[str, st.SearchStrategy[Any]] = {
    "model": st.sampled_from(["m", "", 1, None]),
    "messages": st.lists(
        st.fixed_dictionaries(
            {}, optional={"role": st.sampled_from(["user", "system", "usr", 1]), "content": st.sampled_from(["x", None, 1, []])}
        ),
        max_size=3,
    ),
    "temperature": st.sampled_from([0, 1.5, 9, "x", None, True]),
    "stop": st.sampled_from(["a", ["a"], ["a"] * 9, None, 1]),
    "seed": st.integers(-(2**70), 2**70),
    "n": st.integers(-1, 200),
    "input": st.sampled_from(["x", [], ["x"], [1, 2], [[1]], None]),
    "brand_new": st.booleans(),
}
BODIES = st.fixed_dictionaries({}, optional=PIECES)


@pytest.mark.parametrize("action", ["createChatCompletion", "createEmbedding"])
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=BODIES)
def test_library_and_gateway_agree(connector: Connector, action: str, body: dict[str, Any]) -> None:
    """The same faults at the same places, but for unknown names, which the library refuses and the gateway passes on."""
    form = Route(connector.catalog[action], connector.catalog).forms["application/json"]
    leniency = Leniency("on", connector.catalog[action].overlay.given_back)
    try:
        connector.check(action, body)
        library: set[tuple[str, str]] = set()
    except InputError as error:
        library = {(fault.pointer, fault.rule) for fault in error.faults if fault.rule != "unknown"}
    gateway = {(fault.pointer, fault.rule) for fault in asyncio.run(checks.body_faults(form, body, 1, leniency))}
    assert gateway == library
