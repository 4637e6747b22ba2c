"""Connector: the facade. A folder with a manifest and a description becomes actions that can be checked, previewed and run."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from kosha_connector_openai.core.actions.action import Action
from kosha_connector_openai.core.actions.catalog import Catalog
from kosha_connector_openai.core.call import Call, CallOptions
from kosha_connector_openai.core.connection.auth import masked
from kosha_connector_openai.core.connection.connection import (
    Connection,
    Options,
    form_schema,
    home_of_environment,
    make_connection,
    read_options,
    values_from_environment,
)
from kosha_connector_openai.core.connection.resolver import SecretResolver
from kosha_connector_openai.core.connection.store import SecretCache, SecretContext, SecretStore, SecretStores
from kosha_connector_openai.core.connection.stores import default_stores
from kosha_connector_openai.core.errors import ApiError, ConnectorError, Fault, SetupError
from kosha_connector_openai.core.executor import SyncExecutor, SyncStream
from kosha_connector_openai.core.preview import Preview
from kosha_connector_openai.core.record import Record, log
from kosha_connector_openai.core.request.files import FilePolicy
from kosha_connector_openai.core.request.request import Request, build_request, check_inputs
from kosha_connector_openai.core.result.result import Result
from kosha_connector_openai.core.spec.document import read_document
from kosha_connector_openai.core.spec.manifest import Manifest, PartName, read_manifest
from kosha_connector_openai.core.spec.part import Part, read_part
from kosha_connector_openai.core.transport.client import Clients, facts, url
from kosha_connector_openai.core.transport.retry import RetryBudget

if TYPE_CHECKING:
    from kosha_connector_openai.core.async_executor import AsyncStream
    from kosha_connector_openai.core.connection.renewal import Grant
    from kosha_connector_openai.core.relay import Relay
    from kosha_connector_openai.core.request.raw import RawInputs

MANIFEST = "connector.yaml"
KOSHA_SPEC = "connector_spec.json"
RecordSink = Callable[[Record], None]
P = TypeVar("P", bound=Part)


def read_folder(folder: Path) -> Manifest:
    """The manifest of a connector's folder: ``connector.yaml``, else what ``connector_spec.json`` says. Raises ManifestError."""
    found = [name for name in (MANIFEST, KOSHA_SPEC) if (folder / name).is_file()]
    return read_any_manifest(folder / (found or [MANIFEST])[0])


def read_any_manifest(path: Path) -> Manifest:
    """The manifest in a file, which its name tells from a Kosha specification. Raises ManifestError."""
    if path.name != KOSHA_SPEC:
        return read_manifest(path)
    from kosha_connector_openai.core.spec.kosha_spec import read_kosha_spec  # noqa: PLC0415 - most connectors have none

    return read_kosha_spec(path)


