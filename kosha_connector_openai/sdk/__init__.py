"""What a provider's own client library says. In: its published source, never run. Out: an OpenAPI 3.1 description of its facts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.sdk.fault import *
    from kosha_connector_openai.sdk.package import *
    from kosha_connector_openai.sdk.reader import *
    from kosha_connector_openai.sdk.update import *
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "fault": "PackageError SourceFault",
            "package": "Package is_client read_package",
            "reader": "Reading ids_by_place read_client",
            "update": "read_for updated",
        },
    )
