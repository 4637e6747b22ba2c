"""Path, query and header values on the wire."""

from urllib.parse import parse_qsl, unquote, urlsplit

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from yarl import URL

from kosha_connector_openai.core.request.parameters import (
    MAX_ITEMS,
    is_protected,
    write_headers,
    write_path,
    write_query,
)
from kosha_connector_openai.errors import InputError
from kosha_connector_openai.http import PROTECTED
from kosha_connector_openai.openapi.operation import Parameter

COLOURS = ["blue", "black", "brown"]
RGB = {"R": 100, "G": 200, "B": 150}


def path(value, style="simple", explode=False, schema=None, **more):
    return write_path("/p/{color}/end", [Parameter("color", "path", schema or {}, True, style, explode, **more)], {"color": value})


def query(value, style="form", explode=True, name="color", **more):
    return write_query([Parameter(name, "query", {}, style=style, explode=explode, **more)], {name: value})


def header(value, name="X-Color", **more):
    return write_headers([Parameter(name, "header", {}, **more)], {name: value})


def rule(error):
    return [(fault.pointer, fault.rule) for fault in error.value.faults]


@pytest.mark.parametrize(
    ("style", "explode", "text", "array", "members"),
    [
        ("simple", False, "blue", "blue,black,brown", "R,100,G,200,B,150"),
        ("simple", True, "blue", "blue,black,brown", "R=100,G=200,B=150"),
        ("label", False, ".blue", ".blue,black,brown", ".R,100,G,200,B,150"),
        ("label", True, ".blue", ".blue.black.brown", ".R=100.G=200.B=150"),
        ("matrix", False, ";color=blue", ";color=blue,black,brown", ";color=R,100,G,200,B,150"),
        ("matrix", True, ";color=blue", ";color=blue;color=black;color=brown", ";R=100;G=200;B=150"),
    ],
)
def test_path_styles(style, explode, text, array, members):
    """The table of RFC 6570 that OpenAPI prints, for text, array and object."""
    assert path("blue", style, explode) == f"/p/{text}/end"
    assert path(COLOURS, style, explode) == f"/p/{array}/end"
    assert path(RGB, style, explode) == f"/p/{members}/end"


@pytest.mark.parametrize(
    ("style", "explode", "text", "array", "members"),
    [
        ("form", False, "color=blue", "color=blue,black,brown", "color=R,100,G,200,B,150"),
        ("form", True, "color=blue", "color=blue&color=black&color=brown", "R=100&G=200&B=150"),
        ("spaceDelimited", False, "color=blue", "color=blue%20black%20brown", "color=R%20100%20G%20200%20B%20150"),
        ("spaceDelimited", True, "color=blue", "color=blue&color=black&color=brown", "R=100&G=200&B=150"),
        ("pipeDelimited", False, "color=blue", "color=blue%7Cblack%7Cbrown", "color=R%7C100%7CG%7C200%7CB%7C150"),
        ("pipeDelimited", True, "color=blue", "color=blue&color=black&color=brown", "R=100&G=200&B=150"),
        ("deepObject", True, "color=blue", "color=blue&color=black&color=brown", "color%5BR%5D=100&color%5BG%5D=200&color%5BB%5D=150"),
    ],
)
def test_query_styles(style, explode, text, array, members):
    """The table of OpenAPI 3.1 for text, array and object; brackets and pipes are encoded."""
    assert query("blue", style, explode) == text
    assert query(COLOURS, style, explode) == array
    assert query(RGB, style, explode) == members


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a/b", "a%2Fb"),
        ("a?x=1", "a%3Fx%3D1"),
        ("a#f", "a%23f"),
        ("a;b=c", "a%3Bb%3Dc"),
        ("ft:base:org::Ab1", "ft%3Abase%3Aorg%3A%3AAb1"),
        ("100%", "100%25"),
        ("%41", "%2541"),
        ("é😀", "%C3%A9%F0%9F%98%80"),
        ("a b", "a%20b"),
        ("-._~", "-._~"),
        ("a..b", "a..b"),
        ("..a", "..a"),
        ("...", "..."),
        (42, "42"),
        (10**30, "1" + "0" * 30),
        (1.5, "1.5"),
        (1.0, "1"),
        (0.1, "0.1"),
        (1e21, "1e%2B21"),
        (-0.25, "-0.25"),
    ],
)
def test_path_values_are_encoded_to_one_segment(value, text):
    """Only unreserved characters stay; numbers are exact and short."""
    assert path(value) == f"/p/{text}/end"


