"""Runs over rows by HTTP: rows in, checked, run, stopped, gone on with, fetched and removed, each within what its caller may do."""

import asyncio
import csv
import io
import json
import stat
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kosha_connector_openai.gateway.access.admission import Admission
from kosha_connector_openai.gateway.access.spending import TokenBudgets
from kosha_connector_openai.gateway.budget_entries import BudgetEntry, BudgetsEntry, CapsEntry
from kosha_connector_openai.gateway.bulk_entry import BulkEntry
from kosha_connector_openai.gateway.pages.bulk import bulk_pages
from kosha_connector_openai.gateway.pages.pages import OwnPages
from kosha_connector_openai.gateway.records import Allowance, Caller
from tests.recorder import reply
from tests.unit.gateway.pages.test_event_response import ASK, read
from tests.unit.gateway.pages.test_pages import House, house  # noqa: F401 - a fixture

RUNS = "/kosha/v1/bulk/runs"
CSV = "text,Note\nfirst,a\nsecond,b\nthird,=1+1\n"
MODERATION = {"target": "createModeration", "map": ["input=text"], "inputs": {"model": "m"}}
ONE = {"target": "createCompletion", "map": ["prompt=text"], "inputs": {"model": "m"}}
"""A call for each row; texts that are moderated go together."""
ANSWER = {"id": "c", "object": "text_completion", "created": 1, "model": "m", "choices": [{"text": "yes", "index": 0, "logprobs": None,
          "finish_reason": "stop"}], "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}  # fmt: skip


def opened(house: House, folder: Path, **entry: Any) -> None:  # noqa: F811
    """Gives the pages a folder for runs, as a restart would."""
    context = house.pages._context
    house.pages = OwnPages(replace(context, settings=replace(context.settings, bulk=BulkEntry(folder=folder, **entry))))


@pytest.fixture
async def rows(house: House, tmp_path: Path) -> AsyncIterator[House]:  # noqa: F811
    opened(house, tmp_path / "runs")
    house.upstream.scripts = [reply(body=ANSWER)] * 200
    yield house
    await house.pages.bulk.aclose(1)


async def send(house: House, text: str | bytes = CSV, **query: str) -> dict[str, Any]:  # noqa: F811
    answer = await house.client.post(RUNS, content=text, params={"format": "csv", **query})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def post(house: House, run: str, verb: str, body: Any = None, status: int = 200) -> dict[str, Any]:  # noqa: F811
    answer = await house.client.post(f"{RUNS}/{run}/{verb}", json={} if body is None else body)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def slowly(house: House, run: str) -> Any:  # noqa: F811
    """Starts a run whose calls take their time; what makes calls as before."""
    arun = house.connector.arun

    async def slow(*given: Any) -> Any:
        await asyncio.sleep(0.05)
        return await arun(*given)

    house.connector.arun = slow
    await post(house, run, "start", {**ONE, "in_flight": 2})
    return arun


async def until(found: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not found():
            await asyncio.sleep(0.02)


async def test_rows_are_sent_checked_run_and_fetched(rows: House):
    """From a file of CSV to answers in either form; what a spreadsheet would take for a formula is quoted."""
    sent = await send(rows, name="tickets.csv")
    assert (sent["state"], sent["columns"], sent["rows"], sent["name"]) == ("ready", ["text", "Note"], 3, "tickets.csv")
    assert sent["first"][0] == {"text": "first", "Note": "a"}
    assert (await rows.client.get(f"{RUNS}/{sent['run']}")).json() == sent
    checked = await post(rows, sent["run"], "check", {**ONE, "keep": ["Note"]})
    assert (checked["valid"], checked["rows"], checked["fault_count"]) == (True, 3, 0)
    assert json.loads(checked["first"][0]["body"]) == {"model": "m", "prompt": "first"}
    assert "the-services-own-key" not in json.dumps(checked)
    assert rows.upstream.silent
    await post(rows, sent["run"], "start", {**ONE, "keep": ["Note"]})
    ended = await post(rows, sent["run"], "wait")
    assert (ended["state"], ended["done"], ended["waiting"], ended["tokens"], ended["stop"]) == ("ended", 3, 0, 6, "")
    prompts = [json.loads(request.body)["prompt"] for request in rows.upstream.requests]
    assert sorted(prompts) == ["first", "second", "third"]
    assert [file["name"] for file in ended["files"]] == ["output.csv", "output.jsonl"]
    table = await rows.client.get(ended["files"][0]["href"])
    assert table.headers["content-disposition"] == "attachment"
    assert list(csv.DictReader(io.StringIO(table.text)))[2] == {"row": "3", "Note": "'=1+1", "answer": "yes"}
    lines = (await rows.client.get(ended["files"][1]["href"])).text.splitlines()
    assert [json.loads(line)["row"] for line in lines] == [1, 2, 3]
    assert (await rows.client.get(f"{RUNS}/{sent['run']}/files/failed.jsonl")).status_code == 404
    assert [run["state"] for run in (await rows.client.get(RUNS)).json()["runs"]] == ["ended"]
    assert (await rows.client.delete(f"{RUNS}/{sent['run']}")).json()["removed"]
    assert (await rows.client.get(RUNS)).json() == {"runs": []}
    assert not any(path.is_file() for path in rows.pages._context.settings.bulk.folder.rglob("*"))


async def test_files_are_readable_for_the_service_alone(rows: House):
    """Rows, ledger, output and what is written of the run: mode 0600, in folders of mode 0700."""
    sent = await send(rows)
    await post(rows, sent["run"], "start", ONE)
    await post(rows, sent["run"], "wait")
    folder = rows.pages._context.settings.bulk.folder
    found = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.rglob("*"))}
    assert {"rows.csv", "run.json", "output.jsonl", "output.jsonl.ledger"} <= found.keys()
    assert not {name: oct(mode) for name, mode in found.items() if mode & 0o077 and not name.endswith(("-wal", "-shm"))}


