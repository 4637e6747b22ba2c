"""Who may do what. In: settings and a request's head. Out: a caller with limits and a place, or a refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.gateway.access.admission import Admission as Admission
    from kosha_connector_openai.gateway.access.admission import Kind as Kind
    from kosha_connector_openai.gateway.access.admission import Shed as Shed
    from kosha_connector_openai.gateway.access.authentication import Authenticator as Authenticator
    from kosha_connector_openai.gateway.access.authentication import tenants as tenants
    from kosha_connector_openai.gateway.access.object_ids import UploadScan as UploadScan
    from kosha_connector_openai.gateway.access.object_ids import texts as texts
    from kosha_connector_openai.gateway.access.origin_policy import OriginPolicy as OriginPolicy
    from kosha_connector_openai.gateway.access.ownership import Ownership as Ownership
    from kosha_connector_openai.gateway.access.ownership import make_ownership as make_ownership
    from kosha_connector_openai.gateway.access.ownership import shared_connections as shared_connections
    from kosha_connector_openai.gateway.access.tokens import SHORTEST as SHORTEST
    from kosha_connector_openai.gateway.access.tokens import hash_token as hash_token
    from kosha_connector_openai.gateway.access.tokens import new_token as new_token
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "admission": "Admission Kind Shed",
            "authentication": "Authenticator tenants",
            "object_ids": "UploadScan texts",
            "origin_policy": "OriginPolicy",
            "ownership": "Ownership make_ownership shared_connections",
            "tokens": "SHORTEST hash_token new_token",
        },
    )
