"""The Vault store reads one field with its own token, tells each failure apart, and never waits, follows or shows more than it may."""

from __future__ import annotations

import logging
import socket
import string
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from time import monotonic
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kosha_connector_openai.errors import (
    SecretError,
    SecretMissingError,
    SecretRefusedError,
    SecretStoreError,
    SetupError,
)
from kosha_connector_openai.secrets.cache import SecretCache
from kosha_connector_openai.secrets.resolver import SecretResolver
from kosha_connector_openai.secrets.secret import Secret, SecretReference
from kosha_connector_openai.secrets.store import SecretContext, SecretStores
from kosha_connector_openai.secrets.stores import default_stores
from kosha_connector_openai.secrets.stores.environment import EnvironmentStore
from kosha_connector_openai.secrets.stores.vault import Login, VaultStore
from kosha_connector_openai.testing import SecretStoreContract
from tests.canary import Canary
from tests.recorder import Received, Recorder, Script, raw, reply, reset, silence

_VALUE = "value-12345"
_REFERENCE = SecretReference.parse("vault:kv/team/api#key")
_DENIED = reply(403, {"errors": ["permission denied"]})
_MISSING = reply(404, {"errors": []})


def _entry(fields: Mapping[str, Any] | None, version: int = 3, status: int = 200) -> Script:
    """The answer of a key-value engine of version 2."""
    return reply(status, {"data": {"data": fields, "metadata": {"version": version}}})


def _logged_in(token: str) -> Script:
    return reply(200, {"auth": {"client_token": token, "lease_duration": 60}})


def _store(server: str, login: Login = Login.token("env:VAULT_TOKEN"), **more: Any) -> VaultStore:
    environ = {"VAULT_TOKEN": "token-of-test", "SECRET_ID": "secret-id-of-test", "JWT": "jwt-of-the-test"}
    return VaultStore(server, login, stores=SecretStores([EnvironmentStore(list(environ), environ)]), **more)


def _read(store: VaultStore, reference: SecretReference = _REFERENCE) -> Secret:
    return store.read(reference, SecretContext())


def _failure(*scripts: Script, reference: SecretReference = _REFERENCE, **more: Any) -> SecretError:
    """How a read ends that meets these answers."""
    with Recorder(*scripts) as server, pytest.raises(SecretError) as caught:
        _read(_store(server.url, **more), reference)
    return caught.value


def _server(*scripts: Script) -> AbstractContextManager[Recorder]:
    return Recorder(*scripts)


def _by_path(answers: Mapping[str, Script]) -> Script:
    """Answers by path; anything else is missing."""

    def script(connection: Any, request: Received) -> bool:
        return answers.get(request.target, _MISSING)(connection, request)

    return script


class TestVaultStoreContract(SecretStoreContract):
    """The Vault store keeps the contract of all stores."""

    reference = pytest.fixture(lambda self: _REFERENCE)
    expected = pytest.fixture(lambda self: _VALUE)
    missing = pytest.fixture(lambda self: SecretReference.parse("vault:kv/team/other#key"))

    @pytest.fixture
    def store(self) -> Iterator[VaultStore]:
        """A store whose server holds one entry."""
        with _server(_by_path({"/v1/kv/data/team/api": _entry({"key": _VALUE})})) as server:
            yield _store(server.url)


