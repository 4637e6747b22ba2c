"""Every shape against the description: schemas are schemas, samples fit them, without a key and without a network."""

from __future__ import annotations

import pytest

from kosha_connector_openai import Connector, open_connector
from tests.tables import check_each, compiled

SHAPED = open_connector().outputs.actions()


@pytest.fixture(scope="module")
def opened() -> Connector:
    """The connector, no key in the environment."""
    return open_connector()


def test_schemas_and_samples_fit(opened: Connector) -> None:
    """The raw sample fits the description's own schema, the short one fits ours, and it says something."""
    room = opened.outputs

    def fits(action: str) -> None:
        short, raw = compiled(room.schema(action)), compiled(room.raw_schema(action))
        raw_sample = room.raw_sample(action)
        if not isinstance(raw_sample, bytes):
            raw.validate(raw_sample)
        sample = room.sample(action)
        short.validate(sample)
        assert any(value not in (None, "", [], {}, False) for value in sample["result"].values())
        assert (sample["outcome"], sample["action"]) == ("complete", action)

    check_each(SHAPED, fits)


def test_the_core_set_has_shapes(opened: Connector) -> None:
    """The featured actions, and everything about files, models, batches and vector stores that people map, have one."""
    featured = {action.id for action in opened.catalog.values() if action.overlay.featured}
    assert featured <= set(SHAPED)
    assert {"createBatch", "retrieveBatch", "createVectorStore", "searchVectorStore", "createFile", "downloadFile"} <= set(SHAPED)


def test_the_others_have_schemas_and_samples_too(opened: Connector) -> None:
    """An action without a shape maps its answer as it comes."""
    room = opened.outputs
    others = [action for action in opened.catalog if action not in SHAPED]
    check_each(others, lambda action: compiled(room.schema(action)).validate(room.sample(action)))
