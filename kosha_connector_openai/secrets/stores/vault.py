"""``vault:mount/path#field``: secrets in HashiCorp Vault or OpenBao, in a key-value engine of version 2."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Self
from urllib.parse import quote

import orjson

from kosha_connector_openai.errors import (
    OriginError,
    ReplyTooLargeError,
    SecretError,
    SecretMissingError,
    SecretRefusedError,
    SecretStoreError,
    SetupError,
)
from kosha_connector_openai.http import ANYWHERE, WholeReply, WireError, parse_server, send_once, tls_context
from kosha_connector_openai.secrets.secret import Secret, SecretReference, check_secret
from kosha_connector_openai.secrets.store import SecretContext, SecretStores
from kosha_connector_openai.secrets.stores.defaults import MOUNTS
from kosha_connector_openai.secrets.stores.environment import EnvironmentStore
from kosha_connector_openai.secrets.stores.file import FileStore

_NAMESPACE: Final = re.compile(r"(?:[A-Za-z0-9._-]+/?)*")
_ADDRESS: Final = ("VAULT_ADDR", "BAO_ADDR")
_ROOT: Final = ("VAULT_NAMESPACE", "BAO_NAMESPACE")
_CA: Final = ("VAULT_CACERT", "BAO_CACERT")
_TOKEN: Final = ("VAULT_TOKEN", "BAO_TOKEN")
_SELF: Final = "/v1/auth/token/lookup-self"
_KV: Final = ("data", "data")
_JSON: Final = (("Content-Type", "application/json"),)

_LIMIT: Final = 1024 * 1024
"""Bytes of an answer's body; a whole entry, of which one field is wanted, may be large."""
_BUSY: Final = "Try again later."
_STATUS: Final[Mapping[int, tuple[type[SecretError], str, str]]] = MappingProxyType(
    {
        400: (SecretRefusedError, "does not understand the request.", "Check the mount and the namespace."),
        403: (SecretRefusedError, "does not let this identity read it.", "Ask for a policy that allows reading it."),
        404: (SecretRefusedError, "has no key-value engine of version 2 there.", "Check the mount and the namespace."),
        429: (SecretStoreError, "is asked too often.", _BUSY),
        503: (SecretStoreError, "is sealed or under maintenance.", "Unseal it, or try again later."),
    }
)


class _NoReply(NamedTuple):
    """Why nothing usable came back, and what to do; ``retryable`` where the same may work later."""

    what: str
    fix: str = ""
    retryable: bool = True


_TOO_LARGE: Final = _NoReply("sent more than 1 MiB.", "Keep the secret in an entry of its own.", retryable=False)
_LATE: Final = _NoReply("did not answer in time.")
_BROKEN: Final = _NoReply("broke the connection.")
_NO_HTTP: Final = _NoReply("answered with something that is not HTTP.", "Check the address.")
_NO_TLS: Final = _NoReply("does not speak TLS 1.2 or newer.", "Check the address and its port.", retryable=False)
_UNTRUSTED: Final = _NoReply("has a certificate that is not trusted.", "Check its CA file and host.", retryable=False)
_ELSEWHERE: Final = _NoReply("leads to an address that may not be called.", "Check the address.")
_FAILURES: Final[Mapping[str, _NoReply]] = MappingProxyType(
    {
        "SSLCertVerificationError": _UNTRUSTED,
        "SSLEOFError": _NO_TLS,
        "gaierror": _NoReply("has a host that is not found.", "Check the address."),
        "ConnectionRefusedError": _NoReply("refuses connections.", "Check that it runs, and its address."),
        "tls": _NO_TLS,
        "deadline": _LATE,
        "protocol": _NO_HTTP,
        "truncated": _NO_HTTP,
    }
)
"""By the kind of a WireError, or else by its phase."""
_LOGIN_REFUSED: Final = frozenset({400, 401, 403, 404})


@dataclass(frozen=True, slots=True)
class Login:
    """How the store gets its token: fields posted to an authentication method, some of them secrets by reference.

    Without ``method`` the secret named ``token`` is the token itself. Methods that take other fields need no code, only data.
    """

    method: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, SecretReference] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.method and set(self.secrets) != {"token"}:
            raise SetupError("A login names its method, or a token.")

    @classmethod
    def token(cls, token: str) -> Self:
        """A token that something else keeps fresh, such as ``file:/run/secrets/vault-token``."""
        return cls(secrets={"token": SecretReference.parse(token)})

    @classmethod
    def app_role(cls, role_id: str, secret_id: str, method: str = "approle") -> Self:
        """AppRole; ``secret_id`` is a secret reference."""
        return cls(method, {"role_id": role_id}, {"secret_id": SecretReference.parse(secret_id)})

    @classmethod
    def kubernetes(
        cls, role: str, jwt: str = "file:/var/run/secrets/kubernetes.io/serviceaccount/token", method: str = "kubernetes"
    ) -> Self:
        """A pod's service account; ``jwt`` refers to its token."""
        return cls(method, {"role": role}, {"jwt": SecretReference.parse(jwt)})


