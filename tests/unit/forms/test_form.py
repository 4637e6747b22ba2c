"""Forms of actions: order and groups, words and their origin, conditions, extra fields; and what the part ``forms`` changes."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from kosha_connector_openai import Connector
from kosha_connector_openai.errors import UnknownActionError
from kosha_connector_openai.forms import Form

TEXT = {"type": "string"}


def field(form: Form, name: str = "x") -> dict[str, Any]:
    return next(entry for entry in form.fields if entry["name"] == name)


def test_needed_fields_come_first(make_form: Any) -> None:
    """Needed ones in the main group, old ones among the advanced, and the extra fields at the end."""
    form = make_form({"a": TEXT, "old": {**TEXT, "deprecated": True}, "b": TEXT}, required=["b"])
    assert [(entry["order"], entry["name"], entry["group"], entry["visibility"]) for entry in form.fields] == [
        (1, "b", "main", "important"),
        (2, "a", "options", "normal"),
        (3, "old", "advanced", "advanced"),
        (4, "extra_body", "advanced", "advanced"),
    ]


def test_the_part_gives_groups_and_order(make_form: Any) -> None:
    """The lists of an action are its groups; fields in none of them follow."""
    form = make_form(dict.fromkeys("abcd", TEXT), actions={"act": {"main": ["d"], "options": ["c", "a"]}})
    assert [(entry["name"], entry["group"]) for entry in form.fields[:4]] == [
        ("d", "main"),
        ("c", "options"),
        ("a", "options"),
        ("b", "options"),
    ]
    assert field(form, "d")["origin"]["group"] == "overlay"
    assert field(form, "b")["origin"]["group"] == "default"


def test_each_fact_says_where_it_comes_from(make_form: Any) -> None:
    """From the description, from the manifest, or from a rule of ours."""
    schema = {"type": "string", "description": "What it is.", "default": "d"}
    form = make_form({"a_b": schema, "c": TEXT}, actions={"act": {"fields": {"c": {"label": "See", "help": "Look.", "default": "x"}}}})
    assert {key: field(form, "a_b")["origin"][key] for key in ("label", "help", "default")} == {
        "label": "default",
        "help": "spec",
        "default": "spec",
    }
    assert {key: field(form, "c")["origin"][key] for key in ("label", "help", "default")} == dict.fromkeys(
        ("label", "help", "default"), "overlay"
    )


def test_the_nearer_word_wins(make_form: Any) -> None:
    """Any field of a name, then an action's own fields, then this action's; patterns last."""
    part = {
        "fields": {"*_x": {"placeholder": "pattern", "units": "px"}, "a_x": {"placeholder": "field"}, "b": {"label": "Field"}},
        "inputs": {"b": {"label": "Input"}, "c": {"label": "Input"}},
        "actions": {"act": {"fields": {"c": {"label": "Action"}}}},
    }
    form = make_form({"a_x": TEXT, "b": TEXT, "c": TEXT}, **part)
    assert (field(form, "a_x")["placeholder"], field(form, "a_x")["units"]) == ("field", "px")
    assert [field(form, name)["label"] for name in "bc"] == ["Input", "Action"]


def test_objects_have_words_of_their_own(make_form: Any) -> None:
    """What the part says of a definition holds wherever it is used."""
    schemas = {"Place": {"type": "object", "properties": {"city": TEXT}}}
    shapes = {"Place": {"label": "Where", "fields": {"city": {"label": "Town", "placeholder": "Oslo"}}}}
    form = make_form({"x": {"$ref": "#/components/schemas/Place"}}, schemas=schemas, shapes=shapes)
    place = form.definition("#/$defs/Place")
    assert (place["label"], place["fields"][0]["label"], place["fields"][0]["placeholder"]) == ("Where", "Town", "Oslo")


def test_conditions_are_told(make_form: Any) -> None:
    """By value, and by whether another field is filled in."""
    fields = {"b": {"visible_when": {"a": ["x", None]}, "required_when": {"c": "absent"}, "excludes": ["c"]}}
    found = field(make_form({"a": TEXT, "b": TEXT, "c": TEXT}, actions={"act": {"fields": fields}}), "b")
    assert found["visible_when"] == [{"field": "a", "in": ["x", None]}]
    assert found["required_when"] == [{"field": "c", "given": False}]
    assert found["excludes"] == ["c"]


def test_a_curated_widget_must_fit(make_form: Any) -> None:
    """A text may have several lines; a list drawn as a slider would lose what is in it."""
    form = make_form({"a": TEXT, "b": {"type": "array", "items": TEXT}}, fields={"a": {"widget": "multiline"}, "b": {"widget": "slider"}})
    assert [field(form, name)["widget"] for name in "ab"] == ["multiline", "list"]


def test_everything_else_is_carried_through(make_form: Any) -> None:
    """Secrets, pickers, bounds, examples, labels of values, files."""
    said = {"secret": True, "picker": "models", "example": "e", "expression": False, "enum": {"v": "Vee"}}
    form = make_form({"x": {"type": "string", "enum": ["v", "w"]}}, actions={"act": {"fields": {"x": said}}})
    found = field(form)
    assert (found["secret"], found["options"], found["example"], found["expression"]) == (True, "models", "e", False)
    assert [option["label"] for option in found["enum"]] == ["Vee", "W"]
    assert (found["origin"]["enum"], found["origin"]["enum_labels"]) == ("spec", "overlay")


def test_a_field_without_words_gets_a_sentence(make_form: Any) -> None:
    """And it says that it is ours."""
    found = field(make_form({"thing_id": TEXT}, required=["thing_id"]), "thing_id")
    assert (found["help"], found["origin"]["help"]) == ("Which thing is meant, by its ID.", "default")


def test_an_action_without_a_body_takes_no_extra_fields(connector: Connector) -> None:
    """There is nowhere to put them."""
    assert [entry["name"] for entry in connector.forms["listModels"].fields] == []


def test_parameters_with_one_value_are_no_fields(connector: Connector) -> None:
    """The request has them by itself: neither the form nor its schema nor a sample names them, in any operation of ours."""
    forms = connector.forms
    asked = [
        action.id
        for action in connector.catalog.values()
        for name in action.inputs.constants
        if name in {entry["name"] for entry in forms[action.id].fields}
        or name in action.input_schema["properties"]
        or name in forms[action.id].sample()
    ]
    assert "OpenAI-Beta" in connector.catalog["listAssistants"].inputs.constants
    assert asked == []


def test_what_is_no_http_call_says_where_to_go_on(connector: Connector) -> None:
    """Sessions whose sound and events run over another connection; what is entered into a page's sign-in is secret."""
    sessions = (
        "create-realtime-client-secret",
        "create-realtime-session",
        "accept-realtime-call",
        "createLiveSession",
        "acceptLiveSession",
    )
    for action in sessions:
        words = connector.forms[action].head()["help"]
        assert "WebSocket" in words or "WebRTC" in words, action
        assert "Go on" in words, action
    shape = connector.forms["createAgentSessionEvent"].definitions["AgentBrowserAuthenticationSubmitParamParamField"]
    assert [entry["name"] for entry in shape["fields"] if entry.get("secret")] == ["value"]


