"""Long lists over real HTTP: whole, in bounded memory, and stopped where they do not end."""

from __future__ import annotations

import socket
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

from kosha_connector_openai import open_connector
from kosha_connector_openai.errors import PagingError
from kosha_connector_openai.flows.paging import Pager, PagingOptions
from tests.cap import capped
from tests.driving import drive
from tests.offline import Offline
from tests.recorder import Received, Recorder, Script, reply

COUNT = 15_000
WALK = """
from kosha_connector_openai import open_connector
from kosha_connector_openai.flows.paging import Pager, PagingOptions

connector = open_connector()
connection = connector.connection({"server_url": url, "api_key": "env:OPENAI_API_KEY"}, engine="httpx")
count = sum(1 for _ in Pager(connector, "listBatches", {}, connection, PagingOptions(items=items)).items())
print(count)
"""


def pages(count: int, size: int) -> Script:
    """A list of ``count`` items of about ``size`` bytes each."""
    filler = "x" * size

    def script(connection: socket.socket, request: Received) -> bool:
        query = parse_qs(urlsplit(request.target).query)
        start = int(query.get("after", ["-1"])[0]) + 1
        stop = min(start + int(query["limit"][0]), count)
        data = [{"id": str(number), "filler": filler} for number in range(start, stop)]
        body = {"object": "list", "data": data, "last_id": str(stop - 1), "has_more": stop < count}
        return reply(200, orjson.dumps(body))(connection, request)

    return script


def test_15000_items_in_the_memory_of_one_page() -> None:
    """Ten times the items take no more memory: 15,000 items of 4 KB are 60 MB, and a page is 0.4 MB."""
    peaks = []
    with Recorder(pages(COUNT, 4_000)) as upstream:
        for items in (COUNT // 10, COUNT):
            environment = {"OPENAI_API_KEY": "test-key-0123456789abcdef"}
            done = capped(WALK, seconds=60, environment=environment, url=upstream.url, items=items)
            assert done.output.split() == [str(items)], done.errors
            peaks.append(done.peak)
        assert len(upstream.requests) == COUNT // 100 + COUNT // 1_000
    assert peaks[1] - peaks[0] <= 8, peaks


def test_the_sandbox_pages_truly(sandbox: Offline) -> None:
    """15,000 objects of the offline server arrive whole, each once, by the ids that its pages name."""
    with open_connector() as connector:
        connection = connector.connection({"server_url": sandbox.url, "api_key": "env:OPENAI_API_KEY"}, engine="httpx")
        before = len(Pager(connector, "listFiles", {}, connection).collect().items)
        drive(sandbox, path="/v1/files", add=COUNT)
        listing = Pager(connector, "listFiles", {}, connection).collect()
        assert listing.complete
        assert (len(listing.items), len({item["id"] for item in listing.items}), listing.pages) == (before + COUNT, before + COUNT, 2)
        some = Pager(connector, "listFiles", {"limit": 7}, connection, PagingOptions(items=50)).collect()
        assert (some.items, some.pages) == (listing.items[:50], 8)
        rest = Pager(connector, "listFiles", {"after": some.cursor, "limit": 7}, connection, PagingOptions(pages=1)).collect()
        assert rest.items == listing.items[50:57]


def test_the_sandbox_pages_by_tokens(sandbox: Offline) -> None:
    """A list whose answer names the next page's cursor."""
    drive(sandbox, path="/v1/organization/groups", add=45)
    with open_connector() as connector:
        values = {"server_url": sandbox.url, "api_key": "env:OPENAI_API_KEY", "admin_key": "env:OPENAI_API_KEY"}
        connection = connector.connection(values, engine="httpx")
        listing = Pager(connector, "list-groups", {"limit": 20}, connection).collect()
        assert (len({item["id"] for item in listing.items}), listing.pages, listing.complete) == (45, 3, True)


def test_an_endless_pager_is_stopped(key: str) -> None:
    """A server whose list never ends costs as many requests as the hard limit says, and ends with an error."""
    del key
    with Recorder(pages(10**9, 1)) as upstream, open_connector() as connector:
        connection = connector.connection({"server_url": upstream.url, "api_key": "env:OPENAI_API_KEY"}, engine="httpx")
        pager = Pager(connector, "listBatches", {}, connection, PagingOptions(hard_pages=20))
        with pytest.raises(PagingError, match="within 20 pages"):
            for _ in pager:
                pass
        assert (len(upstream.requests), pager.walk.items, pager.cursor) == (20, 2_000, "1999")