@pytest.mark.parametrize(
    ("value", "broken"),
    [
        ("", "empty"),
        (" ", "empty"),
        ("\u3000", "empty"),
        (None, "required"),
        ([], "empty"),
        ({}, "empty"),
        ([""], "empty"),
        ([None], "type"),
        ([["a"]], "style"),
        ({"a": {}}, "style"),
        (True, "type"),
        (float("nan"), "finite"),
        (b"x", "type"),
        (".", "dot-segment"),
        ("..", "dot-segment"),
        (" ..", "dot-segment"),
        ("../../admin/x?", "dot-segment"),
        ("a/..", "dot-segment"),
        ("a/./b", "dot-segment"),
        ("..\\x", "dot-segment"),
        ("x\\..\\y", "dot-segment"),
        ("..;", "dot-segment"),
        ("..;/admin", "dot-segment"),
        ("..?x", "dot-segment"),
        ("..#x", "dot-segment"),
        ("%2e%2e", "dot-segment"),
        ("%2E", "dot-segment"),
        ("..%2f", "dot-segment"),
        ("%2e%2e%2fx", "dot-segment"),
        ("a%2f..%2fb", "dot-segment"),
        ("..%5cx", "dot-segment"),
        ("%252e%252e", "dot-segment"),
        ("%252e%252e%252fx", "dot-segment"),
        ("\uff0e\uff0e", "dot-segment"),
        ("\uff0e\uff0e\uff0fx", "dot-segment"),
        ("\u2025", "dot-segment"),
        ("%EF%BC%8E%EF%BC%8E", "dot-segment"),
        ([".."], "dot-segment"),
        ({"..": "x"}, "dot-segment"),
        ("a\r\nb", "control"),
        ("a\0", "control"),
        ("a%00", "control"),
        ("a%250d%250a", "control"),
        ("a\x7f", "control"),
        ("a\x85", "control"),
        ("\ud800", "surrogate"),
    ],
)
def test_path_values_that_could_leave_their_place_are_refused(value, broken):
    """Missing, blank, unwritable, stepping or controlling values are faults at the parameter's name."""
    with pytest.raises(InputError) as error:
        path(value)
    assert rule(error) == [("/color", broken)]


@pytest.mark.parametrize(
    ("template", "values"),
    [("/a/{x}{y}", {"x": "%", "y": "2e"}), ("/a/.{x}{y}", {"x": "%", "y": "2e"}), ("/a/.{x}", {"x": "."})],
)
def test_neighbours_cannot_make_a_dot_segment(template, values):
    """What surrounds a variable does not turn a value into a step."""
    with pytest.raises(InputError) as error:
        write_path(template, [], values)
    assert rule(error) == [("/x", "dot-segment")]


def test_a_label_of_one_dot_is_refused():
    """The style's own dot plus a value's would be two."""
    with pytest.raises(InputError):
        path(".", "label")


@pytest.mark.parametrize("schema", [{"type": "boolean"}, {"type": ["string", "boolean"]}, {"anyOf": [{"enum": [True]}]}])
def test_booleans_are_written_where_the_schema_says_so(schema):
    """true and false in lower case."""
    assert path(True, schema=schema) == "/p/true/end"
    assert path([False], schema={"items": schema}) == "/p/false/end"


def test_all_path_faults_are_told_at_once():
    """Two bad values give two faults, and a missing one is named."""
    with pytest.raises(InputError) as error:
        write_path("/a/{x}/{y}/{z~}", [], {"x": "..", "y": "ok"})
    assert rule(error) == [("/x", "dot-segment"), ("/z~0", "required")]


def test_reserved_characters_in_the_path():
    """allowReserved keeps delimiters, and never a slash, a question mark or a hash."""
    assert path("a:b@c/d?e#f%", allow_reserved=True) == "/p/a:b@c%2Fd%3Fe%23f%25/end"


def test_a_style_that_a_path_cannot_have():
    """A query style in a path is a fault, not a guess."""
    with pytest.raises(InputError) as error:
        path("a", "form")
    assert rule(error) == [("/color", "style")]


def test_a_path_parameter_of_json_content():
    """A parameter described by content is JSON text in one segment."""
    assert path({"a": [1]}, media_type="application/json") == "/p/%7B%22a%22%3A%5B1%5D%7D/end"


PAYLOADS = st.one_of(
    st.text(max_size=12),
    st.lists(
        st.sampled_from([".", "/", "\\", "%2e", "%2f", "%25", "%", ";", "?", "#", "&", "\uff0e", "a", "@", ":", "//"]), max_size=8
    ).map("".join),
)


