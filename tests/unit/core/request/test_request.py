"""Action + inputs -> Request: the whole message without server and credential, and without a single byte of I/O."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kosha_connector_openai.core.actions.catalog import Catalog
from kosha_connector_openai.core.request.files import FilePolicy
from kosha_connector_openai.core.request.request import MAX_TARGET, Request, build_request
from kosha_connector_openai.errors import InputError
from kosha_connector_openai.manifest.manifest import read_manifest
from kosha_connector_openai.openapi.document import read_document

TINY = Path(__file__).parents[3] / "tiny_provider"
CATALOG = Catalog(read_manifest(TINY / "connector.yaml"), read_document(TINY / "openapi.json"))


def make(action: str, inputs: Mapping[str, Any] | None = None, **policy: Any) -> Request:
    return build_request(CATALOG[action], inputs or {}, FilePolicy(**policy))


def body(request: Request) -> bytes:
    assert request.body is not None
    return b"".join(request.body.chunks())


def test_a_whole_request() -> None:
    """Method, the path as described and as written, headers in a fixed order, body."""
    request = make("createWidget", {"owner": None, "name": "ä"})
    assert (request.method, request.template, request.target) == ("POST", "/widgets", "/widgets")
    assert request.headers == (("Accept", "application/json"), ("Content-Type", "application/json"))
    assert (body(request), request.replayable, request.warnings) == ('{"owner":null,"name":"ä"}'.encode(), True, ())


def test_a_request_without_a_body() -> None:
    """No body, no Content-Type, and it can always be sent again."""
    request = make("getWidgetsById", {"id": "w 1"})
    assert (request.template, request.target) == ("/widgets/{id}", "/widgets/w%201")
    assert (request.body, request.replayable, request.headers) == (None, True, (("Accept", "application/json"),))


@pytest.mark.parametrize(
    ("action", "accept"),
    [
        ("queryStyles", "application/json"),
        ("watchTicks", "text/event-stream, application/json"),
        ("openStatus", "text/plain, application/json"),
    ],
)
def test_accept_names_what_the_description_promises(action: str, accept: str) -> None:
    """And JSON, since errors come as JSON."""
    assert make(action).headers[0] == ("Accept", accept)


def test_a_path_keys_own_query_comes_first() -> None:
    """Then the parameters; neither can change the other."""
    assert make("search", {"q": "x&mode=none"}).target == "/search?mode=full&empty=&q=x%26mode%3Dnone"


def test_an_unknown_input_of_a_request_without_a_body_is_a_query() -> None:
    """It is passed on, and warned of."""
    request = make("search", {"q": "x", "colours": ["red", "blue"]})
    assert request.target == "/search?mode=full&empty=&q=x&colours=red&colours=blue"
    assert [fault.pointer for fault in request.warnings] == ["/colours"]


def test_header_parameters_follow_our_own() -> None:
    """In the description's order."""
    assert make("headerStyles", {"X-List": [1], "X-Trace": "t"}).headers == (
        ("Accept", "application/json"),
        ("X-Trace", "t"),
        ("X-List", "1"),
    )


@pytest.mark.parametrize(("extra", "fits"), [(0, True), (1, False)])
def test_a_target_has_a_limit(extra: int, fits: bool) -> None:
    """P9: what servers cut or refuse is refused here, with the limit."""
    room = MAX_TARGET - len("/query?raw=") + extra
    if fits:
        assert len(make("queryStyles", {"raw": "x" * room}).target) == MAX_TARGET
        return
    with pytest.raises(InputError) as caught:
        make("queryStyles", {"raw": "x" * room})
    assert [(fault.rule, fault.allowed) for fault in caught.value.faults] == [("maxLength", MAX_TARGET)]


def test_a_body_of_bytes() -> None:
    """As it is, with its length."""
    request = make("putBlob", {"body": b"\x00\xff"})
    assert request.body is not None
    assert (body(request), request.body.length, request.headers[1]) == (b"\x00\xff", 2, ("Content-Type", "application/octet-stream"))


def test_a_body_can_be_written_again() -> None:
    """A retry sends the same bytes, boundaries included."""
    request = make("uploadPicture", {"picture": io.BytesIO(b"x"), "title": "t"})
    assert request.replayable
    assert body(request) == body(request)


def test_nothing_is_opened_while_a_request_is_made(tmp_path: Path) -> None:
    """F1: a file is opened when it is sent, below the operator's roots, and not before."""
    opened: list[str] = []
    watching = [True]
    sys.addaudithook(lambda event, arguments: opened.append(str(arguments[0])) if event == "open" and watching else None)
    (tmp_path / "p.png").write_bytes(b"x")
    opened.clear()
    make("createWidget", {"name": "n", "owner": None})
    make("uploadPicture", {"picture": b"x"})
    watching.clear()
    assert opened == []


def test_a_path_is_refused_unless_the_operator_allows_it(tmp_path: Path) -> None:
    """F1: by default no path at all."""
    (tmp_path / "p.png").write_bytes(b"picture")
    with pytest.raises(InputError) as caught:
        make("uploadPicture", {"picture": {"path": str(tmp_path / "p.png")}})
    assert [fault.pointer for fault in caught.value.faults] == ["/picture/path"]
    assert b"picture" in body(make("uploadPicture", {"picture": {"path": "p.png"}}, roots=(tmp_path,)))


@settings(max_examples=200, deadline=None)
@given(value=st.text(min_size=1, max_size=30))
def test_no_value_leaves_its_segment(value: str) -> None:
    """P1-P5: whatever the text is, it is refused or stands as one segment at its place."""
    try:
        target = make("getWidgetsById", {"id": value}).target
    except InputError:
        return
    assert target.isascii()
    assert target.startswith("/widgets/")
    assert not set(target.removeprefix("/widgets/")) & set("/?#\\ ")


@settings(max_examples=200, deadline=None)
@given(value=st.text(max_size=30))
def test_no_value_leaves_its_pair(value: str) -> None:
    """P4: whatever the text is, it is refused or stands as the value of its own name."""
    try:
        target = make("search", {"q": value}).target
    except InputError:
        return
    assert target.startswith("/search?mode=full&empty=&q=")
    assert not set(target.removeprefix("/search?mode=full&empty=&q=")) & set("&=#+ ")
