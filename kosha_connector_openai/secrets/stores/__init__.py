"""A SecretReference and a SecretContext come in, a Secret goes out; one file for each kind of store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.secrets.stores.chain import ChainStore as ChainStore
    from kosha_connector_openai.secrets.stores.computed import ComputedStore as ComputedStore
    from kosha_connector_openai.secrets.stores.computed import Token as Token
    from kosha_connector_openai.secrets.stores.defaults import MOUNTS as MOUNTS
    from kosha_connector_openai.secrets.stores.defaults import default_stores as default_stores
    from kosha_connector_openai.secrets.stores.environment import EnvironmentStore as EnvironmentStore
    from kosha_connector_openai.secrets.stores.fail import FailingStore as FailingStore
    from kosha_connector_openai.secrets.stores.file import FileStore as FileStore
    from kosha_connector_openai.secrets.stores.keyring_store import SERVICE as SERVICE
    from kosha_connector_openai.secrets.stores.keyring_store import KeyringStore as KeyringStore
    from kosha_connector_openai.secrets.stores.scoped import Scoped as Scoped
    from kosha_connector_openai.secrets.stores.vault import Login as Login
    from kosha_connector_openai.secrets.stores.vault import VaultStore as VaultStore
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "chain": "ChainStore",
            "computed": "ComputedStore Token",
            "defaults": "MOUNTS default_stores",
            "environment": "EnvironmentStore",
            "fail": "FailingStore",
            "file": "FileStore",
            "keyring_store": "KeyringStore SERVICE",
            "scoped": "Scoped",
            "vault": "Login VaultStore",
        },
    )
