"""JSON text in and out: strict, exact, bounded."""

import contextlib
import json
import math
from collections import OrderedDict
from enum import StrEnum

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kosha_connector_openai.errors import InputError
from kosha_connector_openai.text import JsonLimits, JsonTextError, check_value, decode, encode, loads_strict

SECRET = "canary-5f1d"
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**40), 10**40) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


def faults(error):
    return [(fault.pointer, fault.rule) for fault in error.value.faults]


@settings(deadline=None, max_examples=150)
@given(json_values)
def test_written_values_come_back_equal(value):
    """What encode writes, the strict reader, the reply reader and the standard library read back as the same value."""
    text = encode(value)
    assert loads_strict(text) == decode(text) == json.loads(text) == value


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=40) | st.text(alphabet='[]{}",:\\u0dE19e+-.n ', max_size=40))
def test_any_input_gives_a_value_or_the_declared_error(data):
    """Arbitrary bytes and JSON-like text never raise anything but InputError."""
    with contextlib.suppress(InputError):
        loads_strict(data)


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=40))
def test_any_reply_gives_a_value_or_the_declared_error(data):
    """Arbitrary reply bytes never raise anything but JsonTextError."""
    with contextlib.suppress(JsonTextError):
        decode(data)


@pytest.mark.parametrize(
    ("text", "pointer", "rule"),
    [
        ('{"a": 1, "a": 2}', "/a", "duplicate"),
        ('{"x": [{"b/c": 1, "b/c": 2}]}', "/x/0/b~1c", "duplicate"),
        ('{"x": NaN}', "/x", "finite"),
        ("[Infinity]", "/0", "finite"),
        ("[-Infinity]", "/0", "finite"),
        ('{"x": 1e400}', "/x", "finite"),
        ('{"x": "\\ud800"}', "/x", "surrogate"),
        ('{"\\ud800": 1}', "", "surrogate"),
        ("[" + "9" * 401 + "]", "/0", "digits"),
        ("[0, " + "9" * 5000 + "]", "/1", "digits"),
        ('{"a": }', "", "json"),
        ("", "", "json"),
        ("1 2", "", "json"),
        ("'a'", "", "json"),
        (b'"\xff"', "", "utf-8"),
        ("\ufeff\ufeff1", "", "json"),
    ],
)
def test_what_json_lacks_is_refused_with_its_pointer(text, pointer, rule):
    """Each offence is named by rule and by the JSON Pointer of its place."""
    with pytest.raises(InputError) as error:
        loads_strict(text)
    assert faults(error) == [(pointer, rule)]


def test_every_duplicate_is_named():
    """Two objects with a doubled key give two faults."""
    with pytest.raises(InputError) as error:
        loads_strict('{"p": {"a": 1, "a": 2}, "q": {"b": 1, "b": 2}}')
    assert faults(error) == [("/p/a", "duplicate"), ("/q/b", "duplicate")]


@pytest.mark.parametrize("text", ['\ufeff{"a":1}', b'\xef\xbb\xbf{"a":1}'])
def test_one_byte_order_mark_is_accepted(text):
    """A BOM before the text is skipped, in bytes and in str."""
    assert loads_strict(text) == {"a": 1}


@pytest.mark.parametrize(
    ("text", "limits", "rule"),
    [
        ("[1,2,3]", JsonLimits(bytes=6), "size"),
        ("[[[1]]]", JsonLimits(depth=2), "depth"),
        ("[[[]]]", JsonLimits(depth=2), "depth"),
        ('{"a":{"b":{}}}', JsonLimits(depth=2), "depth"),
        ("[1,2,3]", JsonLimits(nodes=3), "nodes"),
        ("[[],[],[]]", JsonLimits(nodes=3), "nodes"),
        ('["aaaa"]', JsonLimits(string=3), "string"),
        ('["éé"]', JsonLimits(string=3), "string"),
        ("[" + "9" * 21 + "]", JsonLimits(digits=20), "digits"),
    ],
)
def test_limits_hold_one_step_below(text, limits, rule):
    """A text just over a limit is refused by the rule of that limit, and its value given directly likewise."""
    with pytest.raises(InputError) as error:
        loads_strict(text, limits)
    assert error.value.faults[0].rule == rule
    with pytest.raises(InputError) as error:
        check_value(json.loads(text), limits)
    assert error.value.faults[0].rule == rule


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("[1,2,3]", JsonLimits(bytes=7)),
        ("[[[1]]]", JsonLimits(depth=3)),
        ("[[[]]]", JsonLimits(depth=3)),
        ("[1,2,3]", JsonLimits(nodes=4)),
        ("[[],[],[]]", JsonLimits(nodes=4)),
        ('["aaa"]', JsonLimits(string=3)),
        ("[" + "9" * 20 + "]", JsonLimits(digits=20)),
        ('["[[[[", "]]\\"[[[", "\\\\"]', JsonLimits(depth=1)),
    ],
)
def test_limits_admit_their_own_value(text, limits):
    """A text exactly at a limit passes both ways; brackets inside strings are not depth."""
    assert loads_strict(text, limits) == json.loads(text)
    check_value(json.loads(text), limits)


