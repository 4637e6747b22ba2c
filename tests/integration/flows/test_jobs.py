"""Each kind of job over real HTTP: waited for, killed while it is waited for, resumed by another process, started once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kosha_connector_openai import Connection, Connector, open_connector
from kosha_connector_openai.errors import InputError, JobEndedError, JobPendingError, JobUnknownError, OriginError
from kosha_connector_openai.flows.jobs import AsyncJobs, Jobs, JobStore, LineTable, Tick, WaitOptions
from kosha_connector_openai.manifest.parts.jobs import JobsPart
from tests.driving import control, drive, sent
from tests.jobs import CASES, ROWS, Case, batch_lines, inputs, upload
from tests.offline import Offline, offline
from tests.recorder import Recorder, Script, reply, silence

ROOT = Path(__file__).parents[3]
QUICK = WaitOptions(timeout=60, interval=0.01)
WAITER = """
import json, sys
from pathlib import Path
from kosha_connector_openai import open_connector
from kosha_connector_openai.flows.jobs import Jobs, JobStore, WaitOptions

given = json.loads(sys.argv[1])
say = lambda tick: print(tick.handle.name, tick.state, flush=True)
connector = open_connector()
connection = connector.connection({"server_url": given["url"], "api_key": "env:OPENAI_API_KEY"}, engine="httpx")
jobs = Jobs(connector, connection, store=JobStore(Path(given["store"])))
options = WaitOptions(timeout=60, interval=0.05, progress=say)
if "resume" in given:
    status = jobs.wait(given["resume"], options)
else:
    print("begin", flush=True)
    status = jobs.wait(jobs.start(given["action"], given["inputs"]), options, fresh=True)