@settings(deadline=None, max_examples=500)
@given(PAYLOADS)
def test_two_parsers_see_the_template(value):
    """Whatever is accepted keeps the segment count, the prefix and the host for urllib, httpx and yarl alike."""
    try:
        written = write_path("/v1/files/{id}/content", [], {"id": value})
    except InputError:
        return
    url = f"https://api.example.com{written}"
    for found in (urlsplit(url).path, httpx.URL(url).raw_path.decode(), URL(url, encoded=True).raw_path, URL(url).raw_path):
        segments = found.split("/")
        assert (segments[:3], segments[4:]) == (["", "v1", "files"], ["content"])
        assert unquote(segments[3]) == value
    assert {urlsplit(url).hostname, httpx.URL(url).host, URL(url).host} == {"api.example.com"}
    assert (urlsplit(url).query, urlsplit(url).fragment) == ("", "")


@settings(deadline=None, max_examples=300)
@given(st.dictionaries(st.text(min_size=1, max_size=6), st.text(max_size=10), max_size=4))
def test_queries_read_back(values):
    """Any names and values come back from the standard parser."""
    parameters = [Parameter(name, "query", {}, style="form", explode=True) for name in values]
    try:
        written = write_query(parameters, values)
    except InputError:
        return
    assert parse_qsl(written, keep_blank_values=True, errors="strict") == list(values.items())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "color=true"),
        (False, "color=false"),
        (None, "color=null"),
        ("", "color="),
        (3, "color=3"),
        (2**70, f"color={2**70}"),
        (0.5, "color=0.5"),
        (2.0, "color=2"),
        ("a b&c=d+e", "color=a%20b%26c%3Dd%2Be"),
        ([], ""),
        ({}, ""),
        (["a,b", "c"], "color=a%2Cb&color=c"),
        ([None, True], "color=null&color=true"),
        ({"k&": "v"}, "k%26=v"),
    ],
)
def test_query_values(value, text):
    """Booleans, null, numbers, delimiters and empty values as documented."""
    assert query(value) == text


def test_bracket_names_are_encoded():
    """A parameter literally named include[] is repeated with encoded brackets."""
    assert query(["a", "b"], name="include[]") == "include%5B%5D=a&include%5B%5D=b"


def test_deep_objects_nest():
    """deepObject takes objects in objects and arrays; null members are left out."""
    assert query({"a": {"b": 1}, "c": [1, 2], "d": None}, "deepObject") == "color%5Ba%5D%5Bb%5D=1&color%5Bc%5D=1&color%5Bc%5D=2"


@pytest.mark.parametrize(
    ("lists", "value", "text"),
    [
        (None, ["a", "b"], "x=a&x=b"),
        (None, [{"p": 1, "q": 2}, {"p": 3}], "x[0][p]=1&x[0][q]=2&x[1][p]=3"),
        ("name[]", ["a", "b"], "x[]=a&x[]=b"),
        ("name[]", {"b": ["c"]}, "x[b][]=c"),
        ("name[0]", ["a", {"p": 1}], "x[0]=a&x[1][p]=1"),
    ],
)
def test_lists_of_a_deep_object_are_written_by_rule(lists, value, text):
    """OpenAPI 3.0.4, section 4.7.12.3, leaves open: the name repeated, and an index where items have parts, or as the manifest says."""
    parameter = Parameter("x", "query", {}, style="deepObject", explode=True, lists=lists)
    assert unquote(write_query([parameter], {"x": value})) == text


def test_absent_and_foreign_values_are_not_written():
    """Only declared query parameters that have a value appear, in declared order."""
    parameters = [Parameter("b", "query", {}, style="form"), Parameter("a", "query", {}, style="form"), Parameter("p", "path", {})]
    assert write_query(parameters, {"a": 1, "p": 2, "other": 3}) == "a=1"
    assert write_query(parameters, {"a": 1, "b": 2}) == "b=2&a=1"
    assert write_query([], {"a": 1}) == ""


def test_reserved_characters_in_the_query():
    """allowReserved keeps what cannot end the query or start another pair."""
    assert query("a/b?c:d&e#f+g=h%", allow_reserved=True) == "color=a/b?c:d%26e%23f%2Bg=h%25"


def test_a_query_parameter_of_json_content():
    """A parameter described by content is JSON text."""
    assert query({"a": [1, None]}, media_type="application/json") == "color=%7B%22a%22%3A%5B1%2Cnull%5D%7D"


@pytest.mark.parametrize(
    ("value", "style", "explode", "broken"),
    [
        ([["a"]], "form", True, "type"),
        ([{"a": 1}], "form", True, "style"),
        ({"a": {"b": 1}}, "form", True, "style"),
        ({"a[b": 1}, "deepObject", True, "key"),
        ({"a]": 1}, "deepObject", True, "key"),
        (float("inf"), "form", True, "finite"),
        ("\ud800", "form", True, "surrogate"),
        ({"\ud800": 1}, "form", True, "surrogate"),
        ({1: 1}, "form", True, "type"),
        ([1] * (MAX_ITEMS + 1), "form", True, "maxItems"),
        ("x" * 8192, "form", True, "url-length"),
    ],
)
def test_query_values_that_cannot_be_written(value, style, explode, broken):
    """Nested values without a style for them, ambiguous keys, array bombs and long queries are faults."""
    with pytest.raises(InputError) as error:
        query(value, style, explode)
    assert rule(error)[0][1] in {broken, "style"}
    assert rule(error)[0][0].startswith("/color")


