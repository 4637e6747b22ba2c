"""Other providers' lists: the forms that a folder of data names, with no Python of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pytest_httpx import HTTPXMock

from kosha_connector_openai import Connection, Connector
from kosha_connector_openai.errors import ManifestError
from kosha_connector_openai.flows.links import link_inputs
from kosha_connector_openai.flows.paging import Pager

NUMBER = {"type": "integer"}
DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Other", "version": "1"},
    "paths": {
        "/things": {
            "get": {
                "operationId": "listThings",
                "parameters": [
                    {"name": name, "in": "query", "schema": schema}
                    for name, schema in {"page": NUMBER, "per_page": NUMBER, "offset": NUMBER, "q": {"type": "string"}}.items()
                ],
                "responses": {"200": {"description": "", "content": {"application/json": {"schema": {}}}}},
            }
        }
    },
}
MANIFEST = """
id: other
title: Other
version: 1.0.0
tagline: T
publisher: {name: P}
license: MIT
servers: {default: "https://other.test"}
result: {headers: [link]}
parts: {paging: %s}
"""


Make = Callable[[Any], tuple[Connector, Connection]]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    opened: list[Connector] = []

    def folder(paging: Any) -> tuple[Connector, Connection]:
        (tmp_path / "openapi.json").write_text(json.dumps(DOCUMENT))
        (tmp_path / "connector.yaml").write_text(MANIFEST % json.dumps(paging))
        opened.append(Connector(tmp_path))
        return opened[0], opened[0].connection({})

    yield folder
    for connector in opened:
        connector.close()


def form(**rules: Any) -> dict[str, Any]:
    return {"forms": {"f": {"title": "F", **rules}}, "lists": {"listThings": {"form": "f"}}}


def queries(mock: HTTPXMock) -> list[dict[str, list[str]]]:
    return [parse_qs(urlsplit(str(request.url)).query) for request in mock.get_requests()]


def test_a_link_header(make: Make, httpx_mock: HTTPXMock) -> None:
    """RFC 8288: only the query of the link is used, so another host in it gets neither a request nor a credential."""
    connector, connection = make(form(items="", link="next"))
    link = '<https://evil.test/things?page=2&q=a&token=x>; rel="next", <https://other.test/things?page=9>; rel=last'
    httpx_mock.add_response(json=[1, 2], headers={"link": link})
    httpx_mock.add_response(json=[3], headers={"link": '<https://other.test/things?page=1>; rel="first"'})
    assert list(Pager(connector, "listThings", {"q": "a"}, connection).items()) == [1, 2, 3]
    assert queries(httpx_mock) == [{"q": ["a"]}, {"q": ["a"], "page": ["2"]}]
    assert {request.url.host for request in httpx_mock.get_requests()} == {"other.test"}


def test_page_numbers(make: Make, httpx_mock: HTTPXMock) -> None:
    """Pages are counted until one is not full."""
    connector, connection = make(form(items="", count="pages", start=1, send="page", size="per_page", most=2))
    for page in ([1, 2], [3, 4], [5]):
        httpx_mock.add_response(json=page)
    assert list(Pager(connector, "listThings", {}, connection).items()) == [1, 2, 3, 4, 5]
    assert [query.get("page") for query in queries(httpx_mock)] == [None, ["2"], ["3"]]


def test_offsets(make: Make, httpx_mock: HTTPXMock) -> None:
    """Items are counted until a page is empty, where no size is known."""
    connector, connection = make(form(items="/rows", count="items", send="offset"))
    for page in ([1, 2], [3], []):
        httpx_mock.add_response(json={"rows": page})
    assert list(Pager(connector, "listThings", {}, connection).items()) == [1, 2, 3]
    assert [query.get("offset") for query in queries(httpx_mock)] == [None, ["2"], ["3"]]


def test_sparse_pages(make: Make, httpx_mock: HTTPXMock) -> None:
    """Where a form says so, a page without items is not the end."""
    connector, connection = make(form(items="/rows", cursor=["/next"], send="q", sparse=True))
    for page in ({"rows": [1], "next": "a"}, {"rows": [], "next": "b"}, {"rows": [2]}):
        httpx_mock.add_response(json=page)
    assert list(Pager(connector, "listThings", {}, connection).items()) == [1, 2]


def test_a_wrong_rule_is_told(make: Make) -> None:
    """A key that is not known is named with its place."""
    connector, connection = make({"forms": {"f": {"title": "F", "cursr": ["/x"]}}})
    with pytest.raises(ManifestError) as caught:
        Pager(connector, "listThings", {}, connection)
    assert caught.value.faults[0].pointer == "/forms/f/cursr"


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("", {}),
        ("<https://h/?page=2>; rel=next", {"page": 2}),
        ('<https://h/?page=2&q=5>; title="x; y"; rel="prev next"', {"page": 2, "q": "5"}),
        ("</things?page=two>; rel=NEXT", {"page": "two"}),
        ("<https://h/?page=2>; rel=last", {}),
        ("<https://[/?page=2>; rel=next", {}),
        ("nonsense", {}),
    ],
)
def test_links(header: str, found: dict[str, Any]) -> None:
    """The values of the next link that the action knows, numbers where it takes numbers."""
    assert link_inputs({"link": header}, "next", {"page": NUMBER, "q": {"type": "string"}}) == found
