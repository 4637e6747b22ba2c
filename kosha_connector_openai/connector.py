"""Connector: the facade. A folder with a manifest and a description becomes actions that can be checked, previewed and run.

One module: what a connector offers is one class, and each method hands over to the wing that does the work.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from kosha_connector_openai import core
from kosha_connector_openai.core import CallOptions, Catalogs, Record, Runtime, SyncExecutor, SyncStream, file_policy, log, make_request
from kosha_connector_openai.core.actions import Action, Catalog
from kosha_connector_openai.core.connection import Connection, Options, connection_from, form_schema, masked, schemes_met, with_mask
from kosha_connector_openai.core.request import FilePolicy, Preview, check_inputs
from kosha_connector_openai.core.result import Result, settle
from kosha_connector_openai.core.transport import facts, url
from kosha_connector_openai.errors import ApiError, ConnectorError, Fault, SetupError
from kosha_connector_openai.manifest import Part, PartName, file_in, read_folder, read_part
from kosha_connector_openai.openapi import Document
from kosha_connector_openai.secrets import SecretStore, SecretStores
from kosha_connector_openai.secrets.stores import default_stores

if TYPE_CHECKING:
    from kosha_connector_openai.core import AsyncStream, Passthrough
    from kosha_connector_openai.core.request import RawInputs
    from kosha_connector_openai.forms import Forms, ModelRules
    from kosha_connector_openai.outputs import OutputRoom

RecordSink = Callable[[Record], None]
P = TypeVar("P", bound=Part)
T = TypeVar("T")


class Connector:
    """One connector: its manifest and its actions. Safe to share between threads and event loops; close it at the end."""

    def __init__(self, folder: Path, *, stores: Iterable[SecretStore] | None = None, record: RecordSink = log) -> None:
        """``folder`` holds the manifest; ``stores`` replace the built-in secret stores. Raises ManifestError."""
        self.folder = folder
        self.manifest = read_folder(folder)
        self._stores = SecretStores(default_stores(self._secret_names()) if stores is None else stores)
        self._runtime = Runtime(self.manifest, self._stores, record)
        self._parts: dict[str, Part] = {}
        self._kept: dict[Hashable, Any] = {}
        self._forms: dict[int, Forms] = {}  # of other descriptions, by their catalog, which is kept as long
        self._catalogs = Catalogs(folder, self.manifest, self._fetch, self._overlaid)

    def with_stores(self, stores: Iterable[SecretStore]) -> Connector:
        """A connector over the same folder and the descriptions read so far, with other secret stores; to be closed like any."""
        other = Connector(self.folder, stores=stores, record=self._runtime.record)
        other._catalogs = self._catalogs
        return other

    def _overlaid(self, document: Document) -> Catalog:
        return Catalog(self.manifest, document, self.part)

    def _fetch(self, url: str, options: Options) -> bytes:
        from kosha_connector_openai.core.transport import fetch_document

        return fetch_document(self._runtime.clients, url, options)

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

    @property
    def catalog(self) -> Catalog:
        """The actions by id. Raises DocumentError where the description as a whole cannot be read."""
        return self._catalogs.own

    def catalog_of(self, connection: Connection | None = None) -> Catalog:
        """The actions of the description that the connection names, the manifest's overlay by operation id; else ``catalog``.

        Raises DocumentError, and SetupError for a URL that is not allowed or not to be called.
        """
        return self.catalog_by(connection.options) if connection else self.catalog

    def catalog_by(self, options: Options) -> Catalog:
        """The same for a connection with these options."""
        return self._catalogs.of(options)

    async def aread(self, connection: Connection | None) -> None:
        """Reads the connection's description in a thread, so that ``catalog_of`` then holds up no event loop; raises as it does."""
        if connection is not None and not self._catalogs.ready(connection.options):
            import asyncio

            await asyncio.to_thread(self.catalog_of, connection)

    def part(self, name: PartName, model: type[P]) -> P:
        """A part of the manifest, read when it is first asked for; an empty ``model`` where there is none. Raises ManifestError."""
        found = self._parts.get(name)
        if not isinstance(found, model):
            found = self._parts[name] = read_part(self.folder, self.manifest.parts.get(name, {}), model, name=name)
        return found

    def kept(self, key: Hashable, make: Callable[[], T]) -> T:
        """What ``make`` gave when it was first asked for under this key: what flows work out once for a connector."""
        if key not in self._kept:
            self._kept.setdefault(key, make())
        found: T = self._kept[key]
        return found

    @cached_property
    def forms(self) -> Forms:
        """The forms of the actions by action id; docs/forms.md says what they hold. Raises ManifestError."""
        from kosha_connector_openai.forms import Forms

        return Forms(self.catalog, self.part)

    def forms_of(self, connection: Connection | None = None) -> Forms:
        """The forms by the description that the connection names, else ``forms``. Raises as ``catalog_of`` does, and ManifestError."""
        return self.forms_by(connection.options) if connection else self.forms

    def forms_by(self, options: Options) -> Forms:
        """The same for a connection with these options."""
        if options.spec is None:
            return self.forms
        catalog = self.catalog_by(options)
        return self._forms.get(id(catalog)) or self._forms.setdefault(id(catalog), type(self.forms)(catalog, self.part))

    @cached_property
    def outputs(self) -> OutputRoom:
        """Short results of answers, their schemas and samples, costs and budgets; docs/outputs.md. Raises ManifestError."""
        from kosha_connector_openai.manifest.parts import OutputsPart
        from kosha_connector_openai.outputs import OutputRoom

        return OutputRoom(self.catalog, self.part("outputs", OutputsPart))

    def outputs_of(self, connection: Connection | None = None) -> OutputRoom:
        """The same by the description that the connection names, else ``outputs``. Raises as ``catalog_of`` does, and ManifestError."""
        if connection is None or connection.options.spec is None:
            return self.outputs
        return type(self.outputs)(self.catalog_by(connection.options), self.outputs.part)

    @cached_property
    def models(self) -> ModelRules:
        """Which model serves which action and what it takes: warnings, never a refusal; docs/models.md. Raises ManifestError."""
        from kosha_connector_openai.forms import ModelRules
        from kosha_connector_openai.manifest.parts import Models

        return ModelRules(self.part("models", Models))

    @property
    def form(self) -> dict[str, Any]:
        """The connection form as JSON Schema 2020-12."""
        return form_schema(self.manifest.connection, self.manifest.servers.kinds)

    def icon(self) -> bytes | None:
        """The logo's bytes, or None where the manifest names none."""
        icon = self.manifest.icon
        return file_in(self.folder, icon.light, "/icon/light").read_bytes() if icon else None

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
        try:
            return connection_from(self.manifest, values or {}, environ, options, lambda: self.catalog.document)
        except SetupError as error:
            failure = error
        # A key that was pasted in place of a reference is in these, and in the frames that the error crossed.
        del values, environ, options
        raise failure.with_traceback(None)

    def offered(self, connection: Connection | None = None, catalog: Catalog | None = None) -> tuple[Action, ...]:
        """The actions to show, in order; groups with a security scheme of their own only where it can be met.

        By ``connection``, or without one by what the environment names; of ``catalog``, or else of the connection's.
        """
        met = {None, *(schemes_met(self.manifest, os.environ) if connection is None else connection.credentials)}
        return tuple(action for action in (catalog or self.catalog_of(connection)).values() if action.group.security in met)

    def check(self, action: str, inputs: Mapping[str, Any], connection: Connection | None = None) -> tuple[Fault, ...]:
        """The warnings about these inputs, also for the chosen model; raises InputError with every fault. Nothing is sent."""
        policy = file_policy(connection) if connection else FilePolicy()
        chosen, validation = self.catalog_of(connection)[action], connection.validation if connection else "on"
        return (*check_inputs(chosen, inputs, policy, validation), *self.models.advice(action, inputs))

    def preview(self, action: str, inputs: Mapping[str, Any], connection: Connection) -> Preview:
        """The exact request, without sending it and without reading a secret; raises InputError."""
        chosen = self.catalog_of(connection)[action]
        request = make_request(chosen, inputs, connection := connection.serving(chosen.operation.servers))
        credential = connection.credential(chosen.operation.security)
        absolute = url(connection.server, request)
        hidden = [] if credential is None else masked(credential, facts(request, absolute))
        headers = (*self._runtime.clients.headers(request, connection), *hidden)
        return Preview(request.method, with_mask(absolute, credential), headers, request)

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
        call, resolver = self._runtime.make(self.catalog_of(connection)[action], inputs, connection, options)
        stream: SyncStream | None = None
        error: ConnectorError | None = None
        try:
            executor = SyncExecutor(call, self._runtime.clients, resolver)
            stream = SyncStream(executor, executor.start())
            with stream:
                yield stream
            settle(stream.result, options.policy)
        except ConnectorError as raised:
            error = raised
            raise
        finally:
            self._runtime.note(call, stream.result if stream else None, error)

    async def arun(self, action: str, inputs: Mapping[str, Any], connection: Connection, options: CallOptions = CallOptions()) -> Result:
        """``run`` for asyncio; cancelling it closes the upstream connection."""
        async with self.astream(action, inputs, connection, options) as stream:
            if stream.result is None:
                async for event in stream:
                    del event
        assert stream.result is not None
        return stream.result

    def read_reply(
        self, action: str, inputs: Mapping[str, Any], connection: Connection, options: CallOptions, *, status: int, body: bytes
    ) -> Result:
        """The result of a call that was answered by another way, such as in a batch's file, with this status and JSON body.

        Raises what the call would; nothing is sent. The call's record is written.
        """
        from kosha_connector_openai.core import read_recorded

        call, _ = self._runtime.make(self.catalog_of(connection)[action], inputs, connection, replace(options, attempts=1))
        result: Result | None = None
        error: ConnectorError | None = None
        try:
            result = read_recorded(call, status, body)
        except ConnectorError as raised:
            error = raised
            raise
        finally:
            self._runtime.note(call, result, error)
        return result

    def astream(
        self, action: str, inputs: Mapping[str, Any], connection: Connection, options: CallOptions = CallOptions()
    ) -> AbstractAsyncContextManager[AsyncStream]:
        """``stream`` for asyncio."""
        return core.AsyncCall(self._runtime, partial(self._action, action, connection), inputs, connection, options)

    async def _action(self, action: str, connection: Connection) -> Action:
        await self.aread(connection)
        return self.catalog_of(connection)[action]

    async def relay(
        self, action: str, raw: RawInputs, connection: Connection, options: CallOptions = CallOptions(attempts=1)
    ) -> Passthrough:
        """The reply, its body unread, to a request that another client wrote; it is sent once unless ``options`` name more attempts.

        ``async with`` what comes back. Raises ConnectorError; inputs are checked for their place alone.
        """
        from kosha_connector_openai.core import Passthrough

        call, resolver = self._runtime.make_raw(self.catalog_of(connection)[action], raw, connection, options)
        return await Passthrough(call, self._runtime.clients, resolver, self._runtime.note_relay).open()

    def test(self, connection: Connection) -> str:
        """Says in a sentence that the connection works; raises ConnectorError, its hint fitted to the connection form."""
        test = self.manifest.connection.test or self.catalog.proposed_test
        if test is None:
            raise SetupError("This connector has no connection test.", hint="Name an action under connection.test in connector.yaml.")
        try:
            result = self.run(test.action, test.inputs, connection)
        except ApiError as error:
            error.hint = test.advice.get(error.category, error.hint)
            raise
        if not isinstance(result.value, list) or not result.value:  # some servers answer with a list alone
            settle(result, "fail")
        return f"{self.manifest.title} answered {result.status} in {result.duration:.2f} s ({test.action})."

    def close(self) -> None:
        """Closes the connections of threads and forgets cached secrets."""
        self._runtime.close()

    async def aclose(self) -> None:
        """The same, and those of the running event loop."""
        await self._runtime.aclose()


__all__ = ["Action", "CallOptions", "Connection", "Connector", "Options", "Preview", "Result"]