def test_the_longest_value_is_named_when_the_query_is_too_long():
    """The fault stands at the parameter that takes the most room."""
    parameters = [Parameter("a", "query", {}, style="form"), Parameter("b", "query", {}, style="form")]
    with pytest.raises(InputError) as error:
        write_query(parameters, {"a": "x", "b": "y" * 9000})
    assert rule(error) == [("/b", "url-length")]


def test_form_bodies_have_no_limit():
    """max_bytes None writes what a URL could not hold."""
    assert write_query([Parameter("a", "query", {}, style="form")], {"a": "x" * 9000}, max_bytes=None) == "a=" + "x" * 9000


@pytest.mark.parametrize(
    ("value", "explode", "text"),
    [
        ("assistants=v2", False, "assistants=v2"),
        (COLOURS, False, "blue,black,brown"),
        (RGB, False, "R,100,G,200,B,150"),
        (RGB, True, "R=100,G=200,B=150"),
        (7, False, "7"),
        (True, False, "true"),
        ("", False, ""),
    ],
)
def test_header_values(value, explode, text):
    """Style simple, without percent-encoding."""
    assert header(value, explode=explode) == [("X-Color", text)]


def test_a_header_of_json_content():
    """A header described by content is JSON text."""
    assert header({"a": 1}, media_type="application/json") == [("X-Color", '{"a":1}')]


@pytest.mark.parametrize(
    ("value", "broken"),
    [
        ("a\r\nAuthorization: Bearer canary-5f1d", "control"),
        ("canary-5f1d\0", "control"),
        ("canary-5f1d\t", "control"),
        ("canary-5f1d\x85", "control"),
        ("canary-5f1d €", "ascii"),
        ("canary-5f1d é", "ascii"),
        (" canary-5f1d", "blank"),
        ("canary-5f1d\xa0", "ascii"),
        ("canary-5f1d" * 800, "size"),
        ("canary-5f1d\ud800", "surrogate"),
    ],
)
def test_header_values_that_a_header_cannot_carry(value, broken):
    """Control characters, other scripts, outer blanks and lengths are faults that never repeat the value."""
    with pytest.raises(InputError) as error:
        header(value)
    assert rule(error) == [("/X-Color", broken)]
    assert "canary" not in f"{error.value!r} {error.value} {error.value.to_dict()}"


@pytest.mark.parametrize(
    "name",
    [
        "Authorization", "authorization ", " AUTHORIZATION", "Author\tization", "authorization:", "Host", "Content-Length",
        "transfer-encoding", "Transfer_Encoding", "Connection", "Cookie", "set-cookie", "Proxy-Authorization", "proxy-anything",
        "X-Forwarded-For", "x_forwarded_host", "api-key", "X-Api-Key", "TE", "Trailer", "Upgrade", "Expect", "Accept-Encoding",
        "Content-Type", "Accept",
    ],
)  # fmt: skip
def test_protected_headers_cannot_be_set(name):
    """Case, blanks and underscores do not help, nor does the description's declaring them."""
    assert is_protected(name)
    with pytest.raises(InputError) as error:
        header("x", name)
    assert error.value.faults[0].rule == "protected"


@pytest.mark.parametrize("name", ["X-Color", "Idempotency-Key", "OpenAPI-Beta", "X-Request-Id", "Teapot", "hosted"])
def test_other_headers_can_be_set(name):
    """Ordinary headers pass, also those that begin like a protected one."""
    assert not is_protected(name)
    assert header("x", name) == [(name, "x")]


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a\r\nb", "é", "a(b)"])
def test_header_names_are_tokens(name):
    """What RFC 9110 does not allow as a name is refused."""
    with pytest.raises(InputError):
        header("x", name)


def test_every_protected_name_is_lower_case():
    """The set is compared with names in lower case."""
    assert {name.lower() for name in PROTECTED} == PROTECTED


def test_cookies_are_refused():
    """A cookie parameter with a value is a fault; without one it is nothing."""
    parameters = [Parameter("session", "cookie", {}, style="form"), Parameter("X-A", "header", {})]
    assert write_headers(parameters, {"X-A": "1"}) == [("X-A", "1")]
    with pytest.raises(InputError) as error:
        write_headers(parameters, {"session": "x", "X-A": "1"})
    assert rule(error) == [("/session", "cookie")]
