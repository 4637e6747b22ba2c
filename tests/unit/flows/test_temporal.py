"""What flows need of Temporal, as far as it can be told without a server."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from kosha_connector_openai import Connector
from kosha_connector_openai.errors import Fault, SetupError
from kosha_connector_openai.flows.temporal import Failures, begun, queue_of, renewed
from kosha_connector_openai.flows.temporal_place import TemporalPlace


def test_each_connector_has_a_queue_of_its_own(connector: Connector, root: Path) -> None:
    """Workers of two connectors on one server take nothing of each other, and those of rows nothing of workflows."""
    with Connector(root / "examples" / "tides") as other:
        queues = {queue_of(each, work) for each in (connector, other) for work in ("bulk", "workflows")}
    assert len(queues) == 4
    assert queue_of(connector, "bulk") == f"kosha-{connector.id}-bulk"


class Client:
    """Keeps what it is to sign in with, in turn, and knows of each workflow that it runs."""

    def __init__(self) -> None:
        self.__dict__["keys"] = []

    def __setattr__(self, name: str, value: object) -> None:
        if name == "api_key":
            self.keys.append(value)

    async def start_workflow(self, workflow: str, **more: object) -> str:
        return f"{workflow} {more['id']}"

    async def signed_in(self, times: int) -> None:
        """Returns when that many keys have been set."""
        while len(self.keys) < times:
            await asyncio.sleep(0)


def write(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o600)


async def test_a_rotated_key_is_taken_up(tmp_path: Path) -> None:
    """It is set once; a key that is away for a moment ends nothing."""
    file, client = tmp_path / "key", Client()
    write(file, "first-key-0123456789")
    async with asyncio.timeout(30), renewed(client, TemporalPlace(api_key=f"file:{file}"), 0.0):
        await client.signed_in(1)
        file.unlink()
        for _ in range(20):
            await asyncio.sleep(0)
        write(file, "second-key-0123456789")
        await client.signed_in(2)
    assert client.keys == ["first-key-0123456789", "second-key-0123456789"]


@pytest.mark.e2e
async def test_whoever_waits_for_a_workflow_takes_it_up_too(tmp_path: Path) -> None:
    """The process that began it, and watches it to its end."""
    pytest.importorskip("temporalio", reason="make e2e installs it")
    file, client = tmp_path / "key", Client()
    write(file, "first-key-0123456789")
    async with asyncio.timeout(30), begun(client, TemporalPlace(api_key=f"file:{file}"), "work", [], name="run", queue="queue") as handle:
        await client.signed_in(1)
    assert handle == "work run"


@pytest.mark.e2e
def test_what_a_worker_fails_with_is_in_its_log_with_the_fix(caplog: pytest.LogCaptureFixture) -> None:
    """Once, however often it is tried again; what will not help to try again is told to whoever began the run with its fix, too."""
    exceptions = pytest.importorskip("temporalio.exceptions", reason="make e2e installs it")
    failures = Failures()
    away = SetupError("PostgreSQL is not there.", [Fault("/ledger", "server", "is at db:5432.", "Start it.")])
    wrong = SetupError("The rows cannot be used.", [Fault("/target", "changed", "is another here.", "Give the one of before.")])
    first, second, third = (failures.told(error) for error in (away, away, wrong))
    assert [record.getMessage() for record in caplog.records] == [f"{away}\n  It is tried again each second.", str(wrong)]
    assert isinstance(third, exceptions.ApplicationError)
    assert isinstance(second, exceptions.ApplicationError)
    assert (str(first), second.non_retryable) == ("setup: PostgreSQL is not there.", False)
    assert "Give the one of before." in str(third)
    assert third.non_retryable
