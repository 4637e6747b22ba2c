"""Every shape against the description: schemas are schemas, samples fit them, without a key and without a network."""

from __future__ import annotations

import pytest
from jsonschema import Draft202012Validator

from kosha_connector_openai import Connector, open_connector

SHAPED = open_connector().outputs.actions()


@pytest.fixture(scope="module")
def opened() -> Connector:
    """The connector, no key in the environment."""
    return open_connector()


@pytest.mark.parametrize("action", SHAPED)
def test_schemas_and_samples_fit(opened: Connector, action: str) -> None:
    """The raw sample fits the description's own schema, the short one fits ours, and it says something."""
    room = opened.outputs
    for schema in (room.schema(action), room.raw_schema(action)):
        Draft202012Validator.check_schema(schema)
    raw = room.raw_sample(action)
    if not isinstance(raw, bytes):
        Draft202012Validator(room.raw_schema(action)).validate(raw)
    sample = room.sample(action)
    Draft202012Validator(room.schema(action)).validate(sample)
    assert any(value not in (None, "", [], {}, False) for value in sample["result"].values())
    assert (sample["outcome"], sample["action"]) == ("complete", action)


def test_the_core_set_has_shapes(opened: Connector) -> None:
    """The featured actions, and everything about files, models, batches and vector stores that people map, have one."""
    featured = {action.id for action in opened.catalog.values() if action.overlay.featured}
    assert featured <= set(SHAPED)
    assert {"createBatch", "retrieveBatch", "createVectorStore", "searchVectorStore", "createFile", "downloadFile"} <= set(SHAPED)


@pytest.mark.parametrize("action", [action for action in open_connector().catalog if action not in SHAPED][::12])
def test_the_others_have_schemas_and_samples_too(opened: Connector, action: str) -> None:
    """An action without a shape maps its answer as it comes."""
    room = opened.outputs
    Draft202012Validator.check_schema(room.schema(action))
    Draft202012Validator(room.schema(action)).validate(room.sample(action))
