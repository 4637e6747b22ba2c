"""Finds jobs that have ended by listing them; each becomes one event, equal to the webhook's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kosha_connector_openai.connector import Connection, Connector
from kosha_connector_openai.errors import ApiError, Fault, InputError
from kosha_connector_openai.flows.driving import Run, Steps, adrive, drive
from kosha_connector_openai.flows.paging import PagingOptions, Walk
from kosha_connector_openai.flows.triggers.events import NextCall, TriggerEvent
from kosha_connector_openai.manifest.parts import JobKind, JobsPart, PollRule, Triggers
from kosha_connector_openai.text import at, loads_strict, model_faults, nearest

_SLACK: Final = 600
"""Seconds that a list may lag behind, or its clock be off."""
_GONE: Final = frozenset({404, 410})
_MOST: Final = 100_000
Text = Annotated[str, Field(min_length=1, max_length=500)]
Told = tuple[tuple[TriggerEvent, ...], "PollState"]


class PollState(BaseModel):
    """Where a poll goes on from: keep it together with what was done about the events, and hand it in again.

    ``since`` is a time of the API's; ``open`` are jobs that have not ended, each with when it was made; ``told`` are ended jobs made
    after ``since``, which the list shows again.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    kosha_poll: Literal[1] = 1
    connector: Text
    kind: Text
    inputs: dict[str, Any] = Field(default_factory=dict)
    since: float = 0
    open: dict[str, float] = Field(default_factory=dict, max_length=_MOST)
    told: dict[str, float] = Field(default_factory=dict, max_length=_MOST)

    def to_json(self) -> str:
        """The state as JSON text; it holds ids and times."""
        return self.model_dump_json()


def poll(
    connector: Connector,
    connection: Connection,
    kind: str,
    state: PollState | Mapping[str, Any] | str | bytes | None = None,
    *,
    inputs: Mapping[str, Any] | None = None,
    past: bool = False,
    options: PagingOptions = PagingOptions(),
) -> Told:
    """The jobs of a kind that have ended since ``state``, oldest first, and the state to go on from.

    Without a state the jobs that have ended already are taken as told, unless ``past`` is set. Keep the state once the events are dealt
    with: whoever stops before that gets the same events again. Raises InputError, and what lists and calls raise.
    """
    return drive(_steps(connector, connection, kind, state, dict(inputs or {}), options, past=past), connector, connection)


async def apoll(
    connector: Connector,
    connection: Connection,
    kind: str,
    state: PollState | Mapping[str, Any] | str | bytes | None = None,
    *,
    inputs: Mapping[str, Any] | None = None,
    past: bool = False,
    options: PagingOptions = PagingOptions(),
) -> Told:
    """``poll`` for asyncio."""
    return await adrive(_steps(connector, connection, kind, state, dict(inputs or {}), options, past=past), connector, connection)


def _steps(
    connector: Connector, connection: Connection, name: str, given: Any, inputs: dict[str, Any], options: PagingOptions, *, past: bool
) -> Steps[Told]:
    rule, kind = _rules(connector, name)
    state = _state(given, connector, name, inputs)
    lacking = [need for need in rule.needs if need not in state.inputs]
    if lacking:
        raise InputError(
            "The list needs more inputs.", [Fault(f"/{need}", "required", "is missing.", f"Add `{need}`.") for need in lacking]
        )
    found = yield from _listed(rule, state, Walk(connector, rule.list, {**rule.inputs, **state.inputs}, options, connection=connection))
    for job in [job for job in state.open if job not in found]:
        answer = yield from _asked(kind, state, job)
        if answer is not None:
            found[job] = answer
    return _told(rule, kind, state, found, all_ends=past or given is not None)