async def test_a_check_tells_all_faults_by_line_or_column(rows: House):
    """A column that is not there with the nearest name, a ragged row by its line, a value that does not fit; nothing is sent."""
    sent = await send(rows, "text,n\na,1\nb\nc,many\n")
    wrong = await post(rows, sent["run"], "check", {**ONE, "map": ["prompt=txt"]})
    assert not wrong["valid"]
    assert [(fault["pointer"], "text" in fault["fix"]) for fault in wrong["faults"]] == [("/column/txt", True)]
    wrong = await post(rows, sent["run"], "check", {**ONE, "map": ["prompt=text", "n=n"]})
    assert [fault["pointer"] for fault in wrong["faults"]] == ["/line/3", "/line/4/n"]
    started = await post(rows, sent["run"], "start", {**ONE, "map": ["prompt=text", "n=n"]}, 400)
    assert started["error"]["detail"]["faults"][0]["pointer"] == "/line/3"
    assert (await rows.client.get(f"{RUNS}/{sent['run']}")).json()["state"] == "ready"
    assert rows.upstream.silent


@pytest.mark.parametrize(
    ("text", "query", "status", "words"),
    [
        (b"a,b\n\xff,1\n", {"format": "csv"}, 400, "UTF-8"),
        (b"a,a\n1,2\n", {"format": "csv"}, 400, "twice"),
        (b"", {"format": "csv"}, 400, "no header"),
        (b"a,b\n", {"format": "csv"}, 400, "at least one row"),
        (b"a\n1\n2\n3\n4\n", {"format": "csv"}, 400, "more than 3 rows"),
        (b"a\n" + b"1" * 4000, {"format": "csv"}, 413, "bulk.bytes"),
        (b"a\n1\n", {"format": "parquet"}, 400, "csv, tsv, jsonl"),
        (b"a\n1\n", {}, 400, "text/csv"),
    ],
)
async def test_what_cannot_be_used_is_not_kept(house: House, tmp_path: Path, text: bytes, query: dict[str, str], status: int, words: str):  # noqa: F811
    """Each with what is wrong; of a body that is refused nothing stays on disk."""
    opened(house, tmp_path / "runs", rows=3, bytes=3000)
    answer = await house.client.post(RUNS, content=text, params=query)
    assert (answer.status_code, words in answer.text) == (status, True), answer.text
    assert not any(path.is_file() for path in (tmp_path / "runs").rglob("*"))


async def test_the_content_type_says_the_form_too(rows: House):
    """JSON lines by their type; their columns are those of the first rows."""
    answer = await rows.client.post(
        RUNS, content=b'{"text": "a"}\n{"text": "b", "more": 1}\n', headers={"content-type": "application/jsonl"}
    )
    assert (answer.json()["format"], answer.json()["columns"]) == ("jsonl", ["text", "more"])