class Connector:
    """One connector: its manifest and its actions. Safe to share between threads and event loops; close it at the end."""

    def __init__(self, folder: Path, *, stores: Iterable[SecretStore] | None = None, record: RecordSink = log) -> None:
        """``folder`` holds the manifest; ``stores`` replace the built-in secret stores. Raises ManifestError."""
        self.folder = folder
        self.manifest = read_folder(folder)
        self._stores = SecretStores(default_stores(self._secret_names()) if stores is None else stores)
        self._cache = SecretCache()
        self._clients = Clients(f"kosha-connector-{self.manifest.id}/{self.manifest.version}")
        self._budgets: dict[object, RetryBudget] = {}
        self._grants: dict[object, Grant] = {}
        self._parts: dict[str, Part] = {}
        self._record = record

    def _secret_names(self) -> list[str]:
        return [name for entry in self.manifest.connection.fields if entry.secret for name in entry.env]

    def __repr__(self) -> str:
        return f"<Connector {self.id} {self.manifest.version}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()

    @property
    def id(self) -> str:
        """The manifest's id."""
        return self.manifest.id

    @property
    def stores(self) -> SecretStores:
        """The secret stores by scheme."""
        return self._stores

    @cached_property
    def catalog(self) -> Catalog:
        """The actions by id. Raises DocumentError where the description as a whole cannot be read."""
        spec = self.manifest.spec
        return Catalog(self.manifest, read_document(self.folder / spec.file, sha256=spec.sha256))

    def part(self, name: PartName, model: type[P]) -> P:
        """A part of the manifest, read when it is first asked for; an empty ``model`` where there is none. Raises ManifestError."""
        found = self._parts.get(name)
        if not isinstance(found, model):
            found = self._parts[name] = read_part(self.folder, self.manifest.parts.get(name, {}), model, name=name)
        return found

    @property
    def form(self) -> dict[str, Any]:
        """The connection form as JSON Schema 2020-12."""
        return form_schema(self.manifest.connection)

    def icon(self) -> bytes | None:
        """The logo's bytes, or None where the manifest names none."""
        icon = self.manifest.icon
        return (self.folder / icon.light).read_bytes() if icon else None

    def connection(
        self,
        values: Mapping[str, str] | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Connection:
        """A checked connection: the form's ``values``, and for fields not among them the environment; raises SetupError.

        A secret field takes a reference such as ``env:NAME`` or ``file:/run/secrets/name``. A secret of the environment is for the
        environment's server, or the default one: whoever names another server names its credential too. ``options`` are those of
        Options and belong to the operator. No secret is read here.
        """
        found = values_from_environment(self.manifest.connection, os.environ if environ is None else environ)
        named = dict(values or {})
        if "allowed_origins" not in options and (home := home_of_environment(self.manifest, found, named)):
            options["allowed_origins"] = (home,)
        return make_connection(self.manifest, {**found, **named}, read_options(options))

    def offered(self, connection: Connection | None = None) -> tuple[Action, ...]:
        """The actions to show, in order; groups with a security scheme of their own only where it can be met.

        By ``connection``, or without one by what the environment names.
        """
        found = values_from_environment(self.manifest.connection, os.environ)
        named = {name for name, rule in self.manifest.auth.items() if set(rule.fields.values()) <= found.keys()}
        met = {None, *(named if connection is None else connection.credentials)}
        return tuple(action for action in self.catalog.values() if action.group.security in met)

    def check(self, action: str, inputs: Mapping[str, Any]) -> tuple[Fault, ...]:
        """The warnings about these inputs; raises InputError with every fault. Nothing is read or sent."""
        return check_inputs(self.catalog[action], inputs)

    def preview(self, action: str, inputs: Mapping[str, Any], connection: Connection) -> Preview:
        """The exact request, without sending it and without reading a secret; raises InputError."""
        chosen = self.catalog[action]
        request = build_request(chosen, inputs, _files(connection))
        credential = connection.credential(chosen.operation.security)
        hidden = [] if credential is None else masked(credential, facts(request, connection.server))
        headers = (*self._clients.headers(request, connection), *hidden)
        return Preview(request.method, url(connection.server, request), headers, request)

    def run(self, action: str, inputs: Mapping[str, Any], connection: Connection, options: CallOptions = CallOptions()) -> Result:
        """The whole result of one call; an event stream is collected. Raises ConnectorError, each kind saying what to do next."""
        with self.stream(action, inputs, connection, options) as stream:
            for event in stream:
                del event  # the error that may follow shows the variables of this frame
        assert stream.result is not None
        return stream.result

    @contextmanager
    def stream(
        self, action: str, inputs: Mapping[str, Any], connection: Connection, options: CallOptions = CallOptions()
    ) -> Iterator[SyncStream]:
        """One call whose events can be read as they arrive; leaving the block closes the upstream connection."""
        call, resolver = self._call(action, inputs, connection, options)
        stream: SyncStream | None = None
        error: ConnectorError | None = None
        try:
            stream = SyncStream(SyncExecutor(call, self._clients, resolver))
            with stream:
                yield stream
        except ConnectorError as raised:
            error = raised
            raise
        finally:
            self._note(call, stream.result if stream else None, error)

    async def arun(self, action: str, inputs: Mapping[str, Any], connection: Connection, options: CallOptions = CallOptions()) -> Result:
        """``run`` for asyncio; cancelling it closes the upstream connection."""
        async with self.astream(action, inputs, connection, options) as stream:
            async for event in stream:
                del event
        assert stream.result is not None
        return stream.result

    def astream(
        self, action: str, inputs: Mapping[str, Any], connection: Connection, options: CallOptions = CallOptions()
    ) -> AbstractAsyncContextManager[AsyncStream]:
        """``stream`` for asyncio."""
        return self._astream(action, inputs, connection, options)

    @asynccontextmanager
    async def _astream(
        self, action: str, inputs: Mapping[str, Any], connection: Connection, options: CallOptions
    ) -> AsyncIterator[AsyncStream]:
        from kosha_connector_openai.core.async_executor import AsyncExecutor, AsyncStream  # noqa: PLC0415 - threads need no asyncio

        call, resolver = self._call(action, inputs, connection, options)
        stream: AsyncStream | None = None
        error: ConnectorError | None = None
        try:
            executor = AsyncExecutor(call, self._clients, resolver)
            stream = AsyncStream(executor, await executor.start())
            async with stream:
                yield stream
        except ConnectorError as raised:
            error = raised
            raise
        finally:
            self._note(call, stream.result if stream else None, error)

    async def relay(self, action: str, raw: RawInputs, connection: Connection, options: CallOptions = CallOptions()) -> Relay:
        """The reply, its body unread, to a request that another client wrote; it is sent once unless ``options`` name more attempts.

        ``async with`` what comes back. Raises ConnectorError; inputs are checked for their place alone.
        """
        from kosha_connector_openai.core.relay import Relay, raw_request  # noqa: PLC0415 - threads need no asyncio

        call, resolver = self._prepared(self.catalog[action], raw_request(self.catalog[action], raw), connection, options)
        return await Relay(call, self._clients, resolver, self._note_relay).open()

    def test(self, connection: Connection) -> str:
        """Says in a sentence that the connection works; raises ConnectorError, its hint fitted to the connection form."""
        test = self.manifest.connection.test
        if test is None:
            raise SetupError("This connector has no connection test.")
        try:
            result = self.run(test.action, test.inputs, connection)
        except ApiError as error:
            error.hint = test.advice.get(error.category, error.hint)
            raise
        return f"{self.manifest.title} answered {result.status} in {result.duration:.2f} s."

    def close(self) -> None:
        """Closes the connections of threads and forgets cached secrets."""
        self._clients.close()
        self._cache.clear()
        self._grants.clear()

    async def aclose(self) -> None:
        """The same, and those of the running event loop."""
        await self._clients.close_async()
        self._cache.clear()
        self._grants.clear()

    def _call(self, action: str, inputs: Mapping[str, Any], connection: Connection, options: CallOptions) -> tuple[Call, SecretResolver]:
        chosen = self.catalog[action]
        return self._prepared(chosen, build_request(chosen, inputs, _files(connection)), connection, options)

    def _prepared(self, chosen: Action, request: Request, connection: Connection, options: CallOptions) -> tuple[Call, SecretResolver]:
        credential = connection.credential(chosen.operation.security)
        budget = self._budgets.setdefault(connection.pool_key, RetryBudget())
        call = Call(chosen, request, connection, credential, self.manifest, options, budget)
        return call, self._resolver(call)

    def _resolver(self, call: Call) -> SecretResolver:
        connection, credential = call.connection, call.credential
        context = SecretContext(connection.options.tenant, str(connection.server.origin), self.id)
        if credential is None or credential.scheme != "oauth2":
            return SecretResolver(self._stores, self._cache, context, credential.references if credential else {})
        from kosha_connector_openai.core.connection.renewal import Grant, TokenResolver  # noqa: PLC0415 - few connections need it
        from kosha_connector_openai.core.transport.tokens import token_exchange  # noqa: PLC0415

        key = (context, *sorted(credential.settings.items()), *sorted(map(str, credential.references.values())))
        grant = self._grants.setdefault(key, Grant())
        exchange = token_exchange(self._clients, connection, lambda: call.deadline)
        return TokenResolver(self._stores, self._cache, context, credential, grant, exchange)

    def _note_relay(self, relay: Relay) -> None:
        self._write(relay.call, relay.outcome, relay.status or None, relay.request_id)

    def _note(self, call: Call, result: Result | None, error: ConnectorError | None) -> None:
        source: Any = result or error
        outcome = error.code if error else "incomplete" if result is None or result.incomplete else "ok"
        self._write(call, outcome, getattr(source, "status", None), getattr(source, "request_id", None))

    def _write(self, call: Call, outcome: str, status: int | None, request_id: str | None) -> None:
        # What answered tells more than what was asked: a chain's secret names the store that had it.
        used = dict.fromkeys(secret.reference for secret in call.secrets)
        references = used or (call.credential.references.values() if call.credential else ())
        self._record(
            Record(
                connector=self.id,
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
                spec_digest=self.catalog.document.digest,
            )
        )


def _files(connection: Connection) -> FilePolicy:
    options = connection.options
    return FilePolicy(options.roots, options.any_path, connection.limits.upload)


__all__ = ["Action", "CallOptions", "Connection", "Connector", "Options", "Preview", "Result"]
