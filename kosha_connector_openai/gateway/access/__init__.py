"""Who may do what. In: settings and a request's head. Out: a caller with limits and a place, or a refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.gateway.access.admission import *
    from kosha_connector_openai.gateway.access.authentication import *
    from kosha_connector_openai.gateway.access.object_ids import *
    from kosha_connector_openai.gateway.access.origin_policy import *
    from kosha_connector_openai.gateway.access.ownership import *
    from kosha_connector_openai.gateway.access.sessions import *
    from kosha_connector_openai.gateway.access.spending import *
    from kosha_connector_openai.gateway.access.tokens import *
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "admission": "Admission Kind Shed",
            "authentication": "Authenticator tenants",
            "object_ids": "Claim ObjectNames UploadScan",
            "origin_policy": "OriginPolicy",
            "ownership": "Ownership make_ownership shared_accounts",
            "sessions": "Sessions",
            "spending": "TokenBudgets SpendingTicket TokenBudget",
            "tokens": "SHORTEST hash_token new_token",
        },
    )
