"""Runs over rows, against a loopback upstream: what was sent, what is kept, what a run says of itself."""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
import threading
from pathlib import Path
from typing import Any

import orjson
import pytest

from kosha_connector_openai.errors import InputError, SetupError
from kosha_connector_openai.flows.bulk import (
    RowOptions,
    RowState,
    SendOptions,
    SqliteLedger,
    export,
    failed_path,
    open_run,
    source_of,
)
from tests.recorder import Recorder, raw, reply, reset
from tests.unit.flows.bulk.conftest import SHARED, Upstream, completion, prompts, texts

REFUSED = reply(400, {"error": {"message": "No.", "code": "invalid_value", "type": "invalid_request_error"}})
BUSY = reply(429, {"error": {"message": "Slow.", "code": "rate_limit_exceeded"}}, [("retry-after-ms", "50")])
EMPTY = reply(429, {"error": {"message": "Pay.", "code": "insufficient_quota"}})


def test_each_row_is_sent_once_and_answers_stand_in_order(run: Any, tmp_path: Path) -> None:
    """Many rows are under way at a time; equal rows are rows; the files are for their owner alone."""
    with Upstream(delay=0.005) as upstream:
        result = run(upstream, [*prompts(40), {"prompt": "t1"}])
    assert (result.total, result.done, result.stop, result.tokens) == (41, 41, "", 41 * 7)
    assert upstream.seen == {f"t{number}": 1 + (number == 1) for number in range(1, 41)}
    assert upstream.most > 1
    assert texts(tmp_path / "out.jsonl") == [(number, f"echo t{number}") for number in range(1, 41)] + [(41, "echo t1")]
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert set(modes.values()) == {0o600}
    assert b"test-key" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_failed_rows_are_told_and_sent_again_on_request(run: Any, bulk: Any, tmp_path: Path) -> None:
    """A refusal is a failed row in the input's own form; ``retry_failed`` sends it again, and only it."""
    source = tmp_path / "in.jsonl"
    source.write_text('{"prompt": "t1"}\n{"prompt":   "t2"}\n{"prompt": "t3"}\n')
    with Upstream({"t2": [REFUSED]}) as upstream:
        result = run(upstream, source)
        assert (result.done, result.failed, dict(result.categories)) == (2, 1, {"invalid_input": 1})
        assert failed_path(tmp_path / "out.jsonl").read_text() == '{"prompt":   "t2"}\n'
        again = bulk(upstream).resume(tmp_path / "out.jsonl", retry_failed=True)
    assert (again.done, again.failed, upstream.seen) == (3, 0, {"t1": 1, "t2": 2, "t3": 1})
    assert not failed_path(tmp_path / "out.jsonl").exists()
    assert [number for number, _ in texts(tmp_path / "out.jsonl")] == [1, 2, 3]


def test_a_first_row_that_never_leaves_holds_up_no_other(bulk: Any, tmp_path: Path) -> None:
    """One row goes ahead alone until limits are told; where its inputs are refused here, the next one goes, without a wait."""
    with Upstream() as upstream:
        under_test = bulk(upstream)
        guard = threading.Timer(20, under_test.stop)  # else ten minutes, after which a row that never came back is given up
        guard.start()
        rows = [{"prompt": "t1", "max_tokens": "many"}, *prompts(3)[1:]]
        result = under_test.run("createCompletion", rows, tmp_path / "out.jsonl", RowOptions(fixed=SHARED))
        guard.cancel()
    assert (result.done, result.failed, result.stop) == (2, 1, "")


def test_a_rate_limit_pauses_all_and_costs_no_row_an_attempt(run: Any) -> None:
    """Five refusals of one row with one attempt allowed: the row is answered in the end."""
    with Upstream({"t2": [BUSY] * 5}) as upstream:
        result = run(upstream, prompts(6), SendOptions(attempts=1))
    assert (result.done, result.failed, result.refused, upstream.seen["t2"]) == (6, 0, 5, 6)


