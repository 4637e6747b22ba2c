"""A SecretReference and a SecretContext come in, a Secret goes out; one file for each kind of store."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from kosha_connector_openai.core.connection.store import SecretStore
from kosha_connector_openai.core.connection.stores.environment import EnvironmentStore
from kosha_connector_openai.core.connection.stores.fail import FailingStore
from kosha_connector_openai.core.connection.stores.file import FileStore

MOUNTS = (Path("/run/secrets"), Path("/var/run/secrets"))
"""Where Docker and Kubernetes put secrets."""


def default_stores(environment: Iterable[str], roots: Iterable[Path] = ()) -> tuple[SecretStore, ...]:
    """The built-in stores: the environment variables named here, and files below the platform's mounts and ``roots``."""
    return (
        EnvironmentStore(tuple(environment)),
        FileStore(tuple(roots), trusted_mounts=MOUNTS),
        FailingStore("keyring", "This installation has no keyring store; use env: or file:."),
        FailingStore("vault", "This installation has no vault store; use env: or file:."),
    )
