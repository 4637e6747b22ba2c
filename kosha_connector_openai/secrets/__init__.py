"""Credentials by reference. In: a reference such as env:NAME and a store. Out: a Secret, late, and only to the step that sends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.secrets.cache import SecretCache as SecretCache
    from kosha_connector_openai.secrets.resolver import SecretResolver as SecretResolver
    from kosha_connector_openai.secrets.secret import Secret as Secret
    from kosha_connector_openai.secrets.secret import SecretReference as SecretReference
    from kosha_connector_openai.secrets.secret import check_secret as check_secret
    from kosha_connector_openai.secrets.store import SecretContext as SecretContext
    from kosha_connector_openai.secrets.store import SecretStore as SecretStore
    from kosha_connector_openai.secrets.store import SecretStores as SecretStores
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "cache": "SecretCache",
            "resolver": "SecretResolver",
            "secret": "Secret SecretReference check_secret",
            "store": "SecretContext SecretStore SecretStores",
        },
    )