def test_a_rate_limit_beside_what_was_used_is_no_rate_limit(run: Any) -> None:
    """In a 200 beside a count of tokens, or in a stream after a part: the row ran, is held as unknown and not sent again by itself."""
    limit = {"error": {"message": "Slow.", "code": "rate_limit_exceeded"}}
    used = reply(200, {**limit, "usage": {"total_tokens": 3}})
    parts = [b"data: %b\n\n" % orjson.dumps(part) for part in ({"choices": [{"index": 0, "text": "Hel"}]}, limit)]
    first, after = (reply(200, b"".join(sent), content_type="text/event-stream") for sent in (parts[1:], parts))
    with Upstream({"t1": [first], "t2": [used], "t3": [after]}) as upstream:
        result = run(upstream, prompts(4), SendOptions(attempts=3))
    assert (result.done, result.unknown, upstream.seen) == (2, 2, {"t1": 2, "t2": 1, "t3": 1, "t4": 1})


def test_an_empty_balance_stops_the_run_which_goes_on_later(run: Any, bulk: Any, tmp_path: Path) -> None:
    """No row fails for it; resumed, all are done, and only the row that was refused is sent again."""
    with Upstream({"t1": [EMPTY]}) as upstream:
        result = run(upstream, prompts(30))
        assert (result.stop, result.failed) == ("access", 0)
        assert result.waiting + result.done == 30
        again = bulk(upstream).resume(tmp_path / "out.jsonl")
    assert (again.done, again.stop) == (30, "")
    assert {prompt: count for prompt, count in upstream.seen.items() if count > 1} == {"t1": 2}


def test_a_limit_of_more_than_a_day_is_not_waited_for(run: Any, bulk: Any, tmp_path: Path) -> None:
    """A refusal that asks for nine years ends the run with its reason; no row fails for it, and resumed, all are done."""
    refused = reply(429, {"error": {"message": "Slow.", "code": "rate_limit_exceeded"}}, [("retry-after", "300000000")])
    with Upstream({"t1": [refused]}) as upstream:
        result = run(upstream, prompts(3))
        assert (result.stop, result.failed, result.waiting) == ("access", 0, 3)
        assert result.reason.retry_after == 300_000_000
        assert bulk(upstream).resume(tmp_path / "out.jsonl").done == 3
    assert upstream.seen == {"t1": 2, "t2": 1, "t3": 1}


