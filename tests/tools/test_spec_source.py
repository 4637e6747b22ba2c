"""The generator on the vendor's description; skipped where that is not at hand."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tools.spec.document import Build, build, load
from tools.spec.source import Source

Node = dict[str, Any]
Faults = Callable[[Node, str, Any], list[str]]
# (where the corrected thing stands, its correction), one for each place of a correction.
CORRECTIONS: list[tuple[str, Node]] = [
    (place, correction)
    for correction in load("corrections.yaml")
    for place in ([correction["at"]] if isinstance(correction["at"], str) else correction["at"])
]
# Documented bodies that are not JSON, by a slip or by an ellipsis; test_openapi_json_bodies.py has them mended.
UNREADABLE = {"createFineTuningJob": 1, "searchVectorStore": 1, "createEvalRun": 1, "accept-realtime-call": 1}
# Documented bodies that are refused on purpose.
REFUSED = {
    "createImageEdit": "stands for the form, in which `image` is bytes",
    "CreateChatSessionMethod": "an early form without `user`, which the service and the clients beside it ask for",
}
SENTENCE_WORDS = 6


@pytest.fixture(scope="module")
def built(merged_source: Source) -> Build:
    """What is made today."""
    return build(merged_source)


@pytest.fixture(scope="module")
def corrected(built: Build) -> Node:
    """The document as it is made today."""
    return built.document


@pytest.fixture(scope="module")
def uncorrected(merged_source: Source) -> Node:
    """The same as it would be without corrections.yaml."""
    return build(merged_source, corrected=False).document


def _examples(operation: Node) -> Iterator[Any]:
    """The JSON bodies of an operation's documented curl calls; None for one that cannot be read."""
    given = operation.get("x-oaiMeta", {}).get("examples", [])
    for example in given if isinstance(given, list) else [given]:
        request = example.get("request", {})
        for body in re.findall(r"(?:-d|--data)\s+'(\{.*?\})\s*'", request.get("curl", ""), re.DOTALL):
            try:
                yield json.loads(body, strict=False)
            except ValueError:
                yield None
    for content in operation.get("requestBody", {}).get("content", {}).values():
        yield from (example["value"] for example in content.get("examples", {}).values())


def _documented(source: Source, operations: Node) -> Iterator[tuple[str, Any]]:
    for operation_id in operations.keys() & source.operations.keys():
        yield from ((operation_id, body) for body in _examples(source.operations[operation_id].object))


def test_documented_bodies_validate(source: Source, openapi: Node, operations: Node, faults: Faults) -> None:
    """What the vendor shows its readers must not be refused, but for the bodies listed above."""
    bodies = [(name, body) for name, body in _documented(source, operations) if body is not None]
    refused = [name for name, body in bodies if faults(openapi, name, body)]
    assert len(bodies) - len(refused) >= 124
    assert sorted(refused) == sorted(REFUSED)


def test_unreadable_documented_bodies_are_known(source: Source, operations: Node) -> None:
    """A new unreadable one may hide a fault of ours."""
    broken = [name for name, body in _documented(source, operations) if body is None]
    assert {name: broken.count(name) for name in broken} == UNREADABLE


def test_documented_form_fields_exist(source: Source, openapi: Node, operations: Node) -> None:
    """Every field of the documented multipart calls is a property, and every required one is given."""
    for operation_id in operations.keys() & source.operations.keys():
        content = operations[operation_id].get("requestBody", {}).get("content", {})
        if "multipart/form-data" not in content:
            continue
        given = content["multipart/form-data"]["schema"]
        schema = openapi["components"]["schemas"][given["$ref"].rsplit("/", 1)[1]] if "$ref" in given else given
        for fields in _forms(source.operations[operation_id].object):
            forms = [
                openapi["components"]["schemas"][one["$ref"].rsplit("/", 1)[1]] if "$ref" in one else one
                for one in schema.get("anyOf", [schema])
            ]
            assert any(fields <= set(form["properties"]) and set(form["required"]) <= fields for form in forms), operation_id