@pytest.mark.parametrize("text", [b"[" * 100_000, b'{"a":' * 100_000, b"[" * 100_000 + b"]" * 100_000])
def test_depth_bombs_are_refused_before_a_parser_sees_them(text):
    """A hundred thousand opening brackets are a typed error, not a crash."""
    with pytest.raises(InputError) as error:
        loads_strict(text)
    assert faults(error) == [("", "depth")]
    with pytest.raises(JsonTextError):
        decode(text)


def test_errors_never_quote_the_text():
    """The message gives line and column and none of the input."""
    with pytest.raises(InputError) as error:
        loads_strict(f'{{"a": "{SECRET}",\n "b": {SECRET}}}', what="inputs file")
    assert "line 2, column 7" in str(error.value)
    assert "inputs file" in str(error.value)
    assert SECRET not in str(error.value)
    assert error.value.__cause__ is None


@pytest.mark.parametrize(
    ("value", "pointer", "rule"),
    [
        (math.nan, "", "finite"),
        ({"a": [1.5, math.inf]}, "/a/1", "finite"),
        ([1, -math.inf, 2.5], "/1", "finite"),
        ({"a": {1: 2}}, "/a", "type"),
        ({"a": {1, 2}}, "/a", "type"),
        ({"a": b"x"}, "/a", "type"),
        ({"a/b": object()}, "/a~1b", "type"),
        (["\ud800"], "/0", "surrogate"),
        ({"\udfff": 1}, "", "surrogate"),
        (10**400, "", "digits"),
    ],
)
def test_python_values_that_json_lacks_are_refused(value, pointer, rule):
    """encode and check_value name the place; orjson alone would have written null for NaN."""
    with pytest.raises(InputError) as error:
        encode(value)
    assert faults(error) == [(pointer, rule)]
    with pytest.raises(InputError) as error:
        check_value(value, pointer="/body")
    assert faults(error) == [(f"/body{pointer}", rule)]


def test_several_faults_are_listed():
    """One error names all the places it finds."""
    with pytest.raises(InputError) as error:
        check_value({"a": math.nan, "b": {"c": {1}}})
    assert faults(error) == [("/a", "finite"), ("/b/c", "type")]


def test_cycles_and_shared_bombs_end():
    """A list that holds itself, shared lists and one long shared string meet a limit instead of memory."""
    cycle = []
    cycle.append(cycle)
    shared = ["x"]
    shared = [shared] * 2000
    shared = [shared] * 2000
    for value, rule in [(cycle, "depth"), (shared, "nodes"), (["x" * 1_000_000] * 1000, "size")]:
        with pytest.raises(InputError) as error:
            encode(value)
        assert error.value.faults[0].rule == rule


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": [True, None, 1.5]}, b'{"b":1,"a":[true,null,1.5]}'),
        ("é\u2028", b'"\xc3\xa9\xe2\x80\xa8"'),
        (2**64, b"18446744073709551616"),
        ({"n": -(2**63) - 1, "t": "é"}, b'{"n":-9223372036854775809,"t":"\xc3\xa9"}'),
        ((1, (2,)), b"[1,[2]]"),
        (OrderedDict(z=1, a=2), b'{"z":1,"a":2}'),
        ([StrEnum("Colour", ["RED"]).RED], b'["red"]'),
    ],
)
def test_the_bytes_written(value, text):
    """Compact, in key order, UTF-8, integers exact at any size."""
    assert encode(value) == text


def test_numbers_whose_sum_is_none_are_written():
    """Each for itself is finite. How the exponent is spelled is the library's matter: orjson has changed it."""
    assert json.loads(encode([1e308, 1e308])) == [1e308, 1e308]


def test_large_texts_take_the_closer_look_and_pass():
    """A body over the string limit in all, but in no string, is written."""
    value = ["a" * 60] * 10
    assert encode(value, JsonLimits(string=100)) == orjson.dumps(value)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"18446744073709551616", 2**64),
        (b'{"id": 123456789012345678901234567890}', {"id": 123456789012345678901234567890}),
        (b"[-9223372036854775809]", [-(2**63) - 1]),
        (b"[" + b"7" * 350 + b"]", [int("7" * 350)]),
        (b"\xef\xbb\xbf[1]", [1]),
        (b"1e300", 1e300),
        (b'{"a":1,"a":2}', {"a": 2}),
    ],
)
def test_replies_are_read_exactly(data, value):
    """Integers beyond 64 bits stay integers, a BOM is skipped, the last of two equal keys wins."""
    found = decode(data)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    "data",
    [b"", b"<html>", b"[NaN]", b"1e400", b'"\xff"', b'"\\ud800"', b"[" + b"9" * 401 + b"]", b"[" + b"9" * 5000 + b"]"],
)
def test_replies_that_are_not_json_are_told_apart(data):
    """Whatever is not JSON raises JsonTextError, which quotes nothing."""
    with pytest.raises(JsonTextError) as error:
        decode(data)
    assert "html" not in str(error.value)


@pytest.mark.parametrize(("data", "limits"), [(b"[1,2]", JsonLimits(bytes=4)), (b"[[[]]]", JsonLimits(depth=2))])
def test_replies_keep_to_their_limits(data, limits):
    """Bytes and depth of a reply are bounded."""
    with pytest.raises(JsonTextError):
        decode(data, limits)


def test_a_reply_may_hold_more_values_than_an_input():
    """The count of values limits inputs, not replies."""
    assert len(decode(b"[" + b"0," * 200_000 + b"0]")) == 200_001