print("ended", status.end, flush=True)
"""


@pytest.fixture
def opened(sandbox: Offline) -> Iterator[tuple[Connector, Connection]]:
    with open_connector() as connector:
        yield connector, connect(connector, sandbox)


def connect(connector: Connector, sandbox: Offline, **options: Any) -> Connection:
    return connector.connection({"server_url": sandbox.url, "api_key": "env:OPENAI_API_KEY"}, engine="httpx", **options)


def start_waiter(sandbox: Offline, store: Path, **given: Any) -> subprocess.Popen[str]:
    """Another process that waits for a job."""
    arguments = json.dumps({"url": sandbox.url, "store": str(store), **given})
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", WAITER, arguments], stdout=subprocess.PIPE, text=True, env=environment)


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    assert process.stdout is not None
    process.stdout.close()


def target(case: Case, given: dict[str, Any], connector: Connector) -> str:
    """The path that the start was sent to."""
    path = connector.catalog[case.action].operation.path
    for name, value in given.items():
        path = path.replace(f"{{{name}}}", str(value))
    return path


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_killed_in_the_wait_and_resumed(case: Case, sandbox: Offline, opened: tuple[Connector, Connection], tmp_path: Path) -> None:
    """SIGKILL while a process waits: from the handle that it left another one completes, and the job was started once."""
    connector, connection = opened
    going, success = case.states
    drive(sandbox, case.collection, steps=[*[going] * 30, success])
    given = inputs(case, connector, connection)
    waiter = start_waiter(sandbox, tmp_path / "jobs", action=case.action, inputs=given)
    assert waiter.stdout is not None
    assert waiter.stdout.readline().strip() == "begin"
    name, state = waiter.stdout.readline().split()
    assert state == going
    kill(waiter)
    store = JobStore(tmp_path / "jobs")
    assert store.names() == [name]
    assert store.read(name).phase == "started"
    status = Jobs(connector, connection, store=store).resume(store.read(name).to_json(), QUICK)
    assert (status.end, status.state) == ("success", success)
    assert len(sent(sandbox, "POST", target(case, given, connector))) == 1
    assert store.read(name).phase == "ended"


def test_resumed_by_another_process(sandbox: Offline, opened: tuple[Connector, Connection], tmp_path: Path) -> None:
    """What this process started, a second one waits for and a third one again, with nothing but the handle."""
    connector, connection = opened
    drive(sandbox, "/v1/batches", steps=["validating", "in_progress", "in_progress", "completed"])
    case = CASES["batch"]
    handle = Jobs(connector, connection).start(case.action, inputs(case, connector, connection))
    for _ in range(2):
        waiter = start_waiter(sandbox, tmp_path / "jobs", resume=handle.to_dict())
        output, _ = waiter.communicate(timeout=60)
        assert output.splitlines()[-1] == "ended success"
    assert len(sent(sandbox, "POST", "/v1/batches")) == 1


def test_killed_before_the_answer(sandbox: Offline, opened: tuple[Connector, Connection], tmp_path: Path) -> None:
    """A start whose answer nobody read is found again by its mark, and is not sent a second time."""
    connector, connection = opened
    case = CASES["batch"]
    given = inputs(case, connector, connection)
    control(sandbox, "POST", "/faults", {"fault": "slow=5", "operation": case.action})
    waiter = start_waiter(sandbox, tmp_path / "jobs", action=case.action, inputs=given)
    assert waiter.stdout is not None
    waiter.stdout.readline()
    store = JobStore(tmp_path / "jobs")
    while not sent(sandbox, "POST", "/v1/batches"):
        pass
    kill(waiter)
    (handle,) = store
    assert (handle.phase, handle.marked, handle.ids) == ("sending", True, {})
    jobs = Jobs(connector, connection, store=store)
    status = jobs.resume(handle, QUICK)
    assert status.ok
    assert store.read(handle.name).ids["batch_id"].startswith("batch_")
    assert len(sent(sandbox, "POST", "/v1/batches")) == 1


def test_a_lost_answer_without_a_mark_is_told(sandbox: Offline, opened: tuple[Connector, Connection], tmp_path: Path) -> None:
    """Where the API has no place for a mark, the caller is told to look; nothing is sent again, not on resume either."""
    connector, connection = opened
    jobs = Jobs(connector, connection, store=JobStore(tmp_path))
    control(sandbox, "POST", "/faults", {"fault": "reset", "operation": "createResponse"})
    with pytest.raises(JobUnknownError) as caught:
        jobs.start("createResponse", CASES["response"].inputs)
    assert caught.value.retryable is None
    assert caught.value.handle["phase"] == "sending"
    assert caught.value.reason is not None
    with pytest.raises(JobUnknownError):
        jobs.resume(caught.value.handle, QUICK)
    assert len(sent(sandbox, "POST", "/v1/responses")) == 1


def test_a_start_that_was_refused_leaves_nothing(sandbox: Offline, opened: tuple[Connector, Connection], tmp_path: Path) -> None:
    """No handle stays behind for a job that surely does not run; a mark that finds nothing says that it was never started."""
    connector, connection = opened
    store = JobStore(tmp_path)
    jobs = Jobs(connector, connection, store=store)
    with pytest.raises(InputError):
        jobs.start("createBatch", {"endpoint": 5})
    control(sandbox, "POST", "/faults", {"fault": "401", "operation": "createBatch"})
    with pytest.raises(Exception, match="Incorrect API key"):
        jobs.start("createBatch", inputs(CASES["batch"], connector, connection))
    assert store.names() == []
    control(sandbox, "POST", "/faults", {"fault": "500", "operation": "createBatch"})
    with pytest.raises(JobUnknownError) as caught:
        jobs.start("createBatch", inputs(CASES["batch"], connector, connection))
    with pytest.raises(JobUnknownError, match="never started"):
        jobs.resume(caught.value.handle, QUICK)


ENDS = [
    pytest.param(CASES[name], state, end, id=f"{name}-{state}")
    for name, kind in open_connector().part("jobs", JobsPart).kinds.items()
    for state, end in kind.ends.items()
]


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[Offline, Connector]]:
    with offline(retired=True) as running, open_connector() as connector:
        yield running, connector


@pytest.mark.parametrize(("case", "state", "end"), ENDS)
def test_every_end_of_every_kind(case: Case, state: str, end: str, shared: tuple[Offline, Connector], monkeypatch: Any) -> None:
    """Each state that ends a job ends the wait under our own word for it, and only success counts as success."""
    sandbox, connector = shared
    monkeypatch.setenv("OPENAI_API_KEY", sandbox.key)
    connection = connect(connector, sandbox)
    drive(sandbox, case.collection, steps=[case.states[0], case.states[0], state])
    jobs = Jobs(connector, connection)
    seen: list[Tick] = []
    options = WaitOptions(timeout=30, interval=0.01, progress=seen.append)
    status = jobs.wait(jobs.start(case.action, inputs(case, connector, connection)), options)
    assert (status.state, status.end, status.ok) == (state, end, end == "success")
    assert [tick.state for tick in seen] == [case.states[0], state]
    if end == "success":
        assert status.check() is status
        with jobs.fetch(status) as found:
            assert found.kind in ("value", "text", "file", "items", "lines", "none")
        return
    with pytest.raises(JobEndedError) as caught:
        status.check()
    assert (caught.value.state, caught.value.end, caught.value.handle["kind"]) == (state, end, case.kind)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("fine_tuning_job", "ft:gpt-4o-mini:sandbox::"),
        ("fine_tune", ""),
        ("response", "Done (sandbox)."),
        ("beta_response", "Done (sandbox)."),
    ],
)
def test_values_and_texts(kind: str, expected: str, opened: tuple[Connector, Connection]) -> None:
    """A trained model's name, a response's text with its usage."""
    connector, connection = opened
    case = CASES[kind]
    found = Jobs(connector, connection).run(case.action, inputs(case, connector, connection), QUICK)
    assert str(found.value).startswith(expected)
    assert (found.usage is not None) == (found.kind == "text")


def test_files_and_items(opened: tuple[Connector, Connection], tmp_path: Path) -> None:
    """A video's bytes in a file; the files of a batch in a vector store."""
    connector, connection = opened
    jobs = Jobs(connector, connection)
    video = jobs.fetch(jobs.wait(jobs.start("createVideo", CASES["video"].inputs), QUICK), tmp_path / "v.mp4")
    assert (tmp_path / "v.mp4").read_bytes()[4:8] == b"ftyp"
    assert video.value.size == (tmp_path / "v.mp4").stat().st_size
    case = CASES["vector_store_file_batch"]
    given = inputs(case, connector, connection)
    found = jobs.run(case.action, given, QUICK)
    assert sorted(item["id"] for item in found.value) == sorted(given["file_ids"])


