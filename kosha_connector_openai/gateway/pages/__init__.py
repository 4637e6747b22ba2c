"""The service's own pages. In: service.yaml and a request. Out: the catalog, forms, Kosha's endpoints, description, docs page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.gateway.pages.description import ACCESS as ACCESS
    from kosha_connector_openai.gateway.pages.description import service_document as service_document
    from kosha_connector_openai.gateway.pages.downloads import Downloads as Downloads
    from kosha_connector_openai.gateway.pages.kosha_api import Tries as Tries
    from kosha_connector_openai.gateway.pages.kosha_api import unset_but_named as unset_but_named
    from kosha_connector_openai.gateway.pages.pages import OwnPages as OwnPages
    from kosha_connector_openai.gateway.pages.pages import PagesContext as PagesContext
    from kosha_connector_openai.gateway.pages.submitted_secrets import SubmittedSecrets as SubmittedSecrets
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "description": "ACCESS service_document",
            "downloads": "Downloads",
            "kosha_api": "Tries unset_but_named",
            "pages": "OwnPages PagesContext",
            "submitted_secrets": "SubmittedSecrets",
        },
    )
