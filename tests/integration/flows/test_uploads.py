"""Large files in parts over real HTTP: whole, several at a time, resumed after a kill with only what is missing."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kosha_connector_openai import Connection, Connector
from kosha_connector_openai.errors import InputError, JobPendingError, JobUnknownError, RejectedError
from kosha_connector_openai.flows.jobs import AsyncJobs, Handle, Jobs, JobStore, Tick, WaitOptions
from kosha_connector_openai.sandbox import Sandbox
from tests.cap import capped
from tests.driving import control, sent
from tests.offline import Offline

ROOT = Path(__file__).parents[3]
PART = 64 * 1024
COUNT = 20
SIZE = PART * COUNT - 100
INPUTS = {"purpose": "batch", "mime_type": "text/jsonl"}
QUICK = WaitOptions(timeout=60)
SENDER = """
import json, sys, time
from pathlib import Path
from kosha_connector_openai import Connector
from kosha_connector_openai.flows.jobs import Jobs, JobStore, WaitOptions

given = json.loads(sys.argv[1])

def say(tick):
    print(tick.done, flush=True)
    time.sleep(0.05)

connector = Connector(Path(given["folder"]))
connection = connector.connection({"server_url": given["url"], "api_key": "env:OPENAI_API_KEY"}, engine="httpx", roots=(Path("/"),))
jobs = Jobs(connector, connection, store=JobStore(Path(given["store"])))
handle = jobs.start_upload(Path(given["file"]), given["inputs"])
jobs.wait(handle, WaitOptions(progress=say))
"""


@dataclass
class Bench:
    """A connector whose parts are small, a file of 20 parts, and a folder for handles."""

    connector: Connector
    connection: Connection
    sandbox: Offline
    file: Path
    store: JobStore

    @property
    def jobs(self) -> Jobs:
        return Jobs(self.connector, self.connection, store=self.store)

    def requests(self, tail: str) -> int:
        found = [entry for entry in control(self.sandbox, "GET", "/requests") if entry["method"] == "POST"]
        return sum("/v1/uploads" in entry["target"] and entry["target"].endswith(tail) for entry in found)

    def content(self, name: str) -> bytes:
        value = self.connector.run("downloadFile", {"file_id": name}, self.connection).value
        return value if isinstance(value, bytes) else str(value).encode()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Our connector, with parts of 64 KiB: their size is data."""
    made = tmp_path_factory.mktemp("connector")
    for name in ("connector.yaml", "openapi.json"):
        shutil.copy(ROOT / name, made)
    for name in ("connector", "images"):
        shutil.copytree(ROOT / name, made / name)
    rules = made / "connector" / "jobs.yaml"
    text = rules.read_text()
    assert text.count("size: 67108864") == 1
    rules.write_text(text.replace("size: 67108864", f"size: {PART}"))
    return made


@pytest.fixture
def bench(sandbox: Offline, folder: Path, tmp_path: Path) -> Iterator[Bench]:
    file = tmp_path / "lines.jsonl"
    file.write_bytes(os.urandom(SIZE))
    with Connector(folder) as connector:
        values = {"server_url": sandbox.url, "api_key": "env:OPENAI_API_KEY"}
        yield Bench(connector, connector.connection(values, engine="httpx", roots=(tmp_path,)), sandbox, file, JobStore(tmp_path / "jobs"))


def test_a_file_goes_up_in_parts(bench: Bench) -> None:
    """20 parts, several at a time, joined in the file's order under its checksum; the same bytes come back."""
    ticks: list[Tick] = []
    handle = bench.jobs.start_upload(bench.file, INPUTS)
    status = bench.jobs.wait(handle, WaitOptions(progress=ticks.append))
    assert (status.end, status.done, status.total) == ("success", SIZE, SIZE)
    assert bench.content(status.result.value["id"]) == bench.file.read_bytes()  # type: ignore[union-attr]
    assert (bench.requests("/parts"), bench.requests("/complete"), bench.requests("/uploads")) == (COUNT, 1, 1)
    assert [tick.done for tick in ticks] == sorted(tick.done for tick in ticks)  # type: ignore[type-var]
    assert len(ticks) == COUNT + 1
    sizes = [int(entry["size"]) for entry in sent(bench.sandbox, "POST", f"/v1/uploads/{handle.ids['upload_id']}/parts")]
    assert max(sizes) < PART + 1_000
    assert bench.jobs.fetch(bench.store.read(handle.name)).value == {"id": status.result.value["id"]}  # type: ignore[union-attr]
    assert bench.jobs.wait(bench.store.read(handle.name)).ok