@pytest.mark.parametrize(
    ("verb", "body", "param"),
    [
        ("check", {}, None),
        ("check", {"target": 1}, "target"),
        ("check", {"target": "createCompletion", "map": "a=b"}, "map"),
        ("start", {"target": "createCompletion", "in_flight": 0}, "in_flight"),
        ("start", {"target": "createCompletion", "budget": {"cost": -1}}, "budget"),
        ("start", {"target": "createCompletion", "budget": {"cost": 1}}, "prices"),
        ("resume", {"unknown": "maybe"}, "unknown"),
        ("wait", {"timeout": 0}, "timeout"),
        ("cancel", {"x": 1}, None),
    ],
)
async def test_bodies_are_checked(rows: House, verb: str, body: Any, param: str | None):
    """Each by the name of what is wrong."""
    sent = await send(rows)
    answer = await rows.client.post(f"{RUNS}/{sent['run']}/{verb}", json=body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param), answer.text


async def test_a_row_names_no_file_of_this_machine(rows: House, tmp_path: Path):
    """A rule for files is refused, a path in a cell is a text, and a document's path is no target."""
    (tmp_path / "secret").write_text("a secret")
    sent = await send(rows, f"text\n{tmp_path / 'secret'}\n")
    refused = await post(rows, sent["run"], "check", {**ONE, "map": ["prompt=@text"]})
    assert (refused["valid"], refused["faults"][0]["pointer"]) == (False, "/map/0")
    for verb in ("check", "start"):
        answer = await post(rows, sent["run"], verb, {"target": str(tmp_path / "flow.arazzo.yaml")}, 404)
        assert "secret" not in json.dumps(answer)
    await post(rows, sent["run"], "start", ONE)
    await post(rows, sent["run"], "wait")
    assert json.loads(rows.upstream.last.body)["prompt"] == str(tmp_path / "secret")
    for name in ("run.json", "rows.csv", "%2e%2e", "output.jsonl.ledger", "%2e%2e%2frun.json"):
        assert (await rows.client.get(f"{RUNS}/{sent['run']}/files/{name}")).status_code == 404, name


async def test_a_caller_sees_its_own_runs_alone(rows: House):
    """Another tenant finds no run under the id, by any path; another token of the same tenant neither."""
    sent = await send(rows)
    for other in (Caller("ci", "other", "default", "on", Allowance(10, 10)), Caller("b", "acme", "default", "on", Allowance(10, 10))):
        rows.caller = other
        assert (await rows.client.get(RUNS)).json() == {"runs": []}
        assert (await rows.client.get(f"{RUNS}/{sent['run']}")).status_code == 404
        assert (await rows.client.delete(f"{RUNS}/{sent['run']}")).status_code == 404
        assert (await rows.client.get(f"{RUNS}/{sent['run']}/files/output.csv")).status_code == 404
        for verb, body in (("check", ONE), ("start", ONE), ("wait", {}), ("resume", {}), ("cancel", {})):
            await post(rows, sent["run"], verb, body, 404)
    assert rows.upstream.silent


async def test_a_token_runs_its_own_actions_alone(rows: House):
    """An action that is not on its list is unknown, and a task over one; a field that says where calls go is refused."""
    sent = await send(rows)
    rows.caller = replace(rows.caller, actions=frozenset({"createCompletion"}))
    for target in ("createModeration", "ask", "nothing"):
        await post(rows, sent["run"], "check", {**MODERATION, "target": target}, 404)
        await post(rows, sent["run"], "start", {**MODERATION, "target": target}, 404)
    assert rows.upstream.silent
    await post(rows, sent["run"], "start", ONE)
    assert (await post(rows, sent["run"], "wait"))["done"] == 3


async def test_the_operators_limits_hold(house: House, tmp_path: Path):  # noqa: F811
    """Kept runs, room on disk, runs under way, rows under way: none of them can be raised by a caller."""
    opened(house, tmp_path / "runs", kept=2, running=1, in_flight=2)
    gate, most, now = asyncio.Event(), 0, 0
    arun = house.connector.arun

    async def slow(*given: Any) -> Any:
        nonlocal most, now
        now += 1
        most = max(most, now)
        await gate.wait()
        now -= 1
        return await arun(*given)

    house.connector.arun = slow
    house.upstream.scripts = [reply(body=ANSWER)] * 20
    first, second = await send(house), await send(house)
    full = await house.client.post(RUNS, content=CSV, params={"format": "csv"})
    assert (full.status_code, full.json()["error"]["code"]) == (429, "bulk_room")
    await post(house, first["run"], "start", {**ONE, "in_flight": 50})
    assert (await post(house, second["run"], "start", ONE, 429))["error"]["code"] == "bulk_room"
    await post(house, first["run"], "start", ONE, 409)
    assert (await house.client.delete(f"{RUNS}/{first['run']}")).status_code == 409
    assert (await house.client.get(f"{RUNS}/{first['run']}/files/output.csv")).status_code == 409
    gate.set()
    assert (await post(house, first["run"], "wait"))["done"] == 3
    assert most <= 2
    opened(house, tmp_path / "runs", disk=1)
    assert (await house.client.post(RUNS, content=CSV, params={"format": "csv"})).status_code == 429


