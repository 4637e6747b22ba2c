"""The benchmarks run, and reckon as they say; how fast anything is, is not asserted here."""

from __future__ import annotations

import asyncio
import math
import os
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import orjson
import pytest

from benchmarks import __main__ as command
from benchmarks import cold_start, command_line, concurrent, event_loop, forms, loading, report, sequential, streaming, validation
from benchmarks import upstream as server
from benchmarks.clients import KEY, bare_httpx, bare_httpx_stream, ours, ours_aiohttp, ours_stream
from benchmarks.measure import Bar, Effort, Figure, compare, cpu, measure

TINY = Effort(rounds=1, calls=2)
needs_sdk = pytest.mark.skipif(find_spec("openai") is None, reason="the peer is installed by `make bench` only")


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The benchmarks' upstream, and the key that they use."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with server.upstream() as origin:
        yield origin


def test_each_round_measures_everyone_and_moves_the_order_on() -> None:
    """The first round warms up and is dropped; afterwards nobody is always first."""
    asked: list[str] = []
    series = measure({name: lambda name=name: float(asked.append(name) or len(asked)) for name in "ab"}, 2)
    assert asked == ["a", "b", "b", "a", "a", "b"]
    assert series == {"a": [4.0, 5.0], "b": [3.0, 6.0]}


def test_a_comparison_is_the_median_of_the_rounds_ratios() -> None:
    """A slow minute that hits both in one round changes the medians of the costs, and not the ratio."""
    figure = compare("call", {"ours": [1.0, 30.0, 2.0], "peer": [2.0, 60.0, 4.0]}, "ours", "peer", Bar(ratio=0.5))
    assert figure == Figure("call", 2.0, "peer", 4.0, 0.5, Bar(ratio=0.5))


@pytest.mark.parametrize(
    ("figure", "met"),
    [
        (Figure("n", 1.0, "p", 2.0, 0.5, Bar(ratio=0.5)), True),
        (Figure("n", 1.0, "p", 2.0, 0.51, Bar(ratio=0.5)), False),
        (Figure("n", 0.005, bar=Bar(seconds=0.005)), True),
        (Figure("n", 0.0051, bar=Bar(seconds=0.005)), False),
        (Figure("n", 1.0, "p", 2.0, 0.5), None),
    ],
)
def test_a_promise_is_kept_up_to_its_bar(figure: Figure, met: bool | None) -> None:
    """A bar is a share of the peer's cost or a number of seconds; without one nothing was promised."""
    assert figure.met is met


def test_the_cost_of_work_is_that_of_one_call() -> None:
    """The work is done as often as asked, and its cost is divided by that."""
    done: list[None] = []
    assert cpu(lambda: done.append(None), calls=3) >= 0.0
    assert len(done) == 3


@pytest.mark.parametrize(("value", "text"), [(1.5, "1.5 s"), (0.0284, "28.4 ms"), (0.005, "5 ms"), (0.000_79, "790 us"), (0.0, "0 us")])
def test_durations_are_written_for_people(value: float, text: str) -> None:
    """Three digits, and the unit that fits."""
    assert report.seconds(value) == text


def test_the_table_has_a_line_for_each_figure() -> None:
    """Each figure is shown with its peer, its ratio, its bar and whether it was met; what there is none of is a dash."""
    figures = [Figure("a call", 0.001, "httpx", 0.002, 0.5, Bar(ratio=0.25)), Figure("load", 0.03, bar=Bar(seconds=0.05))]
    lines = report.as_text(report.machine(), figures).splitlines()[-3:]
    assert [" ".join(line.split()) for line in lines] == [
        "name ours peer ratio bar met?",
        "a call 1 ms 2 ms httpx 0.50 <= 0.25 NO",
        "load 30 ms - - <= 50 ms yes",
    ]


def test_the_json_says_the_same() -> None:
    """The figures as JSON hold costs in seconds and the verdict."""
    (figure,) = report.as_json({}, [Figure("load", 0.03, bar=Bar(seconds=0.05))])["figures"]
    bar = {"ratio": None, "seconds": 0.05, "least": None, "most": None}
    assert (figure["name"], figure["ours"], figure["bar"], figure["met"]) == ("load", 0.03, bar, True)


def test_shares_have_bars_of_their_own() -> None:
    """At least, or at most, so much; written as a number."""
    figures = [Figure("used", 0.97, bar=Bar(least=0.95)), Figure("used", 0.9, bar=Bar(least=0.95)), Figure("early", 1.0, bar=Bar(most=0.0))]
    lines = report.as_text(report.machine(), figures).splitlines()[-3:]
    assert [" ".join(line.split()) for line in lines] == [
        "used 0.970 - - >= 0.95 yes",
        "used 0.900 - - >= 0.95 NO",
        "early 1.000 - - <= 0.00 NO",
    ]