def test_a_batch_comes_back_by_custom_id(opened: tuple[Connector, Connection]) -> None:
    """Each line's answer stands where its line stood, the failed one with its error."""
    connector, connection = opened
    case = CASES["batch"]
    found = Jobs(connector, connection).run(case.action, inputs(case, connector, connection), QUICK)
    assert isinstance(found.value, LineTable)
    with found.value as table:
        rows = list(table)
        assert [(row.key, row.index) for row in rows] == [(f"row-{number}", number) for number in range(ROWS)]
        assert [row.ok for row in rows] == [True, True, False, True, True]
        assert rows[3].body["choices"][0]["message"]["content"] == "Row 3 (sandbox)."
        assert (rows[2].status, rows[2].error["code"]) == (404, "model_not_found")
        assert list(table) == rows
        folder = Path(table.folder.name)
    assert not folder.exists()


def test_a_batch_whose_input_is_gone(opened: tuple[Connector, Connection]) -> None:
    """Its answers still come, in their own order, with a word about it."""
    connector, connection = opened
    jobs = Jobs(connector, connection)
    name = upload(connector, connection, batch_lines(3, bad=-1))
    status = jobs.wait(jobs.start("createBatch", {**CASES["batch"].inputs, "input_file_id": name}), QUICK)
    connector.run("deleteFile", {"file_id": name}, connection)
    with jobs.fetch(status).value as table:
        assert [(row.key, row.index, row.ok) for row in table] == [(f"row-{n}", None, True) for n in range(3)]
        assert "missing ones cannot be named" in table.warnings[0]