async def test_a_budget_stops_the_run_and_it_goes_on_later(rows: House):
    """The token's cap on calls is that of single calls: the run stops, says so, and a resume sends what is left."""
    spending = TokenBudgets(BudgetsEntry(), rows.connector.outputs.part, None)
    rows.pages = OwnPages(replace(rows.pages._context, spending=spending))
    rows.caller = replace(rows.caller, budget=BudgetEntry(day=CapsEntry(calls=2)))
    sent = await send(rows)
    await post(rows, sent["run"], "start", {**ONE, "in_flight": 1})
    stopped = await post(rows, sent["run"], "wait")
    assert (stopped["state"], stopped["stop"], stopped["done"], stopped["waiting"]) == ("stopped", "budget", 2, 1)
    assert "budget of calls" in stopped["reason"]["message"]
    assert len(rows.upstream.requests) == 2
    rows.caller = replace(rows.caller, budget=BudgetEntry(day=CapsEntry(calls=3)))
    await post(rows, sent["run"], "resume")
    assert (await post(rows, sent["run"], "wait"))["state"] == "ended"
    assert len(rows.upstream.requests) == 3
    spending.close()


async def test_a_run_has_caps_of_its_own(rows: House):
    """A cap of the run holds beside the token's, and over its resumes."""
    sent = await send(rows)
    await post(rows, sent["run"], "start", {**ONE, "in_flight": 1, "budget": {"calls": 1}})
    assert (await post(rows, sent["run"], "wait"))["stop"] == "budget"
    await post(rows, sent["run"], "resume", {"budget": {"calls": 1}})
    assert (await post(rows, sent["run"], "wait"))["done"] == 1


async def test_rows_take_places_of_their_token(rows: House):
    """A call a row, within the token's calls at once and its calls of a minute; a wait takes a stream's place, not a call's."""
    admission = Admission(calls=10, streams=10, queue=10, queue_seconds=0.05)
    rows.pages = OwnPages(replace(rows.pages._context, admission=admission))
    rows.caller = replace(rows.caller, allowance=Allowance(1, 1))
    sent = await send(rows)
    taken: list[int] = []
    arun = rows.connector.arun

    async def counted(*given: Any) -> Any:
        taken.append(admission.taken["call"])
        return await arun(*given)

    rows.connector.arun = counted
    await post(rows, sent["run"], "start", ONE)
    await admission.take("ci", rows.caller.allowance)  # as the app does for the request that waits
    waiting = asyncio.create_task(post(rows, sent["run"], "wait"))
    ended = await waiting
    admission.give_back("ci")
    assert (ended["state"], taken) == ("ended", [1, 1, 1])
    assert admission.taken == {"call": 0, "stream": 0}


async def test_a_run_is_cancelled_and_goes_on(rows: House):
    """Nothing new leaves, what was under way is kept, and a resume sends the rest alone."""
    sent = await send(rows, "text\n" + "".join(f"row {number}\n" for number in range(40)))
    quick = await slowly(rows, sent["run"])
    await until(lambda: len(rows.upstream.requests) > 3)
    stopping = await post(rows, sent["run"], "cancel")
    assert stopping["state"] in ("stopping", "stopped")
    stopped = await post(rows, sent["run"], "wait")
    assert (stopped["state"], stopped["stop"], stopped["unknown"]) == ("stopped", "cancelled", 0)
    assert 0 < stopped["done"] < 40
    assert stopped["done"] + stopped["waiting"] == 40
    rows.connector.arun = quick
    await post(rows, sent["run"], "resume")
    assert (await post(rows, sent["run"], "wait"))["done"] == 40
    assert len(rows.upstream.requests) == 40
    await post(rows, sent["run"], "cancel")