def test_rows_that_wait_for_their_pace_end_with_the_run(run: Any, bulk: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusal arrives while they are being claimed: they do not leave, none is unknown, and each is sent once by the next process."""
    real = SqliteLedger.acommit

    async def commit(self: Any, *given: Any) -> Any:
        await asyncio.sleep(0.2)
        return await real(self, *given)

    refused = reply(429, {"error": {"message": "Slow.", "code": "rate_limit_exceeded"}}, [("retry-after", "300000000")])
    with Upstream({"t2": [refused]}, headers=[("x-ratelimit-limit-requests", "3000")]) as upstream:
        with monkeypatch.context() as slow:
            slow.setattr(SqliteLedger, "acommit", commit)
            result = run(upstream, prompts(30), SendOptions(in_flight=20))
        assert (result.stop, result.unknown, result.failed) == ("access", 0, 0)
        assert result.done < 20
        assert bulk(upstream).resume(tmp_path / "out.jsonl").done == 30
    assert {prompt for prompt, count in upstream.seen.items() if count > 1} == {"t2"}


def test_a_lost_answer_is_unknown_until_it_is_decided(run: Any, bulk: Any, tmp_path: Path) -> None:
    """The connection breaks after the row was sent: held and listed; then sent again, or given up, as the user says."""
    with Upstream({"t2": [reset], "t3": [raw(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{")]}) as upstream:
        result = run(upstream, prompts(4))
        assert (result.done, result.unknown, result.stop) == (2, 2, "")
        with open_run(tmp_path / "out.jsonl") as ledger:
            held = list(ledger.entries(RowState.UNKNOWN))
        assert [(entry.n, entry.tries, entry.at > 0) for entry in held] == [(2, 1, True), (3, 1, True)]
        assert bulk(upstream).resume(tmp_path / "out.jsonl").unknown == 2
        assert upstream.seen["t2"] == 1
        again = bulk(upstream).resume(tmp_path / "out.jsonl", SendOptions(unknown="retry"))
        assert (again.done, again.unknown, upstream.seen) == (4, 0, {"t1": 1, "t2": 2, "t3": 2, "t4": 1})
    with Upstream({"t1": [reset]}) as upstream:
        skipped = run(upstream, prompts(2), SendOptions(unknown="skip"), out="other.jsonl")
    assert (skipped.done, skipped.failed, skipped.unknown) == (1, 1, 0)


def test_a_run_in_which_nothing_works_stops(run: Any) -> None:
    """20 failures in a row; the rows that were not sent wait. Where these were the last, nothing is left to go on with."""
    with Upstream({f"t{number}": [REFUSED] for number in range(1, 200)}) as upstream:
        result = run(upstream, prompts(200), SendOptions(in_flight=4))
    assert result.stop == "failures"
    assert 20 <= result.failed <= 24
    assert result.total == 200 == result.done + result.failed + result.waiting
    assert sum(upstream.seen.values()) == result.failed
    with Upstream({f"t{number}": [REFUSED] for number in range(1, 21)}) as upstream:
        result = run(upstream, prompts(20), out="few.jsonl")
    assert (result.stop, result.failed, result.waiting) == ("", 20, 0)


def test_a_budget_covers_the_run_and_not_the_process(run: Any, bulk: Any, opened: Any, tmp_path: Path) -> None:
    """A resumed run counts the calls of the processes before it: the same budget sends nothing more, a larger one the difference."""
    with Upstream() as upstream:
        result = run(upstream, prompts(10), SendOptions(budget=opened.outputs.budget(calls=4)))
        assert (result.stop, result.done, result.waiting) == ("budget", 4, 6)
        assert bulk(upstream).resume(tmp_path / "out.jsonl", SendOptions(budget=opened.outputs.budget(calls=4))).done == 4
        assert bulk(upstream).resume(tmp_path / "out.jsonl", SendOptions(budget=opened.outputs.budget(calls=7))).done == 7
        assert bulk(upstream).resume(tmp_path / "out.jsonl").done == 10
    assert set(upstream.seen.values()) == {1}


def test_what_a_call_may_cost_is_kept_before_it_leaves(run: Any, opened: Any, tmp_path: Path) -> None:
    """A process that is killed at any moment leaves no call that the ledger's spending does not count."""
    uncounted: list[str] = []

    def look(connection: Any, request: Any) -> bool:
        with open_run(tmp_path / "out.jsonl") as ledger:
            counted = int((ledger.kept("spent") or {}).get("calls", "0"))
        arrived = sum(upstream.seen.values())
        uncounted.extend([f"{counted} of {arrived}"] if counted < arrived else [])
        return reply(200, completion("x"))(connection, request)

    rows = prompts(40)
    with Upstream({row["prompt"]: [look] for row in rows}) as upstream:
        result = run(upstream, rows, SendOptions(budget=opened.outputs.budget(calls=100), in_flight=8))
    assert (result.done, uncounted) == (40, [])


def test_each_share_has_its_part_of_the_budget(bulk: Any, opened: Any, tmp_path: Path) -> None:
    """Ten calls for four processes are two for each, also where a share is gone on with; its error says that the cap is a part."""
    source = tmp_path / "in.jsonl"
    source.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in prompts(20)))
    with Upstream() as upstream:
        for part in range(1, 5):
            budget = opened.outputs.budget(calls=10)
            options = RowOptions(fixed=SHARED, share=f"{part}/4")
            result = bulk(upstream).run("createCompletion", source, tmp_path / "out.jsonl", options, SendOptions(budget=budget))
            assert (result.stop, result.done, result.waiting) == ("budget", 2, 3)
            assert "2.5, a part of 4" in str(result.reason)
            again = bulk(upstream).resume(result.out, SendOptions(budget=opened.outputs.budget(calls=10)))
            assert (again.stop, again.done) == ("budget", 2)
        assert sum(upstream.seen.values()) == 8


