"""The stores that a connector has without being told."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from kosha_connector_openai.secrets.store import SecretStore
from kosha_connector_openai.secrets.stores.environment import EnvironmentStore
from kosha_connector_openai.secrets.stores.fail import FailingStore
from kosha_connector_openai.secrets.stores.file import FileStore
from kosha_connector_openai.secrets.stores.keyring_store import KeyringStore
from kosha_connector_openai.text import install

MOUNTS = (Path("/run/secrets"), Path("/var/run/secrets"))
"""Where Docker and Kubernetes put secrets."""


def default_stores(environment: Iterable[str], roots: Iterable[Path] = ()) -> tuple[SecretStore, ...]:
    """The built-in stores: the environment variables named here, files below the platform's mounts and ``roots``, our keyring entries.

    The others need to be told where to ask and who may ask: an operator makes them, as docs/secrets.md shows.
    """
    return (
        EnvironmentStore(tuple(environment)),
        FileStore(tuple(roots), trusted_mounts=MOUNTS),
        KeyringStore() if find_spec("keyring") else FailingStore("keyring", f"{install('keyring')} Or use file:."),
        FailingStore("vault", "Give the connector a VaultStore among its stores; docs/secrets.md shows how."),
    )
