"""Lists page by page: what is asked, what comes out, and that every walk ends."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest_httpx import HTTPXMock

from kosha_connector_openai import CallOptions, Connection, Connector, Result, open_connector
from kosha_connector_openai.errors import InputError, OutcomeUnknownError, PagingError, RejectedError, UnavailableError
from kosha_connector_openai.flows.paging import Pager, PagingOptions, Walk

COUNT = 15_000
CONNECTOR = open_connector()


@pytest.fixture
def connection(connector: Connector, key: str) -> Connection:
    del key
    return connector.connection({}, engine="httpx")


def items(start: int, stop: int) -> list[dict[str, Any]]:
    return [{"id": f"item-{number}"} for number in range(start, stop)]


def serve(mock: HTTPXMock, count: int) -> None:
    """A list of ``count`` items behind after and limit."""

    def page(request: httpx.Request) -> httpx.Response:
        query = parse_qs(urlsplit(str(request.url)).query)
        start = int(query.get("after", ["item--1"])[0].removeprefix("item-")) + 1
        stop = min(count, start + int(query.get("limit", ["20"])[0]))
        found = items(start, stop)
        last = found[-1]["id"] if found else None
        return httpx.Response(200, json={"object": "list", "data": found, "last_id": last, "has_more": stop < count})

    mock.add_callback(page, is_reusable=True)


def answers(mock: HTTPXMock, *values: Any, status: int = 200) -> None:
    for value in values:
        mock.add_response(status_code=status, json=value)


def queries(mock: HTTPXMock) -> list[dict[str, list[str]]]:
    return [parse_qs(urlsplit(str(request.url)).query) for request in mock.get_requests()]


def test_a_list_of_15000_files_arrives_whole(connector: Connector, connection: Connection, httpx_mock: HTTPXMock) -> None:
    """The complaint was 5,000 of 15,000: all come, in order, none twice, in the largest pages that the API takes."""
    serve(httpx_mock, COUNT)
    pager = Pager(connector, "listFiles", {}, connection)
    assert [item["id"] for item in pager.items()] == [f"item-{number}" for number in range(COUNT)]
    assert [query.get("after") for query in queries(httpx_mock)] == [None, ["item-9999"]]
    assert [query["limit"] for query in queries(httpx_mock)] == [["10000"], ["10000"]]
    assert (pager.walk.pages, pager.cursor) == (2, None)


async def test_the_same_on_an_event_loop(connector: Connector, connection: Connection, httpx_mock: HTTPXMock) -> None:
    """Pages of 100 by default, as many as there are; the listing says that it is complete."""
    serve(httpx_mock, 250)
    listing = await Pager(connector, "listBatches", {}, connection).acollect()
    assert (len(listing.items), listing.pages, listing.complete, listing.stopped) == (250, 3, True, None)
    walked = [item async for item in Pager(connector, "listBatches", {"after": "item-239"}, connection).aitems()]
    assert walked == items(240, 250)
    await connector.aclose()


def test_the_callers_own_query_is_kept(connector: Connector, connection: Connection, httpx_mock: HTTPXMock) -> None:
    """A filter and a page size that the caller gave go with every page."""
    serve(httpx_mock, 5)
    list(Pager(connector, "listFiles", {"purpose": "batch", "limit": 2}, connection).items())
    assert [query["limit"] for query in queries(httpx_mock)] == [["2"]] * 3
    assert [query["purpose"] for query in queries(httpx_mock)] == [["batch"]] * 3


@pytest.mark.parametrize(
    ("options", "count", "asked", "cursor", "stopped"),
    [
        ({"items": 3}, 3, ["3"], "item-2", "items"),
        ({"items": 250}, 250, ["100", "100", "100"], "item-249", "items"),
        ({"pages": 2}, 200, ["100", "100"], "item-199", "pages"),
        ({"items": 1_000}, 300, ["100", "100", "100"], None, None),
        ({"items": 300}, 300, ["100", "100", "100"], None, None),
        ({"page_size": 40, "pages": 1}, 40, ["40"], "item-39", "pages"),
    ],
)
def test_no_more_is_asked_for_than_is_wanted(
    connector: Connector,
    connection: Connection,
    httpx_mock: HTTPXMock,
    options: dict[str, int],
    count: int,
    asked: list[str],
    cursor: str | None,
    stopped: str | None,
) -> None:
    """The caller's limits are no error; the cursor passes over nothing that was cut off."""
    serve(httpx_mock, 300)
    listing = Pager(connector, "listBatches", {}, connection, PagingOptions(**options)).collect()
    assert (listing.items, listing.cursor, listing.stopped, listing.error) == (items(0, count), cursor, stopped, None)
    assert [query["limit"][0] for query in queries(httpx_mock)] == asked
    assert listing.complete == (stopped is None)


