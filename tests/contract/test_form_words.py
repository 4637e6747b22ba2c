"""The words of every form: a label is the term of its field, in the words of the field's name, and help is simple Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from markdown_it import MarkdownIt

from kosha_connector_openai import Connector, open_connector
from kosha_connector_openai.flows.tasks import list_tasks
from kosha_connector_openai.manifest.parts import FieldForm, FormsPart
from tools.quality import every_field

SPELLED = {
    "24h": "24 hours", "asc": "ascending", "b64_json": "Base64 JSON", "coord": "coordinate", "desc": "descending", "env": "environment",
    "eq": "equal", "gen": "generation", "gt": "greater than", "gte": "greater than or equal", "lt": "less than",
    "lte": "less than or equal", "ne": "not equal", "nin": "not in", "num": "number of", "params": "parameters", "ref": "reference",
    "vars": "variables",
    "wandb": "Weights & Biases", "xhigh": "extra high",
}  # fmt: skip
"""The abbreviations that `words` writes out; every other entry of it keeps the letters of the word."""
TASK_TERMS = {
    ("classify", "several"): "Multiple labels",
    ("translate", "language"): "Target language",
    ("translate", "source"): "Source language",
    ("semantic-search", "top"): "Top results",
}
"""Labels of tasks that are no fields of the API, where the name alone says too little."""
WRITTEN_OUT = {"Data source configuration", "Number of epochs", "Max number of results", "Sampling parameters", "Environment"} | {
    "Authentication", "Environment variables", "Parameter", "Token endpoint authentication",
}  # fmt: skip
UNITS = re.compile(r"_ms$")


def letters(text: str) -> str:
    """What is left of a name or a label when spelling is taken away."""
    return re.sub(r"[^a-z0-9]", "", text.lower())


@pytest.fixture(scope="module")
def opened() -> Iterator[Connector]:
    """The connector whose words are read."""
    with open_connector() as connector:
        yield connector


@pytest.fixture(scope="module")
def part(opened: Connector) -> FormsPart:
    """What is curated."""
    return opened.part("forms", FormsPart)


def curated(part: FormsPart) -> Iterator[tuple[str, str, FieldForm]]:
    """Where a field is curated, its name, and what is said."""
    yield from (("fields", name, form) for name, form in part.fields.items())
    yield from (("inputs", name, form) for name, form in part.inputs.items())
    yield from ((shape, name, form) for shape, said in part.shapes.items() for name, form in said.fields.items())
    yield from ((action, name, form) for action, said in part.actions.items() for name, form in said.fields.items())


def test_a_label_of_another_kind_has_its_reason(part: FormsPart) -> None:
    """No label in forms.yaml paraphrases its field: it differs from the name with a reason that was reviewed, or it is not needed."""
    found = {f"{place}.{name}: {form.label}" for place, name, form in curated(part) if form.label and not form.label_reason}
    repeated = {f"{place}.{name}" for place, name, form in curated(part) if form.label and letters(form.label) == letters(name)}
    assert (found, repeated) == (set(), set())


def test_a_shape_is_called_by_words_of_its_name(part: FormsPart) -> None:
    """Or its label has a reason."""

    def foreign(name: str, label: str | None) -> bool:
        return any(letters(word) not in letters(name) for word in (label or "").split())

    assert {name: shape.label for name, shape in part.shapes.items() if foreign(name, shape.label) and not shape.label_reason} == {}


def test_spelling_is_no_paraphrase(part: FormsPart) -> None:
    """The table of words writes a word in another way, or writes out an abbreviation that is known here."""
    assert {word: text for word, text in part.words.items() if letters(word) != letters(text)} == SPELLED


def test_every_label_is_the_name_of_its_field(opened: Connector, part: FormsPart) -> None:
    """Of every field of every action, those in objects too: the name's words as people write them, or a label with a reason."""
    reviewed = {form.label for _, _, form in curated(part) if form.label_reason} | WRITTEN_OUT
    found: dict[str, str] = {}
    for form in opened.forms.values():
        for field in every_field(form):
            name, label = UNITS.sub("", field["name"]), field["label"]
            plain = letters(name) == letters(label) or label.lower() == part.words.get(name, "").lower()
            if not plain and label not in reviewed:
                found[field["name"]] = label
    assert found == {}


def test_labels_are_in_sentence_case(opened: Connector) -> None:
    """A capital first, then small letters, but for names and abbreviations."""
    names = re.compile(r"^(?:[A-Z0-9&-]+s?|ChatKit|OpenAI|Biases|P)$")
    labels = {field["label"] for form in opened.forms.values() for field in every_field(form)}
    wrong = [
        label
        for label in labels
        if not label[:1].isupper() or any(not word.islower() and not names.match(word) for word in label.split()[1:])
    ]
    assert wrong == []


def test_a_task_calls_its_inputs_by_their_names(opened: Connector) -> None:
    """Or by a label that is listed here."""
    labels = {(task.name, name): entry.label for task in list_tasks(opened) for name, entry in task.form.inputs.items()}
    assert {key: label for key, label in labels.items() if letters(key[1]) != letters(label)} == TASK_TERMS


def markdown_faults(text: str) -> list[str]:
    """What of a text is more than paragraphs of words, code and links, or would be drawn as something that nobody meant."""
    inline = [child for token in MarkdownIt().parse(text) for child in token.children or [token]]
    plain = {"paragraph_open", "paragraph_close", "text", "code_inline", "softbreak", "link_open", "link_close"}
    return [token.type for token in inline if token.type not in plain] + [
        token.content for token in inline if token.type == "text" and re.search(r"[*<>`\\\[\]]|(?<!\w)_|_(?!\w)|\w_\w", token.content)
    ]


def test_help_is_simple_markdown(opened: Connector) -> None:
    """Words, code and links alone; a name with an underscore stands in code, and no sign is drawn as emphasis or markup by chance."""
    found: dict[str, Any] = {}
    for action, form in opened.forms.items():
        shapes: list[Any] = [form.head(), *form.fields, *form.definitions.values()]
        while shapes:
            shape = shapes.pop()
            if faults := markdown_faults(shape.get("help", "")):
                found[f"{action}.{shape.get('name', '')}: {shape['help']}"] = faults
            shapes += [*shape.get("fields", ()), *shape.get("variants", ())]
            shapes += [shape[key] for key in ("items", "values") if key in shape]
    assert {key.partition(".")[2]: faults for key, faults in found.items()} == {}
