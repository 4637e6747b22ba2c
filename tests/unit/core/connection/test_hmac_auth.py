"""A signature is the one that the scheme's documentation defines, over exactly what is sent."""

from __future__ import annotations

import base64
import hashlib
import hmac
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kosha_connector_openai.core.connection.auth import Credential, authorize, masked
from kosha_connector_openai.core.connection.hmac_auth import canonical
from kosha_connector_openai.core.connection.scheme import RequestFacts
from kosha_connector_openai.errors import SetupError
from kosha_connector_openai.http.origin import parse_origin
from kosha_connector_openai.secrets.secret import Secret, SecretReference

DATE = "Tue, 21 Aug 2012 17:29:18 -0000"
URL = "https://API-1.example.com:8443/accounts/v1/account/list"
FORM = "application/x-www-form-urlencoded"
EMPTY = hashlib.sha512(b"").hexdigest()
CREDENTIAL = Credential(
    "hmac",
    {"integration_key": "DIWJ8X6AEYOR5OMC6TQ1"},
    {"secret_key": SecretReference("env", "SKEY")},
    frozenset({parse_origin("https://api-1.example.com:8443")}),
)


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        pytest.param(RequestFacts("get", URL), f"{DATE}\nGET\napi-1.example.com\n/accounts/v1/account/list\n", id="nothing-given"),
        pytest.param(
            RequestFacts("POST", URL, FORM, b"username=root&realname=First%20Last"),
            f"{DATE}\nPOST\napi-1.example.com\n/accounts/v1/account/list\nrealname=First%20Last&username=root",
            id="form-sorted",
        ),
        pytest.param(
            RequestFacts("POST", URL, f"{FORM}; charset=utf-8", b"a=1+2&b="),
            f"{DATE}\nPOST\napi-1.example.com\n/accounts/v1/account/list\na=1%202&b=",
            id="plus-is-a-blank-and-empty-values-count",
        ),
        pytest.param(
            RequestFacts("GET", f"{URL}?z=1&a=2&a=1&m=%2f~*'%28"),
            f"{DATE}\nGET\napi-1.example.com\n/accounts/v1/account/list\na=1&a=2&m=%2F~%2A%27%28&z=1",
            id="query-sorted-and-encoded-anew",
        ),
        pytest.param(
            RequestFacts("POST", f"{URL}?q=1", "application/json", b"{}"),
            f"{DATE}\nPOST\napi-1.example.com\n/accounts/v1/account/list\nq=1\n{hashlib.sha512(b'{}').hexdigest()}\n{EMPTY}",
            id="json-by-its-hash",
        ),
    ],
)
def test_what_is_signed(request_: RequestFacts, text: str) -> None:
    """Date, method, host without port, path and sorted parameters, one a line; a body that is no form by its hash."""
    assert canonical(DATE, request_) == text


def test_the_header_holds_the_signature_and_not_the_key() -> None:
    """Basic authentication of the integration key and the hexadecimal HMAC-SHA-512, with the date that was signed."""
    request = RequestFacts("GET", URL)
    (_, date), (_, written) = authorize(
        CREDENTIAL, parse_origin("https://api-1.example.com:8443"), lambda _: Secret("secret-key-01"), request
    )
    expected = hmac.new(b"secret-key-01", canonical(date, request).encode(), hashlib.sha512).hexdigest()
    assert base64.b64decode(written.removeprefix("Basic ")) == f"DIWJ8X6AEYOR5OMC6TQ1:{expected}".encode()


def test_a_preview_shows_that_there_is_a_signature() -> None:
    """No secret is read for it, and what stands there cannot be taken for a signature."""
    names = dict(masked(CREDENTIAL, RequestFacts("GET", URL)))
    assert (list(names), names["Authorization"]) == (["Date", "Authorization"], "Basic (signature)")


def test_a_body_that_is_not_in_memory_is_refused() -> None:
    """What cannot be hashed beforehand is not sent unsigned."""
    with pytest.raises(SetupError) as caught:
        canonical(DATE, RequestFacts("POST", URL, "multipart/form-data", None))
    assert caught.value.pointer == "/auth_type"


@given(st.lists(st.tuples(st.text(min_size=1, max_size=5), st.text(max_size=5)), max_size=5))
@settings(max_examples=200, deadline=None)
def test_query_and_form_are_signed_alike(pairs: list[tuple[str, str]]) -> None:
    """Wherever the parameters stand, the last line is the same text, sorted by name and then by value."""
    written = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs)
    query = canonical(DATE, RequestFacts("POST", f"{URL}?{written}"))
    assert query == canonical(DATE, RequestFacts("POST", URL, FORM, written.encode()))
    names_and_values = sorted(tuple(pair.split("=")) for pair in written.split("&"))
    assert query.splitlines()[4:] == ["&".join(map("=".join, names_and_values))] * bool(written)
