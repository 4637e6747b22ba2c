"""The house under attack: our connector with a store that counts, an upstream that records, and small connectors from hostile text."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from kosha_connector_openai import CallOptions, Connection, Connector, ConnectorError, Result, Secret
from kosha_connector_openai.plugin import folder
from kosha_connector_openai.secrets.secret import SecretReference
from kosha_connector_openai.secrets.store import SecretContext
from tests.canary import Canary
from tests.integration.conftest import WAYS, Way
from tests.recorder import Received, Recorder

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
MANIFEST = """
id: tiny
title: Tiny
version: 1.0.0
tagline: t
publisher: {name: p}
license: Apache-2.0
spec: {file: FILE}
auth:
  Key: {scheme: bearer, fields: {token: api_key}}
connection:
  fields:
    - {name: api_key, label: Key, secret: true}
    - {name: server_url, label: Server, role: server}
"""


class RecordingStore:
    """Secrets for references of the scheme ``test``; counts how often it is asked."""

    scheme = "test"
    immediate = True

    def __init__(self, canary: Canary) -> None:
        self._canary = canary
        self.reads = 0

    def read(self, reference: SecretReference, context: SecretContext) -> Secret:
        """The canary's key, whatever the reference."""
        self.reads += 1
        return Secret(self._canary.key)


@dataclass
class House:
    """A connector, its store and its upstream."""

    connector: Connector
    store: RecordingStore
    canary: Canary
    upstream: Recorder
    values: Mapping[str, str] = field(default_factory=dict)

    def connection(self, **options: Any) -> Connection:
        """A connection to the upstream whose key is in the recording store."""
        names = {entry.name for entry in self.connector.manifest.connection.fields if entry.secret}
        references = {name: f"test:{name}" for name in names}
        return self.connector.connection({"server_url": self.upstream.url, **references, **self.values}, environ={}, **options)

    def run(self, action: str, inputs: Mapping[str, Any], call: CallOptions = CallOptions(), **options: Any) -> Result:
        """The result of one call."""
        return self.connector.run(action, inputs, self.connection(**options), call)

    def sent(self, action: str, inputs: Mapping[str, Any], **options: Any) -> Received:
        """The request that one call made."""
        self.run(action, inputs, **options)
        return self.upstream.last

    def refused(self, action: str, inputs: Any, **options: Any) -> ConnectorError:
        """The error of a call that is refused: no connection was made and no secret was read."""
        before = self.store.reads, self.upstream.connections
        error = failure(lambda: self.run(action, inputs, **options))
        assert (self.store.reads, self.upstream.connections) == before
        return error


def failure(act: Callable[[], object]) -> ConnectorError:
    """The error that an act ends with."""
    with pytest.raises(ConnectorError) as caught:
        act()
    return caught.value


def in_loop(connector: Connector, action: str, inputs: Mapping[str, Any], connection: Connection) -> Result:
    """One call on an event loop of its own."""

    async def call() -> Result:
        try:
            return await connector.arun(action, inputs, connection)
        finally:
            await connector.aclose()

    return asyncio.run(call())


def document(path: str = "/x", *, method: str = "get", schema: Any = None, schemas: Any = None, **operation: Any) -> dict[str, Any]:
    """An OpenAPI description of one operation, ``go``; ``schema`` is that of its JSON body."""
    body = {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}} if schema is not None else {}
    whole = {"operationId": "go", "security": [{"Key": []}], "responses": {"200": {"description": "d"}}, **body, **operation}
    return {
        "openapi": "3.1.0",
        "info": {"title": "t", "version": "1"},
        "paths": {path: {"post" if body else method: whole}},
        "components": {"securitySchemes": {"Key": {"type": "http", "scheme": "bearer"}}, "schemas": schemas or {}},
    }


def parameter(name: str, location: str, **more: Any) -> dict[str, Any]:
    """One parameter of an operation, a text unless said otherwise."""
    return {"name": name, "in": location, "required": location == "path", "schema": {"type": "string"}, **more}


@pytest.fixture(scope="session")
def canary() -> Canary:
    """The key of this run."""
    return Canary()


@pytest.fixture(scope="session")
def store(canary: Canary) -> RecordingStore:
    """The store of this run."""
    return RecordingStore(canary)


@pytest.fixture(scope="session")
def ours(store: RecordingStore) -> Iterator[Connector]:
    """Our connector, its schemas compiled once for all tests."""
    with Connector(folder(), stores=[store]) as connector:
        yield connector


@pytest.fixture
def house(ours: Connector, store: RecordingStore, canary: Canary) -> Iterator[House]:
    """Our connector and an upstream of this test's own; give it ``scripts`` to answer by."""
    with Recorder() as upstream:
        yield House(ours, store, canary, upstream)


@pytest.fixture(scope="module")
def village(ours: Connector, store: RecordingStore, canary: Canary) -> Iterator[House]:
    """The same for a whole module, for tables that ask thousands of times."""
    with Recorder() as upstream:
        yield House(ours, store, canary, upstream)


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, ours: Connector) -> Way:
    """Each engine in turn, from threads and on an event loop."""
    engine, _, mode = request.param.partition("-")
    return Way(ours, engine, mode == "async")


@pytest.fixture
def build(tmp_path: Path, store: RecordingStore) -> Iterator[Callable[..., Connector]]:
    """Makes a connector from a description: JSON values, or text in a file of that name."""
    opened: list[Connector] = []

    def make(description: Any, name: str = "openapi.json") -> Connector:
        data = description if isinstance(description, bytes) else json.dumps(description).encode()
        (tmp_path / name).write_bytes(data)
        (tmp_path / "connector.yaml").write_text(MANIFEST.replace("FILE", name))
        opened.append(Connector(tmp_path, stores=[store]))
        return opened[-1]

    yield make
    for connector in opened:
        connector.close()


@pytest.fixture
def cottage(build: Callable[..., Connector], store: RecordingStore, canary: Canary) -> Iterator[Callable[..., House]]:
    """Makes a house around a small connector."""
    with Recorder() as upstream:
        yield lambda description, name="openapi.json": House(build(description, name), store, canary, upstream)


def without_frames(error: BaseException) -> BaseException:
    """The error and its whole chain without tracebacks: the caller's inputs are in the caller's own frames."""
    link: BaseException | None = error
    while link is not None:
        link.__traceback__ = None
        link = link.__cause__ or link.__context__
    return error
