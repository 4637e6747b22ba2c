"""The part about jobs against the description: each name in it is an operation, an input or a property, and no long job is left out."""

from __future__ import annotations

from typing import Any

import pytest

from kosha_connector_openai import open_connector
from kosha_connector_openai.core.actions.action import Action
from kosha_connector_openai.manifest.parts.jobs import JobKind, JobsPart, Lines
from tests.contract.test_paging import properties

CONNECTOR = open_connector()
CATALOG = CONNECTOR.catalog
PART = CONNECTOR.part("jobs", JobsPart)
KINDS = [pytest.param(name, kind, id=name) for name, kind in PART.kinds.items()]
UNNAMED = {
    "createVectorStore": "Its files are what takes time, and each of them is a job of its own.",
    "modifyVectorStore": "It changes what is there.",
    "createMessage": "What a caller adds is there when the answer comes; only a run writes slowly.",
}
"""Actions whose answer has a status and which start no job, with the reason."""
GOING = {"queued", "in_progress", "validating", "validating_files", "running"}


def parameters(action: str) -> set[str]:
    return {parameter.name for parameter in CATALOG[action].operation.parameters}


def answer(action: Action | str) -> dict[str, Any]:
    chosen = CATALOG[action] if isinstance(action, str) else action
    return properties(dict(chosen.output_schema or {}))


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_each_name_is_in_the_description(name: str, kind: JobKind) -> None:
    """Actions exist; ids and kept inputs are inputs of the status action; pointers begin at properties of its answer."""
    del name
    given = set(kind.ids) | set(kind.keep)
    result = kind.result
    actions = [kind.status, kind.cancel, kind.events, kind.proceed, kind.lookup and kind.lookup.action, getattr(result, "action", None)]
    for action in filter(None, actions):
        assert action in CATALOG
        needed = {p.name for p in CATALOG[action].operation.parameters if p.required and "default" not in dict(p.schema)}
        assert needed <= given
    assert given <= parameters(kind.status)
    fields = answer(kind.status)
    for start in kind.start:
        assert {pointer.split("/")[1] for pointer in kind.ids.values()} <= set(answer(start))
        assert set(kind.keep) <= set(CATALOG[start].inputs.schema["properties"])
    pointers = [kind.state, *kind.error, *getattr(result, "pointers", ()), *getattr(result, "files", ())]
    if kind.progress:
        pointers += [pointer for pointer in (kind.progress.percent, kind.progress.total, *kind.progress.done) if pointer]
    assert [pointer for pointer in pointers if pointer.split("/")[1] not in fields] == []


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_every_state_of_the_description_is_named(name: str, kind: JobKind) -> None:
    """A state is either running or an end; those that the description lists are all told apart."""
    del name
    schema = dict(CATALOG[kind.status].output_schema or {})
    described = states(answer(kind.status)["status"], schema)
    named = set(kind.running) | set(kind.ends)
    assert described <= named
    assert not set(kind.running) & set(kind.ends)
    assert "success" in kind.ends.values()
    assert "failure" in kind.ends.values()


def states(schema: Any, whole: Any) -> set[str]:
    """The values that a status may have."""
    if "$ref" in schema:
        value: Any = whole
        for token in schema["$ref"].split("/")[1:]:
            value = value[token]
        return states(value, whole)
    found = {value for value in schema.get("enum", ()) if isinstance(value, str)}
    return found.union(*(states(branch, whole) for key in ("anyOf", "oneOf", "allOf") for branch in schema.get(key, ())))


def test_no_long_job_is_left_out() -> None:
    """All operations are looked at: a POST whose answer has a status starts a job, is a verb of one, or is named here with a reason."""
    verbs = {action for kind in PART.kinds.values() for action in (kind.cancel, kind.proceed) if action}
    found, missing = 0, []
    for action in CATALOG.values():
        schema = answer(action).get("status")
        if action.operation.method != "POST" or schema is None:
            continue
        going = states(schema, dict(action.output_schema or {})) & GOING
        if going:
            found += 1
            verb = action.id in verbs or any(action.id.startswith(word) for word in ("pause", "resume", "modify", "update"))
            if not (action.job or verb or action.id in UNNAMED):
                missing.append(action.id)
    assert missing == []
    assert found >= 10


def test_uploads_are_in_the_description() -> None:
    """The inputs that an upload fills are inputs of its actions."""
    for kind in PART.uploads.values():
        assert set(kind.facts) <= set(CATALOG[kind.create].inputs.schema["properties"])
        assert {kind.data, *kind.ids} <= set(CATALOG[kind.part].inputs.schema["properties"])
        assert {kind.order, kind.md5, *kind.ids} <= set(CATALOG[kind.finish].inputs.schema["properties"])
        assert set(kind.ids) <= parameters(str(kind.cancel))
        assert kind.size == 64 * 1024 * 1024
        listed = properties(answer(str(kind.lookup))["data"]["items"], dict(CATALOG[str(kind.lookup)].output_schema or {}))
        assert {pointer.split("/")[1] for pointer in kind.same} <= set(listed)


def test_the_hint_says_which_actions_start_a_job() -> None:
    """The hint comes from this part alone."""
    assert CATALOG["createBatch"].hints.long_running
    assert CATALOG["createResponse"].hints.long_running
    assert not CATALOG["createEmbedding"].hints.long_running
    assert not any(overlay.long_running for overlay in CONNECTOR.manifest.actions.values())
    assert {a.id for a in CATALOG.values() if a.hints.long_running} == {name for kind in PART.kinds.values() for name in kind.start}


def test_a_batch_names_what_its_lines_hold() -> None:
    """The key, the status and the body are where the vendor writes them in an output line."""
    rule = PART.kinds["batch"].result
    assert isinstance(rule, Lines)
    assert (rule.key, rule.status, rule.body) == ("/custom_id", "/response/status_code", "/response/body")
