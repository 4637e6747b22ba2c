"""The closed language of requests: what each step gives, and that a wrong tree is refused when it is loaded."""

from __future__ import annotations

from typing import Any

import pytest

from kosha_connector_openai.errors import Fault, InputError, ManifestError
from kosha_connector_openai.flows.tasks.template import Filling, read
from kosha_connector_openai.manifest.part import parse_part
from kosha_connector_openai.manifest.parts.tasks import Tasks

VALUES: dict[str, Any] = {"a": "A", "n": 3, "no": False, "none": [], "list": ["x", "y"]}
FORMS = {"json": lambda value, pointer: f"{pointer}={value}"}


@pytest.mark.parametrize(
    ("tree", "value"),
    [
        ({"$input": "a"}, "A"),
        ({"$input": "list"}, ["x", "y"]),
        ({"x": {"$input": "gone"}, "y": 1}, {"y": 1}),
        ([{"$input": "gone"}, {"$input": "a"}], ["A"]),
        ({"$input": "a", "$as": "json"}, "/a=A"),
        ({"$join": ["<", {"$input": "a"}, {"$input": "gone"}, {"$input": "n"}, ">"]}, "<A3>"),
        ({"$when": "a", "$then": 1, "$else": 2}, 1),
        ({"$when": "no", "$then": 1, "$else": 2}, 2),
        ({"$when": "none", "$then": 1, "$else": 2}, 2),
        ({"x": {"$when": "gone", "$then": 1}}, {}),
        ({"$choose": "a", "$from": {"A": 1, "B": 2}}, 1),
        ({"x": {"$choose": "a", "$from": {"B": 2}}}, {}),
        ({"$ref": "#/$defs/x"}, {"$ref": "#/$defs/x"}),
        ("$input", "$input"),
        (None, None),
    ],
)
def test_each_step(tree: Any, value: Any) -> None:
    """What it gives; nothing where its input is not there."""
    assert Filling(VALUES, FORMS).fill(tree) == value


@pytest.mark.parametrize("value", [{"$input": "a"}, [{"$join": ["x"]}], "{$input: a}", {"$when": "a", "$then": {"$input": "a"}}])
def test_a_value_is_never_read_for_steps(value: Any) -> None:
    """P14: what a user entered is put in its place, the very object."""
    filled = Filling({"a": value}, {}).fill({"x": [{"$input": "a"}], "y": {"$when": "a", "$then": {"$input": "a"}}})
    assert filled["x"][0] is value
    assert filled["y"] is value


def test_faults_are_told_of_the_inputs() -> None:
    """The longest place that an input filled counts; what no input filled stays the request's own."""
    filling = Filling(VALUES, FORMS)
    filling.fill({"m": [{"$input": "gone"}, {"c": {"$input": "a"}}], "l": {"$input": "list"}})
    given = InputError("m", [Fault("/m/0/c", "type", "1"), Fault("/l/1", "type", "2"), Fault("/other", "type", "3")])
    assert [fault.pointer for fault in filling.translated(given).faults] == ["/a", "/list/1", "/request/other"]


@pytest.mark.parametrize(
    ("tree", "value"),
    [
        ({"$at": "/a/0"}, 1),
        ({"$at": "/gone"}, None),
        ({"x": {"$at": "/b", "$as": "true_names"}}, {"x": ["p", "r"]}),
        ([{"$at": "/a/1"}, "plain"], [2, "plain"]),
    ],
)
def test_reading_an_answer(tree: Any, value: Any) -> None:
    """Pointers into the answer; null where nothing is there."""
    assert read(tree, {"a": [1, 2], "b": {"p": True, "q": False, "r": True, "s": 1}}) == value


PART = """
tasks:
  one:
    title: One
    summary: One thing.
    action: doIt
    inputs: {a: {label: A, help: An input.}}
    request: %s
    output: {type: string}
    sample: x
    %s
"""


@pytest.mark.parametrize(
    ("request_", "more", "words"),
    [
        ("{x: {$input: b}}", "", "there is no input 'b'"),
        ("{x: {$input: a, $as: html}}", "", "there is no form 'html'"),
        ("{x: {$input: a, $then: 1}}", "", "$input has no '$then'"),
        ("{x: {$when: a}}", "", "$when needs $then"),
        ("{x: {$choose: a}}", "", "$choose needs $from"),
        ("{x: {$then: 1}}", "", "'$then' is no step"),
        ("{x: [{y: {$when: a, $then: {$input: c}}}]}", "", "there is no input 'c'"),
        ("{x: {$eval: a}}", "", "'$eval' is no step"),
        ("{x: 1}", "rank: {query: q, texts: a, top: a, items: 1, bytes: 1, list: /, index: /, vector: /}", "there is no input 'q'"),
        ("{x: 1}", "value: {v: {$at: nowhere}}", "is no pointer"),
        ("{x: 1}", "value: {v: {$at: /x, $as: upper}}", "there is no form 'upper'"),
    ],
)
def test_a_wrong_tree_is_refused_when_it_is_loaded(request_: str, more: str, words: str) -> None:
    """Its author learns of it, and no run does."""
    with pytest.raises(ManifestError) as caught:
        parse_part((PART % (request_, more)).encode(), Tasks, name="tasks.yaml")
    assert words in str(caught.value)


def test_a_good_part_loads() -> None:
    """The same text without a fault."""
    part = parse_part((PART % ("{x: {$input: a}}", "")).encode(), Tasks, name="tasks.yaml")
    assert list(part.tasks) == ["one"]


def test_the_key_of_version_0_1_still_holds_the_tasks() -> None:
    """Other people's folders load for one minor version more; both keys together are a fault."""
    text = PART % ("{x: {$input: a}}", "")
    assert list(parse_part(text.replace("tasks:", "presets:").encode(), Tasks, name="tasks.yaml").tasks) == ["one"]
    with pytest.raises(ManifestError) as refusal:
        parse_part((text + "\npresets: {}\n").encode(), Tasks, name="tasks.yaml")
    assert [fault.pointer for fault in refusal.value.faults] == ["/presets"]