def _forms(operation: Node) -> Iterator[set[str]]:
    """Names of the top-level form fields of each documented multipart call."""
    given = operation.get("x-oaiMeta", {}).get("examples", [])
    for example in given if isinstance(given, list) else [given]:
        names = re.findall(r"-F\s+[\"']?([a-z_]+)[\[\]a-z_]*=", example.get("request", {}).get("curl", ""))
        if names:
            yield set(names)


def _where(place: str) -> str:
    """A correction's place as the fixture `faults` names it."""
    kind, name = place.split("/")[1:3]
    return f"#{name}" if kind == "schemas" else name


@pytest.mark.parametrize(("place", "correction"), [c for c in CORRECTIONS if "accepts" in c[1]])
def test_correction_lets_a_good_value_in(place: str, correction: Node, corrected: Node, uncorrected: Node, faults: Faults) -> None:
    """Refused before, accepted after."""
    assert faults(uncorrected, _where(place), correction["accepts"])
    assert faults(corrected, _where(place), correction["accepts"]) == []


@pytest.mark.parametrize(("place", "correction"), [c for c in CORRECTIONS if "refuses" in c[1]])
def test_correction_keeps_a_bad_value_out(place: str, correction: Node, corrected: Node, uncorrected: Node, faults: Faults) -> None:
    """Accepted before, refused after."""
    assert faults(uncorrected, _where(place), correction["refuses"]) == []
    assert faults(corrected, _where(place), correction["refuses"])


def test_no_text_is_missing_or_stale(built: Build) -> None:
    """Every input field has help, no text is about something that is gone, and no operation is without a group."""
    assert built.problems() == []


def test_no_sentence_is_the_vendors(reference: Path, openapi: Node) -> None:
    """Facts carry over, sentences do not."""
    vendors = {sentence for text in _texts(json.loads(reference.read_text("utf-8"))) for sentence in _split(text)}
    assert _long(openapi) & vendors == set()


def test_no_sentence_is_the_clients(client_folder: Path, openapi: Node) -> None:
    """Nor those of the client's classes and methods."""
    files = [file for folder in ("types", "resources") for file in (client_folder / folder).rglob("*.py")]
    theirs = {sentence for file in files for text in _docstrings(file) for sentence in _split(text)}
    assert len(theirs) > 5000
    assert _long(openapi) & theirs == set()


def _long(openapi: Node) -> set[str]:
    """Our sentences that are long enough to be somebody's; that of a constant is its value."""
    said = {sentence for text in _texts(openapi) if not text.startswith("Always `") for sentence in _split(text)}
    return {sentence for sentence in said if len(sentence.split()) > SENTENCE_WORDS}


def _docstrings(file: Path) -> Iterator[str]:
    """The texts that stand alone in a module of Python."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value.value


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("description", "summary", "title") and isinstance(value, str):
                yield value
            yield from _texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from _texts(value)


def _split(text: str) -> list[str]:
    """Sentences in lower case without marks, so that only the words count."""
    return [" ".join(re.findall(r"[a-z0-9]+", part)) for part in re.split(r"[.!?;]\s", text.lower() + " ")]


def test_every_operation_of_the_sources_is_here(merged_source: Source, operations: Node) -> None:
    """And beside them only those that the vendor has shut down."""
    assert len(merged_source.operations) == 388
    assert {name for name, o in operations.items() if "x-kosha-retired" not in o} == set(merged_source.operations)


def test_what_the_sources_ask_of_a_key_is_asked_here(merged_source: Source, operations: Node) -> None:
    """No operation loses the administration key that a source declares."""
    theirs = {name for name, o in merged_source.operations.items() if "security" in o.object}
    assert len(theirs) >= 119
    assert all(operations[name]["security"] == merged_source.operations[name].object["security"] for name in theirs)