class VaultStore:
    """Reads one field of one entry per call; safe from any thread. Its own token is kept until the server no longer knows it."""

    scheme: Final = "vault"
    slow: Final = True

    def __init__(
        self,
        server: str,
        login: Login,
        *,
        stores: SecretStores | None = None,
        namespace: str = "",
        ca_file: Path | None = None,
        mounts: Collection[str] = (),
        time_limit: float = 4.5,
    ) -> None:
        """``server`` is https, or http on this machine; ``stores`` hold the login's secrets (default: the platform's mounts).

        ``mounts`` lists mounts with a slash in their name; any other is the first word of a reference. ``time_limit``, in seconds, is
        for all that one read does. Raises SetupError.
        """
        self._server = parse_server(server, pointer="/vault")
        if not _NAMESPACE.fullmatch(namespace):
            raise SetupError("The namespace has a character that it cannot have.", hint="Write it like team/part.", pointer="/namespace")
        self._tls = tls_context(ca_file) if self._server.origin.scheme == "https" else None
        self._login = login
        self._stores = stores or SecretStores([FileStore((), MOUNTS)])
        self._headers = (("X-Vault-Request", "true"), *((("X-Vault-Namespace", namespace),) if namespace else ()))
        self._mounts = tuple(sorted(mounts, key=len, reverse=True))
        self._time_limit = time_limit
        self._lock = Lock()
        self._token: Secret | None = None

    @classmethod
    def from_environment(cls, login: Login | None = None, environ: Mapping[str, str] | None = None) -> Self:
        """The store that ``VAULT_ADDR``, ``VAULT_NAMESPACE``, ``VAULT_CACERT`` and ``VAULT_TOKEN`` describe, or the same with ``BAO_``.

        Nothing calls this unasked: it is for an operator who wants it. Raises SetupError where there is no address.
        """
        server, ca_file = _first(_ADDRESS, environ), _first(_CA, environ)
        if not server:
            raise SetupError("No secret server is named.", hint=f"Set {_ADDRESS[0]}.")
        token = next((name for name in _TOKEN if _first((name,), environ)), _TOKEN[0])
        return cls(
            server,
            login or Login.token(f"env:{token}"),
            stores=SecretStores([EnvironmentStore(_TOKEN, environ), FileStore((), MOUNTS)]),
            namespace=_first(_ROOT, environ),
            ca_file=Path(ca_file) if ca_file else None,
        )

    def read(self, reference: SecretReference, context: SecretContext) -> Secret:
        """The field's text; its version is the entry's. Raises SecretMissingError only where the server itself says so."""
        path, deadline = self._path(reference), time.monotonic() + self._time_limit
        token = self._identity(deadline)
        answer = self._ask(deadline, path, token)
        # A refusal may mean the path or the token: only an unknown token is replaced, once, or refused paths would pile up tokens.
        if answer.status == HTTPStatus.FORBIDDEN and self._ask(deadline, _SELF, token).status == HTTPStatus.FORBIDDEN:
            answer = self._ask(deadline, path, self._identity(deadline, stale=token))
        return _secret(answer, reference)

    def _path(self, reference: SecretReference) -> str:
        SecretReference.parse(str(reference))  # a record made by hand may climb
        place = reference.locator
        first = place.partition("/")[0]
        mount = next((mount for mount in self._mounts if place.startswith(f"{mount}/")), first)
        parts = place.removeprefix(mount).split("/")[1:]
        if reference.field is None or not mount or not parts or not all(parts):
            raise SecretRefusedError("The secret reference names no field of an entry.", hint="Write vault:mount/path#field.")
        return f"/v1/{quote(mount)}/data/{'/'.join(quote(part, safe='') for part in parts)}"

    def _identity(self, deadline: float, stale: Secret | None = None) -> Secret:
        """The store's own token; a new one where there is none, or only the ``stale`` one. One thread logs in, the others wait for it."""
        if not self._lock.acquire(timeout=max(0, deadline - time.monotonic())):
            raise _failed(_LATE)
        try:
            if self._token is None or self._token is stale:
                self._token = None
                self._token = self._log_in(deadline)
            return self._token
        finally:
            self._lock.release()

    def _log_in(self, deadline: float) -> Secret:
        secrets = {name: self._own(reference) for name, reference in self._login.secrets.items()}
        if not self._login.method:
            return secrets["token"]
        answer = self._ask(deadline, f"/v1/auth/{quote(self._login.method)}/login", fields={**self._login.fields, **secrets})
        token = answer.secret("auth", "client_token")
        if answer.status in _LOGIN_REFUSED:
            raise SecretRefusedError("The secret store vault does not accept the login.", hint="Check its method, role and secret.")
        if answer.status != HTTPStatus.OK or token is None:
            raise _unfit(answer)
        return check_secret(token.reveal(), "of the login")

    def _own(self, reference: SecretReference) -> Secret:
        """A secret of the login; that it is missing must not look as if the secret that was asked for were missing."""
        try:
            return self._stores.resolve(reference, SecretContext())
        except SecretError as error:
            message, hint = error.message, error.hint
        raise SecretStoreError(f"The secret store vault cannot log in. {message}", hint=hint)

    def _ask(self, deadline: float, path: str, token: Secret | None = None, fields: Mapping[str, str | Secret] | None = None) -> _Answer:
        try:
            # What is revealed is in no variable of this frame, which the error below shows.
            return _Answer(
                send_once(
                    "GET" if fields is None else "POST",
                    f"{self._server}{path}",
                    (*self._headers, *(() if token is None else (("X-Vault-Token", token.reveal()),)), *(_JSON if fields else ())),
                    None if fields is None else orjson.dumps({name: _plain(value) for name, value in fields.items()}),
                    deadline=deadline,
                    limit=_LIMIT,
                    tls=self._tls,
                    policy=ANYWHERE,
                )
            )
        except WireError as fault:
            failure = _FAILURES.get(fault.kind) or _FAILURES.get(fault.phase, _BROKEN)
        except ReplyTooLargeError:
            failure = _TOO_LARGE
        except OriginError:
            failure = _ELSEWHERE
        raise _failed(failure)


