"""What flows need of Temporal, as far as it can be told without a server."""

from __future__ import annotations

from pathlib import Path

from kosha_connector_openai import Connector
from kosha_connector_openai.flows.temporal import queue_of


def test_each_connector_has_a_queue_of_its_own(connector: Connector, root: Path) -> None:
    """Workers of two connectors on one server take nothing of each other, and those of rows nothing of workflows."""
    with Connector(root / "examples" / "tides") as other:
        queues = {queue_of(each, work) for each in (connector, other) for work in ("bulk", "workflows")}
    assert len(queues) == 4
    assert queue_of(connector, "bulk") == f"kosha-{connector.id}-bulk"
