"""The generator on the vendor's description; skipped where that is not at hand."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from tools.spec.document import build, load
from tools.spec.source import Source

Node = dict[str, Any]
Faults = Callable[[Node, str, Any], list[str]]
CORRECTIONS: list[Node] = load("corrections.yaml")
# Documented bodies that are not JSON, by a slip or by an ellipsis; test_openapi_json.py has them mended.
UNREADABLE = {"createFineTuningJob": 1, "searchVectorStore": 1}
SENTENCE_WORDS = 6


@pytest.fixture(scope="module")
def everything(source: Source) -> Node:
    """The document with every operation of the source."""
    return build(source, everything=True).document


@pytest.fixture(scope="module")
def uncorrected(source: Source) -> Node:
    """The same as it would be without corrections.yaml."""
    return build(source, everything=True, corrected=False).document


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
    """What the vendor shows its readers must not be refused."""
    bodies = [(name, body) for name, body in _documented(source, operations) if body and _is_json(name, body)]
    refused = [(name, faults(openapi, name, body), body) for name, body in bodies]
    assert len(bodies) >= 37
    assert [fault for fault in refused if fault[1]] == []


def _is_json(operation_id: str, body: Node) -> bool:
    """The example of the form of createImageEdit stands for bytes; it is no JSON body."""
    return not (operation_id == "createImageEdit" and "image" in body)


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
        name = content["multipart/form-data"]["schema"]["$ref"].rsplit("/", 1)[1]
        schema = openapi["components"]["schemas"][name]
        for fields in _forms(source.operations[operation_id].object):
            assert fields <= set(schema["properties"]), operation_id
            assert set(schema["required"]) <= fields, operation_id


def _forms(operation: Node) -> Iterator[set[str]]:
    """Names of the top-level form fields of each documented multipart call."""
    given = operation.get("x-oaiMeta", {}).get("examples", [])
    for example in given if isinstance(given, list) else [given]:
        names = re.findall(r"-F\s+[\"']?([a-z_]+)[\[\]a-z_]*=", example.get("request", {}).get("curl", ""))
        if names:
            yield set(names)


@pytest.mark.parametrize("correction", [c for c in CORRECTIONS if "accepts" in c], ids=lambda c: c["at"])
def test_correction_lets_a_good_value_in(correction: Node, everything: Node, uncorrected: Node, faults: Faults) -> None:
    """Refused before, accepted after."""
    where = "#" + correction.get("schema", correction["at"].split("/")[2])
    assert faults(uncorrected, where, correction["accepts"])
    assert faults(everything, where, correction["accepts"]) == []


@pytest.mark.parametrize("correction", [c for c in CORRECTIONS if "refuses" in c], ids=lambda c: c["at"])
def test_correction_keeps_a_bad_value_out(correction: Node, everything: Node, uncorrected: Node, faults: Faults) -> None:
    """Accepted before, refused after."""
    where = "#" + correction.get("schema", correction["at"].split("/")[2])
    assert faults(uncorrected, where, correction["refuses"]) == []
    assert faults(everything, where, correction["refuses"])


def test_no_text_is_missing_or_stale(source: Source) -> None:
    """Every input field has help, and no text is about something that is gone."""
    assert build(source).problems() == []


def test_no_sentence_is_the_vendors(source: Source, reference: Path, openapi: Node) -> None:
    """Facts carry over, sentences do not."""
    vendors = {sentence for text in _texts(json.loads(reference.read_text("utf-8"))) for sentence in _split(text)}
    ours = {sentence for text in _texts(openapi) for sentence in _split(text)}
    assert {text for text in ours & vendors if len(text.split()) > SENTENCE_WORDS} == set()


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


def test_every_operation_of_the_source_can_be_taken(source: Source, everything: Node) -> None:
    """`--all`: all ids, path keys with a query string, and the administration's with their own key."""
    paths = everything["paths"]
    assert source.operations.keys() <= {o["operationId"] for item in paths.values() for o in item.values()}
    assert "/v1/responses?beta=true" in paths
    assert paths["/v1/organization/users"]["get"]["security"] == [{"AdminApiKeyAuth": []}]


def test_every_schema_of_the_source_is_json_schema_2020_12(everything: Node) -> None:
    """Also those outside the selection, so that the next step is only adding texts."""
    schemas = everything["components"]["schemas"]
    assert [name for name, schema in schemas.items() if not jsonschema_rs.meta.is_valid(schema)] == []