def test_a_signal_lets_what_is_under_way_finish(run: Any, bulk: Any, opened: Any, tmp_path: Path) -> None:
    """``stop`` from another thread: no row more is sent, and all that was sent is answered and kept."""
    with Upstream(delay=0.1) as upstream:
        worker = bulk(upstream)
        found: list[Any] = []
        thread = threading.Thread(
            target=lambda: found.append(
                worker.run("createCompletion", prompts(100), tmp_path / "out.jsonl", RowOptions(fixed=SHARED), SendOptions(in_flight=4))
            )
        )
        thread.start()
        while thread.is_alive() and sum(upstream.seen.values()) < 6:
            threading.Event().wait(0.01)
        worker.stop()
        thread.join(20)
        (result,) = found
        assert result.stop == "signal"
        assert result.done == sum(upstream.seen.values()) < 100
        assert bulk(upstream).resume(tmp_path / "out.jsonl").done == 100
    assert set(upstream.seen.values()) == {1}


def test_a_signal_while_rows_are_read_sends_none(bulk: Any, tmp_path: Path) -> None:
    """The run is begun and waits; the next process sends its rows."""
    path = tmp_path / "in.jsonl"
    path.write_text("".join(f'{{"prompt": "t{n}"}}\n' for n in range(1, 6)))
    with Upstream() as upstream:
        runs, options = bulk(upstream), RowOptions(fixed=SHARED)
        real = runs._bulk._begin

        def begin(*given: Any) -> Any:
            runs.stop()
            return real(*given)

        runs._bulk._begin = begin
        result = runs.run("createCompletion", path, tmp_path / "out.jsonl", options)
        assert (result.stop, result.waiting, upstream.seen) == ("signal", 5, {})
        assert runs.resume(tmp_path / "out.jsonl").done == 5


def test_a_changed_input_is_refused_and_can_be_adopted(run: Any, bulk: Any, tmp_path: Path) -> None:
    """The numbers of rows that are new, gone and other are told; unchanged rows keep their answers at their new places."""
    source = tmp_path / "in.jsonl"
    source.write_text("".join(f'{{"prompt": "t{number}"}}\n' for number in range(1, 6)))
    with Upstream() as upstream:
        run(upstream, source)
        source.write_text('{"prompt": "t1"}\n{"prompt": "x"}\n{"prompt": "t5"}\n{"prompt": "t3"}\n{"prompt": "t1"}\n{"prompt": "y"}\n')
        with pytest.raises(InputError) as refused:
            bulk(upstream).resume(tmp_path / "out.jsonl")
        assert refused.value.faults[0].message == "has other rows: 2 added, 1 missing, 1 changed."
        assert sum(upstream.seen.values()) == 5
        assert bulk(upstream).resume(tmp_path / "out.jsonl", adopt=True).done == 6
    assert upstream.seen == {"t1": 2, "t2": 1, "t3": 1, "t4": 1, "t5": 1, "x": 1, "y": 1}
    assert texts(tmp_path / "out.jsonl") == [(n, f"echo {name}") for n, name in enumerate(["t1", "x", "t5", "t3", "t1", "y"], 1)]


def test_equal_rows_are_sent_once_where_that_is_asked_for(run: Any, bulk: Any, tmp_path: Path) -> None:
    """With `dedupe`, equal rows cost one call and come to the same: an answer, a failure, an unknown end; none is left to wait for ever."""
    with Upstream({"b": [reply(400, {"error": {"message": "No."}})], "c": [reset]}) as upstream:
        result = run(upstream, [{"prompt": name} for name in "abcaabc"], dedupe=True)
        assert (result.done, result.failed, result.unknown, result.waiting) == (3, 2, 2, 0)
        assert len(failed_path(tmp_path / "out.jsonl").read_bytes().splitlines()) == 2
        assert upstream.seen == {"a": 1, "b": 1, "c": 1}
        assert bulk(upstream).resume(tmp_path / "out.jsonl", SendOptions(unknown="retry"), retry_failed=True).done == 7
    assert upstream.seen == {"a": 1, "b": 2, "c": 2}
    assert [text for _, text in texts(tmp_path / "out.jsonl")] == [f"echo {name}" for name in "abcaabc"]


