"""The service's own pages. In: service.yaml and a request. Out: the catalog, forms, Kosha's endpoints, description, docs page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.gateway.pages.description import *
    from kosha_connector_openai.gateway.pages.downloads import *
    from kosha_connector_openai.gateway.pages.kosha_api import *
    from kosha_connector_openai.gateway.pages.pages import *
    from kosha_connector_openai.gateway.pages.run_history import *
    from kosha_connector_openai.gateway.pages.sign_in import *
    from kosha_connector_openai.gateway.pages.sign_in_page import *
    from kosha_connector_openai.gateway.pages.studio_page import *
    from kosha_connector_openai.gateway.pages.submitted_secrets import *
    from kosha_connector_openai.gateway.pages.workbench import *
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "description": "ACCESS service_document",
            "downloads": "Downloads",
            "kosha_api": "Tries unset_but_named",
            "pages": "OwnPages PagesContext",
            "sign_in_page": "sign_in_first",
            "run_history": "RunHistory",
            "sign_in": "SignIn",
            "studio_page": "NOT_BUILT studio_assets",
            "submitted_secrets": "SubmittedSecrets",
            "workbench": "Workbench",
        },
    )