class TestRequests:
    """What goes over the wire."""

    def test_a_read_is_one_request(self) -> None:
        """The token, the mark against forged requests and the namespace are sent; the secret bears the entry's version."""
        with Recorder(_entry({"key": _VALUE, "other": "another-value"})) as server:
            found = _read(_store(server.url, namespace="team/part"))
        assert (found.reveal(), found.version, found.reference) == (_VALUE, "3", "vault:kv/team/api#key")
        assert [(request.method, request.target, request.body) for request in server.requests] == [("GET", "/v1/kv/data/team/api", b"")]
        names = ("X-Vault-Token", "X-Vault-Request", "X-Vault-Namespace", "Connection", "Accept-Encoding")
        assert [server.last.header(name) for name in names] == ["token-of-test", "true", "team/part", "close", "identity"]

    @pytest.mark.parametrize(
        ("login", "target", "body"),
        [
            (
                Login.app_role("role-1", "env:SECRET_ID"),
                "/v1/auth/approle/login",
                b'{"role_id":"role-1","secret_id":"secret-id-of-test"}',
            ),
            (Login.kubernetes("app", "env:JWT"), "/v1/auth/kubernetes/login", b'{"role":"app","jwt":"jwt-of-the-test"}'),
            (
                Login("team/jwt", {"role": "app"}, {"jwt": SecretReference.parse("env:JWT")}),
                "/v1/auth/team/jwt/login",
                b'{"role":"app","jwt":"jwt-of-the-test"}',
            ),
        ],
    )
    def test_each_login_is_data(self, login: Login, target: str, body: bytes) -> None:
        """AppRole, Kubernetes and any method alike post their fields once; both reads use the token that came back."""
        with Recorder(_logged_in("fresh-token"), _entry({"key": _VALUE})) as server:
            store = _store(server.url, login)
            assert [_read(store).reveal(), _read(store).reveal()] == [_VALUE, _VALUE]
        first, *rest = server.requests
        assert (first.method, first.target, first.body, first.header("X-Vault-Token")) == ("POST", target, body, None)
        assert [request.header("X-Vault-Token") for request in rest] == ["fresh-token"] * 2

    def test_paths_are_written_segment_by_segment(self) -> None:
        """What is no plain character is percent-encoded (RFC 3986); a listed mount may have slashes."""
        with Recorder(_entry({"a b": _VALUE})) as server:
            _read(_store(server.url, mounts=["kv", "kv/team"]), SecretReference.parse("vault:kv/team/a b?c/\u00e9#a b"))
        assert server.last.target == "/v1/kv/team/data/a%20b%3Fc/%C3%A9"

    @given(st.text(min_size=1, max_size=40), st.text(min_size=1, max_size=10))
    @settings(max_examples=200, deadline=None)
    def test_no_reference_leaves_its_mount(self, locator: str, name: str) -> None:
        """Whatever a reference holds, the path stays below the data of its mount, without dots, or is refused."""
        try:
            path = _store("http://127.0.0.1:1")._path(SecretReference("vault", locator, name))
        except SecretRefusedError:
            return
        first, kind, mount, data, *rest = path.split("/")
        assert (first, kind, data) == ("", "v1", "data")
        assert all([mount, rest, *rest])
        assert not {".", ".."} & {mount, *rest}
        assert not set(path) - set(string.ascii_letters + string.digits + "/-._~%")

    @pytest.mark.parametrize("text", ["vault:kv/a", "vault:kv#f", "vault:kv/#f", "vault:/a#f", "vault:kv//a#f", "vault:kv/a/#f"])
    def test_references_without_mount_entry_and_field_are_refused(self, text: str) -> None:
        """Nothing is guessed, and nothing is sent."""
        with Recorder() as server, pytest.raises(SecretRefusedError, match="names no field of an entry"):
            _read(_store(server.url), SecretReference.parse(text))
        assert server.silent