def test_shares_send_each_row_once(run: Any, tmp_path: Path) -> None:
    """Three shares have every third row each: together they send all ten rows, each once."""
    source = tmp_path / "in.jsonl"
    source.write_text("".join(f'{{"prompt": "t{number}"}}\n' for number in range(1, 11)))
    with Upstream() as upstream:
        results = [run(upstream, source, share=f"{part}/3") for part in (1, 2, 3)]
    assert [result.total for result in results] == [4, 3, 3]
    assert len(upstream.seen) == 10
    assert set(upstream.seen.values()) == {1}
    assert [number for number, _ in texts(tmp_path / "out.2-of-3.jsonl")] == [2, 5, 8]


def test_tasks_and_workflows_are_targets_too(bulk: Any, tmp_path: Path) -> None:
    """A task's row is its typed value; a workflow's its outputs."""
    flow = tmp_path / "flow.yaml"
    flow.write_text(
        "arazzo: 1.0.1\ninfo: {title: T, version: '1'}\nsourceDescriptions: [{name: openai, url: ./openapi.json, type: openapi}]\n"
        "workflows:\n- workflowId: echo\n  inputs: {type: object, properties: {word: {type: string}}}\n  steps:\n"
        "  - stepId: one\n    operationId: createCompletion\n    requestBody: {payload: {model: m, prompt: $inputs.word}}\n"
        "    outputs: {text: $response.body#/choices/0/text}\n  - stepId: two\n    operationId: createCompletion\n"
        "    requestBody: {payload: {model: m, prompt: $steps.one.outputs.text}}\n    outputs: {text: $response.body#/choices/0/text}\n"
        "  outputs: {text: $steps.two.outputs.text}\n"
    )
    with Upstream() as upstream:
        result = bulk(upstream).run(str(flow), [{"word": "a"}, {"word": "b"}], tmp_path / "flow.jsonl")
        assert (result.done, upstream.seen) == (2, {"a": 1, "b": 1, "echo a": 1, "echo b": 1})
    assert [orjson.loads(line)["answer"] for line in (tmp_path / "flow.jsonl").read_bytes().splitlines()] == [
        {"text": "echo echo a"},
        {"text": "echo echo b"},
    ]
    message = {"role": "assistant", "content": "Blue."}
    chat = {"id": "c", "object": "chat.completion", "created": 1, "model": "m"}
    answer = reply(200, chat | {"choices": [{"index": 0, "finish_reason": "stop", "message": message}]})
    with Upstream({"Which?": [answer]}) as upstream:
        bulk(upstream).run("ask", [{"q": "Which?", "other": 1}], tmp_path / "ask.jsonl", RowOptions(map=("question=q",)))
    assert orjson.loads((tmp_path / "ask.jsonl").read_bytes())["answer"] == "Blue."


def test_a_cut_row_of_several_calls_says_which_were_answered(bulk: Any, tmp_path: Path) -> None:
    """The second call's answer is lost: the row is unknown, and the ledger names the call that was answered."""
    flow = tmp_path / "flow.yaml"
    flow.write_text(
        "arazzo: 1.0.1\ninfo: {title: T, version: '1'}\nsourceDescriptions: [{name: openai, url: ./openapi.json, type: openapi}]\n"
        "workflows:\n- workflowId: echo\n  inputs: {type: object, properties: {word: {type: string}}}\n  steps:\n"
        "  - stepId: one\n    operationId: createCompletion\n    requestBody: {payload: {model: m, prompt: $inputs.word}}\n"
        "    outputs: {text: $response.body#/choices/0/text}\n  - stepId: two\n    operationId: createCompletion\n"
        "    requestBody: {payload: {model: m, prompt: $steps.one.outputs.text}}\n"
    )
    with Upstream({"echo a": [reset]}) as upstream:
        result = bulk(upstream).run(str(flow), [{"word": "a"}], tmp_path / "flow.jsonl")
    assert (result.unknown, result.done) == (1, 0)
    with open_run(tmp_path / "flow.jsonl") as ledger:
        assert [call["action"] for call in ledger.calls(1)] == ["createCompletion"]


