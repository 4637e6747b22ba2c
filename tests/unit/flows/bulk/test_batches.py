"""Rows in batches, against the sandbox: the same rows as calls make, no row in two batches, whatever ends when."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest

from kosha_connector_openai import Connector, open_connector
from kosha_connector_openai.errors import InputError, JobUnknownError
from kosha_connector_openai.flows.bulk import Bulk, BulkResult, RowOptions, RowState, RunProgress, SendOptions, failed_path, open_run
from kosha_connector_openai.flows.jobs import AsyncJobs, Handle
from kosha_connector_openai.sandbox import DEFAULT_KEY
from tests.batch_process import FIXED, BatchProcess
from tests.jobs import quick_batches
from tests.unit.flows.bulk.conftest import SandboxUpstream

TARGET = "createChatCompletion"


@pytest.fixture
def upstream(sandbox: SandboxUpstream) -> SandboxUpstream:
    return sandbox


@pytest.fixture(scope="module")
def quick() -> Iterator[Connector]:
    with open_connector() as connector:
        yield connector


Run = Callable[..., BulkResult]


@pytest.fixture
def bulk(upstream: SandboxUpstream, quick: Connector) -> Callable[..., Bulk]:
    def make(**rules: Any) -> Bulk:
        quick._parts.pop("jobs", None)
        quick_batches(quick, **rules)
        return Bulk(quick, quick.connection({"server_url": f"{upstream.url}/v1", "api_key": "env:OPENAI_API_KEY"}, validation="warn"))

    return make


@pytest.fixture
def run(bulk: Callable[..., Bulk], tmp_path: Path) -> Run:
    def start(rows: Any, send: SendOptions = SendOptions(), out: str = "batch.jsonl", via: str = "batch", **rules: Any) -> BulkResult:
        options: Any = {"fixed": FIXED, "via": via}
        return bulk(**rules).run(TARGET, rows, tmp_path / out, RowOptions(**options), send)

    return start


def says(words: str, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": words}], **more}


def table(count: int) -> list[dict[str, Any]]:
    """Rows of all kinds: answers, refusals, 404s of another model, 400s, equal ones, a second model."""
    kinds: dict[int, Callable[[int], dict[str, Any]]] = {
        3: lambda number: says(f"Refuse number {number}"),
        7: lambda number: says(f"Say {number}", temperature="hot"),
        11: lambda number: says(f"Say {number}", model="no-such-model"),
        13: lambda _: says("Say the same"),
        17: lambda number: says(f"Say {number}", model="other"),
    }
    return [kinds.get(number % 20, lambda n: says(f"Say number {n}"))(number) for number in range(1, count + 1)]


def written(rows: list[dict[str, Any]], path: Path) -> Path:
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    return path


def outcome(out: Path) -> tuple[list[Any], list[Any], bytes]:
    """What a run came to, without what the sandbox counts up: answers, the ends of rows, the file of failed rows."""
    answers = [orjson.loads(line) for line in out.read_bytes().splitlines()]
    for line in answers:
        del line["answer"]["id"], line["answer"]["created"]
    with open_run(out) as ledger:
        ends = [(entry.n, entry.key, entry.state, entry.category, entry.tries) for entry in ledger.entries()]
        words = [
            {name: value for name, value in answer.facts.items() if name != "request_id"}
            for entry in ledger.entries(RowState.FAILED)
            if (answer := ledger.answer(entry.n))
        ]
    failed = failed_path(out).read_bytes() if failed_path(out).exists() else b""
    return answers, [*ends, *words], failed


@pytest.mark.parametrize("count", [60, pytest.param(2_000, marks=pytest.mark.e2e)])
def test_batches_come_to_the_same_rows_as_calls(run: Run, upstream: SandboxUpstream, tmp_path: Path, count: int) -> None:
    """Refusals, 400s and 404s among them; one model a file; nothing is left behind."""
    rows = table(count)
    made = run(rows, lines=count // 3)
    direct = run(rows, out="calls.jsonl", via="calls")
    assert (made.total, made.done, made.failed, made.stop) == (count, direct.done, direct.failed, ""), made.reason
    assert made.failed > 0
    assert made.tokens == direct.tokens
    assert outcome(tmp_path / "batch.jsonl") == outcome(tmp_path / "calls.jsonl")
    for batch in upstream.batches():
        lines = upstream.lines(batch.object["input_file_id"])
        assert len({line["body"]["model"] for line in lines}) == 1
        assert len(lines) <= count // 3
    assert set(upstream.ran().values()) == {1}
    assert not list(tmp_path.glob("*.batches"))


PLACES = ("createFile", "createBatch", "retrieveBatch", "downloadFile")
PLANS = [f"{action}:{when}" for action in PLACES for when in ("before", "in", "after")]
FEW = ["createFile:in", "createBatch:before", "createBatch:in", "createBatch:after", "downloadFile:in"]


@pytest.mark.parametrize(("count", "lines", "plans"), [(40, 5, FEW), pytest.param(2_000, 40, PLANS, marks=pytest.mark.e2e)])
def test_a_process_may_end_at_any_step(
    run: Run, upstream: SandboxUpstream, tmp_path: Path, count: int, lines: int, plans: list[str]
) -> None:
    """kill -9 before, in and after upload, start, question and download, while batches expire: the same rows, none in two batches."""
    rows, out = written(table(count), tmp_path / "in.jsonl"), tmp_path / "batch.jsonl"
    upstream.limit(batch_lines=lines - 2)
    with BatchProcess(upstream.url, rows, out, lines) as process:
        for plan in plans:
            if plan.endswith(":in"):
                upstream.app.faults.add("slow=0.3", 1, plan.partition(":")[0])
            assert process(plan) == -9, plan
            upstream.app.faults.add("503", 0, None)
        assert process() == 0
    upstream.limit()
    run(rows, out="calls.jsonl", via="calls")
    assert outcome(out) == outcome(tmp_path / "calls.jsonl")
    assert upstream.twice() == []
    assert set(upstream.ran().values()) == {1}
    assert any(batch.status == "expired" for batch in upstream.batches())


def test_what_expired_goes_into_the_next_batch(run: Run, upstream: SandboxUpstream) -> None:
    """Two rows of each batch run: five batches for ten rows, and no attempt of a row is used up."""
    upstream.limit(batch_lines=2)
    result = run([says(f"Say {number}") for number in range(10)], SendOptions(attempts=1))
    assert (result.done, result.failed, result.unknown) == (10, 0, 0)
    assert [batch.status for batch in upstream.batches()] == ["expired"] * 4 + ["completed"]
    assert set(upstream.ran().values()) == {1}


def test_a_full_queue_is_a_wait(run: Run, upstream: SandboxUpstream) -> None:
    """The limit of waiting tokens lets one batch in at a time: all rows are done, none has failed, no file went up twice."""
    upstream.limit(enqueued_tokens=160)
    result = run([says(f"Say {number}") for number in range(12)], lines=3)
    assert (result.done, result.failed, result.stop) == (12, 0, "")
    refused = [batch for batch in upstream.batches() if batch.status == "failed"]
    assert refused
    assert {batch.object["errors"]["data"][0]["code"] for batch in refused} == {"token_limit_exceeded"}
    assert len({batch.object["input_file_id"] for batch in upstream.batches()}) == 4
    assert set(upstream.ran().values()) == {1}


def test_a_run_in_which_nothing_works_stops(run: Run, upstream: SandboxUpstream) -> None:
    """All rows of the first batches fail: no further one is sent."""
    rows = [says(f"Say {number}", model="no-such-model") for number in range(100)]
    result = run(rows, lines=25, at_once=1)
    assert (result.stop, result.failed, result.waiting, len(upstream.batches())) == ("failures", 25, 75, 1)


def test_large_files_go_up_in_parts(run: Run, upstream: SandboxUpstream) -> None:
    """A file larger than a part is uploaded in several parts, and every row of it is answered."""
    result = run([says(f"Say {number} {'x' * 200}") for number in range(20)], part=1_000)
    assert (result.done, result.stop) == (20, ""), result.reason
    parts = [entry for entry in upstream.app._log if "/parts" in entry["target"]]
    assert len(parts) > 3


def test_a_file_has_at_most_so_many_bytes(run: Run, upstream: SandboxUpstream) -> None:
    """Rows that exceed the limit of bytes together go into several files, none above the limit."""
    result = run([says(f"Say {number} {'x' * 200}") for number in range(20)], bytes=2_000)
    assert result.done == 20
    sizes = [upstream.size(batch.object["input_file_id"]) for batch in upstream.batches()]
    assert len(sizes) > 3
    assert max(sizes) <= 2_000


def test_a_target_without_a_batch_endpoint_is_refused(bulk: Callable[..., Bulk], upstream: SandboxUpstream, tmp_path: Path) -> None:
    """An action whose path no batch takes, a task, a speech: told before anything is read or sent, with what can go."""
    for target, row in (
        ("createSpeech", {"input": "x"}),
        ("beta_createResponse", {"input": "x"}),
        ("ask", {"question": "x"}),
        ("listModels", {"x": 1}),
    ):
        with pytest.raises(InputError, match="nothing was sent") as caught:
            bulk().run(target, [row], tmp_path / "out.jsonl", RowOptions(via="batch"))
        assert (caught.value.faults[0].pointer, "createEmbedding" in caught.value.faults[0].fix) == ("/target", True)
    assert not list(tmp_path.iterdir())
    assert not upstream.app._log


def test_a_row_that_cannot_go_in_a_batch_fails_alone(run: Run) -> None:
    """A stream in a row; the others are answered."""
    result = run([says("Say a"), says("Say b", stream=True), says("Say c")])
    assert (result.done, result.failed) == (2, 1)


Spoil = Callable[[list[bytes]], list[bytes]]


def line_with(line: bytes, **changes: Any) -> bytes:
    return json.dumps({**json.loads(line), **changes}).encode()


def spoilt(upstream: SandboxUpstream, monkeypatch: pytest.MonkeyPatch, spoil: Spoil, file: str = "output_file_id") -> None:
    """Each file that a batch leaves is changed before it is read."""
    from kosha_connector_openai.sandbox import behaviours

    honest = behaviours.BEHAVIOURS["run_batch"]

    def run(hub: Any, item: Any, path: str, scene: Any) -> None:
        honest(hub, item, path, scene)
        name = item.object.get(file)
        if name:
            content = hub.store.find(f"/v1/files/{name}").content
            upstream.write(name, b"\n".join(spoil(bytes(content).splitlines())))

    monkeypatch.setattr(behaviours, "BEHAVIOURS", {**behaviours.BEHAVIOURS, "run_batch": run})
    monkeypatch.setattr("kosha_connector_openai.sandbox.resources.BEHAVIOURS", behaviours.BEHAVIOURS)


def test_lines_that_come_twice_or_that_nobody_asked_for_change_nothing(
    run: Run, upstream: SandboxUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second answer of a row, a key that is not ours, a line without one, words, bytes that are no UTF-8."""
    extra = [b"words", b"[]", b"\xff\xfe", b'{"custom_id": 7}']
    spoilt(
        upstream, monkeypatch, lambda lines: [*lines, line_with(lines[0], response=None), line_with(lines[1], custom_id="other"), *extra]
    )
    result = run([says(f"Say {number}") for number in range(6)])
    assert (result.done, result.failed, result.unknown, result.total) == (6, 0, 0, 6)


