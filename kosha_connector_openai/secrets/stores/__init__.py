"""A SecretReference and a SecretContext come in, a Secret goes out; one file for each kind of store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.secrets.stores.chain import *
    from kosha_connector_openai.secrets.stores.computed import *
    from kosha_connector_openai.secrets.stores.defaults import *
    from kosha_connector_openai.secrets.stores.environment import *
    from kosha_connector_openai.secrets.stores.fail import *
    from kosha_connector_openai.secrets.stores.file import *
    from kosha_connector_openai.secrets.stores.keyring_store import *
    from kosha_connector_openai.secrets.stores.scoped import *
    from kosha_connector_openai.secrets.stores.vault import *
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