def _told(rule: PollRule, kind: JobKind, state: PollState, found: Mapping[str, Any], *, all_ends: bool) -> Told:
    """The events of the jobs ``found`` that have ended and were not told, and the state after them; without ``all_ends`` no events."""
    ended: list[tuple[float, TriggerEvent]] = []
    still = {job: made for job, made in state.open.items() if job in found}
    told = dict(state.told)
    for job, value in found.items():
        made = _time(value, rule, state)
        word = at(value, kind.state)
        if not isinstance(word, str) or word not in kind.ends:
            still[job] = made
            continue
        still.pop(job, None)
        if job not in told and all_ends:
            ended.append((made, _event(rule, kind, job, word, value, state)))
        told[job] = made
    newest = max((_time(value, rule, state) for value in found.values()), default=state.since)
    since = max(state.since, newest - _SLACK)
    kept = {job: made for job, made in told.items() if made >= since}
    ended.sort(key=lambda pair: pair[0])
    after = state.model_copy(update={"since": since, "open": still, "told": kept})
    return tuple(event for _, event in ended), after


def _rules(connector: Connector, name: str) -> tuple[PollRule, JobKind]:
    polls = connector.part("triggers", Triggers).polls
    if name not in polls:
        near = nearest(name, polls)
        fix = f"Did you mean `{near}`?" if near else f"There is {', '.join(polls) or 'none'}."
        raise InputError("Jobs of this kind cannot be polled for.", [Fault("", "unknown", "names no kind of job with a list.", fix)])
    return polls[name], connector.part("jobs", JobsPart).kinds[name]


def _state(given: Any, connector: Connector, name: str, inputs: dict[str, Any]) -> PollState:
    if given is None:
        return PollState(connector=connector.id, kind=name, inputs=inputs)
    if not isinstance(given, PollState):
        raw = loads_strict(given, what="state") if isinstance(given, (str, bytes)) else given
        try:
            given = PollState.model_validate(raw)
        except ValidationError as error:
            faults = model_faults(error)
            given = None
        if given is None:
            raise InputError("This is no state of a poll.", faults, hint="Use the state as it was handed out.")
    if (given.connector, given.kind) != (connector.id, name) or (inputs and inputs != given.inputs):
        raise InputError("The state belongs to another poll.", [Fault("/kind", "const", "is not the kind, the inputs or the connector.")])
    found: PollState = given
    return found


def _listed(rule: PollRule, state: PollState, walk: Walk) -> Steps[dict[str, Any]]:
    """The listed jobs that are not older than the state, by id."""
    found: dict[str, Any] = {}
    while not walk.finished:
        inputs, call = walk.wanted()
        page = walk.take((yield Run(walk.action, inputs, call)))
        old = 0
        for item in page.items:
            made, job = _time(item, rule, state), at(item, rule.id)
            if made < state.since:
                old += 1
            if isinstance(job, str) and job and (made >= state.since or job in state.open):
                found[job] = item
        if rule.sorted and page.items and old == len(page.items):
            break
    return found


def _asked(kind: JobKind, state: PollState, job: str) -> Steps[Any]:
    """The job's own answer, for one that the list does not show any more; None where it is gone."""
    inputs = {**{name: state.inputs[name] for name in kind.keep if name in state.inputs}, **dict.fromkeys(kind.ids, job)}
    try:
        return (yield Run(kind.status, inputs)).value
    except ApiError as error:
        if error.status in _GONE:
            return None
        raise


def _time(value: Any, rule: PollRule, state: PollState) -> float:
    made = at(value, rule.created)
    return float(made) if isinstance(made, (int, float)) and not isinstance(made, bool) else state.since


def _event(rule: PollRule, kind: JobKind, job: str, word: str, value: Any, state: PollState) -> TriggerEvent:
    made = at(value, rule.created)
    inputs = {**{key: state.inputs[key] for key in kind.keep if key in state.inputs}, **dict.fromkeys(kind.ids, job)}
    return TriggerEvent(
        type=rule.events.get(word, f"{state.kind}.{word}"),
        event_id=f"{job}:{word}",
        data=value,
        created_at=made if isinstance(made, int) and not isinstance(made, bool) else None,
        job=state.kind,
        end=kind.ends[word],
        fetch=NextCall(kind.status, inputs),
    )
