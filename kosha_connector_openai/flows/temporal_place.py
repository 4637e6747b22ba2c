"""Where Temporal is, and how a client signs in there: references and paths alone, which are read when it connects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from kosha_connector_openai.errors import Fault, SetupError
from kosha_connector_openai.flows.operator_secret import operator_secret
from kosha_connector_openai.http import tls_context
from kosha_connector_openai.secrets import SecretReference
from kosha_connector_openai.secrets.stores import MOUNTS

_FILES: Final = {"tls-ca": "tls_ca", "tls-cert": "tls_cert", "tls-key": "tls_key"}
_NAMES: Final = {"api-key": "api_key", **_FILES, "tls-name": "tls_name"}
_HEADER: Final = re.compile(r"header\.([a-z0-9._-]{1,100})")
_FORM: Final = (
    "Write NAME=REFERENCE; names are api-key, tls-cert, tls-key, tls-ca, tls-name and header.NAME, a reference env:NAME or file:/PATH."
)


@dataclass(frozen=True, slots=True)
class TemporalPlace:
    """Which server, which of its namespaces, and how to sign in; with any of the latter the connection is TLS.

    ``api_key`` and the values of ``headers``, metadata of each RPC, are secret references. ``tls_cert`` and ``tls_key`` (the client's own)
    and ``tls_ca`` (in place of the public authorities) are ``file:/PATH`` of PEM files. ``tls_name`` is the name in the server's
    certificate, where that is not its address.
    """

    address: str = "127.0.0.1:7233"
    namespace: str = "default"
    api_key: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None
    tls_ca: str | None = None
    tls_name: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises SetupError, or SecretError for a secret in place of a reference."""
        for value in (self.api_key, *self.headers.values()):
            if value is not None:
                SecretReference.parse(value)
        for name, place in _FILES.items():
            value = getattr(self, place)
            if value is not None and SecretReference.parse(value).scheme != "file":
                raise _refused(name, "form", "is no file: a certificate has lines.", "Write file:/PATH of a PEM file.")
        if (self.tls_cert is None) != (self.tls_key is None):
            missing = "tls-key" if self.tls_key is None else "tls-cert"
            raise _refused(missing, "required", "is missing.", "A client's certificate and its key go together.")

    @classmethod
    def read(cls, address: str, auth: list[str]) -> Self:
        """The place of ``HOST:PORT[/NAMESPACE]`` and of lines ``NAME=REFERENCE``. Raises as the place does."""
        host, _, namespace = address.partition("/")
        values: dict[str, Any] = {}
        headers: dict[str, str] = {}
        for number, line in enumerate(auth, 1):
            name, _, reference = line.partition("=")
            header = _HEADER.fullmatch(name)
            if not reference or (name not in _NAMES and header is None):
                raise _refused(str(number), "form", "is none that there is.", _FORM)  # the line may be a secret
            if header is not None:
                headers[header[1]] = reference
            else:
                values[_NAMES[name]] = reference
        return cls(host, namespace or "default", headers=headers, **values)

    @property
    def is_encrypted(self) -> bool:
        """Whether anything says how to sign in: a key never travels in the clear."""
        return any((self.api_key, self.tls_cert, self.tls_ca, self.tls_name, self.headers))

    def kept(self) -> dict[str, Any]:
        """What a run's ledger keeps of it: where it is, and no word of how to sign in, since a ledger may be another's."""
        return {"address": self.address, "namespace": self.namespace, "is_encrypted": self.is_encrypted}

    @classmethod
    def of_kept(cls, value: Mapping[str, Any]) -> Self:
        """The place of ``kept``; raises SetupError where that does not say how to sign in."""
        if value.get("is_encrypted"):
            where = f"--temporal {value['address']}/{value['namespace']}"
            raise _refused(
                "",
                "required",
                "is missing.",
                f"The run was begun with it: give --temporal-sign-in again, and {where} where that is your server.",
            )
        return cls(value["address"], value["namespace"])

    def options(self) -> dict[str, Any]:
        """What ``temporalio.client.Client.connect`` takes, the secrets read. Raises SetupError or SecretError, which name the part."""
        if not self.is_encrypted:
            return {}
        from temporalio.service import TLSConfig

        ca, cert, key = (_path(value) for value in (self.tls_ca, self.tls_cert, self.tls_key))
        try:
            tls_context(ca, cert, key, mounts=MOUNTS)  # the rules for files of TLS stand there
        except SetupError as error:
            raise SetupError(f"Temporal's TLS cannot be used; nothing was sent. {error.message}", error.faults, hint=error.hint) from None
        pems = (path.read_bytes() if path else None for path in (ca, cert, key))
        names = ("server_root_ca_cert", "client_cert", "client_private_key")
        options: dict[str, Any] = {"tls": TLSConfig(domain=self.tls_name, **dict(zip(names, pems, strict=True)))}
        return options | self.sign_in()

    def sign_in(self) -> dict[str, Any]:
        """Those of ``options`` that a client can change while it is connected, read now. Raises SecretError."""
        key = {"api_key": operator_secret(self.api_key).reveal()} if self.api_key else {}
        return key | {"rpc_metadata": {name: operator_secret(value).reveal() for name, value in self.headers.items()}}


def _path(reference: str | None) -> Path | None:
    return Path(SecretReference.parse(reference).locator) if reference else None


def _refused(name: str, rule: str, message: str, fix: str) -> SetupError:
    return SetupError(
        "Temporal cannot be used; nothing was sent.", [Fault("/temporal-sign-in" + (f"/{name}" if name else ""), rule, message, fix)]
    )