def test_the_upstream_answers_one_kilobyte_or_a_thousand_events() -> None:
    """The JSON answer is exactly 1 KB; the stream has its events and the mark of its end."""
    events = server.event_bodies()
    assert (len(server.json_body()), len(events), events[-1]) == (1_024, server.EVENTS + 1, b"[DONE]")


def test_everyone_gets_the_same_answer(url: str) -> None:
    """The connector and the bare client read the same body, and the same number of events."""
    with ours(url) as one, bare_httpx(url) as other:
        assert one().value == other() == orjson.loads(server.json_body())
    with ours_stream(url) as one, bare_httpx_stream(url) as other:
        assert one() == other() == server.EVENTS


def test_workers_share_the_calls() -> None:
    """Seven calls, three at a time, are seven calls, and never more than three at once."""
    running: list[int] = []
    most: list[int] = []

    async def call() -> None:
        running.append(1)
        most.append(len(running))
        await asyncio.sleep(0)
        running.pop()

    asyncio.run(event_loop.share(call, 7, 3))
    assert (len(most), max(most)) == (7, 3)


@pytest.mark.slow
def test_loading_measures_pinned_and_unpinned(root: Path) -> None:
    """The shipped description is loaded both ways, and its operations are counted."""
    figures = loading.run("", TINY, root / "openapi.json")
    count = loading.operations(root / "openapi.json")
    assert [figure.name for figure in figures] == [f"load {count} operations", f"load {count} operations, not pinned"]


def test_the_wrong_field_is_the_one_that_is_reported() -> None:
    """The chat has 500 messages that pass; with its last one spoilt, that one is the fault."""
    good, bad = validation.chat(), validation.spoilt()
    with validation.checked_and_bare() as (action, bare):
        assert (bare.is_valid(good), bare.is_valid(bad), action.check(good).warnings) == (True, False, ())
        assert validation.fault(action, bad).startswith("/messages/499")


@pytest.mark.slow
def test_validation_is_measured() -> None:
    """Both figures come out."""
    assert [math.isfinite(figure.ours) for figure in validation.run("", TINY)] == [True, True]


@pytest.mark.slow
def test_calls_on_an_event_loop_are_measured(url: str) -> None:
    """Each client gets a cost for each round."""
    series = event_loop.series({"ours": ours_aiohttp}, url, Effort(rounds=2, calls=3), in_flight=2)
    assert len(series["ours"]) == 2


@pytest.mark.slow
def test_many_calls_in_flight_are_measured(url: str) -> None:
    """Both peers are compared."""
    assert [figure.peer_name for figure in concurrent.run(url, TINY)] == ["httpx", "aiohttp"]


def test_a_fresh_interpreter_costs_something_and_may_not_fail(url: str) -> None:
    """The CPU time of a child is its own, the connector's first call passes in one, and a child that fails is no figure."""
    environment = {**os.environ, "OPENAI_BASE_URL": f"{url}/v1"}
    assert cold_start.child_cpu(cold_start.OURS, environment) > cold_start.child_cpu(cold_start.BARE, environment) > 0.0
    with pytest.raises(subprocess.CalledProcessError):
        cold_start.child_cpu("raise SystemExit(3)", environment)


@pytest.mark.parametrize("name", command_line.CODES)
def test_the_commands_that_are_measured_end_well(name: str) -> None:
    """A command that fails is no figure; each costs more than the interpreter alone."""
    assert command_line.child_cpu(command_line.CODES[name], dict(os.environ)) > 0


@pytest.mark.slow
@needs_sdk
def test_the_benchmarks_against_the_vendors_client_run(url: str) -> None:
    """One tiny round of the benchmarks that have the vendor's client as a peer."""
    runs = [sequential.run(url, TINY), streaming.run(url, TINY)]
    assert [[figure.peer_name for figure in figures] for figures in runs] == [["httpx", "openai", "aiohttp"], ["httpx", "openai"]]


def test_the_command_writes_a_table_and_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A named benchmark is run alone; a promise that is not kept fails only where that was asked for."""
    missed = [Figure("call", 2.0, "peer", 1.0, 2.0, Bar(ratio=1.0))]
    monkeypatch.setattr(command, "PROMISES", {"call": command.Promise(lambda _url, _effort: missed, TINY)})
    assert (command.main(["call", "--json", str(tmp_path / "out.json")]), command.main(["--strict"])) == (0, 1)
    assert orjson.loads((tmp_path / "out.json").read_bytes())["figures"][0]["met"] is False
    assert "NO" in capsys.readouterr().out


@pytest.mark.slow
def test_forms_are_measured_in_fresh_processes() -> None:
    """The largest form costs something, and reading the part has a line of its own without a promise."""
    figures = forms.run("", Effort(rounds=1, calls=1))
    assert [figure.bar.seconds for figure in figures] == [None, 0.150, 0.005, 0.005, None, None]
    assert all(figure.ours > 0 for figure in figures)
