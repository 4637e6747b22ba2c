"""The form of every action of our own folder and of foreign ones: true to the published format, and to what the action takes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kosha_connector_openai import Connector, open_connector
from kosha_connector_openai.errors import InputError
from kosha_connector_openai.forms.sample import allowed
from kosha_connector_openai.manifest.parts.forms import FormsPart
from kosha_connector_openai.manifest.parts.pickers import Pickers
from tests.tables import check_each, compiled
from tools.quality import every_field

ROOT = Path(__file__).parents[2]
FOLDERS = {"ours": ROOT, "tides": ROOT / "examples" / "tides", "tiny": ROOT / "tests" / "tiny_provider"}
IDS = [
    operation["operationId"]
    for item in json.loads((ROOT / "openapi.json").read_text())["paths"].values()
    for operation in item.values()
    if isinstance(operation, dict) and "operationId" in operation
]
FORMAT = compiled(json.loads((ROOT / "docs" / "form.schema.json").read_text()))
PNG = "data:image/png;name=a.png;base64,AAAA"


@pytest.fixture(scope="module")
def opened() -> Iterator[Connector]:
    """Our own connector."""
    with open_connector() as connector:
        yield connector


@pytest.mark.parametrize("name", FOLDERS)
def test_the_form_is_what_the_format_says(name: str) -> None:
    """For any folder, key by key as docs/form.schema.json has it; it is JSON, and every reference leads to a definition."""
    with Connector(FOLDERS[name]) as connector:

        def is_true(action: str) -> None:
            form = connector.forms[action].to_dict()
            text = json.dumps(form, allow_nan=False)
            assert [error.message for error in FORMAT.iter_errors(json.loads(text))] == []
            assert {name.removeprefix("#/$defs/") for name in re.findall(r'"\$ref": "([^"]+)"', text)} <= set(form["$defs"])
            assert [field["order"] for field in form["fields"]] == list(range(1, len(form["fields"]) + 1))
            assert {field["name"] for field in form["fields"]} - {"extra_body"} == set(connector.catalog[action].inputs.fields)

        check_each(IDS if name == "ours" else connector.forms, is_true)


@pytest.mark.parametrize("name", FOLDERS)
def test_the_schema_takes_the_sample(name: str) -> None:
    """The form's own samples pass its JSON Schema, our check before sending, and stay the same when they are made again."""
    with Connector(FOLDERS[name]) as connector:

        def takes(action: str) -> None:
            form = connector.forms[action]
            schema = form.to_json_schema()
            valid = compiled(schema)
            for minimal in (True, False):
                sample = form.sample(minimal=minimal)
                assert [error.message for error in valid.iter_errors(json.loads(json.dumps(sample)))] == []
                form.action.check(sample)
                assert form.sample(minimal=minimal) == sample
            assert form.to_json_schema() == schema

        check_each(IDS if name == "ours" else connector.forms, takes)


CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
WRONG: list[tuple[str, dict[str, Any]]] = [
    ("createCompletion", {"prompt": "p"}),
    ("createCompletion", {"model": "m", "prompt": {"text": "p"}}),
    ("createChatCompletion", {"model": "m"}),
    ("createChatCompletion", {"model": "m", "messages": []}),
    ("createChatCompletion", {"model": "m", "messages": [{"role": "nobody", "content": "hi"}]}),
    ("createChatCompletion", {"model": "m", "messages": [{"role": "tool", "content": "hi"}]}),
    ("createChatCompletion", {**CHAT, "temperature": 2.5}),
    ("createChatCompletion", {**CHAT, "n": 0}),
    ("createChatCompletion", {**CHAT, "stream": "yes"}),
    ("createChatCompletion", {**CHAT, "response_format": {"type": "xml"}}),
    ("createChatCompletion", {**CHAT, "tools": [{"type": "function"}]}),
    ("createResponse", {"model": "m", "input": 7}),
    ("createResponse", {"model": "m", "input": "hi", "max_output_tokens": 1}),
    ("createResponse", {"model": "m", "input": "hi", "tools": [{"type": "spell"}]}),
    ("createImage", {"model": "m"}),
    ("createImage", {"prompt": "p", "n": 11}),
    ("createImageEdit", {"prompt": "p"}),
    ("createImageEdit", {"image": PNG}),
    ("createImageVariation", {"n": 2}),
    ("createTranscription", {"model": "m"}),
    ("createTranscription", {"model": "m", "file": PNG, "response_format": "doc"}),
    ("createTranslation", {"file": PNG}),
    ("createSpeech", {"model": "m", "input": "x" * 4097, "voice": "alloy"}),
    ("createSpeech", {"model": "m", "input": "x", "voice": "alloy", "speed": 5}),
    ("createFineTuningJob", {"model": "m"}),
    ("createFineTuningJob", {"model": "m", "training_file": "f", "suffix": "x" * 65}),
    ("listPaginatedFineTuningJobs", {"limit": "many"}),
    ("retrieveFineTuningJob", {}),
    ("listFineTuningEvents", {"fine_tuning_job_id": 7}),
    ("cancelFineTuningJob", {}),
    ("createFile", {"file": PNG, "purpose": "fun"}),
    ("listFiles", {"order": "up"}),
    ("retrieveModel", {}),
    ("createModeration", {"model": "m"}),
    ("createEmbedding", {"model": "m", "input": "x", "dimensions": 0}),
    ("createEmbedding", {"model": "m", "input": "x", "encoding_format": "text"}),
    ("createBatch", {"input_file_id": "f", "endpoint": "/v1/none", "completion_window": "24h"}),
    ("listBatches", {"limit": "many"}),
    ("retrieveBatch", {}),
    ("cancelBatch", {"batch_id": None}),
]


