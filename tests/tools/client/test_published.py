"""The published client: everything that it calls is read, it agrees with the published description, and versions can be compared."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openapi_spec_validator
import pytest

from kosha_connector_openai.openapi import read_document
from kosha_connector_openai.openapi.diff import DiffReport, Verdict, compare_documents
from kosha_connector_openai.sdk.difference import CLIENT
from kosha_connector_openai.sdk.merge import SOURCE, Merged
from kosha_connector_openai.sdk.node import SCHEMA_PREFIX, UNIONS, Node
from kosha_connector_openai.sdk.reader import Reading, place
from kosha_connector_openai.sdk.update import updated
from tools.spec.document import build
from tools.spec.merging import RULES, facts_of, read_sides
from tools.spec.selection import Selection
from tools.spec.source import Source, source_of

OTHER_SPELLING = "[]"
"""The client writes a list in a query with these behind its name; the list of names leaves them out."""


def names(schema: Node, schemas: Node) -> Iterator[str]:
    """The fields of an object, alternatives and references opened."""
    if "$ref" in schema:
        yield from names(schemas[schema["$ref"].removeprefix(SCHEMA_PREFIX)], schemas)
    yield from schema.get("properties", {})
    for branch in [branch for union in (*UNIONS, "allOf") for branch in schema.get(union, [])]:
        yield from names(branch, schemas)


def found(reading: Reading) -> dict[str, tuple[set[str], set[str]]]:
    """Body and query names by place, without the query of a path, which the list of names does not tell apart."""
    schemas = reading.document["components"]["schemas"]
    out: dict[str, tuple[set[str], set[str]]] = {}
    for path, item in reading.document["paths"].items():
        for method, operation in item.items():
            body, query = out.setdefault(place(method, f"/v1{path.partition('?')[0]}"), (set(), set()))
            for given in operation.get("requestBody", {}).get("content", {}).values():
                body.update(names(given["schema"], schemas))
            query.update(one["name"] for one in operation.get("parameters", []) if one["in"] == "query")
    return out


def test_client_is_read_whole(current: Reading) -> None:
    """Without a fault."""
    assert [str(fault) for fault in current.faults] == []


def test_every_operation_with_every_name_is_found(current: Reading, named_operations: Node) -> None:
    """Of 381 operations each, with each field of body and query; spelt otherwise are lists in a query alone."""
    read = found(current)
    assert read.keys() == named_operations.keys()
    missing = {
        key: gone
        for key, given in named_operations.items()
        if (gone := (set(given["body"]) - read[key][0]) | {one for one in given["query"] if not {one, one + OTHER_SPELLING} & read[key][1]})
    }
    assert missing == {}


def test_every_operation_of_the_description_keeps_its_id(current: Reading, source: Source) -> None:
    """Of those at the same place; new ones have ids that are not taken."""
    ids = {place(one.method, one.path): one.id for one in source.operations.values()}
    read = {
        place(method, f"/v1{path}"): operation["operationId"]
        for path, item in current.document["paths"].items()
        for method, operation in item.items()
    }
    assert {key: read[key] for key in ids if key in read} == {key: name for key, name in ids.items() if key in read}
    assert len(set(read.values())) == len(read)


def test_both_sources_agree(merged: Merged) -> None:
    """At least 95 of 100 facts are the same, in requests and replies each; for every other one a side is right."""
    assert merged.share("request") >= 0.95
    assert merged.share("reply") >= 0.95
    assert [str(difference) for difference in merged.undecided] == []


def test_every_entry_of_sides_decides_something(merged: Merged) -> None:
    """An entry that fits no difference any more can go."""
    assert merged.unused(read_sides()) == []


def test_merged_description_has_what_either_side_has(merged: Merged, current: Reading, source: Source) -> None:
    """Every operation of both, each with its sources."""
    operations = {operation["operationId"]: operation for item in merged.document["paths"].values() for operation in item.values()}
    client = {operation["operationId"] for item in current.document["paths"].values() for operation in item.values()}
    assert operations.keys() == source.operations.keys() | client
    assert operations["createResponse"][SOURCE] == [f"OpenAI API {source.version}", "openai-python 3.57.0"]
    assert operations["createAgentSession"][SOURCE] == "openai-python 3.57.0"


def test_new_fields_of_an_operation_say_their_source(merged: Merged) -> None:
    """A field that the client alone has is marked; one that both have is not."""
    fields = merged.document["components"]["schemas"]["CreateImageRequest"]["properties"]
    assert fields["svg"][SOURCE] == "openai-python 3.57.0"
    assert SOURCE not in fields["prompt"]


def test_facts_alone_make_the_same_document(reference: Path, source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaving out what is no fact before the generator changes nothing of what it makes, here of all that the description has."""
    monkeypatch.setattr("tools.spec.document.select", lambda _, available: Selection({"All": list(available)}, []))
    facts = facts_of(json.loads(reference.read_text(encoding="utf-8")))
    made, expected = (build(one, corrected=False).document for one in (source_of(facts, source.sha256), source))
    assert made == expected
    assert len(made["paths"]) > 100


