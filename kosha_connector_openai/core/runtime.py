"""What a connector keeps between its calls (sockets, secrets, retry budgets), how one is made ready, and how it is noted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from kosha_connector_openai.core.actions import Action
from kosha_connector_openai.core.binding import Binding, Bindings
from kosha_connector_openai.core.call import Call, CallOptions, make_raw_request, make_request
from kosha_connector_openai.core.connection import Connection
from kosha_connector_openai.core.record import Record, is_heard
from kosha_connector_openai.core.request import Request
from kosha_connector_openai.core.result import Result, wanted_items
from kosha_connector_openai.core.transport import Clients, RetryBudget
from kosha_connector_openai.errors import ConnectorError
from kosha_connector_openai.manifest import Manifest
from kosha_connector_openai.secrets import SecretCache, SecretResolver, SecretStores
from kosha_connector_openai.text import first_of

if TYPE_CHECKING:
    from kosha_connector_openai.core.connection import Credential, Grant
    from kosha_connector_openai.core.passthrough import Passthrough
    from kosha_connector_openai.core.request import RawInputs

_WORDS: Final = {"complete": "ok", "pending": "ok"}
"""What the record says of an outcome that is no trouble."""
Ready = tuple[Call, SecretResolver]


class Runtime:
    """The calls of one connector. Safe to share between threads and event loops."""

    def __init__(self, manifest: Manifest, stores: SecretStores, record: Callable[[Record], None]) -> None:
        self._manifest = manifest
        self._stores = stores
        self.record = record
        self.clients = Clients(f"kosha-connector-{manifest.id}/{manifest.version}")
        self._cache = SecretCache()
        self._budgets: dict[object, RetryBudget] = {}
        self._grants: dict[object, Grant] = {}
        self._bindings = Bindings(manifest.id)

    def make(self, action: Action, inputs: Mapping[str, Any], connection: Connection, options: CallOptions) -> Ready:
        """A call ready to be made, and what resolves its secrets; raises ConnectorError."""
        binding = self._bindings.of(action, connection)
        request = make_request(action, inputs, binding.connection, named_files=options.named_files)
        call, resolver = self._ready(binding, request, options)
        call.wanted, call.events = wanted_items(action.promise.carrier, inputs), action.asks_for_events(inputs)
        if options.pace is not None:
            model = first_of(inputs, self._manifest.result.model)
            call.model = model if isinstance(model, str) else None
        if options.budget is not None:
            size = call.request.body.length if call.request.body else 0
            call.ticket = options.budget.reserve(action.id, inputs, size, paid=action.hints.paid, times=call.payments)
        return call, resolver

    def make_raw(self, action: Action, raw: RawInputs, connection: Connection, options: CallOptions) -> Ready:
        """The same for a request that another client wrote; it is sent once unless the options name more attempts."""
        binding = self._bindings.of(action, connection)
        once = options if options.attempts else replace(options, attempts=1)
        return self._ready(binding, make_raw_request(action, raw, binding.connection), once)

    def note(self, call: Call, result: Result | None, error: ConnectorError | None) -> None:
        """Settles the call's budget and writes its record."""
        if call.ticket is not None:
            call.ticket.settle(result, error)
        source: Any = result or error
        outcome = error.code if error else "incomplete" if result is None else _WORDS.get(result.outcome, result.outcome)
        self._write(call, outcome, getattr(source, "status", None), getattr(source, "request_id", None))

    def note_relay(self, relay: Passthrough) -> None:
        """Writes the record of a request that was passed on."""
        self._write(relay.call, relay.outcome, relay.status or None, relay.request_id)

    def close(self) -> None:
        """Closes the connections of threads and forgets cached secrets."""
        self.clients.close()
        self._forget()

    async def aclose(self) -> None:
        """The same, and those of the running event loop."""
        await self.clients.close_async()
        self._forget()

    def _forget(self) -> None:
        self._cache.clear()
        self._grants.clear()
        self._bindings.clear()

    def _ready(self, binding: Binding, request: Request, options: CallOptions) -> Ready:
        credential, key = binding.credential, binding.connection.pool_key
        budget = self._budgets.get(key) or self._budgets.setdefault(key, RetryBudget())
        call = Call(binding.action, request, binding.connection, credential, self._manifest, options, budget)
        if credential is None or credential.scheme != "oauth2":
            return call, SecretResolver(self._stores, self._cache, binding.context, binding.references)
        return call, self._renewing(call, credential, binding)

    def _renewing(self, call: Call, credential: Credential, binding: Binding) -> SecretResolver:
        """What resolves the secrets of a credential whose token is renewed."""
        from kosha_connector_openai.core.connection import Grant, TokenResolver
        from kosha_connector_openai.core.transport import exchange_token

        context = binding.context
        key = (context, *sorted(credential.settings.items()), *sorted(map(str, binding.references.values())))
        grant = self._grants.setdefault(key, Grant())
        exchange = exchange_token(self.clients, binding.connection, lambda: call.deadline)
        return TokenResolver(self._stores, self._cache, context, credential, grant, exchange)

    def _write(self, call: Call, outcome: str, status: int | None, request_id: str | None) -> None:
        if not is_heard(self.record):
            return
        # What answered tells more than what was asked: a chain's secret names the store that had it.
        used = dict.fromkeys(secret.reference for secret in call.secrets)
        references = used or (call.credential.every_reference.values() if call.credential else ())
        self.record(
            Record(
                connector=self._manifest.id,
                action=call.action.id,
                method=call.action.operation.method,
                path=call.action.operation.path,
                origin=str(call.connection.server.origin),
                tenant=call.connection.options.tenant,
                credential=", ".join(map(str, references)),
                outcome=outcome,
                status=status,
                request_id=request_id,
                attempts=call.attempts,
                duration=round(call.clock() - call.started, 6),
                spec_digest=call.action.digest,
            )
        )
