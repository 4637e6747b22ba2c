"""The catalog: a read-only mapping in the manifest's order, in which faults stay with what is faulty."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kosha_connector_openai.core.actions.catalog import Catalog
from kosha_connector_openai.errors import DocumentError, UnknownActionError
from kosha_connector_openai.manifest import validated
from kosha_connector_openai.manifest.manifest import Manifest, read_manifest
from kosha_connector_openai.openapi.document import Document, read_document

TINY = Path(__file__).parents[3] / "tiny_provider"


@pytest.fixture
def tiny() -> Catalog:
    return Catalog(read_manifest(TINY / "connector.yaml"), read_document(TINY / "openapi.json"))


def make(paths: dict[str, Any], **more: Any) -> Catalog:
    """A catalog of these paths under a manifest with these keys."""
    whole = {"id": "x", "title": "X", "version": "1.0.0", "tagline": "t", "publisher": {"name": "p"}, "license": "MIT", **more}
    return Catalog(validated(whole, Manifest), Document({"openapi": "3.1.0", "paths": paths}))


def operation(name: str, *tags: str, **more: Any) -> dict[str, Any]:
    return {"operationId": name, "tags": list(tags), "responses": {}, **more}


def test_the_order_is_that_of_the_groups_then_of_the_description(tiny: Catalog) -> None:
    """Named groups first, in the manifest's order; the others in the description's; hidden and broken ones are left out."""
    assert list(tiny) == [
        "getWidgetsById",
        "createWidget",
        "patchWidgets",
        "uploadPicture",
        "postForm",
        "postNote",
        "putBlob",
        "postLines",
        "simplePath",
        "labelPath",
        "matrixPath",
        "queryStyles",
        "search",
        "headerStyles",
        "watchTicks",
        "openStatus",
    ]
    assert len(tiny) == 16


def test_the_groups_are_those_that_have_actions(tiny: Catalog) -> None:
    """A tag that the manifest does not name is a group of its own."""
    assert [group.id for group in tiny.groups] == ["Widgets", "Bodies", "Paths", "Queries", "Headers", "Replies"]
    assert (tiny.groups[0].help, tiny.groups[2].title) == ("Made of nothing.", "Paths")


def test_a_group_without_actions_is_not_shown() -> None:
    """A drawer that is empty is no drawer."""
    assert make({"/a": {"get": operation("a", "A")}}, groups=[{"id": "B", "title": "B"}]).groups[0].id == "A"


def test_an_action_without_a_tag_is_in_the_connectors_own_group() -> None:
    """Everything has a place; an overlay may give another."""
    catalog = make({"/a": {"get": operation("a")}, "/b": {"get": operation("b", "T")}}, actions={"b": {"group": "Mine"}})
    assert [action.group.id for action in catalog.values()] == ["X", "Mine"]


def test_an_action_is_made_once(tiny: Catalog) -> None:
    """Its schemas and validators are kept."""
    assert tiny["createWidget"] is tiny["createWidget"]


def test_an_overlay_changes_what_is_shown(tiny: Catalog) -> None:
    """Title, place, time and replacement are data of the manifest."""
    assert (tiny["createWidget"].title, tiny["createWidget"].overlay.timeout) == ("Build a widget", 30)
    assert tiny["labelPath"].hints.replacement == "simplePath"


def test_hidden_actions_are_there_when_named(tiny: Catalog) -> None:
    """Not listed is not forbidden."""
    assert "removeWidget" in tiny
    assert tiny["removeWidget"].hints.destructive
    assert "removeWidget" not in list(tiny)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("creatWidget", "Did you mean `createWidget`?"),
        ("x", "List the actions to see their ids."),
        ("", "List the actions to see their ids."),
    ],
)
def test_an_unknown_action(tiny: Catalog, name: str, hint: str) -> None:
    """It is a missing key and an input error at once; ``in`` and ``get`` behave as in any mapping."""
    with pytest.raises(UnknownActionError) as caught:
        tiny[name]
    assert isinstance(caught.value, KeyError)
    assert (caught.value.hint, str(caught.value)) == (hint, f"No action has this id. {hint}")
    assert name not in tiny
    assert tiny.get(name) is None


def test_a_broken_operation_is_broken_alone(tiny: Catalog) -> None:
    """It is listed among the faults, and raises when it is asked for."""
    assert [(fault.pointer, fault.rule) for fault in tiny.faults()] == [("/paths/~1broken~1{id}/get", "path")]
    with pytest.raises(DocumentError):
        tiny["brokenOperation"]


def test_an_overlay_without_an_operation_is_a_fault() -> None:
    """A renamed operation leaves no overlay behind unnoticed."""
    catalog = make({"/a": {"get": operation("a")}}, actions={"b": {"title": "B"}})
    assert [(fault.pointer, fault.rule) for fault in catalog.faults()] == [("/actions/b", "unknown")]


def test_one_id_for_two_operations_is_a_fault() -> None:
    """S13: both places are named, and neither can be run."""
    catalog = make({"/a": {"get": operation("same")}, "/b": {"get": operation("same")}})
    assert [fault.pointer for fault in catalog.faults()] == ["/paths/~1a/get", "/paths/~1b/get"]
    assert list(catalog) == []


def test_one_name_in_two_places_is_two_inputs() -> None:
    """A parameter is its name and its place (OpenAPI 3.0.4, section 4.7.12): both are inputs, called by the two."""
    place = {"schema": {"type": "string"}, "required": True, "name": "id"}
    catalog = make({"/a/{id}": {"get": operation("a", parameters=[{**place, "in": "path"}, {**place, "in": "query"}])}})
    assert (catalog.faults(), list(catalog["a"].input_schema["properties"])) == ((), ["path.id", "query.id"])


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("widget", ["createWidget", "getWidgetsById", "patchWidgets"]),  # one is featured
        ("WIDGET build", ["createWidget"]),
        ("styles path", ["simplePath", "labelPath", "matrixPath"]),
        ("bodies", ["uploadPicture", "postForm", "postNote", "putBlob", "postLines"]),
        ("nothing like that", []),
    ],
)
def test_search(tiny: Catalog, words: str, expected: list[str]) -> None:
    """Every word must be somewhere, in any case; the group counts, too."""
    assert [action.id for action in tiny.search(words)] == expected


def test_what_a_search_looks_at_is_worked_out_once(tiny: Catalog) -> None:
    """A palette searches with each key that is pressed."""
    action = next(iter(tiny.values()))
    assert tiny.entry(action) is tiny.entry(action)


def test_search_puts_names_before_descriptions() -> None:
    """What is called so comes before what mentions it."""
    paths = {"/a": {"get": operation("other", description="About cats.")}, "/b": {"get": operation("listCats")}}
    assert [action.id for action in make(paths).search("cats")] == ["listCats", "other"]
