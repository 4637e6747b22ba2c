"""Templates: facts put into JSON values."""

from __future__ import annotations

from typing import Any

import pytest

from kosha_connector_openai.sandbox.templates import ABSENT, items, render


class TemplateFacts:
    """Facts from keyword arguments."""

    def __init__(self, **known: Any) -> None:
        self._known = known

    def get(self, name: str) -> Any:
        return self._known.get(name, ABSENT)

    def also(self, **more: Any) -> TemplateFacts:
        return TemplateFacts(**{**self._known, **more})


FACTS = TemplateFacts(name="Ann", deep={"a": [{"b": 7}]}, list=["x", "y"], no=False, nothing=None)


@pytest.mark.parametrize(
    ("template", "made"),
    [
        ("plain", "plain"),
        ("$name", "Ann"),
        ("$deep/a/0/b", 7),
        ("Hello ${name}, ${deep/a/0/b}${missing}${nothing}!", "Hello Ann, 7!"),
        ("costs $5", "costs $5"),
        (3.5, 3.5),
        ({"a": "$nothing", "b": "$missing", "c": {"d": "$deep/a/1"}}, {"a": None, "c": {}}),
        (["$missing", "$name"], ["Ann"]),
        ([{"$each": "$list", "at": "$index", "it": "${item}!"}], [{"at": 0, "it": "x!"}, {"at": 1, "it": "y!"}]),
        ([{"$each": "$list", "$value": "$item"}, "z"], ["x", "y", "z"]),
        ([{"$each": "$missing", "a": 1}], []),
        ([{"$if": "$name", "a": 1}, {"$if": "$no", "a": 2}, {"$if": "$missing", "a": 3}], [{"a": 1}]),
    ],
)
def test_facts_are_put_in(template: Any, made: Any) -> None:
    """This template gives this value."""
    assert render(template, FACTS) == made


def test_a_value_that_is_only_a_missing_fact_is_absent() -> None:
    """Nothing is not null."""
    assert render("$missing", FACTS) is ABSENT


def test_text_of_a_caller_is_no_template() -> None:
    """What a fact says is not read as a template again."""
    assert render("${name}", TemplateFacts(name="${secret}", secret="s")) == "${secret}"
    assert render("$name", TemplateFacts(name="$secret", secret="s")) == "$secret"


def test_items_are_made_one_by_one() -> None:
    """The first items are there before the later ones are made."""
    stream = items([{"$each": "$list", "a": "$item"}, {"a": "last"}], FACTS)
    assert [next(stream), next(stream)] == [{"a": "x"}, {"a": "y"}]


@pytest.mark.parametrize("pointer", ["/b", "/a/1", "/a/x", "/a/0/b/c"])
def test_pointers_to_nothing(pointer: str) -> None:
    """A pointer that leads nowhere gives ABSENT."""
    assert render(f"$a{pointer}", TemplateFacts(a={"a": [{"b": 7}]})) is ABSENT