def test_files_are_rows(bulk: Any, tmp_path: Path) -> None:
    """A folder: each file's text goes where its path is mapped as a file; a path in a column alone opens nothing."""
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "b.txt").write_text("second")
    (folder / "a.txt").write_text("first")
    with Upstream() as upstream:
        bulk(upstream).run("createCompletion", folder, tmp_path / "a.jsonl", RowOptions(map=("prompt=@path",), fixed=SHARED))
        bulk(upstream).run("createCompletion", folder, tmp_path / "b.jsonl", RowOptions(map=("prompt=path",), fixed=SHARED))
        assert sorted(upstream.seen) == ["a.txt", "b.txt", "first", "second"]
        with pytest.raises(InputError) as refused:
            bulk(upstream).run(
                "createCompletion", [{"f": "../../etc/passwd"}], tmp_path / "c.jsonl", RowOptions(map=("prompt=@f",), fixed=SHARED)
            )
    assert refused.value.faults[0].pointer == "/line/1"
    assert not list(tmp_path.glob("c.jsonl*"))


def test_large_answers_are_files_beside_the_ledger(run: Any, tmp_path: Path) -> None:
    """An answer of over 256 KiB is a file that its owner alone may read, and a changed byte in that file is told."""
    large = completion("x" * 300_000)
    with Upstream({"t1": [reply(200, large)]}) as upstream:
        run(upstream, prompts(2))
    (kept,) = (tmp_path / "out.jsonl.ledger.answers").iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert texts(tmp_path / "out.jsonl")[0] == (1, large["choices"][0]["text"])
    data = kept.read_bytes()
    kept.write_bytes(data.replace(b"xxx", b"xyx", 1))
    with open_run(tmp_path / "out.jsonl") as ledger, pytest.raises(SetupError, match="The answer of row 1 was changed"):
        ledger.answer(1)


def test_csv_cells_that_begin_a_formula_are_quoted(run: Any, tmp_path: Path) -> None:
    """Answers and kept columns; numbers stay as they are."""
    source = tmp_path / "in.csv"
    source.write_text('id,prompt\n-7,"=1+1"\n+x,"two\nlines"\n')
    answer = completion("")
    answer["choices"][0]["text"] = '=HYPERLINK("x")'
    with Upstream({"=1+1": [reply(200, answer)]}) as upstream:
        run(upstream, source, out="out.csv", map=("prompt=prompt",), keep=("id",))
    assert (tmp_path / "out.csv").read_bytes() == b'row,id,answer\r\n1,-7,"\'=HYPERLINK(""x"")"\r\n2,\'+x,"echo two\nlines"\r\n'
    assert upstream.seen == {"=1+1": 1, "two\nlines": 1}


def test_a_kept_column_stands_once(run: Any, tmp_path: Path) -> None:
    """A table that would have a column twice is refused before a row is sent; in JSON lines the input's columns stand by themselves."""
    rows, how = [{"prompt": "t1", "id": 1, "answer": 2}], {"map": ("prompt=prompt",)}
    with Upstream() as upstream:
        for keep in (("answer",), ("id", "id")):
            with pytest.raises(SetupError) as refused:
                run(upstream, rows, keep=keep, out="out.csv", **how)
            assert refused.value.faults[0].message.startswith(f"has '{keep[0]}', which would stand twice")
        assert not list(tmp_path.iterdir())
        run(upstream, rows, keep=("id", "answer"), **how)
    assert orjson.loads((tmp_path / "out.jsonl").read_bytes())["input"] == {"id": 1, "answer": 2}
    with open_run(tmp_path / "out.jsonl") as ledger, pytest.raises(SetupError, match="stand twice"):
        export(ledger, source_of(ledger), tmp_path / "out.csv", keep=("answer",))


@pytest.mark.skipif(os.geteuid() == 0, reason="the administrator may write everywhere")
def test_an_output_that_cannot_be_written_is_refused_first(run: Any, tmp_path: Path) -> None:
    """A folder without the right to write is refused before anything is sent."""
    tmp_path.chmod(0o500)
    with Upstream() as upstream, pytest.raises(SetupError):
        run(upstream, prompts(1))
    assert not upstream.seen


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder in which the system alone makes files")
def test_a_folder_where_nobody_makes_files_is_told_with_what_to_do(bulk: Any) -> None:
    """Before anything is sent: the reason in words, without the system's number, and another place to name."""
    with Upstream() as upstream, pytest.raises(SetupError) as caught:
        bulk(upstream).run("createCompletion", [{"prompt": "x"}], Path("/proc/out.jsonl"), RowOptions(fixed={"model": "m"}))
    (fault,) = caught.value.faults
    assert ("Errno" in str(caught.value), fault.pointer, fault.fix) == (False, "/out", "Name an output in a folder of yours.")
    assert not upstream.seen