def test_cancelling(sandbox: Offline, opened: tuple[Connector, Connection]) -> None:
    """The job is cancelled upstream and the wait ends so; a kind that cannot be cancelled says it, and sends nothing."""
    connector, connection = opened
    jobs = Jobs(connector, connection)
    drive(sandbox, "/v1/batches", steps=["in_progress"] * 50)
    handle = jobs.start("createBatch", inputs(CASES["batch"], connector, connection))
    assert jobs.cancel(handle).state == "cancelling"
    assert jobs.wait(handle, QUICK).end == "cancelled"
    video = jobs.start("createVideo", CASES["video"].inputs)
    before = len(control(sandbox, "GET", "/requests"))
    with pytest.raises(InputError, match="no way to cancel"):
        jobs.cancel(video)
    assert len(control(sandbox, "GET", "/requests")) == before


def test_interrupting_the_wait_cancels_where_that_was_asked(sandbox: Offline, opened: tuple[Connector, Connection]) -> None:
    """Ctrl-C with the option: the job upstream is cancelled, too; without it, it goes on."""
    connector, connection = opened
    jobs = Jobs(connector, connection)
    drive(sandbox, "/v1/responses", steps=["in_progress"] * 50)

    def interrupt(_: Tick) -> None:
        raise KeyboardInterrupt

    for wanted, state in ((False, "in_progress"), (True, "cancelled")):
        handle = jobs.start("createResponse", CASES["response"].inputs)
        with pytest.raises(KeyboardInterrupt):
            jobs.wait(handle, WaitOptions(cancel=wanted, progress=interrupt))
        assert jobs.status(handle).state == state


def test_an_interrupted_wait_whose_cancelling_fails(sandbox: Offline, opened: tuple[Connector, Connection]) -> None:
    """The caller is told that the job goes on, with its handle and the reason."""
    connector, connection = opened
    jobs = Jobs(connector, connection)
    drive(sandbox, "/v1/responses", steps=["in_progress"] * 50)
    handle = jobs.start("createResponse", CASES["response"].inputs)
    control(sandbox, "POST", "/faults", {"fault": "401", "operation": "cancelResponse"})

    def interrupt(_: Tick) -> None:
        raise KeyboardInterrupt

    with pytest.raises(JobPendingError, match="could not be cancelled") as caught:
        jobs.wait(handle, WaitOptions(cancel=True, progress=interrupt))
    assert caught.value.reason is not None
    assert (caught.value.reason["status"], caught.value.handle["name"]) == (401, handle.name)


def test_events(opened: tuple[Connector, Connection]) -> None:
    """What has happened to a job, as the API lists it; a kind without such a list says so."""
    connector, connection = opened
    jobs = Jobs(connector, connection)
    handle = jobs.start("createFineTuningJob", CASES["fine_tuning_job"].inputs)
    jobs.wait(handle, QUICK)
    assert "succeeded" in " ".join(event["message"] for event in jobs.events(handle))
    assert len(jobs.events(handle, most=1)) == 1
    with pytest.raises(InputError, match="no events"):
        jobs.events(jobs.start("createVideo", CASES["video"].inputs))


