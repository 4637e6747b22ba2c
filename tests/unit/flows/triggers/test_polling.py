"""Polling for jobs that have ended: each is told once, whatever the list shows again, and a state goes on in another process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kosha_connector_openai import Connection, Connector
from kosha_connector_openai.errors import InputError
from kosha_connector_openai.flows.triggers import PollState, apoll, poll
from tests.recorder import Recorder, Script, reply

START = 1_750_000_000


def page(*jobs: tuple[str, str, int], more: bool = False) -> Script:
    data = [{"id": name, "object": "batch", "status": status, "created_at": START + made} for name, status, made in jobs]
    return reply(200, {"object": "list", "data": data, "has_more": more, "last_id": data[-1]["id"] if data else None})


def one(name: str, status: str, made: int) -> Script:
    return reply(200, {"id": name, "object": "batch", "status": status, "created_at": START + made})


@pytest.fixture
def at(connector: Connector) -> Callable[[Recorder], Connection]:
    return lambda upstream: connector.connection({"server_url": upstream.url, "auth_type": "NONE"}, environ={})


def told(events: Any) -> list[tuple[str, str]]:
    return [(event.data["id"], event.type) for event in events]


def test_jobs_that_end_are_told_once_oldest_first(connector: Connector, at: Callable[[Recorder], Connection]) -> None:
    """The first poll tells nothing; each later one tells the jobs that ended since, by age, also from the text of a state."""
    with Recorder(
        page(("b3", "in_progress", 30), ("b2", "in_progress", 20), ("b1", "completed", 10)),
        page(("b4", "failed", 40), ("b3", "completed", 30), ("b2", "in_progress", 20), ("b1", "completed", 10)),
        page(("b4", "failed", 40), ("b3", "completed", 30), ("b2", "expired", 20), ("b1", "completed", 10)),
        page(("b4", "failed", 40), ("b3", "completed", 30), ("b2", "expired", 20), ("b1", "completed", 10)),
    ) as upstream:
        events, state = poll(connector, at(upstream), "batch")
        assert (told(events), sorted(state.open)) == ([], ["b2", "b3"])
        events, state = poll(connector, at(upstream), "batch", state)
        assert told(events) == [("b3", "batch.completed"), ("b4", "batch.failed")]
        assert (events[0].job, events[0].end, events[0].event_id) == ("batch", "success", "b3:completed")
        assert (events[0].fetch.action, events[0].fetch.inputs) == ("retrieveBatch", {"batch_id": "b3"})
        # another process goes on from the text of the state
        events, state = poll(connector, at(upstream), "batch", state.to_json())
        assert told(events) == [("b2", "batch.expired")]
        events, state = poll(connector, at(upstream), "batch", state)
        assert (told(events), state.open) == ([], {})


def test_an_empty_list_is_a_start_too(connector: Connector, at: Callable[[Recorder], Connection]) -> None:
    """A job that is made after a poll of an empty list, and has ended by the next poll, is told."""
    with Recorder(page(), page(("b1", "completed", 1))) as upstream:
        events, state = poll(connector, at(upstream), "batch")
        assert told(events) == []
        events, _ = poll(connector, at(upstream), "batch", state)
        assert told(events) == [("b1", "batch.completed")]


def test_the_past_is_told_where_it_is_asked_for(connector: Connector, at: Callable[[Recorder], Connection]) -> None:
    """With `past`, the first poll tells the jobs that had ended before it, oldest first."""
    with Recorder(page(("b1", "cancelled", 10), ("b0", "completed", 0))) as upstream:
        events, _ = poll(connector, at(upstream), "batch", past=True)
    assert told(events) == [("b0", "batch.completed"), ("b1", "batch.cancelled")]


def test_an_open_job_that_the_list_shows_no_more_is_asked_for_itself(connector: Connector, at: Callable[[Recorder], Connection]) -> None:
    """A list is read as far back as it is new; an old job is not lost for that, and one that is gone is forgotten."""
    with Recorder(
        page(("old", "in_progress", 0), ("gone", "in_progress", -5)),
        page(*((f"n{number}", "completed", 100_000 - number) for number in range(3)), more=True),
        page(("older", "completed", -1_000), more=True),
        one("old", "completed", 0),
        reply(404, {"error": {"message": "No such batch."}}),
        page(("n0", "completed", 100_000), more=True),
        page(("old", "completed", 0), more=True),
    ) as upstream:
        _, state = poll(connector, at(upstream), "batch")
        events, state = poll(connector, at(upstream), "batch", state)
        assert told(events) == [("old", "batch.completed"), ("n2", "batch.completed"), ("n1", "batch.completed"), ("n0", "batch.completed")]
        assert state.open == {}
        assert [request.target.partition("?")[0] for request in upstream.requests][3:] == ["/v1/batches/old", "/v1/batches/gone"]
        events, _ = poll(connector, at(upstream), "batch", state)
        assert told(events) == []


async def test_an_event_loop_sees_the_same(connector: Connector, at: Callable[[Recorder], Connection]) -> None:
    """`apoll` tells the end that `poll` tells for the same lists."""
    with Recorder(page(("b1", "in_progress", 10)), page(("b1", "completed", 10))) as upstream:
        _, state = await apoll(connector, at(upstream), "batch")
        events, _ = await apoll(connector, at(upstream), "batch", state)
        await connector.aclose()
    assert told(events) == [("b1", "batch.completed")]


def test_a_failed_list_changes_nothing(connector: Connector, at: Callable[[Recorder], Connection]) -> None:
    """The state belongs to the caller: a poll that fails half way leaves it, so that the next one tells everything."""
    from kosha_connector_openai.errors import RejectedError

    with Recorder(
        page(("b1", "in_progress", 10)),
        page(("b2", "completed", 20), more=True),
        reply(400, {"error": {"message": "No."}}),
        page(("b2", "completed", 20), ("b1", "completed", 10)),
    ) as upstream:
        _, state = poll(connector, at(upstream), "batch")
        with pytest.raises(RejectedError):
            poll(connector, at(upstream), "batch", state)
        events, _ = poll(connector, at(upstream), "batch", state)
    assert told(events) == [("b1", "batch.completed"), ("b2", "batch.completed")]


def test_a_list_that_needs_an_input_says_so(connector: Connector, at: Callable[[Recorder], Connection]) -> None:
    """A list without its input, an unknown kind, and a state of another kind or form are refused, and nothing is sent."""
    with Recorder() as upstream:
        with pytest.raises(InputError) as refusal:
            poll(connector, at(upstream), "eval_run")
        assert [fault.pointer for fault in refusal.value.faults] == ["/eval_id"]
        with pytest.raises(InputError):
            poll(connector, at(upstream), "batches")
        with pytest.raises(InputError):
            poll(connector, at(upstream), "batch", PollState(connector="openai", kind="video"))
        with pytest.raises(InputError):
            poll(connector, at(upstream), "batch", b'{"kosha_poll": 2}')
        assert upstream.silent


def test_every_poll_lists_with_actions_that_are_there(connector: Connector) -> None:
    """Each rule of the manifest names a list action with paging, gives its required inputs, and maps ends of its job to known events."""
    from kosha_connector_openai.manifest.parts.jobs import JobsPart
    from kosha_connector_openai.manifest.parts.triggers import Triggers

    rules, jobs = connector.part("triggers", Triggers), connector.part("jobs", JobsPart).kinds
    for name, rule in rules.polls.items():
        inputs = connector.catalog[rule.list].inputs
        assert connector.catalog[rule.list].paging is not None
        assert set(inputs.required) <= {*rule.needs}
        assert {*rule.needs, *rule.inputs} <= set(inputs.fields)
        assert set(rule.needs) <= set(jobs[name].keep)
        assert set(rule.events) <= set(jobs[name].ends)
        assert set(rule.events.values()) <= set(rules.events)
        for state, event in rule.events.items():
            assert rules.events[event].end == jobs[name].ends[state]
