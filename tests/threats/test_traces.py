"""Where a key could be left behind: variables of frames, what an executor keeps, and what HTTP libraries log."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from types import FrameType

import pytest

from kosha_connector_openai import Connector
from kosha_connector_openai.core import AsyncExecutor, SyncExecutor
from kosha_connector_openai.errors import ConnectorError, SetupError
from tests.canary import Canary
from tests.gateway import ROOT
from tests.integration.conftest import WAYS, Way
from tests.recorder import Recorder, reply
from tests.threats.conftest import RecordingStore


def _frames(error: BaseException) -> Iterator[FrameType]:
    trace = error.__traceback__
    while trace is not None:
        yield trace.tb_frame
        trace = trace.tb_next


def test_b30_a_key_in_place_of_a_reference_is_in_no_variable_of_ours(connector: Connector) -> None:
    """Whoever prints an error with the variables of its frames shows no key that was pasted."""
    key = Canary().key
    with pytest.raises(SetupError) as caught:
        connector.connection({"api_key": key}, environ={"OPENAI_ORG_ID": key})
    ours = [frame for frame in _frames(caught.value) if frame.f_globals.get("__name__", "").startswith("kosha_connector_openai")]
    assert ours
    assert not any(key in repr(frame.f_locals) for frame in ours)
    assert key not in str(caught.value)


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_b30_b35_an_echoed_key_is_neither_kept_nor_logged(
    way: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With everything at DEBUG: a header of the reply that repeats the key is in no executor and in no log; other users' lines stay."""
    canary, seen = Canary(), []
    for kind in (SyncExecutor, AsyncExecutor):
        init = kind.__init__

        def spy(self: object, *given: object, init: object = init) -> None:
            seen.append(self)
            init(self, *given)  # type: ignore[operator]

        monkeypatch.setattr(kind, "__init__", spy)
    with (
        caplog.at_level(logging.DEBUG),
        Recorder(
            reply(401, {"error": {"message": "no"}}, headers=[("X-Request-Id", canary.key), ("X-Echo", f"Bearer {canary.key}")])
        ) as up,
        Connector(ROOT, stores=[RecordingStore(canary)]) as connector,
    ):
        connection = connector.connection({"server_url": up.url, "api_key": "test:key"}, environ={}, engine=way.removesuffix("-async"))
        with pytest.raises(ConnectorError) as caught:
            Way(connector, way.removesuffix("-async"), way.endswith("-async")).run(connection, "listModels", {})
        canary.scan(caught.value, caplog.records)
        for executor in seen:
            assert canary.key not in repr(vars(executor))
    assert seen


def test_b35_the_lines_of_other_users_of_the_library_stay(caplog: pytest.LogCaptureFixture, connector: Connector) -> None:
    """B35: only our own requests leave no line in the HTTP library's log."""
    import httpx

    with caplog.at_level(logging.DEBUG), Recorder(reply(200, {"data": []}), reply(200, {"data": []})) as up:
        httpx.get(up.url, trust_env=False)
    assert any("receive_response_headers.complete" in record.getMessage() for record in caplog.records)
