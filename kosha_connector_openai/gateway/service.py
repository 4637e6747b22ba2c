"""Settings and a connector -> the whole service: the application, and what must be closed when it ends."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from kosha_connector_openai.connector import Connector
from kosha_connector_openai.core import drop
from kosha_connector_openai.core.connection import Connection
from kosha_connector_openai.gateway.access import (
    Admission,
    Authenticator,
    Kind,
    OriginPolicy,
    Ownership,
    Sessions,
    TokenBudgets,
    make_ownership,
    shared_accounts,
    tenants,
)
from kosha_connector_openai.gateway.app import Gateway, Guards
from kosha_connector_openai.gateway.connections import open_connections, same_accounts
from kosha_connector_openai.gateway.exchange import BodyBudget, CheckProcesses
from kosha_connector_openai.gateway.observe import AccessLog, AuditLog, Metrics, Observer, make_traces
from kosha_connector_openai.gateway.pages import Downloads, OwnPages, PagesContext, SignIn, SubmittedSecrets, Tries, Workbench
from kosha_connector_openai.gateway.routes import administration_actions, privileged_actions
from kosha_connector_openai.gateway.settings import DEFAULT, Settings
from kosha_connector_openai.manifest.parts import RelayRules
from kosha_connector_openai.outputs import read_prices

_SHARED: Final = (
    "Several tenants share the account behind {name}: each sees and reaches only what it has made through this service, and nothing that "
    "was made elsewhere; but they share one account with its limits. Give each tenant an account of its own."
)
_SHARED_OPEN: Final = "Several tenants share the account behind {name}, and `ownership` is off: each can reach what the others made."
_PASSING: Final = "`ownership.unknown` is `pass`: what was made elsewhere, or was forgotten, is open to every tenant who knows its id."
_FORGOTTEN: Final = (
    "Whose an id is, is kept in memory: after a restart nobody reaches what was made before. `ownership: /path` keeps it in a file."
)
_ISSUER: Final = "The tenant {name} of a static token is the same as that of an issuer's tokens: they share what they make."
_RESET: Final = "What tokens have spent is kept in memory: a restart begins every budget anew. `budgets.file: /path` keeps it in a file."
_CLEAR: Final = "Tokens and answers travel in the clear: put a proxy that speaks TLS in front of {host}."


class Service:
    """The gateway, put together. ``stop`` turns new calls away; ``close`` ends everything."""

    def __init__(
        self,
        connector: Connector,
        connections: dict[str, Connection],
        settings: Settings,
        submitted: SubmittedSecrets,
        workbench: Workbench | None = None,
    ) -> None:
        """Takes ``connector``, and closes it at the end. Raises SetupError where something of the settings cannot be used."""
        rules, limits = connector.part("relay", RelayRules), settings.limits
        shared = shared_accounts(tenants(settings), same_accounts(connector, connections))
        self.connector = connector
        self.metrics = Metrics()
        self.sessions = Sessions()
        self.warnings = tuple(_warnings(settings, shared))
        self._settings = settings
        self._connections = connections
        self._submitted = submitted
        self._workbench = workbench
        self._stopping = False
        self._stopped: float | None = None
        self._downloads = Downloads(most=limits.disk_total)
        self._bodies = BodyBudget(limits.bodies_total, limits.body_json)
        self._checks = CheckProcesses(connector.folder)
        apart = administration_actions(connector.catalog, rules.privileged)
        self._owners: Ownership | None = make_ownership(settings.ownership, shared, connector.catalog, rules.objects, apart)
        self._prices = read_prices(settings.budgets.prices) if settings.budgets.prices is not None else None
        self._spending = self._token_budgets()
        self._log = AccessLog(settings.access_log)
        self._audit = AuditLog(settings.audit, required=settings.audit_failure == "refuse") if isinstance(settings.audit, Path) else None
        self._admission = self._counted_admission()
        privileged = privileged_actions(connector.catalog, rules.privileged)
        authenticate = Authenticator(settings, connector.catalog, privileged=privileged, unmetered=rules.unmetered, sessions=self.sessions)
        if workbench is not None:
            workbench.replace, workbench.current = self._replace, lambda: self._connections[DEFAULT]
            workbench.fields = connector.manifest.connection.fields
        self._pages = OwnPages(self._pages_context(authenticate))
        self.app = Gateway(connector, connections, settings, self._guards(authenticate))

    def describe(self) -> list[str]:
        """A line for each connection: its name, its server, and where its secret is kept."""
        lines = []
        for name, connection in self._connections.items():
            references = dict.fromkeys(str(part) for each in connection.credentials.values() for part in each.references.values())
            lines.append(f"Connection {name}: {connection.server}, key from {', '.join(references) or 'nowhere (none is needed)'}.")
        return lines

    @property
    def prefix(self) -> str:
        """What all paths of the description begin with, such as ``/v1``; "" where they have nothing in common."""
        firsts = {path.split("/")[1] for path in self.connector.catalog.document.root.get("paths", {}) if path.count("/") > 1}
        first = next(iter(firsts), "")
        return f"/{first}" if len(firsts) == 1 and "{" not in first else ""

    def stop(self) -> None:
        """No new calls from now on, and not ready; those under way go on."""
        self._stopping, self._stopped = True, self._stopped or time.monotonic()
        self._pages.bulk.stop()
        self._admission.close()

    async def aclose(self, *, now: bool = False) -> None:
        """Ends runs over rows, the sessions of MCP clients, the upstream connections of the running loop and what checks bodies.

        Runs have what is left of `stop_seconds` since the service was told to stop; none of it where it is to end ``now``.
        """
        left = self._settings.stop_seconds if self._stopped is None else self._stopped + self._settings.stop_seconds - time.monotonic()
        await self._pages.bulk.aclose(0 if now else max(0, left))
        await self._pages.aclose()
        await self.connector.aclose()
        await self._checks.aclose()

    def close(self) -> None:
        """Closes the rest."""
        self.connector.close()
        self._downloads.close()
        self._log.close()
        if self._audit is not None:
            self._audit.close()
        if self._owners is not None:
            self._owners.close()
        if self._spending is not None:
            self._spending.close()
        if self._workbench is not None:
            self._workbench.history.close()

    def _token_budgets(self) -> TokenBudgets | None:
        """What tokens may spend, where the settings bound it."""
        if not self._settings.has_budgets:
            return None
        return TokenBudgets(self._settings.budgets, self.connector.outputs.part, self._prices, told=self.metrics.spent)

    def _counted_admission(self) -> Admission:
        """The places of calls, each kind of which is a metric."""
        limits = self._settings.limits
        admission = Admission(
            calls=limits.calls_total, streams=limits.streams_total, queue=limits.queue, queue_seconds=limits.queue_seconds
        )
        for kind in admission.taken:
            self.metrics.places(kind).set_function(partial(_taken, admission, kind))
        return admission

    def _pages_context(self, authenticate: Authenticator) -> PagesContext:
        """What the service's own pages share."""
        limits = self._settings.limits
        return PagesContext(
            connector=self.connector,
            connections=self._connections,
            settings=self._settings,
            tries=Tries(self.connector, self._submitted, next(iter(self._connections.values()))),
            metrics=self.metrics,
            downloads=self._downloads,
            ready=lambda: not self._stopping,
            bodies=self._bodies,
            disk=BodyBudget(limits.disk_total, limits.body),
            checks=self._checks,
            owners=self._owners,
            admission=self._admission,
            audit=self._audit,
            sign_in=SignIn(self.sessions, authenticate.sign_in),
            spending=self._spending,
            workbench=self._workbench,
            prices=self._prices,
        )

    def _guards(self, authenticate: Authenticator) -> Guards:
        """What every request passes, and what sees it."""
        settings = self._settings
        return Guards(
            policy=OriginPolicy(
                host=settings.host,
                hosts=settings.hosts,
                cors_origins=settings.cors_origins,
                exposed=[name for name in self.connector.manifest.result.headers if "*" not in name],
            ),
            authenticate=authenticate,
            admission=self._admission,
            observe=Observer(self._log, self.metrics, make_traces(self.connector.id)),
            pages=self._pages,
            owners=self._owners,
            audit=self._audit,
            spending=self._spending,
            bodies=self._bodies,
            checks=self._checks,
        )

    def _replace(self, values: Mapping[str, str], secrets: Mapping[str, str]) -> str:
        """Tries a connection, and takes it for all calls from now on; the test's sentence.

        Raises ConnectorError, and changes nothing then.
        """
        references = self._submitted.keep(secrets)
        try:
            made = self.connector.connection({**values, **references}, environ={}, tenant=DEFAULT, engine="aiohttp")
            tried = self.connector.test(replace(made, retries=replace(made.retries, attempts=1)))
        except BaseException:
            self._submitted.drop(references.values())
            raise
        self._connections[DEFAULT] = made
        self.app.replace(DEFAULT, made)
        return tried