class _Answer:
    """The server's answer. Its values are secrets: they are looked up here, and no frame outside holds them."""

    def __init__(self, reply: WholeReply) -> None:
        self.status = reply.status
        try:
            self._value = orjson.loads(reply.body)
        except orjson.JSONDecodeError:
            self._value = None

    def at(self, *names: str) -> Any:
        """The value below these names, or None."""
        value = self._value
        for name in names:
            value = value.get(name) if isinstance(value, dict) else None
        return value

    def has(self, *names: str) -> bool:
        """Whether there is a value below these names, be it null."""
        return isinstance(holder := self.at(*names[:-1]), dict) and names[-1] in holder

    def secret(self, *names: str) -> Secret | None:
        """The text below these names, opaque; None where there is none."""
        return Secret(value) if isinstance(value := self.at(*names), str) else None

    @property
    def says_missing(self) -> bool:
        """Whether the server itself knows no such entry, or only a deleted one; a page of some proxy says nothing."""
        return self.status == HTTPStatus.NOT_FOUND and (self.at("errors") == [] or isinstance(self.at("data", "metadata"), dict))


def _secret(answer: _Answer, reference: SecretReference) -> Secret:
    if answer.says_missing:
        raise SecretMissingError(f"The secret {reference} does not exist.", hint="Write it there first, or correct the reference.")
    if answer.status != HTTPStatus.OK or not isinstance(answer.at(*_KV), dict):
        raise _unfit(answer)
    name = reference.field or ""
    if not answer.has(*_KV, name):
        raise SecretMissingError(f"The entry of {reference} has no such field.", hint="Correct the field.")
    found = answer.secret(*_KV, name)
    if found is None:
        raise SecretRefusedError(f"The secret {reference} is not text.", hint="Store it as a text.")
    return check_secret(found.reveal(), str(reference), version=str(answer.at("data", "metadata", "version") or ""))


def _unfit(answer: _Answer) -> SecretError:
    """The error for an answer that is none: by its status where it is the server's own, else a failure of the store."""
    known = answer.at("errors") is not None or answer.status not in (HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)
    if answer.status in _STATUS and known:
        kind, what, fix = _STATUS[answer.status]
        return kind(f"The secret store vault {what}", hint=fix)
    if HTTPStatus.MULTIPLE_CHOICES <= answer.status < HTTPStatus.BAD_REQUEST:
        return _failed(_NoReply("redirects, which a token does not follow.", "Name the active server itself.", retryable=False))
    if answer.status >= HTTPStatus.BAD_REQUEST:
        return _failed(_NoReply(f"answered with status {answer.status}.", _BUSY))
    return _failed(_NoReply("gave an answer of another form.", "Check the address and that the engine is of version 2."))


def _failed(reply: _NoReply) -> SecretError:
    error = SecretStoreError(f"The secret store vault {reply.what}", hint=reply.fix)
    error.retryable = reply.retryable
    return error


def _plain(value: str | Secret) -> str:
    return value.reveal() if isinstance(value, Secret) else value


def _first(names: Collection[str], environ: Mapping[str, str] | None) -> str:
    """The first of these variables that is set; the environment itself is bound to no name."""
    return next((value for name in names if (value := (os.environ if environ is None else environ).get(name))), "")
