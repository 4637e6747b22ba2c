"""Credentials by reference. In: a reference such as env:NAME and a store. Out: a Secret, late, and only to the step that sends it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.secrets.cache import *
    from kosha_connector_openai.secrets.resolver import *
    from kosha_connector_openai.secrets.secret import *
    from kosha_connector_openai.secrets.store import *
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