class TestFailures:
    """Each failure has its type, says what to do, and whether to try again."""

    @pytest.mark.parametrize(
        ("script", "kind", "message", "retryable"),
        [
            (_MISSING, SecretMissingError, "The secret vault:kv/team/api#key does not exist.", False),
            (_entry(None, status=404), SecretMissingError, "The secret vault:kv/team/api#key does not exist.", False),
            (_entry({"other": _VALUE}), SecretMissingError, "The entry of vault:kv/team/api#key has no such field.", False),
            (_entry({"key": 12345678}), SecretRefusedError, "The secret vault:kv/team/api#key is not text.", False),
            (_entry({"key": None}), SecretRefusedError, "The secret vault:kv/team/api#key is not text.", False),
            (_entry({"key": ""}), SecretRefusedError, "The secret vault:kv/team/api#key is empty.", False),
            (_DENIED, SecretRefusedError, "The secret store vault does not let this identity read it.", False),
            (
                reply(404, {"errors": ["no handler for route"]}),
                SecretRefusedError,
                "The secret store vault has no key-value engine of version 2 there.",
                False,
            ),
            (reply(400, {"errors": ["x"]}), SecretRefusedError, "The secret store vault does not understand the request.", False),
            (reply(429, {"errors": []}), SecretStoreError, "The secret store vault is asked too often.", True),
            (reply(503, {"errors": ["Vault is sealed"]}), SecretStoreError, "The secret store vault is sealed or under maintenance.", True),
            (reply(503, b"<html>"), SecretStoreError, "The secret store vault is sealed or under maintenance.", True),
            (reply(500, {"errors": ["x"]}), SecretStoreError, "The secret store vault answered with status 500.", True),
            (reply(404, b"<html>not found"), SecretStoreError, "The secret store vault answered with status 404.", True),
            (reply(403, b"<html>blocked"), SecretStoreError, "The secret store vault answered with status 403.", True),
            (reply(200, {"data": {"key": _VALUE}}), SecretStoreError, "The secret store vault gave an answer of another form.", True),
            (reply(200, b"[" * 100_000), SecretStoreError, "The secret store vault gave an answer of another form.", True),
            (
                reply(200, b'{"data": {"data": {"key": "val'),
                SecretStoreError,
                "The secret store vault gave an answer of another form.",
                True,
            ),
            (reply(200, b""), SecretStoreError, "The secret store vault gave an answer of another form.", True),
            (reply(200, b"\xff\xfe"), SecretStoreError, "The secret store vault gave an answer of another form.", True),
            (reply(204, b""), SecretStoreError, "The secret store vault gave an answer of another form.", True),
            (reply(200, b"x" * (1024 * 1024 + 1)), SecretStoreError, "The secret store vault sent more than 1 MiB.", False),
            (raw(b"not http at all\r\n\r\n"), SecretStoreError, "The secret store vault answered with something that is not HTTP.", True),
            (
                raw(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n"),
                SecretStoreError,
                "The secret store vault answered with something that is not HTTP.",
                True,
            ),
            (
                raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
                SecretStoreError,
                "The secret store vault answered with something that is not HTTP.",
                True,
            ),
            (raw(b""), SecretStoreError, "The secret store vault broke the connection.", True),
            (reset, SecretStoreError, "The secret store vault broke the connection.", True),
        ],
    )
    def test_answers(self, script: Script, kind: type[SecretError], message: str, retryable: bool) -> None:
        """A missing secret, a refusal and an outage are never taken for each other."""
        error = _failure(script)
        assert (type(error), error.message, error.retryable) == (kind, message, retryable)
        assert error.hint or kind is SecretStoreError or "empty" in message

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_redirects_are_refused(self, status: int) -> None:
        """The token follows nobody."""
        with Recorder(_entry({"key": _VALUE})) as other:
            error = _failure(reply(status, headers=[("Location", f"{other.url}/v1/kv/data/team/api")]))
            assert other.silent
        assert (type(error), error.retryable) == (SecretStoreError, False)
        assert error.message == "The secret store vault redirects, which a token does not follow."

    @pytest.mark.parametrize(
        "script", [silence(20), raw(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" + b" " * 999, pause=0.05, size=1)]
    )
    def test_slow_servers_are_left_in_time(self, script: Script) -> None:
        """Neither silence nor one byte at a time stretches the limit."""
        started = monotonic()
        error = _failure(script, time_limit=0.3)
        assert monotonic() - started < 1.5
        assert (type(error), error.message, error.retryable) == (SecretStoreError, "The secret store vault did not answer in time.", True)

    def test_headers_that_drip_are_left_in_time(self) -> None:
        """The limit holds from the first byte of the status line."""
        error = _failure(raw(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 2000, pause=0.02, size=1), time_limit=0.3)
        assert error.message == "The secret store vault did not answer in time."

    def test_a_closed_port(self) -> None:
        """Nobody there is an outage that may pass."""
        with Recorder() as server:
            url = server.url
        with pytest.raises(SecretStoreError) as caught:
            _read(_store(url))
        assert (caught.value.message, caught.value.retryable) == ("The secret store vault refuses connections.", True)

    def test_a_local_name_that_leads_elsewhere(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where ``localhost`` is another machine, nothing is sent in the clear."""
        with Recorder(_entry({"key": _VALUE})) as server:
            monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(socket.AF_INET, 1, 6, "", ("192.0.2.1", 80))])
            with pytest.raises(SecretStoreError, match="leads to an address that may not be called"):
                _read(_store(server.url.replace("127.0.0.1", "localhost")))
            assert server.requests == []

    def test_a_server_without_tls(self) -> None:
        """https to a port that does not speak TLS is told as such."""
        with Recorder(raw(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server, pytest.raises(SecretStoreError) as caught:
            _read(_store(server.url.replace("http://", "https://"), time_limit=0.5))
        assert caught.value.message in (
            "The secret store vault does not speak TLS 1.2 or newer.",
            "The secret store vault did not answer in time.",
        )

    @pytest.mark.parametrize(
        ("script", "kind", "message"),
        [
            (reply(400, {"errors": ["invalid role"]}), SecretRefusedError, "The secret store vault does not accept the login."),
            (_MISSING, SecretRefusedError, "The secret store vault does not accept the login."),
            (reply(503, {"errors": ["sealed"]}), SecretStoreError, "The secret store vault is sealed or under maintenance."),
            (reply(200, {"auth": None}), SecretStoreError, "The secret store vault gave an answer of another form."),
            (reply(200, {"auth": {"client_token": 7}}), SecretStoreError, "The secret store vault gave an answer of another form."),
        ],
    )
    def test_a_login_that_fails_is_never_a_missing_secret(self, script: Script, kind: type[SecretError], message: str) -> None:
        """What is wrong with the store's own login must not let a chain go on to another store."""
        error = _failure(script, login=Login.app_role("role-1", "env:SECRET_ID"))
        assert (type(error), error.message) == (kind, message)

    def test_a_missing_token_is_a_failure_of_the_store(self) -> None:
        """The file or variable of the token is named; nothing is sent."""
        with Recorder() as server, pytest.raises(SecretStoreError) as caught:
            _read(VaultStore(server.url, Login.token("env:VAULT_TOKEN"), stores=SecretStores([EnvironmentStore(["VAULT_TOKEN"], {})])))
        assert caught.value.message == "The secret store vault cannot log in. The environment variable VAULT_TOKEN is not set."
        assert server.silent


class TestIdentity:
    """The store's own token."""

    def test_an_unknown_token_is_replaced_once(self) -> None:
        """After a refusal the server is asked whether it knows the token; only if not, a new login and a second try follow."""
        scripts = (_logged_in("token-one-1"), _DENIED, _DENIED, _logged_in("token-two-2"), _entry({"key": _VALUE}))
        with Recorder(*scripts) as server:
            assert _read(_store(server.url, Login.app_role("role-1", "env:SECRET_ID"))).reveal() == _VALUE
        assert [(request.target.rsplit("/", 1)[-1], request.header("X-Vault-Token")) for request in server.requests] == [
            ("login", None),
            ("api", "token-one-1"),
            ("lookup-self", "token-one-1"),
            ("login", None),
            ("api", "token-two-2"),
        ]

    def test_a_refused_path_makes_no_new_token(self) -> None:
        """Where the token is known, the refusal is the policy's: ten reads log in once."""
        answers = {
            "/v1/auth/approle/login": _logged_in("token-one-1"),
            "/v1/kv/data/team/api": _DENIED,
            "/v1/auth/token/lookup-self": reply(200, {"data": {}}),
        }
        with Recorder(_by_path(answers)) as server:
            store = _store(server.url, Login.app_role("role-1", "env:SECRET_ID"))
            for _ in range(10):
                with pytest.raises(SecretRefusedError):
                    _read(store)
        assert [request.target for request in server.requests].count("/v1/auth/approle/login") == 1

    def test_a_token_that_stays_refused_ends(self) -> None:
        """A login that gives useless tokens is tried twice and no more."""
        answers = {"/v1/auth/approle/login": _logged_in("token-one-1")}
        script = _by_path(answers | dict.fromkeys(("/v1/kv/data/team/api", "/v1/auth/token/lookup-self"), _DENIED))
        with Recorder(script) as server, pytest.raises(SecretRefusedError):
            _read(_store(server.url, Login.app_role("role-1", "env:SECRET_ID")))
        assert [request.target for request in server.requests].count("/v1/auth/approle/login") == 2

    def test_a_rotated_token_file_is_read_again(self, tmp_path: Path) -> None:
        """A token that something else renews is taken from its place when the old one is refused."""
        environ = {"VAULT_TOKEN": "token-before"}
        stores = SecretStores([EnvironmentStore(["VAULT_TOKEN"], environ)])
        with Recorder(_entry({"key": _VALUE}), _DENIED, _DENIED, _entry({"key": "value-after"})) as server:
            store = VaultStore(server.url, Login.token("env:VAULT_TOKEN"), stores=stores)
            before = _read(store).reveal()
            environ["VAULT_TOKEN"] = "token-after"
            assert (before, _read(store).reveal()) == (_VALUE, "value-after")
        assert [request.header("X-Vault-Token") for request in server.requests] == ["token-before"] * 3 + ["token-after"]

    def test_threads_share_one_login(self) -> None:
        """Fifty threads that need a token cause one login."""
        answers = {"/v1/auth/approle/login": _logged_in("token-one-1"), "/v1/kv/data/team/api": _entry({"key": _VALUE})}
        with Recorder(_by_path(answers)) as server:
            store = _store(server.url, Login.app_role("role-1", "env:SECRET_ID"))
            with ThreadPoolExecutor(50) as pool:
                found = {secret.reveal() for secret in pool.map(lambda _: _read(store), range(50))}
        assert found == {_VALUE}
        assert [request.target for request in server.requests].count("/v1/auth/approle/login") == 1

    def test_waiting_for_a_login_ends_in_time(self) -> None:
        """Who waits for another thread's login is not kept longer than a read may take."""
        with Recorder(silence(20)) as server:
            store = _store(server.url, Login.app_role("role-1", "env:SECRET_ID"), time_limit=0.3)
            with ThreadPoolExecutor(4) as pool:
                errors = [call.exception(5) for call in [pool.submit(_read, store) for _ in range(4)]]
        assert {str(error) for error in errors} == {"The secret store vault did not answer in time."}


class TestSetup:
    """What an operator gives."""

    @pytest.mark.parametrize(
        "server", ["http://vault.example:8200", "http://10.0.0.1", "vault:8200", "https://u:p@vault", "ftp://vault", ""]
    )
    def test_servers_are_https_or_on_this_machine(self, server: str) -> None:
        """A token is not sent in the clear to another machine."""
        with pytest.raises(SetupError):
            _store(server)

    @pytest.mark.parametrize("namespace", ["a b", "a\r\nX: y", "\u00e9", "a//b"])
    def test_namespaces_are_plain(self, namespace: str) -> None:
        """What a header could not carry is refused when the store is made."""
        with pytest.raises(SetupError):
            _store("http://127.0.0.1:1", namespace=namespace)

    @pytest.mark.parametrize("text", [None, "", "no certificate"])
    def test_ca_files_are_loaded_when_the_store_is_made(self, tmp_path: Path, text: str | None) -> None:
        """A CA file that is not there or holds no certificate is told at once."""
        if text is not None:
            (tmp_path / "ca.pem").write_text(text)
        with pytest.raises(SetupError, match="CA file cannot be loaded"):
            _store("https://vault.example", ca_file=tmp_path / "ca.pem")

    @pytest.mark.parametrize("make", [Login, lambda: Login(secrets={"jwt": SecretReference.parse("env:JWT")})])
    def test_a_login_needs_a_method_or_a_token(self, make: Callable[[], Login]) -> None:
        """An empty login is refused."""
        with pytest.raises(SetupError):
            make()

    @pytest.mark.parametrize("make", [Login.token, lambda text: Login.app_role("r", text), lambda text: Login.kubernetes("r", text)])
    def test_a_pasted_token_is_refused(
        self,
        make: Callable[[str], Login],
    ) -> None:
        """The login takes references; a token in place of one is refused and not repeated."""
        with pytest.raises(SecretRefusedError) as caught:
            make("hvs.CAESIJ9aB3dE5fG7hI2jK4lM6nO8pQ")
        assert "CAESIJ" not in str(caught.value)

    @pytest.mark.parametrize("prefix", ["VAULT", "BAO"])
    def test_from_the_environment(self, prefix: str) -> None:
        """The variables of either tool describe the store, when the operator asks for it."""
        with Recorder(_entry({"key": _VALUE})) as server:
            environ = {f"{prefix}_ADDR": server.url, f"{prefix}_TOKEN": "token-of-environ", f"{prefix}_NAMESPACE": "team"}
            assert _read(VaultStore.from_environment(environ=environ)).reveal() == _VALUE
        assert (server.last.header("X-Vault-Token"), server.last.header("X-Vault-Namespace")) == ("token-of-environ", "team")

    def test_no_address(self) -> None:
        """Without an address there is no store."""
        with pytest.raises(SetupError, match="No secret server is named"):
            VaultStore.from_environment(environ={"VAULT_TOKEN": "token-of-environ"})

    def test_nothing_is_read_unasked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The built-in stores ask no server, whatever the environment says; the advice names what to do."""
        with Recorder(_entry({"key": _VALUE})) as server:
            monkeypatch.setenv("VAULT_ADDR", server.url)
            monkeypatch.setenv("VAULT_TOKEN", "token-of-environ")
            with pytest.raises(SecretStoreError, match=r"docs/secrets\.md"):
                SecretStores(default_stores([])).resolve(_REFERENCE, SecretContext())
            assert server.silent

    def test_proxies_of_the_environment_are_ignored(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """No variable leads the token elsewhere."""
        with Recorder() as proxy, Recorder(_entry({"key": _VALUE})) as server:
            for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
                monkeypatch.setenv(name, proxy.url)
            assert _read(_store(server.url)).reveal() == _VALUE
            assert proxy.silent


class TestLoad:
    """Many callers at once, through the cache of a host."""

    @pytest.mark.parametrize("script", [_entry({"key": _VALUE}), reply(503, {"errors": ["sealed"]}), _DENIED, silence(20)])
    def test_five_hundred_callers_read_once(self, script: Script) -> None:
        """Whether it answers, is sealed, refuses or hangs: five hundred callers cost one read, and end in time."""
        started = monotonic()
        with Recorder(script) as server:
            stores, cache = SecretStores([_store(server.url, time_limit=1)]), SecretCache(negative_ttl=5)
            resolver = SecretResolver(stores, cache, SecretContext("tenant"), {"token": _REFERENCE})
            barrier = threading.Barrier(500)

            def ask(_: int) -> str:
                barrier.wait()
                try:
                    return resolver(_REFERENCE).reveal()
                except SecretError as error:
                    return error.code

            with ThreadPoolExecutor(500) as pool:
                found = set(pool.map(ask, range(500)))
        assert len(found) == 1
        assert [request.target for request in server.requests].count("/v1/kv/data/team/api") <= 2
        assert monotonic() - started < 5

    def test_rotation_under_load(self) -> None:
        """While the entry changes, callers get the old or the new value; after a refusal the new one, read once."""
        with Recorder(_entry({"key": "value-before"})) as server:
            stores, cache = SecretStores([_store(server.url)]), SecretCache()

            def resolver() -> SecretResolver:
                return SecretResolver(stores, cache, SecretContext("tenant"), {"token": _REFERENCE})

            callers = [resolver() for _ in range(64)]
            before = {caller(_REFERENCE).reveal() for caller in callers}
            server.scripts[:] = [_entry({"key": "value-after"}, version=4)]
            with ThreadPoolExecutor(64) as pool:
                renewed = list(pool.map(lambda caller: (caller.refresh(), caller(_REFERENCE).reveal()), callers))
        assert (before, set(renewed)) == ({"value-before"}, {(True, "value-after")})
        assert len(server.requests) == 2


class TestCanary:
    """No secret is shown."""

    @pytest.mark.parametrize(
        "answer",
        [
            lambda key: _entry({"key": f"{key}\nX-Other: 1"}),
            lambda key: _entry({"other": key}),
            lambda key: _entry({"key": [key]}),
            lambda key: reply(200, {"data": {"key": key}}),
            lambda key: reply(500, {"errors": [key]}),
            lambda key: reply(403, {"errors": [key]}),
            lambda key: reply(307, headers=[("Location", f"http://127.0.0.1:1/{key[3:20]}")]),
            lambda key: raw(key.encode()),
        ],
    )
    def test_answers_leave_no_trace(self, answer: Callable[[str], Script], caplog: pytest.LogCaptureFixture) -> None:
        """Whatever the server sends, neither the error with its frames nor a log shows the secret or the token."""
        secret, token = Canary(), Canary()
        environ = {"VAULT_TOKEN": token.key}
        with caplog.at_level(logging.DEBUG), Recorder(answer(secret.key)) as server:
            store = VaultStore(
                server.url, Login.token("env:VAULT_TOKEN"), stores=SecretStores([EnvironmentStore(["VAULT_TOKEN"], environ)])
            )
            with pytest.raises(SecretError) as caught:
                _read(store)
        assert server.last.header("X-Vault-Token") == token.key
        assert any(record.name.startswith("httpcore") for record in caplog.records)
        secret.scan(caught.value, caplog.records, repr(store))
        token.scan(caught.value, caplog.records, repr(store))

    def test_logins_leave_no_trace(self) -> None:
        """A login that is refused shows neither its secret nor what came back."""
        secret, reflected = Canary(), Canary()
        stores = SecretStores([EnvironmentStore(["SECRET_ID"], {"SECRET_ID": secret.key})])
        with Recorder(reply(400, {"errors": [reflected.key]})) as server, pytest.raises(SecretRefusedError) as caught:
            _read(VaultStore(server.url, Login.app_role("role-1", "env:SECRET_ID"), stores=stores))
        assert orjson.loads(server.last.body)["secret_id"] == secret.key
        secret.scan(caught.value)
        reflected.scan(caught.value)