def test_bodies_of_two_kinds_say_whose_a_field_is(connector: Connector) -> None:
    """A file goes into the multipart body, links into the other."""
    form = connector.forms["createImageEdit"]
    assert field(form, "image")["media_types"] == ["multipart/form-data"]
    assert field(form, "images")["media_types"] == ["application/json"]
    assert "media_types" not in field(form, "prompt")


def test_retired_actions_name_their_successor(connector: Connector) -> None:
    """So that a builder can offer it."""
    assert connector.forms["createImageVariation"].head()["deprecated"] == {"replacement": "createImageEdit"}
    assert "deprecated" not in connector.forms["createImage"].head()


def test_an_unknown_action_is_told_by_the_catalog(connector: Connector) -> None:
    """With the nearest id."""
    with pytest.raises(UnknownActionError) as raised:
        connector.forms["createChatCompletio"]
    assert "createChatCompletion" in raised.value.hint


def test_forms_are_made_once(connector: Connector) -> None:
    """And by many threads at the same time as by one."""
    forms, found = connector.forms, list[Form]()
    threads = [threading.Thread(target=lambda: found.append(forms["createResponse"])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(form) for form in found}) == 1
    assert forms["createResponse"].to_dict() is found[0].to_dict()


def test_a_folder_without_the_part_has_forms(root: Any) -> None:
    """Every provider gets them; the part only makes them better."""
    with Connector(root / "examples" / "tides") as tides:
        forms = {name: tides.forms[name].to_dict() for name in tides.forms}
    assert list(forms) == ["listStations", "getStation", "addReport"]
    assert all(field["label"] and field["help"] for form in forms.values() for field in form["fields"])
