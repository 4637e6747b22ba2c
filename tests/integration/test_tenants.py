"""R18: many tenants over one connector, keys rotating, stores and upstream failing: no wrong key on the wire or tenant in a record."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from kosha_connector_openai import Connection, Connector, Secret
from kosha_connector_openai.core.record import Record
from kosha_connector_openai.errors import ConnectorError
from kosha_connector_openai.plugin import folder
from kosha_connector_openai.secrets.cache import SecretCache
from kosha_connector_openai.secrets.secret import SecretReference
from kosha_connector_openai.secrets.store import SecretContext
from kosha_connector_openai.secrets.stores.scoped import Scoped
from tests.recorder import Received, Recorder, reply

TENANTS = [f"tenant-{number}" for number in range(8)]
REFERENCE = "vault:shared/key#token"


class Rotating:
    """One reference for all; each read gives the tenant that asks a new key of its own, and every seventh fails."""

    scheme = "vault"

    def __init__(self) -> None:
        self._numbers = count(1)

    def read(self, reference: SecretReference, context: SecretContext) -> Secret:
        """The tenant's newest key."""
        number = next(self._numbers)
        if number % 7 == 0:
            raise ValueError("the store is away")
        return Secret(f"key-of-{context.tenant}-number-{number}", version=str(number))


class Upstream(Recorder):
    """Compares the key of each request with the tenant that the request names; refuses and fails now and then."""

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.wrong = 0
        self.seen = 0
        self._turns = count(1)

    def _answer(self, connection: socket.socket, request: Received) -> bool:
        owner = request.target.partition("after=")[2]
        self.wrong += not str(request.header("Authorization")).startswith(f"Bearer key-of-{owner}-number-")
        self.seen += 1
        self.requests.clear()
        turn = next(self._turns)
        if turn % 50 == 0:
            return reply(401, {"error": {"message": "rotated"}})(connection, request)
        if turn % 97 == 0:
            return reply(503, {"error": {"message": "busy"}}, headers=[("retry-after-ms", "1")])(connection, request)
        return reply(200, {"data": []})(connection, request)


@pytest.mark.parametrize("calls", [1_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_no_call_carries_the_key_of_another_tenant(calls: int) -> None:
    """8 tenants, 64 workers, one reference, one connector; in full with 100,000 calls over real sockets."""
    current = threading.local()
    outcomes: Counter[str] = Counter()
    strange: list[Record] = []

    def keep(record: Record) -> None:
        outcomes[record.outcome] += 1
        if record.tenant != current.tenant or record.credential != REFERENCE:
            strange.append(record)

    stores = [Scoped(Rotating(), {tenant: ["shared/key"] for tenant in TENANTS})]
    with Upstream() as upstream, Connector(folder(), stores=stores, record=keep) as connector:
        connector._runtime._cache = SecretCache(ttl=0.02, negative_ttl=0.001)

        def connect(tenant: str) -> Connection:
            values = {"server_url": upstream.url, "api_key": REFERENCE}
            return connector.connection(values, environ={}, tenant=tenant, retries={"base": 0.001, "cap": 0.001}, limits={"connections": 8})

        connections = {tenant: connect(tenant) for tenant in TENANTS}

        def work(number: int) -> None:
            for turn in range(calls // 64):
                tenant = current.tenant = TENANTS[(number + turn) % 8]
                try:
                    connector.run("listFiles", {"after": tenant}, connections[tenant])
                except ConnectorError:
                    continue

        with ThreadPoolExecutor(64) as pool:
            for worker in [pool.submit(work, number) for number in range(64)]:
                worker.result()
    assert (upstream.wrong, strange) == (0, [])
    assert sum(outcomes.values()) == calls // 64 * 64
    assert outcomes["ok"] > calls // 2
    assert upstream.seen >= outcomes["ok"]