def test_wrong_inputs_are_refused_twice(opened: Connector) -> None:
    """By the form's schema while a person fills it in, and by the check before anything is sent."""

    def is_refused(row: tuple[str, dict[str, Any]]) -> None:
        action, inputs = row
        assert not compiled(opened.forms[action].to_json_schema()).is_valid(inputs)
        if row != ("createImageEdit", {"prompt": "p"}):  # which body is meant cannot be told from it; the form knows
            with pytest.raises(InputError):
                opened.check(action, inputs)

    check_each(WRONG, is_refused)


@pytest.mark.parametrize(
    ("action", "inputs"),
    [
        ("createChatCompletion", {**CHAT, "max_tokens": 5, "max_completion_tokens": 5}),
        ("createResponse", {"model": "m", "input": "hi", "conversation": "c", "previous_response_id": "r"}),
        ("createImageEdit", {"prompt": "p", "image": PNG, "images": [{"file_id": "f"}]}),
    ],
)
def test_what_excludes_each_other_is_refused_by_the_form(opened: Connector, action: str, inputs: dict[str, Any]) -> None:
    """The provider's own description does not say so; the form does, and the sample never has both."""
    form = opened.forms[action]
    assert not compiled(form.to_json_schema()).is_valid(inputs)
    assert compiled(form.to_json_schema()).is_valid(allowed(form.fields, inputs, form.definition))


def test_conditions_show_and_hide(opened: Connector) -> None:
    """A field whose condition does not hold is in no property list, so a library does not draw it; with its condition it is checked."""
    form = opened.forms["createImage"]
    schema = form.to_json_schema()
    validator = compiled(schema)
    assert "output_compression" not in schema["properties"]
    assert validator.is_valid({"prompt": "p", "output_format": "webp", "output_compression": 80})
    assert not validator.is_valid({"prompt": "p", "output_format": "webp", "output_compression": 101})
    assert allowed(form.fields, {"prompt": "p", "output_compression": 80}, form.definition) == {"prompt": "p"}


def test_defaults_of_the_provider_are_not_filled_in(opened: Connector) -> None:
    """Complaint: a form that sends temperature 1 and n 1 although nobody chose them."""
    form = opened.forms["createChatCompletion"]
    properties = form.to_json_schema()["properties"]
    assert [name for name, schema in properties.items() if "default" in schema] == []
    assert form.to_ui_schema()["temperature"]["ui:placeholder"] == "left to the provider: 1"


def test_the_part_speaks_of_what_there_is(opened: Connector) -> None:
    """Every action, field, definition, condition and widget that forms.yaml names exists, and is used."""
    part = opened.part("forms", FormsPart)
    assert set(part.core) <= set(part.actions)
    for action, curated in part.actions.items():
        form = opened.forms[action]
        fields = {field["name"]: field for field in form.fields}
        listed = [*curated.main, *curated.options, *curated.advanced]
        assert set(listed) | set(curated.fields) <= set(fields), action
        assert len(listed) == len(set(listed)), action
        for name, said in curated.fields.items():
            others = {*said.visible_when, *said.required_when, *said.excludes}
            assert others <= set(fields), (action, name)
            assert said.widget in (None, fields[name]["widget"]), (action, name)
            values = {str(option["value"]) for option in fields[name].get("enum", ())}
            assert set(said.enum) & values or not said.enum, (action, name)
    names = {name for action in opened.catalog for name in opened.forms[action].definitions}
    assert set(part.shapes) <= names | {"ResponseFormatText"}
    everywhere = {field["name"] for action in opened.catalog for field in opened.forms[action].fields}
    assert {name for name in part.inputs if name not in everywhere} == set()


def test_every_picker_exists(opened: Connector) -> None:
    """The form names the one that would answer for this very field; a field inside an object may name one too."""
    known = opened.part("pickers", Pickers).pickers
    named = {field["options"] for action in opened.catalog for field in every_field(opened.forms[action]) if "options" in field}
    assert named <= set(known)
    pickers = {
        action: next(field["options"] for field in opened.forms[action].fields if "options" in field)
        for action in ("createChatCompletion", "retrieveModel", "deleteModel", "cancelBatch", "createBatch", "getVectorStoreFile")
    }
    assert list(pickers.values()) == ["models", "any_model", "trained_models", "running_batches", "call_files", "vector_stores"]


def test_every_field_has_words(opened: Connector) -> None:
    """A label that is no raw name, and a help text, on every action; and on the core set a help text of its own."""
    for action in opened.catalog:
        for field in opened.forms[action].fields:
            assert field["label"][:1] == field["label"][:1].upper(), (action, field["name"])
            assert "_" not in field["label"], (action, field["name"])
            assert field["help"], (action, field["name"])
    for action in opened.forms.core:
        assert "help" in opened.forms[action].head()
