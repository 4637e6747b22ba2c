"""A SecretReference and a SecretContext come in, a Secret goes out; one file for each kind of store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.secrets.stores.defaults import MOUNTS as MOUNTS
    from kosha_connector_openai.secrets.stores.defaults import default_stores as default_stores
    from kosha_connector_openai.secrets.stores.fail import FailingStore as FailingStore
    from kosha_connector_openai.secrets.stores.file import FileStore as FileStore
    from kosha_connector_openai.secrets.stores.keyring_store import SERVICE as SERVICE
    from kosha_connector_openai.secrets.stores.keyring_store import KeyringStore as KeyringStore
    from kosha_connector_openai.secrets.stores.vault import VaultStore as VaultStore
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "defaults": "MOUNTS default_stores",
            "fail": "FailingStore",
            "file": "FileStore",
            "keyring_store": "KeyringStore SERVICE",
            "vault": "VaultStore",
        },
    )
