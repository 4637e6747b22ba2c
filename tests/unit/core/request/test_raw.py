"""A request of another client keeps its bytes; what would leave its place is refused before anything is sent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from kosha_connector_openai import Connector
from kosha_connector_openai.core.request.media_types import BytesBody
from kosha_connector_openai.core.request.raw import RawInputs, StreamBody, raw_request
from kosha_connector_openai.errors import InputError


def write(connector: Connector, action: str = "retrieveModel", **given: Any) -> Any:
    return raw_request(connector.catalog[action], RawInputs(**{"path": {"model": "m"}, **given}))


@pytest.mark.parametrize("value", ["m", "ft:gpt:org::id", "a%2Fb", "%C3%A9", "a..b", "...", "a;b", "x" * 200, "%25", "a.b.c"])
def test_values_and_query_stay_as_they_are(connector: Connector, value: str) -> None:
    """Nothing is encoded or decoded."""
    request = write(connector, path={"model": value}, query="a[]=1&b=%20&c")
    assert request.target == f"/v1/models/{value}?a[]=1&b=%20&c"


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        ".",
        "..",
        "%2e%2e",
        "%252e%252e",
        "..%2fadmin",
        "..;",
        "a/b",
        "a?b",
        "a#b",
        "a b",
        "a%0d%0ab",
        "a%zz",
        "é",
        "\x00",
        "%00",
        "a\\b",
        "%ef%bc%8e%ef%bc%8e",
    ],
)
def test_a_value_that_could_lead_elsewhere_is_refused(connector: Connector, value: str) -> None:
    """Dot segments in any decoding, separators, control characters, broken escapes; the value is not repeated."""
    with pytest.raises(InputError) as caught:
        write(connector, path={"model": value})
    assert caught.value.faults[0].pointer == "/model"
    assert len(value.strip()) < 3 or value not in str(caught.value)


@pytest.mark.parametrize("query", ["a=b#c", "a=b c", "a=\r\nX: y", "a=é", "a=\x00"])
def test_a_query_that_would_end_early_is_refused(connector: Connector, query: str) -> None:
    """Only visible ASCII without the number sign."""
    with pytest.raises(InputError):
        write(connector, query=query)


def test_a_target_has_a_longest(connector: Connector) -> None:
    """Eight KiB."""
    with pytest.raises(InputError):
        write(connector, query="a" * 8_200)


@pytest.mark.parametrize(
    "name", ["Authorization", "api-key", "Host", "cookie", "X-Forwarded-For", "Content-Length", "transfer_encoding", "a b", "a:", ""]
)
def test_protected_headers_cannot_be_set(connector: Connector, name: str) -> None:
    """Whatever list they came from."""
    with pytest.raises(InputError):
        write(connector, headers=((name, "x"),))


@pytest.mark.parametrize("value", ["a\r\nb", "a\x00", "é"])
def test_header_values_are_visible_ascii(connector: Connector, value: str) -> None:
    """No second header can begin in one."""
    with pytest.raises(InputError):
        write(connector, headers=(("accept", value),))
    with pytest.raises(InputError):
        write(connector, "createEmbedding", path={}, body=BytesBody(b"{}", f"application/json{value}"))


def test_a_body_keeps_its_type(connector: Connector) -> None:
    """And one that arrives while it is sent can be sent once."""

    async def pieces() -> AsyncIterator[bytes]:
        yield b""

    request = write(connector, "createEmbedding", path={}, body=BytesBody(b"{}", "application/json; charset=x"))
    assert request.headers == (("Content-Type", "application/json; charset=x"),)
    assert request.replayable
    assert not write(connector, "createFile", path={}, body=StreamBody(pieces(), "multipart/form-data; boundary=x", None)).replayable
