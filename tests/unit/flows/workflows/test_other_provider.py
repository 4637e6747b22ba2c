"""Workflows and triggers know no provider: another folder of data runs documents of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from kosha_connector_openai import Connector
from kosha_connector_openai.errors import EventError, InputError
from kosha_connector_openai.flows.triggers import list_events, read_event, sample
from kosha_connector_openai.flows.workflows import Flow, run_workflow
from tests.offline import offline


@pytest.fixture
def tides(root: Path) -> Connector:
    return Connector(root / "examples" / "tides")


def test_a_flow_of_another_provider(tides: Connector, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against its own sandbox: a list, one of its items by path, a report in a body."""
    flow = Flow("report", title="Report")
    stations = flow.step("listStations", {"limit": 1}, id="stations", success=["$statusCode == 200"])
    listed = stations.output("all")
    station = flow.step("getStation", {"station_id": flow.input("station", {"type": "string"})}, id="station")
    flow.output("stations", listed).output("station", station.output("whole"))
    with tides, offline(connector=root / "examples" / "tides") as upstream:
        monkeypatch.setenv("TIDES_KEY", upstream.key)
        connection = tides.connection({"server_url": upstream.url, "api_key": "env:TIDES_KEY"})
        result = run_workflow(flow.document(tides), tides, connection, {"station": "station_id"})
        direct = tides.run("getStation", {"station_id": "station_id"}, connection).value
    assert result.outputs["station"] == direct
    assert [record.status for record in result.steps] == [200, 200]


def test_a_provider_without_webhooks_has_none(tides: Connector) -> None:
    """No event, no sample; a body that is an event is read as one of an unknown type."""
    with tides:
        assert dict(list_events(tides)) == {}
        with pytest.raises(InputError):
            sample(tides, "tide.high")
        with pytest.raises(EventError):
            read_event(tides, b"[]")
        assert read_event(tides, b'{"type": "tide.high", "id": "1"}').known is False
