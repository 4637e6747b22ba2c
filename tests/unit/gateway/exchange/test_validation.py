"""Checks beside what passes: the faults of body, path and query as the library finds them, but for names nobody knows."""

from __future__ import annotations

from typing import Any

import pytest

from kosha_connector_openai import Connector
from kosha_connector_openai.errors import InputError
from kosha_connector_openai.gateway.exchange import validation
from kosha_connector_openai.gateway.routes import Route


@pytest.fixture
def chat(connector: Connector) -> Route:
    return Route(connector.catalog["createChatCompletion"], connector.catalog)


@pytest.fixture
def listing(connector: Connector) -> Route:
    return Route(connector.catalog["listFiles"], connector.catalog)


GOOD: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "x"}]}


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (GOOD, []),
        ({**GOOD, "new": {"deep": 1}, "temperatur": 1}, []),
        ({**GOOD, "messages": [{"role": "user", "content": "x", "nmae": "y"}]}, []),
        ({**GOOD, "temperature": 9}, [("/temperature", "maximum")]),
        ({"modle": "m", "messages": GOOD["messages"]}, [("/model", "required")]),
        (None, [("", "type")]),
        ([], [("", "type")]),
    ],
)
@pytest.mark.parametrize("size", [1, 1_000_000], ids=["here", "in a thread"])
async def test_bodies(chat: Route, body: Any, found: list[tuple[str, str]], size: int) -> None:
    """Unknown names pass at any depth; one that stands for a required field leaves that missing."""
    faults = await validation.body_faults(chat.forms["application/json"], body, size)
    assert [(fault.pointer, fault.rule) for fault in faults] == found


@pytest.mark.parametrize(
    "raw", [b"", b"{", b'{"a":1}x', b"\xff", b'{"a":1,"a":2}', b"NaN", b'{"a":1e400}', b"[" * 100_000, b'{"a":"' + b"x" * 2_000 + b'"}']
)
async def test_text_that_is_no_json_for_us(raw: bytes) -> None:
    """As strictly as everywhere, and within the limit."""
    with pytest.raises(InputError):
        await validation.read_json(raw, 1_000)


async def test_a_large_text_is_read_in_a_thread() -> None:
    """And is the same."""
    assert await validation.read_json(b'["' + b"x" * 400_000 + b'"]', 1_000_000) == ["x" * 400_000]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", []),
        ("limit=3&order=asc&after=f-1", []),
        ("limit=x", [("/limit", "type")]),
        ("order=up", [("/order", "enum")]),
        ("unknown=1&limit=2", []),
        ("purpose=12", []),
        ("&".join("a=1" for _ in range(5_000)), [("", "maxItems")]),
    ],
)
def test_queries(listing: Route, query: str, found: list[tuple[str, str]]) -> None:
    """Text is read as the schema takes it; unknown names pass."""
    assert [(fault.pointer, fault.rule) for fault in validation.parameter_faults(listing, {}, query)] == found


def test_a_list_may_be_written_in_every_way(connector: Connector) -> None:
    """``a=1&a=2``, ``a[]=1``."""
    route = Route(connector.catalog["getResponse"], connector.catalog)
    item = "message.output_text.logprobs"
    for query in (f"include={item}&include={item}", f"include[]={item}", f"include%5B%5D={item}", f"include={item}"):
        assert validation.parameter_faults(route, {"response_id": "r"}, query) == ()
    assert validation.parameter_faults(route, {"response_id": "r"}, "include[]=nothing")


def test_fields_by_which_the_upstream_would_be_chosen(chat: Route) -> None:
    """At the top alone; a name that the action declares is its own."""
    form = chat.forms["application/json"]
    refused = frozenset({"base_url", "model"})
    assert validation.refused_name({**GOOD, "base_url": "x"}, refused, form) == "base_url"
    assert validation.refused_name(GOOD, refused, form) is None
    assert validation.refused_name(GOOD, refused, None) == "model"
    assert validation.refused_name([{"base_url": "x"}], refused, form) is None
