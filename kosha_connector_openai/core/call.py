"""A call: one execution of an action, with all that its plan needs to know of it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, get_args

from kosha_connector_openai.core.actions import Action
from kosha_connector_openai.core.connection import Connection, Credential, scrub
from kosha_connector_openai.core.request import FilePolicy, Request, build_request
from kosha_connector_openai.core.result import Policy, Result
from kosha_connector_openai.core.transport import RetryBudget
from kosha_connector_openai.errors import ConnectorError, Fault, SetupError
from kosha_connector_openai.manifest import Manifest
from kosha_connector_openai.secrets import Secret

if TYPE_CHECKING:
    from kosha_connector_openai.core.request import RawInputs

_DAY = 86_400
_POLICIES = get_args(Policy)


def _unfit(name: str, message: str) -> SetupError:
    return SetupError("The options of the call are wrong.", [Fault(f"/{name}", "range", message)])


class Reservation(Protocol):
    """The part of a budget that one call set aside."""

    def settle(self, result: Result | None, error: ConnectorError | None) -> None:
        """Counts what the call used in place of what was set aside; a second time does nothing."""


class CallBudget(Protocol):
    """The caps that the calls of a run share."""

    def reserve(self, action: str, inputs: Mapping[str, Any], size: int | None, *, paid: bool, times: int = 1) -> Reservation:
        """Sets aside the most that a call can use; raises BudgetError. ``size`` is in bytes, ``times`` how often it may be paid for."""


@dataclass(slots=True)
class Attempt:
    """One attempt of a call, as a pace is asked about it. ``size`` is the body's length in bytes, 0 where it is unknown."""

    action: str
    model: str | None = None
    size: int = 0
    taken: Any = None
    """What the pace has set aside for it."""


class CallPace(Protocol):
    """When attempts may leave. The calls of a run share one; it is asked before each attempt, and told how that ended."""

    def wait(self, attempt: Attempt) -> float:
        """Seconds after which to ask again; 0 where the attempt may leave now."""

    def answered(self, attempt: Attempt, limits: Mapping[str, float], result: Result | None, error: ConnectorError | None) -> bool:
        """Takes in how the attempt ended and which limits its reply told; ``result`` is None where a stream goes on.

        True: it was turned away before it ran, and leaves again when the pace allows, without counting as an attempt.
        """


@dataclass(frozen=True, slots=True)
class CallOptions:
    """What one call may set for itself. ``timeout`` is the total in seconds; ``out`` is where a reply body is saved, and of an event
    stream the data of each event as a line of JSON."""

    out: Path | None = None
    overwrite: bool = False
    timeout: float | None = None
    attempts: int | None = None
    unsafe_retries: bool | None = None
    """Send a POST again even where it may have run, and may be paid for twice."""
    policy: Policy = "warn"
    """What an answer is that is cut, refused or filtered: with ``fail`` an AnswerError, with ``warn`` a result with a warning, with
    ``pass`` a result whose ``outcome`` alone tells."""
    budget: CallBudget | None = None
    """The caps that this call shares with others of a run; checked before it is sent."""
    pace: CallPace | None = None
    """Asked before every attempt, and told its answer; what it waits does not count for ``timeout``."""
    named_files: bool = True
    """Whether an input may name a file by a text, ``{"path": ...}`` below the connection's ``roots``. A workflow's steps say no: what
    a reply gave is a value."""

    def __post_init__(self) -> None:
        if self.timeout is not None and not 0 < self.timeout <= _DAY:
            raise _unfit("timeout", f"must be more than 0 and at most {_DAY} seconds.")
        if self.attempts is not None and self.attempts < 1:
            raise _unfit("attempts", "must be at least 1.")
        if self.policy not in _POLICIES:
            raise SetupError("The options of the call are wrong.", [Fault("/policy", "enum", "must be fail, warn or pass.")])


@dataclass(frozen=True, slots=True)
class Head:
    """A reply whose body has not been read."""

    status: int
    headers: tuple[tuple[str, str], ...]


@dataclass
class Call:
    """One call and all that its plan needs to know; mutable, since attempts are counted and secrets noted while it runs."""

    action: Action
    request: Request
    connection: Connection
    credential: Credential | None
    manifest: Manifest
    options: CallOptions
    retry_budget: RetryBudget
    refresh: Callable[[], bool] = lambda: False
    """Forgets the cached secret after a 401; True where asking again may give another one."""
    clock: Callable[[], float] = time.monotonic
    rand: Callable[[], float] = random.random
    secrets: list[Secret] = field(default_factory=list)
    attempts: int = 0
    started: float = 0.0
    deadline: float = 0.0
    refreshed: bool = False
    ticket: Reservation | None = None
    """What the call has set aside of its budget."""
    model: str | None = None
    """The model that the inputs name; read where a pace asks for it."""
    wanted: int = 0
    """How many results the inputs ask for; 0 where they do not say."""
    events: bool = False
    """Whether the inputs ask for the answer as events."""

    def __post_init__(self) -> None:
        self.started = self.clock()
        self.deadline = self.started + (self.options.timeout or self.connection.total(self.action.overlay.timeout))

    @property
    def payments(self) -> int:
        """How often the call may have to be paid for: more than once only where a POST may be sent again although it may have run."""
        retries = self.connection.retries
        unsafe = retries.unsafe if self.options.unsafe_retries is None else self.options.unsafe_retries
        return (self.options.attempts or retries.attempts) if unsafe else 1

    def scrub(self, text: str) -> str:
        """``text`` without any secret that this call has used."""
        return scrub(text, self.secrets)

    def scrub_head(self, head: Head) -> Head:
        """``head`` without any such secret in its values: they go into results, errors and records."""
        text = "\n".join([value for _, value in head.headers])
        if (shown := self.scrub(text)) == text:
            return head
        return Head(head.status, tuple((name, value) for (name, _), value in zip(head.headers, shown.split("\n"), strict=False)))


def file_policy(connection: Connection, *, named: bool = True) -> FilePolicy:
    """What the connection lets its calls send; ``named``: whether a text may name a file."""
    limits = connection.limits
    return FilePolicy(connection.options.roots, limits.upload, named, limits.body_json, connection.large_body)


def make_request(action: Action, inputs: Mapping[str, Any], connection: Connection, *, named_files: bool = True) -> Request:
    """The request for this connection's kind of server; raises InputError."""
    request = build_request(action, inputs, file_policy(connection, named=named_files), connection.validation)
    if connection.form is None:
        return request
    from kosha_connector_openai.core.request import at_server

    return at_server(request, action.id, inputs, connection.form, connection.form_values)


def make_raw_request(action: Action, raw: RawInputs, connection: Connection) -> Request:
    """The same for a request that another client wrote; what a server's form asks of the inputs is read from a JSON body's copy."""
    from kosha_connector_openai.core.request import raw_request

    request = raw_request(action, raw)
    if connection.form is None:
        return request
    from kosha_connector_openai.core.request import at_server

    return at_server(request, action.id, raw.fields(), connection.form, connection.form_values)