@pytest.mark.parametrize(
    ("action", "inputs", "first", "second"),
    [
        ("list-groups", {}, {"has_more": True, "next": "n1"}, {"after": ["n1"], "limit": ["1000"]}),
        ("usage-costs", {"start_time": 1}, {"has_more": True, "next_page": "p1"}, {"page": ["p1"], "limit": ["180"], "start_time": ["1"]}),
        ("listFineTuningEvents", {"fine_tuning_job_id": "j"}, {"has_more": True}, {"after": ["x"], "limit": ["100"]}),
        ("listBatches", {}, {"has_more": True, "last_id": "l1"}, {"after": ["l1"], "limit": ["100"]}),
    ],
)
def test_each_form_of_cursor(
    connector: Connector, connection: Connection, httpx_mock: HTTPXMock, action: str, inputs: Any, first: Any, second: Any
) -> None:
    """The cursor is found where this list has it and sent where this list takes it."""
    answers(httpx_mock, {"data": [{"id": "x"}], **first}, {"data": [{"id": "y"}], "has_more": False, "next": None, "next_page": None})
    values = {"admin_key": "env:OPENAI_API_KEY"}
    listing = Pager(connector, action, inputs, connector.connection(values, engine="httpx")).collect()
    assert (listing.items, listing.complete) == ([{"id": "x"}, {"id": "y"}], True)
    assert queries(httpx_mock)[1] == second


def test_a_list_that_comes_whole(connector: Connector, connection: Connection, httpx_mock: HTTPXMock) -> None:
    """One request, with nothing about pages in it."""
    answers(httpx_mock, {"object": "list", "data": items(0, 3)})
    assert Pager(connector, "listModels", {}, connection).collect().complete
    assert queries(httpx_mock) == [{}]


def test_a_list_with_no_way_on_says_so(connector: Connector, connection: Connection, httpx_mock: HTTPXMock) -> None:
    """Where the API has more and no way to ask for it, the listing is not called complete."""
    answers(httpx_mock, {"data": [{"id": "x"}], "has_more": True, "next_page": "p"})
    listing = Pager(connector, "searchVectorStore", {"vector_store_id": "v", "query": "q"}, connection).collect()
    assert (listing.complete, listing.stopped, listing.error, len(listing.items)) == (False, "one page", None, 1)


@pytest.mark.parametrize(
    ("pages", "kept", "words"),
    [
        ([{"data": items(0, 1), "has_more": True, "last_id": "a"}] * 2, 2, "circles"),
        ([{"data": items(n, n + 1), "has_more": True, "last_id": "abca"[n]} for n in range(4)], 4, "circles"),
        ([{"data": items(0, 1), "has_more": True}, {"data": [], "has_more": True}], 1, "not from where"),
        ([{"data": items(0, 1), "has_more": True}, {"data": [], "has_more": True, "last_id": "z"}], 1, "without items"),
        ([{"data": items(0, 1), "has_more": True, "last_id": "x" * 9_000}], 1, "no short text"),
        ([{"data": items(0, 1), "has_more": True, "last_id": {"limit": 1}}], 1, "no short text"),
        ([{"data": items(0, 1), "has_more": True}, {"data": None, "has_more": True}], 1, "no list"),
        ([{"data": items(0, 1), "has_more": True}, ["data"]], 1, "no list"),
    ],
)
def test_a_list_that_leads_nowhere_is_stopped(
    connector: Connector, connection: Connection, httpx_mock: HTTPXMock, pages: list[Any], kept: int, words: str
) -> None:
    """A cursor that comes again, an empty page with more behind it, no list: told, and what came is kept."""
    answers(httpx_mock, *pages)
    listing = Pager(connector, "listBatches", {}, connection).collect()
    assert len(listing.items) == kept
    assert isinstance(listing.error, PagingError)
    assert words in str(listing.error)
    assert (listing.error.items, listing.complete, listing.stopped) == (kept, False, "paging")


def test_an_endless_list_is_stopped(connector: Connector, connection: Connection, httpx_mock: HTTPXMock) -> None:
    """A server that makes up a new cursor each time meets the hard limit, in requests that are counted."""
    numbers = itertools.count()
    httpx_mock.add_callback(lambda _: httpx.Response(200, json=_endless(next(numbers))), is_reusable=True)
    listing = Pager(connector, "listBatches", {}, connection, PagingOptions(hard_pages=50)).collect()
    assert (len(listing.items), listing.pages, listing.cursor) == (50, 50, "c49")
    assert isinstance(listing.error, PagingError)
    assert len(httpx_mock.get_requests()) == 50
    with pytest.raises(PagingError, match="within 7 pages and 7 items"):
        list(Pager(connector, "listBatches", {}, connection, PagingOptions(hard_items=7)).items())


def _endless(number: int) -> dict[str, Any]:
    return {"data": [{"id": f"i{number}"}], "has_more": True, "last_id": f"c{number}"}