async def test_the_same_on_an_event_loop(bench: Bench) -> None:
    """Bytes in memory, and a file object whose parts go one after the other."""
    jobs = AsyncJobs(bench.connector, bench.connection)
    data = bench.file.read_bytes()
    handle = await jobs.start_upload(("a.jsonl", data), INPUTS)
    assert handle.source is not None
    assert (handle.source.path, handle.source.md5) == (None, hashlib.md5(data, usedforsecurity=False).hexdigest())
    first = await jobs.wait(handle, QUICK, source=data)
    with bench.file.open("rb") as file:
        second = await jobs.wait(await jobs.start_upload(file, INPUTS), QUICK, source=file)
    for status in (first, second):
        name = status.result.value["id"]  # type: ignore[union-attr]
        assert (await bench.connector.arun("downloadFile", {"file_id": name}, bench.connection)).value == data
    await bench.connector.aclose()


def start_sender(bench: Bench) -> subprocess.Popen[str]:
    given = {"folder": str(bench.connector.folder), "url": bench.sandbox.url, "store": str(bench.store.folder)}
    arguments = json.dumps({**given, "file": str(bench.file), "inputs": INPUTS})
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", SENDER, arguments], stdout=subprocess.PIPE, text=True, env=environment)


def test_killed_in_the_middle_and_resumed(bench: Bench) -> None:
    """SIGKILL while parts go up: another process sends only those that are missing, and one file is made of one upload."""
    sender = start_sender(bench)
    assert sender.stdout is not None
    for line in sender.stdout:
        if int(line) >= 6 * PART:
            break
    sender.send_signal(signal.SIGKILL)
    sender.wait(10)
    sender.stdout.close()
    (handle,) = bench.store
    assert handle.source is not None
    assert 6 <= len(handle.source.parts) < COUNT
    before = bench.requests("/parts")
    status = bench.jobs.resume(handle, QUICK)
    assert bench.content(status.result.value["id"]) == bench.file.read_bytes()  # type: ignore[union-attr]
    assert bench.requests("/parts") == before + COUNT - len(handle.source.parts)
    assert (bench.requests("/uploads"), bench.requests("/complete")) == (1, 1)


def test_two_processes_do_not_send_the_same_upload(bench: Bench) -> None:
    """The second one is told who works on it, sends nothing, and takes over once the first is dead."""
    sender = start_sender(bench)
    assert sender.stdout is not None
    sender.stdout.readline()
    (handle,) = bench.store
    with pytest.raises(JobPendingError, match=rf"Another process \({sender.pid}\)"):
        bench.jobs.resume(handle, QUICK)
    sender.send_signal(signal.SIGKILL)
    sender.wait(10)
    sender.stdout.close()
    assert bench.jobs.resume(bench.store.read(handle.name), QUICK).ok
    assert bench.requests("/complete") == 1


def test_a_part_that_fails_leaves_the_others(bench: Bench) -> None:
    """The error carries the handle with what is there; resuming sends the rest."""
    control(bench.sandbox, "POST", "/faults", {"fault": "503", "operation": "addUploadPart", "times": 30})
    handle = bench.jobs.start_upload(bench.file, INPUTS)
    options = WaitOptions(timeout=5)
    with pytest.raises(JobPendingError) as caught:
        bench.jobs.wait(handle, options)
    assert caught.value.reason is not None
    assert caught.value.reason["status"] == 503
    control(bench.sandbox, "POST", "/faults", {"fault": "503", "times": 0})
    control(bench.sandbox, "POST", "/faults", {"fault": "reset", "operation": "addUploadPart", "times": 2})
    assert bench.jobs.resume(caught.value.handle, QUICK).ok
    assert bench.requests("/complete") == 1