async def test_a_run_outlives_its_process(rows: House, tmp_path: Path):
    """A service that ends tells its runs to stop; the next one lists them as they are and goes on with them."""
    sent = await send(rows, "text\n" + "".join(f"row {number}\n" for number in range(30)))
    quick = await slowly(rows, sent["run"])
    await until(lambda: len(rows.upstream.requests) > 2)
    await rows.pages.bulk.aclose(5)
    rows.connector.arun = quick
    opened(rows, tmp_path / "runs")
    stopped = (await rows.client.get(f"{RUNS}/{sent['run']}")).json()
    assert (stopped["state"], stopped["stop"]) == ("stopped", "service")
    await post(rows, sent["run"], "resume")
    assert (await post(rows, sent["run"], "wait"))["done"] == 30
    assert len(rows.upstream.requests) == 30


async def test_an_answer_is_written_by_one_at_a_time(rows: House):
    """Two who fetch at once get the same whole file; the index says where runs are."""
    assert (await rows.client.get("/kosha/v1")).json()["bulk"] == RUNS
    sent = await send(rows)
    await post(rows, sent["run"], "start", ONE)
    href = (await post(rows, sent["run"], "wait"))["files"][0]["href"]
    found = await asyncio.gather(*(rows.client.get(href) for _ in range(8)))
    assert {(answer.status_code, answer.text.count("yes")) for answer in found} == {(200, 3)}


async def test_events_tell_the_progress(rows: House):
    """Asked for events, a wait tells how the run stands as it changes; whoever leaves ends nothing."""
    sent = await send(rows)
    await post(rows, sent["run"], "start", ONE)
    answer = await rows.client.post(f"{RUNS}/{sent['run']}/wait", json={}, headers=ASK)
    got = read(answer.text)
    assert (got[-1][0], got[-1][1]["done"]) == ("result", 3)
    assert all(name == "progress" and value["total"] == 3 for name, value in got[:-1])


async def test_failed_rows_are_told_fetched_and_sent_again(rows: House):
    """With their reason, in the form of the input; a resume that is asked to sends them again."""
    sent = await send(rows)
    rows.upstream.scripts = [
        reply(400, {"error": {"message": "no such prompt", "type": "invalid_request_error"}}),
        *[reply(body=ANSWER)] * 9,
    ]
    await post(rows, sent["run"], "start", {**ONE, "in_flight": 1})
    ended = await post(rows, sent["run"], "wait")
    assert (ended["state"], ended["done"], ended["failed"]) == ("ended", 2, 1)
    assert ended["troubled"][0]["row"] == 1
    assert ended["troubled"][0]["facts"]["message"]
    failed = await rows.client.get(ended["files"][-1]["href"])
    assert json.loads(failed.text) == {"text": "first", "Note": "a"}
    await post(rows, sent["run"], "resume", {"retry_failed": True})
    assert (await post(rows, sent["run"], "wait"))["done"] == 3


async def test_without_a_folder_or_the_extra_it_says_so(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # noqa: F811
    """Which setting is missing (404: there is nothing here), or which extra (501)."""
    assert "bulk" not in (await house.client.get("/kosha/v1")).json()
    for given in ("GET", "POST"):
        answer = await house.client.request(given, RUNS, params={"format": "csv"} if given == "POST" else None)
        assert (answer.status_code, "`bulk`" in answer.text) == (404, True)
    monkeypatch.setattr(bulk_pages, "find_spec", lambda _: None)
    opened(house, tmp_path / "runs")
    for path in (RUNS, f"{RUNS}/x", f"{RUNS}/x/files/output.csv"):
        answer = await house.client.get(path)
        assert (answer.status_code, answer.json()["error"]["code"], "[bulk]" in answer.text) == (501, "extra", True)


async def test_a_file_of_a_run_that_is_not_ours_is_not_read(rows: House):
    """What is written of a run counts only where it is what we write, in a file that nobody else could have written."""
    sent = await send(rows)
    folder = next(path.parent for path in rows.pages._context.settings.bulk.folder.rglob("run.json"))
    kept = (folder / "run.json").read_bytes()
    for text in (b"{}", b"[", b"null", kept.replace(b'"csv"', b'"../x"')):
        (folder / "run.json").write_bytes(text)
        assert (await rows.client.get(f"{RUNS}/{sent['run']}")).status_code == 404, text
        assert (await rows.client.get(RUNS)).json() == {"runs": []}
    (folder / "run.json").write_bytes(kept)
    (folder / "run.json").chmod(0o666)
    assert (await rows.client.get(f"{RUNS}/{sent['run']}")).status_code == 404
    (folder / "run.json").chmod(0o600)
    assert (await rows.client.get(f"{RUNS}/{sent['run']}")).status_code == 200