def test_a_cut_page_keeps_what_came_before(connector: Connector, connection: Connection, httpx_mock: HTTPXMock) -> None:
    """The error, the items before it and the cursor come together; from the cursor the rest arrives, nothing twice."""
    first = {"data": items(0, 100), "has_more": True, "last_id": "item-99"}
    answers(httpx_mock, first)
    httpx_mock.add_response(content=json.dumps({"data": items(100, 101)}).encode()[:-4], headers={"content-type": "application/json"})
    options = PagingOptions(call=CallOptions(attempts=1))
    listing = Pager(connector, "listBatches", {}, connection, options).collect()
    assert (listing.items, listing.cursor, listing.stopped) == (items(0, 100), "item-99", "malformed_reply")
    answers(httpx_mock, {"data": items(100, 103), "has_more": False})
    rest = Pager(connector, "listBatches", {"after": listing.cursor}, connection).collect()
    assert (listing.items + rest.items, rest.complete) == (items(0, 103), True)


@pytest.mark.parametrize(("status", "kind"), [(400, RejectedError), (503, UnavailableError)])
def test_an_error_passes_as_it_is(connector: Connector, connection: Connection, httpx_mock: HTTPXMock, status: int, kind: Any) -> None:
    """Pages stream: those before the error were handed out when it is raised."""
    answers(httpx_mock, {"data": items(0, 2), "has_more": True})
    answers(httpx_mock, {"error": {"message": "no"}}, status=status)
    pager, seen = Pager(connector, "listBatches", {}, connection, PagingOptions(call=CallOptions(attempts=1))), []

    def walk() -> Iterator[Any]:
        for item in pager.items():
            seen.append(item["id"])
            yield item

    with pytest.raises(kind):
        list(walk())
    assert (seen, pager.cursor) == (["item-0", "item-1"], "item-1")


def test_the_deadline_is_over_the_whole_walk(connector: Connector, connection: Connection, httpx_mock: HTTPXMock) -> None:
    """Each call gets what is left; when nothing is, no other page is asked for."""
    now = [100.0]
    walk = Walk(connector, "listBatches", {}, PagingOptions(timeout=10), clock=lambda: now[0])
    assert walk.wanted()[1].timeout == 10
    answers(httpx_mock, {"data": items(0, 1), "has_more": True})
    inputs, options = walk.wanted()
    walk.take(connector.run("listBatches", inputs, connection, options))
    now[0] = 107.0
    assert walk.wanted()[1].timeout == 3
    now[0] = 111.0
    with pytest.raises(PagingError, match="within 10 seconds"):
        walk.wanted()


def test_a_slow_page_ends_with_the_walk(connector: Connector, connection: Connection, httpx_mock: HTTPXMock) -> None:
    """A call that is under way when the time is over ends as a call does."""
    httpx_mock.add_exception(httpx.ReadTimeout("slow"), is_reusable=True)
    listing = Pager(connector, "listBatches", {}, connection, PagingOptions(timeout=0.2)).collect()
    assert isinstance(listing.error, (OutcomeUnknownError, PagingError))
    assert listing.items == []


@pytest.mark.parametrize("options", [{"items": 0}, {"pages": -1}, {"hard_pages": 0}])
def test_limits_that_make_no_sense(options: dict[str, int]) -> None:
    """They are refused before anything is sent."""
    with pytest.raises(InputError, match="at least 1"):
        PagingOptions(**options)


def test_an_action_that_is_no_list(connector: Connector, connection: Connection) -> None:
    """It is refused, and nothing is sent."""
    with pytest.raises(InputError, match="no list"):
        Pager(connector, "createChatCompletion", {}, connection)


PAGES = st.lists(st.integers(1, 9), min_size=1, max_size=5)
LIMITS = st.lists(st.integers(1, 25), min_size=1, max_size=4)


@given(count=st.integers(0, 60), sizes=PAGES, limits=LIMITS)
@settings(max_examples=150, deadline=None)
def test_walks_in_stages_lose_and_repeat_nothing(count: int, sizes: list[int], limits: list[int]) -> None:
    """Whatever pages a server cuts and however often the caller stops: going on from the cursor gives every item once, in order."""
    found: list[Any] = []
    cursor, complete = None, False
    for limit in [*limits, 10_000]:
        given = {} if cursor is None else {"after": cursor}
        walk = Walk(CONNECTOR, "listBatches", given, PagingOptions(items=limit))
        turn = itertools.cycle(sizes)
        while not walk.finished:
            inputs, _ = walk.wanted()
            start = int(inputs.get("after", "item--1").removeprefix("item-")) + 1
            stop = min(count, start + min(next(turn), inputs["limit"] + 3))
            answer = {"data": items(start, stop), "has_more": stop < count}
            found += walk.take(Result("listBatches", 200, "json", answer)).items
        cursor, complete = walk.cursor, walk.stopped is None
        if complete:
            break
    assert complete
    assert found == items(0, count)