def test_an_answer_lost_at_the_end(bench: Bench) -> None:
    """The parts were joined and the answer never came: the whole file is found, and nothing is sent again."""
    control(bench.sandbox, "POST", "/faults", {"fault": "reset", "operation": "completeUpload"})
    handle = bench.jobs.start_upload(bench.file, INPUTS)
    with pytest.raises(JobUnknownError) as caught:
        bench.jobs.wait(handle, QUICK)
    parts = bench.requests("/parts")
    status = bench.jobs.resume(caught.value.handle, QUICK)
    assert bench.content(status.result.value["id"]) == bench.file.read_bytes()  # type: ignore[union-attr]
    assert bench.requests("/parts") == parts
    assert len([item for item in bench.connector.run("listFiles", {}, bench.connection).value["data"] if item["bytes"] == SIZE]) == 1


def test_a_file_that_has_changed_is_refused(bench: Bench) -> None:
    """Other bytes under the same handle would make a file that never was."""
    handle = bench.jobs.start_upload(bench.file, INPUTS)
    bench.file.write_bytes(os.urandom(SIZE))
    with pytest.raises(InputError, match="not the one that was announced"):
        bench.jobs.wait(handle, QUICK)
    assert bench.requests("/parts") == 0
    with pytest.raises(InputError, match="does not name the file"):
        bench.jobs.wait(_without_path(handle), QUICK)
    tiny = handle.source.model_copy(update={"part_size": 1})  # type: ignore[union-attr]
    with pytest.raises(InputError, match="too many parts"):
        bench.jobs.wait(handle.with_(source=tiny), QUICK)


def _without_path(handle: Handle) -> Handle:
    assert handle.source is not None
    return handle.with_(source=handle.source.model_copy(update={"path": None}))


def test_giving_an_upload_up(bench: Bench) -> None:
    """Cancelled upstream; what then still wants to send is refused by the API, as it is."""
    handle = bench.jobs.start_upload(bench.file, INPUTS)
    assert bench.jobs.status(handle).done == 0
    assert bench.jobs.cancel(handle).end == "cancelled"
    assert bench.jobs.wait(bench.store.read(handle.name)).end == "cancelled"
    with pytest.raises((RejectedError, JobPendingError)):
        bench.jobs.wait(handle, QUICK)


@pytest.mark.parametrize(
    ("source", "message"), [(b"", "cannot be sent in parts"), ("text", "cannot be sent"), ({"path": "/none"}, "cannot be sent")]
)
def test_what_cannot_be_sent(bench: Bench, source: Any, message: str) -> None:
    """Refused before anything is announced."""
    with pytest.raises(InputError, match=message):
        bench.jobs.start_upload(source, INPUTS)
    assert bench.requests("/uploads") == 0


def test_a_path_needs_the_operators_word(bench: Bench) -> None:
    """A connection that opens no paths opens none here."""
    closed = bench.connector.connection({"server_url": bench.sandbox.url, "api_key": "env:OPENAI_API_KEY"}, engine="httpx")
    with pytest.raises(InputError):
        Jobs(bench.connector, closed).start_upload(bench.file, INPUTS)


LARGE = """
from pathlib import Path
from kosha_connector_openai import open_connector
from kosha_connector_openai.flows.jobs import Jobs

connector = open_connector()
connection = connector.connection({"server_url": url, "api_key": "env:OPENAI_API_KEY"}, engine="httpx", roots=(Path("/"),))
jobs = Jobs(connector, connection)
status = jobs.wait(jobs.start_upload(Path(file), {"purpose": "batch", "mime_type": "text/jsonl"}))
print(status.result.value["bytes"])
"""


def test_a_large_file_in_bounded_memory(tmp_path: Path) -> None:
    """130 MiB in parts of 64 MiB, three at a time, take no more memory than one megabyte does."""
    peaks = []
    with Sandbox() as upstream:  # in a process of its own, since it keeps what it gets
        for size in (1, 130):
            file = tmp_path / f"{size}.jsonl"
            with file.open("wb") as target:
                target.truncate(size << 20)
            done = capped(LARGE, seconds=120, environment={"OPENAI_API_KEY": upstream.key}, url=upstream.url, file=str(file))
            assert done.output.split() == [str(size << 20)], done.errors
            peaks.append(done.peak)
    assert peaks[1] - peaks[0] <= 32, peaks
