"""What all calls through the gateway share, and the two errors that end one early."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial

from kosha_connector_openai.connector import Connector
from kosha_connector_openai.gateway.access import Admission, Ownership, TokenBudgets
from kosha_connector_openai.gateway.exchange.bodies import BodyBudget
from kosha_connector_openai.gateway.exchange.check_processes import CheckProcesses
from kosha_connector_openai.gateway.exchange.headers import HeaderRules
from kosha_connector_openai.gateway.exchange.usage_scan import UsageFinder
from kosha_connector_openai.gateway.records import ErrorResponse
from kosha_connector_openai.gateway.rounds import ANSWERED, Rounds
from kosha_connector_openai.gateway.settings import ServiceLimits
from kosha_connector_openai.manifest.parts import OutputsPart, RelayRules


class Refused(Exception):
    """The call goes no further; the caller is told why."""

    def __init__(self, refusal: ErrorResponse) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class Broken(Exception):
    """The reply was cut after it had begun: the caller must see that it is not whole."""


@dataclass(frozen=True, slots=True)
class CallContext:
    """What all calls share."""

    connector: Connector
    limits: ServiceLimits
    rules: RelayRules
    headers: HeaderRules
    admission: Admission
    usage: UsageFinder
    refused: frozenset[str]
    bodies: BodyBudget
    bounds: OutputsPart
    owners: Ownership | None = None
    spending: TokenBudgets | None = None
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while a body is looked into on the event loop."""
    answered: Rounds = field(default_factory=partial(Rounds, ANSWERED))
    """The turns of calls whose upstream has answered."""
    checks: CheckProcesses | None = None
    """Where large bodies are checked; None for the threads of this process."""