def test_texts_of_many_rows_go_in_one_call(bulk: Any, tmp_path: Path) -> None:
    """A call that is refused is made again in halves, until only the row that is to blame has failed; answers are each row's own."""

    def answer(connection: Any, request: Any) -> bool:
        texts_sent = request.json()["input"]
        texts_sent = [texts_sent] if isinstance(texts_sent, str) else texts_sent
        if "bad" in texts_sent:
            return REFUSED(connection, request)
        found = [{"object": "embedding", "index": n, "embedding": [len(text)]} for n, text in enumerate(texts_sent)]
        body = {"object": "list", "model": "m", "data": found[::-1], "usage": {"prompt_tokens": 3, "total_tokens": 3}}
        return reply(200, body)(connection, request)

    rows = [{"input": "x" * number} for number in range(1, 20)] + [{"input": "bad"}]
    with Recorder(answer) as upstream:
        result = bulk(upstream).run("createEmbedding", rows, tmp_path / "out.jsonl", RowOptions(fixed=SHARED), SendOptions(in_flight=2))
        sent = [request.json()["input"] for request in upstream.requests]
    assert (result.done, result.failed) == (19, 1)
    assert len(sent) < 20
    lines = [orjson.loads(line) for line in (tmp_path / "out.jsonl").read_bytes().splitlines()]
    assert [(line["row"], line["answer"]["data"][0]["embedding"]) for line in lines] == [(number, [number]) for number in range(1, 20)]
    assert failed_path(tmp_path / "out.jsonl").read_bytes() == b'{"input":"bad"}\n'