def make_service(connector: Connector, settings: Settings, workbench: Workbench | None = None) -> Service:
    """The service for these settings; everything is checked here, and nothing is sent. Raises SetupError with every fault.

    ``connector`` stays the caller's; the service opens one of its own, which reads exactly the secrets that the settings name. Its
    access log has a line for each call, so the core writes none.
    """
    submitted = SubmittedSecrets()
    opened, connections = open_connections(connector, settings, submitted, record=drop)
    try:
        return Service(opened, connections, settings, submitted, workbench)
    except BaseException:
        opened.close()
        raise


def _taken(admission: Admission, kind: Kind) -> float:
    return float(admission.taken[kind])


def _warnings(settings: Settings, shared: Mapping[str, str]) -> list[str]:
    ownership = settings.ownership
    text = _SHARED_OPEN if ownership.ids == "off" else _SHARED
    found = [text.format(name=name) for name in shared]
    if shared and ownership.ids != "off":
        found += [_PASSING] if ownership.unknown == "pass" else []
        found += [_FORGOTTEN] if ownership.file is None else []
    if settings.has_budgets and settings.budgets.file is None:
        found.append(_RESET)
    if settings.jwt:
        found += [_ISSUER.format(name=name) for name in dict.fromkeys(entry.tenant for entry in settings.tokens if entry.tenant)]
    if not settings.loopback:
        found.append(_CLEAR.format(host=settings.host))
    return found