def compared(folder: Path, before: Reading, after: Reading) -> DiffReport:
    paths = [folder / f"{name}.json" for name in ("before", "after")]
    for path, reading in zip(paths, (before, after), strict=True):
        path.write_text(json.dumps(reading.document), encoding="utf-8")
    return compare_documents(*(read_document(path) for path in paths))


def told(report: DiffReport, operation: str) -> str:
    return "\n".join(f"{one.where} {one.before} {one.after}" for one in report.changes if one.operation == operation)


@pytest.mark.slow
def test_drift_of_four_days_is_what_the_changelog_says(client: Callable[[str], Reading], tmp_path: Path) -> None:
    """3.53.0 to 3.57.0: a live model, standby of live sessions, their MCP servers; controls of budgets went."""
    report = compared(tmp_path, client("3.53.0"), client("3.57.0"))
    live, agents = told(report, "createLiveSession"), told(report, "createAgentSession")
    assert "gpt-live-1.1" in live
    assert "session/wake_policy" in live
    assert "(mcp)/server_url" in live
    assert "spend_control" in agents
    assert {one.operation for one in report.changes} <= {
        *("createLiveSession", "acceptLiveSession", "forkLiveSession"),
        *("createAgentSession", "updateAgentSession", "retrieveAgentSession", "listAgentSessions", "streamAgentSessionEvents"),
        *("listAgentSessionTurns", "retrieveAgentSessionTurn", "listAgentSessionSubagentTurns", "retrieveAgentSessionSubagentTurn"),
    }


@pytest.mark.slow
def test_drift_names_new_models_and_background_windows(client: Callable[[str], Reading], tmp_path: Path) -> None:
    """3.52.0 to 3.53.0: models of responses, and the windows of background responses."""
    responses = told(compared(tmp_path, client("3.52.0"), client("3.53.0")), "createResponse")
    assert "gpt-6.2-astra" in responses
    assert "background_options" in responses


def test_webhook_events_of_the_client(current: Reading) -> None:
    """Of agents, live sessions and safety too."""
    kinds = {event.partition(".")[0] for event in current.document["webhooks"]}
    assert {"agent", "live", "safety", "batch", "response"} <= kinds