def test_an_input_of_the_same_bytes_is_not_read_again(opened: Any, bulk: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading begins at the thousand of the first row that waits; one byte more, and each row is compared, with the same end."""
    from kosha_connector_openai.flows.bulk.opening import new_ledger
    from kosha_connector_openai.flows.bulk.row import FaultList
    from kosha_connector_openai.flows.bulk.rows import JsonLines

    source = tmp_path / "in.jsonl"
    source.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in prompts(2_500)))
    with Upstream() as upstream:
        made = bulk(upstream)._bulk
    job, _ = made._new("createCompletion", source, tmp_path / "out.jsonl", RowOptions(fixed=SHARED))
    with new_ledger(tmp_path / "out.jsonl.ledger", tmp_path / "out.jsonl") as ledger:
        ledger.add(made._checked(job, FaultList()), made._kept(job))
        entries = list(ledger.entries())
        for entry in entries[:2_300]:
            entry.state = RowState.DONE
        ledger.commit(moved=[(entry, None) for entry in entries[:2_300]])
        with monkeypatch.context() as patch:
            patch.setattr(JsonLines, "rows", lambda *_: pytest.fail("the input was read"))
            start = job.first_waiting(ledger)
        assert start is not None
        assert (start.number, next(job.source.rows(start)).values) == (2_000, {"prompt": "t2001"})
        assert next(job.feed(ledger, start))[1].values == {"prompt": "t2301"}
        source.write_bytes(source.read_bytes() + b"\n")
        again = job.first_waiting(ledger)
        assert again is not None
        assert (again.number, next(job.feed(ledger, again))[1].values) == (2_300, {"prompt": "t2301"})
        source.write_bytes(source.read_bytes().replace(b"t2500", b"t2501"))
        assert job.first_waiting(ledger) is None


@pytest.mark.parametrize("change", ["insert", "edit", "cut"])
def test_an_input_that_changes_during_the_run_stops_it(run: Any, bulk: Any, tmp_path: Path, change: str) -> None:
    """No row gets another's answer: sending stops, what is under way is kept, and with the input of before the run goes on to its end."""
    path, pad = tmp_path / "in.jsonl", "x" * 2_000  # so that no buffer holds all of them
    lines = [f'{{"prompt": "t{n}", "suffix": "{pad}"}}\n' for n in range(1, 61)]
    path.write_text("".join(lines))
    other = {"insert": [lines[0], *lines], "edit": [line.replace('"t', '"e') for line in lines], "cut": lines[:20]}[change]

    def answer(connection: Any, request: Any) -> bool:
        path.write_text("".join(other))
        return reply(200, completion("t5"))(connection, request)

    with Upstream({"t5": [answer]}, headers=[("x-ratelimit-limit-requests", "600000")]) as upstream:
        result = run(upstream, path, SendOptions(in_flight=4))
        assert (result.stop, result.failed, result.unknown) == ("input", 0, 0)
        assert isinstance(result.reason, InputError)
        assert 1 <= result.done < 60
        assert not (tmp_path / "out.jsonl").exists()
        with pytest.raises(InputError, match="The input has changed"):
            bulk(upstream).resume(tmp_path / "out.jsonl")
        path.write_text("".join(lines))
        assert bulk(upstream).resume(tmp_path / "out.jsonl").done == 60
    assert texts(tmp_path / "out.jsonl") == [(n, f"echo t{n}") for n in range(1, 61)]
    assert set(upstream.seen.values()) == {1}


def test_columns_of_a_changed_input_stand_beside_no_answer(run: Any, bulk: Any, tmp_path: Path) -> None:
    """The input is written over while its last row is under way: no output. Resumed, the columns are those of the input as it then is."""
    path = tmp_path / "in.csv"
    path.write_text("prompt,id\nt1,1\n")

    def answer(connection: Any, request: Any) -> bool:
        path.write_text("prompt,id\nt1,2\n")
        return reply(200, completion("t1"))(connection, request)

    with Upstream({"t1": [answer]}) as upstream:
        result = run(upstream, path, map=("prompt=prompt",), keep=("id",), out="out.csv")
        assert (result.stop, result.done) == ("input", 1)
        assert not (tmp_path / "out.csv").exists()
        assert bulk(upstream).resume(tmp_path / "out.csv").stop == ""
    assert (tmp_path / "out.csv").read_text().splitlines()[1] == "1,2,echo t1"


def test_going_on_begins_where_nothing_was_begun(bulk: Any, tmp_path: Path) -> None:
    """A process that was killed before its rows were in the ledger leaves an empty one: a launcher's next start begins the run."""
    (tmp_path / "out.jsonl.ledger").touch(0o600)
    with Upstream() as upstream:
        for _ in range(2):
            result = bulk(upstream).run("createCompletion", prompts(2), tmp_path / "out.jsonl", RowOptions(fixed=SHARED), go_on=True)
            assert (result.done, result.stop) == (2, "")
    assert upstream.seen == {"t1": 1, "t2": 1}


def test_a_copy_of_a_ledger_sends_nothing_while_its_first_is_there(run: Any, bulk: Any, tmp_path: Path) -> None:
    """Both would send the rows that wait. One that was moved goes on, so does the first; a later run at its place is another."""
    elsewhere, source = tmp_path / "elsewhere", tmp_path / "in.jsonl"
    elsewhere.mkdir()
    source.write_text("".join(f'{{"prompt": "t{number}"}}\n' for number in range(1, 4)))
    quota = reply(429, {"error": {"message": "Pay.", "code": "insufficient_quota"}})
    with Upstream({"t2": [quota]}) as upstream:
        run(upstream, source, SendOptions(in_flight=1))
        for path in tmp_path.glob("out.jsonl*"):
            shutil.copy(path, elsewhere)
        with pytest.raises(SetupError) as refused:
            bulk(upstream).resume(elsewhere / "out.jsonl")
        assert refused.value.faults[0].message == f"is a copy of {tmp_path / 'out.jsonl.ledger'}."
        (tmp_path / "linked").symlink_to(tmp_path)
        assert bulk(upstream).resume(tmp_path / "linked" / "out.jsonl").done == 3
        for path in tmp_path.glob("out.jsonl*"):
            path.unlink()
        assert bulk(upstream).resume(elsewhere / "out.jsonl").done == 3
        run(upstream, source)
        assert bulk(upstream).resume(elsewhere / "out.jsonl").done == 3