def test_a_run_that_needs_an_action_names_it(sandbox: Offline, opened: tuple[Connector, Connection]) -> None:
    """The wait ends, the error names the action that goes on, and from the same handle the wait is resumed afterwards."""
    connector, connection = opened
    jobs = Jobs(connector, connection)
    case = CASES["assistant_run"]
    drive(sandbox, case.collection, steps=["in_progress", "requires_action", "in_progress", "completed"])
    handle = jobs.start(case.action, inputs(case, connector, connection))
    with pytest.raises(JobEndedError, match="submitToolOuputsToRun") as caught:
        jobs.wait(handle, QUICK).check()
    assert jobs.resume(caught.value.handle, QUICK).ok


@pytest.mark.parametrize("script", [silence(30), reply(200, {"id": "resp_1", "status": "in_progress"}, [("retry-after", "30")])])
def test_nothing_hangs_past_the_deadline(script: Script, key: str) -> None:
    """A server that does not answer, or that asks for a long pause: the wait ends a second late at most."""
    del key
    started = reply(200, {"id": "resp_1", "status": "queued"})
    with Recorder(started, script) as upstream, open_connector() as connector:
        jobs = Jobs(connector, connector.connection({"server_url": upstream.url, "api_key": "env:OPENAI_API_KEY"}, engine="httpx"))
        handle = jobs.start("createResponse", CASES["response"].inputs)
        began = time.monotonic()
        with pytest.raises(JobPendingError):
            jobs.wait(handle, WaitOptions(timeout=1))
        assert time.monotonic() - began < 2.5


async def test_the_same_on_an_event_loop(sandbox: Offline, tmp_path: Path) -> None:
    """AsyncJobs starts, waits, fetches; a cancelled task leaves the job, or cancels it where that was asked."""
    import asyncio

    async with open_connector() as connector:
        jobs = AsyncJobs(connector, connect(connector, sandbox), store=JobStore(tmp_path))
        assert (await jobs.run("createResponse", CASES["response"].inputs, QUICK)).value == "Done (sandbox)."
        drive(sandbox, "/v1/responses", steps=["in_progress"] * 500)
        for wanted, state in ((False, "in_progress"), (True, "cancelled")):
            handle = await jobs.start("createResponse", CASES["response"].inputs)
            task = asyncio.create_task(jobs.wait(handle, WaitOptions(interval=0.02, cancel=wanted)))
            await asyncio.sleep(0.2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (await jobs.status(handle)).state == state


def test_a_handle_of_another_server(sandbox: Offline, opened: tuple[Connector, Connection]) -> None:
    """Its ids mean nothing elsewhere: refused before anything is sent."""
    connector, connection = opened
    jobs = Jobs(connector, connection)
    handle = jobs.start("createVideo", CASES["video"].inputs)
    before = len(control(sandbox, "GET", "/requests"))
    with pytest.raises(OriginError):
        jobs.wait(handle.with_(origin="https://elsewhere.test:443"), QUICK)
    with pytest.raises(InputError, match="another connector"):
        jobs.wait(handle.with_(connector="other"), QUICK)
    with pytest.raises(InputError, match="no such kind"):
        jobs.wait(handle.with_(kind="other"), QUICK)
    assert len(control(sandbox, "GET", "/requests")) == before


def test_a_wait_that_ends_first_gives_the_handle(sandbox: Offline, opened: tuple[Connector, Connection]) -> None:
    """The complaint was an error without the job's id: here the error is enough to go on."""
    connector, connection = opened
    jobs = Jobs(connector, connection)
    drive(sandbox, "/v1/responses", steps=[*["in_progress"] * 8, "completed"])
    with pytest.raises(JobPendingError) as caught:
        jobs.wait(jobs.start("createResponse", CASES["response"].inputs), WaitOptions(timeout=0.15, interval=0.05))
    assert caught.value.retryable is True
    assert jobs.fetch(jobs.resume(caught.value.handle, QUICK)).value == "Done (sandbox)."
    with pytest.raises(JobPendingError):
        jobs.fetch(jobs.start("createVideo", CASES["video"].inputs))
