"""CheckedCalls that a page makes of the provider for a caller, checked and learned from as one that comes to the provider's own path is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Protocol

import orjson

from kosha_connector_openai.core import CallOptions
from kosha_connector_openai.core.actions import BODY, EXTRA_BODY, Action
from kosha_connector_openai.errors import BudgetError, ConnectorError, Fault, InputError, NotSentError, SetupError, UnknownActionError
from kosha_connector_openai.gateway.access import Shed
from kosha_connector_openai.gateway.exchange import QUICK, BodyQuestion
from kosha_connector_openai.gateway.observe import AuditError
from kosha_connector_openai.gateway.pages.budget_pair import BudgetPair
from kosha_connector_openai.gateway.pages.run_rights import RunRights
from kosha_connector_openai.gateway.replies import UNRECORDED
from kosha_connector_openai.manifest.parts import RelayRules
from kosha_connector_openai.text import at

if TYPE_CHECKING:
    from kosha_connector_openai.connector import Connector
    from kosha_connector_openai.core.connection import Connection
    from kosha_connector_openai.core.result import Event, Result
    from kosha_connector_openai.gateway.access import Admission, Ownership, TokenBudgets
    from kosha_connector_openai.gateway.exchange import CheckProcesses
    from kosha_connector_openai.gateway.observe import AuditLog
    from kosha_connector_openai.gateway.records import Caller
    from kosha_connector_openai.outputs import ShortResult

    FlowCall = Callable[[str, Mapping[str, Any], Connection, CallOptions], Awaitable[Result]]


_PATIENCE: Final = 5.0
"""Seconds after which a row that waits for a place asks again, whether the run goes on first of all."""


class FlowWatch(Protocol):
    """Is told of what the calls of a flow give."""

    def text(self, action: str, text: str) -> None:
        """A piece of an answer has come."""

    def answer(self, result: Result, short: ShortResult) -> None:
        """A call has ended."""


class CheckedCalls:
    """Runs actions for callers."""

    def __init__(
        self,
        connector: Connector,
        connections: Mapping[str, Connection],
        owners: Ownership | None = None,
        admission: Admission | None = None,
        audit: AuditLog | None = None,
        spending: TokenBudgets | None = None,
        checks: CheckProcesses | None = None,
    ) -> None:
        """``owners`` tells whose ids are whose, where tenants share a connection; ``admission`` and ``audit`` see each call of a flow,
        ``spending`` holds every call to its caller's budget; ``checks`` are where large inputs are checked."""
        self.connector = connector
        self.connections = connections
        self.owners = owners
        rules = connector.part("relay", RelayRules)
        self.rights = RunRights(connector, connections, rules, owners)
        self._refused = frozenset(rules.refused_fields)
        self._admission = admission
        self._audit = audit
        self._spending = spending
        self._checks = checks
        self._prepared: set[str] = set()

    def find(self, caller: Caller, key: str) -> Action:
        """The action, if the caller may know of it and its connection has the credential; else UnknownActionError."""
        action = self.connector.catalog[key]
        if not self.offers(caller, action):
            raise UnknownActionError("No action has this id.")
        return action

    def offers(self, caller: Caller, action: Action) -> bool:
        """Whether the caller can call the action."""
        return caller.may(action.id) and self._meets(caller, action)

    def check_fields(self, action: Action, given: Mapping[str, Any]) -> None:
        """Refuses an input, or a field of a body among the inputs, by which the caller would choose the upstream. Raises InputError."""
        bodies = [part for part in (given, given.get(BODY), given.get(EXTRA_BODY)) if isinstance(part, Mapping)]
        for name in sorted(self._refused.intersection(name for part in bodies for name in part) - action.inputs.fields.keys()):
            text = "cannot be chosen by a caller: the service's own connection says where calls go."
            raise InputError(f"`{name}` {text}", [Fault(f"/{name}", "refused_field", text, "Leave it out.")])

    async def prepared(
        self, caller: Caller, key: str, given: Mapping[str, Any], files: Mapping[str, Any] | None = None
    ) -> tuple[Action, dict[str, Any]]:
        """The action and its inputs, once the caller may run it with them: ``files`` go where inputs of their names are.

        Raises ConnectorError.
        """
        action = self.find(caller, key)
        self.check_fields(action, given)
        inputs = {**self.rights.resolved(caller, action, given), **(files or {})}
        await self.rights.check(caller, action, inputs)
        if action.id not in self._prepared:  # in a thread, once: the loop would stand still while its schemas are made
            with suppress(ConnectorError):
                await asyncio.to_thread(self.connector.check, action.id, {})
            self._prepared.add(action.id)
        return action, inputs

    async def held(self, caller: Caller, key: str, given: Mapping[str, Any]) -> tuple[Action, dict[str, Any]]:
        """The same for inputs that nobody has looked at yet: large ones are checked in a process first."""
        if self._checks is not None and len(raw := _as_json({"inputs": given})) > QUICK:
            validation = self.connections[caller.connection].validation
            answer = await self._checks.ask(BodyQuestion("inputs", self.find(caller, key).id, validation=validation), raw, caller.name)
            if answer.faults:
                raise InputError(answer.message or "The body cannot be read.", answer.faults)
        return await self.prepared(caller, key, given)

    def seen(self, caller: Caller, action: Action, given: Mapping[str, Any], result: Result) -> Result:
        """Keeps whose the ids in a result are; the result, with the items of an account's list that the caller may see."""
        owners = self.owners
        if owners is None:
            return result
        if owners.listens(caller, action.id):
            self.rights.learn(caller, action, given, result)
        if owners.narrows(caller, action.id):
            result.value = owners.narrow(caller, action.id, result.value)
        return result

    async def run(
        self,
        caller: Caller,
        key: str,
        given: Mapping[str, Any],
        options: CallOptions,
        sink: Callable[[Event], Awaitable[None]] | None = None,
        *,
        first: bool = True,
        request_id: str = "",
    ) -> Result:
        """One call, checked and recorded; ``sink`` gets the events of a stream as they come. All but the ``first`` of a request count."""
        action, inputs = await self.held(caller, key, given)
        connection = self.connections[caller.connection]
        self._admit(caller, action, connection, request_id, first=first)
        async with self.connector.astream(action.id, inputs, connection, self.within(caller, options)) as stream:
            async for event in stream:
                if sink is not None:
                    await sink(event)
        assert stream.result is not None
        return self.seen(caller, action, given, stream.result)

    def of_flow(self, caller: Caller, request_id: str = "", watch: FlowWatch | None = None) -> FlowCall:
        """What runs each action of one flow: every call is checked, counted among the caller's calls of a minute, and recorded.

        ``watch`` is told of texts as they grow, and of answers; what it is told of does not change what the flow gets.
        """
        count = 0

        async def arun(key: str, given: Mapping[str, Any], connection: Connection, options: CallOptions) -> Result:
            nonlocal count
            action, inputs = await self.held(caller, key, given)
            count += 1
            self._admit(caller, action, connection, request_id, first=count == 1)
            held = self.within(caller, options)
            result = self.seen(caller, action, given, await self._called(action, inputs, connection, held, watch))
            if watch is not None:
                watch.answer(result, self.connector.outputs.of(result))
            return result

        return arun

    def of_rows(self, caller: Caller, goes_on: Callable[[], bool], request_id: str = "") -> FlowCall:
        """What runs each action of a run over rows: as ``of_flow``, but a call that finds no place waits for one while the run goes on."""

        async def arun(key: str, given: Mapping[str, Any], connection: Connection, options: CallOptions) -> Result:
            action, inputs = await self.held(caller, key, given)
            async with self._place(caller, goes_on):
                self._record(caller, action, connection, request_id)
                result = await self.connector.arun(action.id, inputs, connection, self.within(caller, options))
            return self.seen(caller, action, given, result)

        return arun

    def watching(self, caller: Caller) -> AbstractContextManager[None]:
        """As ``Admission.watching``, for the caller's request."""
        return self._admission.watching(caller.name, caller.allowance) if self._admission is not None else nullcontext()

    @asynccontextmanager
    async def _place(self, caller: Caller, goes_on: Callable[[], bool]) -> AsyncIterator[None]:
        """A place among the caller's calls. Raises NotSentError where the run ends before there is one."""
        admission = self._admission
        if admission is None:
            yield
            return
        while True:
            if admission.closed or not goes_on():
                raise NotSentError("The run ends; nothing was sent.", phase="pool")
            try:
                await admission.take(caller.name, caller.allowance)
                break
            except Shed as error:
                await asyncio.sleep(min(error.retry_after, _PATIENCE))
        try:
            yield
        finally:
            admission.give_back(caller.name)

    def within(self, caller: Caller, options: CallOptions) -> CallOptions:
        """The options with the caller's budget, beside one of the call's own."""
        budget = self._spending.of(caller) if self._spending is not None else None
        if budget is None:
            return options
        return replace(options, budget=budget if options.budget is None else BudgetPair(budget, options.budget))

    def count(self, caller: Caller) -> None:
        """Counts one call that is not paid for in the caller's budget. Raises SpentError."""
        budget = self._spending.of(caller) if self._spending is not None else None
        if budget is not None:
            budget.set_aside(None)

    async def _called(
        self, action: Action, inputs: Mapping[str, Any], connection: Connection, options: CallOptions, watch: FlowWatch | None
    ) -> Result:
        """The result; where somebody watches, of events put together, so that its text can be seen to grow."""
        switch = action.overlay.events
        if watch is None or not switch or next(iter(switch)) in inputs or _starts_job(action, inputs):
            return await self.connector.arun(action.id, inputs, connection, options)
        async with self.connector.astream(action.id, {**switch, **inputs}, connection, options) as stream:
            async for event in stream:
                if event.text:
                    watch.text(action.id, event.text)
        assert stream.result is not None
        return self.connector.outputs.whole(stream.result)

    def _admit(self, caller: Caller, action: Action, connection: Connection, request_id: str, *, first: bool) -> None:
        """Counts and records one call; the first was counted with the request that began the flow."""
        try:
            if self._admission is not None and not first:
                self._admission.begin(caller.name, caller.allowance)
        except Shed as error:
            raise BudgetError(error.reason, cap="calls") from None
        self._record(caller, action, connection, request_id)

    def _record(self, caller: Caller, action: Action, connection: Connection, request_id: str) -> None:
        """Records one call. Raises NotSentError where that cannot be kept and the operator wants no call without."""
        try:
            if self._audit is not None:
                self._audit.step(request_id, action, caller, connection)
        except AuditError:
            raise NotSentError(UNRECORDED.message, phase="pool") from None

    def _meets(self, caller: Caller, action: Action) -> bool:
        """Whether the caller's connection has the credential; without it the action is not offered."""
        try:
            self.connections[caller.connection].credential(action.operation.security)
        except SetupError:
            return False
        return True


def _as_json(value: Any) -> bytes:
    """The value as JSON; empty where bytes or files are in it, which take their own way."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return b""


def _starts_job(action: Action, inputs: Mapping[str, Any]) -> bool:
    """Whether the action starts a long job with these inputs: its answer is the job then, and no text that grows."""
    if action.job is None:
        return False
    rule = action.job[1].start[action.id]
    return rule.when is None or at(dict(inputs), rule.when) is True