def texts_of(node: Any) -> Iterator[str]:
    """Every text in a description that is no name: values under keys that carry sentences elsewhere."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("description", "summary", "title", "example", "examples", "externalDocs") and isinstance(value, str):
                yield value
            yield from texts_of(value)
    elif isinstance(node, list):
        for value in node:
            yield from texts_of(value)


def test_no_sentence_of_the_client_is_in_its_facts(current: Reading) -> None:
    """Neither under a keyword that carries one, nor anywhere a text of more than six words."""
    assert set(texts_of(current.document)) == {"", "openai-python"}
    assert [text for text in json.dumps(current.document).split('"') if len(text.split()) > 6] == []


@pytest.mark.slow
def test_merged_description_makes_a_valid_document(merged: Merged, tmp_path: Path) -> None:
    """The generator goes on with it: what it makes is valid OpenAPI, and every operation of it can be read."""
    made = build(source_of(merged.document, "0" * 64)).document
    openapi_spec_validator.validate(made)
    path = tmp_path / "openapi.json"
    path.write_text(json.dumps(made), encoding="utf-8")
    assert read_document(path).faults() == ()


@pytest.mark.slow
def test_merge_closes_nothing(merged: Merged, source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the published description takes is taken by the merged one: nothing breaks for senders but one call that moved."""
    monkeypatch.setattr("tools.spec.document.select", lambda _, available: Selection({"All": list(available)}, []))
    paths = tmp_path / "published.json", tmp_path / "merged.json"
    for path, given in zip(paths, (source, source_of(merged.document, "0" * 64)), strict=True):
        path.write_text(json.dumps(build(given, corrected=False).document), encoding="utf-8")
    report = compare_documents(*map(read_document, paths))
    sent_for_callers = {"request.header/openai-beta"}  # with one value, so nobody is asked for it
    breaking = [
        one
        for one in report.changes
        if one.direction == "request" and one.verdict == Verdict.BREAKING and one.where.lower() not in sent_for_callers
    ]
    assert [(one.operation, one.kind) for one in breaking] == [("cancelEvalRun", "operation-moved")]


ELSEWHERE = {
    ("POST /v1/responses", "multi_agent"): "a field of the same call on trial, which is an operation of its own: beta_createResponse"
}
"""What stands in another operation of ours, with the reason."""


def test_every_operation_and_field_of_the_client_is_offered(named_operations: Node, openapi: Node) -> None:
    """By method and path, with each field of body and query; lists in a query end in `[]`, which is how the client sends them."""
    offered = {place(method, path): one for path, item in openapi["paths"].items() for method, one in item.items()}
    schemas = openapi["components"]["schemas"]
    missing = []
    for named, fields in named_operations.items():
        operation = offered[place(*named.split(" "))]
        names = {parameter["name"].removesuffix("[]") for parameter in operation.get("parameters", ())}
        for content in operation.get("requestBody", {}).get("content", {}).values():
            names |= field_names(content["schema"], schemas, frozenset())
        missing += [(named, name) for name in (*fields["body"], *fields["query"]) if name.removesuffix("[]") not in names]
    assert missing == list(ELSEWHERE)
    assert len(named_operations) == 381


def field_names(schema: Node, schemas: Node, seen: frozenset[str]) -> set[str]:
    """The properties of a body, those of its branches too."""
    if (target := schema.get("$ref")) is not None:
        return set() if target in seen else field_names(schemas[target.removeprefix(SCHEMA_PREFIX)], schemas, seen | {target})
    branches = (branch for union in UNIONS for branch in schema.get(union, ()))
    return set(schema.get("properties", ())).union(
        *(field_names(branch, schemas, seen) for branch in (*branches, *schema.get("allOf", ())))
    )


def test_the_client_that_ours_is_from_changes_nothing(current: Reading, openapi: Node) -> None:
    """A refresh from it would give our own description again: what it says otherwise is kept, each with a reason."""
    merged = updated(openapi, current, RULES)
    taken = [str(difference) for difference, side in merged.decided if side and side.right == CLIENT]
    assert (taken, merged.added) == ([], [])
    reasons = {side.reason for _, side in merged.decided if side}
    assert [each.reason for each in RULES.kept if each.reason not in reasons] == []
    before, after = ({**document, SOURCE: None} for document in (openapi, merged.document))
    assert before == after
