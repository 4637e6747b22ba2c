"""Every list of the description has the form of paging that its shape asks for, and each form fits the description."""

from __future__ import annotations

from typing import Any

import pytest

from kosha_connector_openai import Connector, open_connector
from kosha_connector_openai.core.actions.action import Action
from kosha_connector_openai.manifest.parts.paging import Paging

CURSORS = {"has_more", "next", "next_page", "last_id"}
CONNECTOR = open_connector()
CATALOG = CONNECTOR.catalog


def properties(schema: Any, whole: Any = None, depth: int = 0) -> dict[str, Any]:
    """The properties of a JSON Schema and of what it is made of; written here anew, so that it cannot share a fault with the reader."""
    whole = schema if whole is None else whole
    if not isinstance(schema, dict) or depth > 8:
        return {}
    found = dict(schema.get("properties", {}))
    for key in ("allOf", "anyOf", "oneOf"):
        for branch in schema.get(key, []):
            found |= properties(branch, whole, depth + 1)
    if reference := schema.get("$ref"):
        value: Any = whole
        for token in reference.split("/")[1:]:
            value = value[token.replace("~1", "/").replace("~0", "~")]
        found |= properties(value, whole, depth + 1)
    return found


def answer(action: Action) -> dict[str, Any]:
    return properties(dict(action.output_schema or {}))


def test_every_operation_whose_answer_has_a_cursor_is_covered() -> None:
    """All operations are looked at: a GET whose answer holds a list and a cursor, or that takes one, has a form."""
    lists, missing = 0, []
    for action in CATALOG.values():
        names = set(answer(action))
        takes = {parameter.name for parameter in action.operation.parameters} & {"after", "page", "cursor"}
        if action.operation.method == "GET" and "data" in names and (names & CURSORS or takes):
            lists += 1
            if action.paging is None:
                missing.append(action.id)
    assert missing == []
    assert len(CATALOG) >= 395
    assert lists >= 60


@pytest.mark.parametrize("action", [action for action in CATALOG.values() if action.paging], ids=lambda action: action.id)
def test_each_descriptor_fits_its_operation(action: Action) -> None:
    """What a form points at is in the answer's schema, what it sends is an input, and its largest page is not refused."""
    form = action.paging
    assert form is not None
    names, inputs = answer(action), {parameter.name: parameter for parameter in action.operation.parameters}
    assert form.items.removeprefix("/") in names
    assert form.more is None or form.more.removeprefix("/") in names
    if form.goes_on:
        assert form.send in inputs
        assert [pointer for pointer in form.cursor if pointer.removeprefix("/") in names] or form.last
    if form.size and form.most:
        schema = inputs[form.size].schema
        largest = schema.get("maximum", form.most) if isinstance(schema, dict) else form.most
        default = schema.get("default", 1) if isinstance(schema, dict) else 1
        assert default <= form.most <= largest


def test_no_form_takes_a_list_that_names_a_token_for_one_without() -> None:
    """An answer with a token of its own is not paged by ids."""
    wrong = [a.id for a in CATALOG.values() if a.hints.pages and {"next", "next_page"} & set(answer(a)) and a.paging and a.paging.last]
    assert wrong == []


def test_the_hint_says_which_actions_page() -> None:
    """A list that comes whole, or that cannot be asked for a second page, does not page."""
    assert CATALOG["listFiles"].hints.pages
    assert not CATALOG["listModels"].hints.pages
    assert not CATALOG["searchVectorStore"].hints.pages
    assert not CATALOG["createChatCompletion"].hints.pages
    assert sum(action.hints.pages for action in CATALOG.values()) >= 60


def test_named_lists_exist_and_say_something(connector: Connector) -> None:
    """Nothing in the part is idle: each list is an operation, and its form is one of the forms."""
    part = connector.part("paging", Paging)
    assert [name for name in part.lists if name not in connector.catalog] == []
    assert [name for name, rule in part.lists.items() if rule.form and rule.form not in part.forms] == []
    used = {name for name, form in part.forms.items() for a in connector.catalog.values() if a.paging and a.paging.title == form.title}
    assert used == part.forms.keys()


def test_running_an_action_reads_neither_part(key: str) -> None:
    """What only lists and jobs need costs a single call nothing."""
    with open_connector() as connector:
        connector.preview("createChatCompletion", {"model": "m", "messages": [{"role": "user", "content": "hi"}]}, connector.connection())
        assert connector.catalog["createSpeech"].file_out
        assert connector._parts == {}