def test_a_truncated_file_leaves_rows_unknown_and_pays_for_none_twice(
    run: Run, bulk: Callable[..., Bulk], upstream: SandboxUpstream, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Half of the last line, and the one before it missing: both rows may have run. They are held, and sent again only when asked."""
    spoilt(upstream, monkeypatch, lambda lines: [*lines[:-2], lines[-1][: len(lines[-1]) // 2]])
    rows = [says(f"Say {number}") for number in range(6)]
    result = run(rows)
    assert (result.done, result.unknown, len(upstream.batches())) == (4, 2, 1)
    assert bulk().resume(tmp_path / "batch.jsonl").unknown == 2
    monkeypatch.undo()
    monkeypatch.setenv("OPENAI_API_KEY", DEFAULT_KEY)
    again = bulk().resume(tmp_path / "batch.jsonl", SendOptions(unknown="retry"))
    assert (again.done, again.unknown, len(upstream.batches())) == (6, 0, 2)


def test_a_truncated_file_of_a_batch_that_expired(run: Run, upstream: SandboxUpstream, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three ran by the upstream's count and two answers are there: the rows without a line may have run; those that say so have not."""
    spoilt(upstream, monkeypatch, lambda lines: lines[:2] if len(lines) == 3 else lines)
    upstream.limit(batch_lines=3)
    result = run([says(f"Say {number}") for number in range(5)])
    assert (result.done, result.unknown, result.failed) == (4, 1, 0)


@pytest.mark.parametrize(
    ("status", "error", "state"),
    [
        (429, {"code": "rate_limit_exceeded", "message": "Slow."}, "done"),
        (500, {"code": "server_error", "message": "Broken."}, "unknown"),
        (400, {"code": "invalid_value", "message": "No."}, "failed"),
        (200, {"code": "server_error", "message": "Broken."}, "unknown"),
        (None, {"code": "internal", "message": "Broken."}, "unknown"),
    ],
)
def test_errors_inside_of_lines(
    run: Run, upstream: SandboxUpstream, monkeypatch: pytest.MonkeyPatch, status: int | None, error: Any, state: str
) -> None:
    """As calls do: what was turned away goes into the next batch, what may have run is unknown, what is refused has failed."""
    response = {"status_code": status, "request_id": "r", "body": {"error": error}} if status else None
    first = [True]

    def spoil(lines: list[bytes]) -> list[bytes]:
        if not first:
            return lines
        first.clear()
        return [line_with(lines[0], response=response, error=None if status else error), *lines[1:]]

    spoilt(upstream, monkeypatch, spoil)
    result = run([says(f"Say {number}") for number in range(4)])
    assert (result.done - (state == "done"), getattr(result, state) - 3 * (state == "done")) == (3, 1)


def test_a_start_that_was_cut_off_for_long_is_looked_for_before_it_is_made_again(
    run: Run, upstream: SandboxUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its answer is lost, and the first look takes longer than starts are looked for and sees nothing yet: no row is in two batches."""
    looks: list[str] = []

    class CutOff(AsyncJobs):
        async def start(self, *values: Any, **more: Any) -> Handle:
            handle = await super().start(*values, **more)
            lost = handle.with_(phase="sending", ids={}, state=None)
            self.store.keep(lost)
            raise JobUnknownError("No answer came.", handle=lost.to_dict())

        async def wait(self, *values: Any, **more: Any) -> Any:
            looks.append("look")
            if len(looks) > 1:
                return await super().wait(*values, **more)
            await asyncio.sleep(0.35)
            error = JobUnknownError("No job bears the mark.", handle={})
            error.absent = True
            raise error

    monkeypatch.setattr("kosha_connector_openai.flows.bulk.batch_job.AsyncJobs", CutOff)
    result = run([says(f"Say {number}") for number in range(6)], settle=0.3)
    assert (result.done, len(upstream.batches()), upstream.twice()) == (6, 1, [])


def stopped_in_batch(made: Bulk) -> None:
    """Has the run stop once all of its rows are in a batch that was started."""

    def stop(state: RunProgress) -> None:
        (batch,) = made._bulk._runner._open.all.values() if state.batches else [None]  # type: ignore[union-attr]
        if batch is not None and batch.job is not None and batch.job["phase"] == "started":
            made.stop()

    made._bulk._watch = stop


def test_a_batch_that_is_cancelled_half_way(bulk: Callable[..., Bulk], run: Run, upstream: SandboxUpstream, tmp_path: Path) -> None:
    """Its first rows are read, the others go into another batch when the run goes on; no row runs twice."""
    from kosha_connector_openai.flows.bulk import cancel_batches

    made = bulk()
    upstream.app._operations._resources._driven["/v1/batches"] = ["validating", *["in_progress"] * 5_000, "completed"]
    stopped_in_batch(made)
    rows = [says(f"Say {number}") for number in range(8)]
    result = made.run(TARGET, rows, tmp_path / "batch.jsonl", RowOptions(fixed=FIXED, via="batch"))
    assert (result.stop, result.waiting, result.unknown, result.done) == ("signal", 8, 0, 0)
    upstream.app._operations._resources._driven.clear()
    assert cancel_batches(made._bulk.connector, made._bulk.connection, tmp_path / "batch.jsonl") == 1
    again = bulk().resume(tmp_path / "batch.jsonl")
    assert (again.done, again.unknown) == (8, 0)
    assert [batch.status for batch in upstream.batches()] == ["cancelled", "completed"]
    assert set(upstream.ran().values()) == {1}


def test_a_changed_input_keeps_the_answers_of_its_open_batches(
    bulk: Callable[..., Bulk], upstream: SandboxUpstream, tmp_path: Path
) -> None:
    """A row more at the beginning, one less at the end: with adopt the batch's answers are matched by their keys."""
    made = bulk()
    upstream.app._operations._resources._driven["/v1/batches"] = ["validating", *["in_progress"] * 100, "completed"]
    source = written([says(f"Say {number}") for number in range(6)], tmp_path / "in.jsonl")
    stopped_in_batch(made)
    made.run(TARGET, source, tmp_path / "batch.jsonl", RowOptions(fixed=FIXED, via="batch"))
    written([says("Say new"), *[says(f"Say {number}") for number in range(5)]], source)
    again = bulk().resume(tmp_path / "batch.jsonl", adopt=True)
    assert (again.done, again.unknown, again.total) == (6, 0, 6)
    assert [len(upstream.lines(batch.object["input_file_id"])) for batch in upstream.batches()] == [6, 1]


@pytest.mark.parametrize(("own", "part"), [({}, "0.5"), ({"batch": "0.25"}, "0.25")])
def test_a_batch_costs_a_part_of_the_price(bulk: Callable[..., Bulk], run: Run, tmp_path: Path, own: Any, part: str) -> None:
    """In the check of all rows, in what is set aside and in the bill: by the connector's data, or by the price file."""
    file = tmp_path / "prices.json"
    file.write_bytes(orjson.dumps({"date": "2026-11-01", "models": {"*": {"input": 1000, "output": 1000, "most_output": 50}}, **own}))
    outputs = bulk()._bulk.connector.outputs
    prices, rows = outputs.prices(file), [says(f"Say {number}", max_tokens=50) for number in range(4)]
    checks = {via: bulk().check(TARGET, rows, RowOptions(fixed=FIXED, via=via), prices=prices).cost for via in ("calls", "batch")}
    assert checks["calls"] is not None
    assert checks["batch"] == tuple(pytest.approx(float(part) * value, abs=1e-6) for value in checks["calls"])
    bills = {}
    for via in ("calls", "batch"):
        budget = outputs.budget(prices=prices)
        assert run(rows, SendOptions(budget=budget), out=f"{via}.jsonl", via=via).done == 4
        bills[via] = budget.spent["cost"]
    assert bills["calls"] > 0
    assert bills["batch"] == pytest.approx(float(part) * bills["calls"])
    capped = outputs.budget(cost=bills["calls"] * float(part) * 0.5, prices=prices)
    assert run(rows, SendOptions(budget=capped), out="capped.jsonl").stop == "budget"


def test_a_run_out_of_budget_waits_as_it_is_asked_to(
    bulk: Callable[..., Bulk], run: Run, upstream: SandboxUpstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in a file when the budget ends is sent still, and not before the time that each refusal of its job's start tells."""
    file = tmp_path / "prices.json"
    file.write_bytes(orjson.dumps({"date": "2026-11-01", "models": {"*": {"input": 1000, "output": 1000, "most_output": 50}}}))
    outputs, rows = bulk()._bulk.connector.outputs, [says(f"Say {number}", max_tokens=50) for number in range(4)]
    prices = outputs.prices(file)
    (_, most) = bulk().check(TARGET, rows, RowOptions(fixed=FIXED, via="batch"), prices=prices).cost or (0, 0)
    faults, starts = upstream.app.faults, []
    take = faults.take
    monkeypatch.setattr(faults, "take", lambda name: (starts.append(time.monotonic()) if name == "createBatch" else None, take(name))[1])
    faults.add("retry-after=0.1", 7, "createBatch")
    result = run(rows, SendOptions(budget=outputs.budget(cost=most, prices=prices)))
    assert (result.stop, result.done, result.waiting, len(starts)) == ("budget", 1, 3, 8)
    assert all(later - sooner >= 0.1 for sooner, later in pairwise(starts))


@pytest.mark.parametrize("change", ["insert", "edit", "cut", "gone"])
def test_an_input_that_changes_while_a_batch_is_under_way(
    bulk: Callable[..., Bulk], upstream: SandboxUpstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """It is told as in a run of calls, and the answers wait upstream; with the input of before each row gets its own."""
    path, kept = tmp_path / "in.jsonl", tmp_path / "kept"
    lines = [orjson.dumps({"said": f"{number}.txt", "role": "user"}) for number in range(1, 9)]
    for number in range(1, 9):
        (tmp_path / f"{number}.txt").write_text(f"Say number {number}")
    path.write_bytes(b"\n".join(lines))
    kept.write_bytes(path.read_bytes())
    other = {"insert": [lines[0], *lines], "edit": [lines[1], *lines[:0:-1]], "cut": lines[:3], "gone": lines}[change]
    real = AsyncJobs.fetch

    async def fetch(self: AsyncJobs, *values: Any, **named: Any) -> Any:
        path.write_bytes(b"\n".join(other))
        if change == "gone":
            (tmp_path / "5.txt").rename(tmp_path / "5.kept")
        return await real(self, *values, **named)

    with monkeypatch.context() as patch:
        patch.setattr(AsyncJobs, "fetch", fetch)
        options = RowOptions(map=("messages.0.content=@said", "messages.0.role=role"), fixed=FIXED, via="batch")
        result = bulk().run(TARGET, path, tmp_path / "batch.jsonl", options)
    assert (result.stop, result.done + result.waiting, result.failed, result.unknown) == ("input", 8, 0, 0), result.reason
    assert isinstance(result.reason, InputError)
    if change == "gone":
        (tmp_path / "5.kept").rename(tmp_path / "5.txt")
    else:
        with pytest.raises(InputError, match="The input has changed"):
            bulk().resume(tmp_path / "batch.jsonl")
        path.write_bytes(kept.read_bytes())
    assert bulk().resume(tmp_path / "batch.jsonl").done == 8
    answers = [orjson.loads(line) for line in (tmp_path / "batch.jsonl").read_bytes().splitlines()]
    (batch,) = upstream.batches()
    sent = {line["custom_id"]: line["body"]["messages"][0]["content"] for line in upstream.lines(batch.object["input_file_id"])}
    came = {line["custom_id"]: line["response"]["body"]["id"] for line in upstream.lines(batch.object["output_file_id"])}
    assert [(sent[line["key"]], came[line["key"]]) for line in answers] == [
        (f"Say number {number}", line["answer"]["id"]) for number, line in enumerate(answers, 1)
    ]
    assert set(upstream.ran().values()) == {1}
