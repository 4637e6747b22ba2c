"""The way to the server. In: a Request and a Connection. Out: a reply whose body has not been read; the decision whether to send again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.core.transport.client import Clients as Clients
    from kosha_connector_openai.core.transport.client import facts as facts
    from kosha_connector_openai.core.transport.client import load_async_engine as load_async_engine
    from kosha_connector_openai.core.transport.client import tls_of as tls_of
    from kosha_connector_openai.core.transport.client import url as url
    from kosha_connector_openai.core.transport.fetch_description import fetch_document as fetch_document
    from kosha_connector_openai.core.transport.idle_timer import IdleTimer as IdleTimer
    from kosha_connector_openai.core.transport.retry import Failure as Failure
    from kosha_connector_openai.core.transport.retry import RetryBudget as RetryBudget
    from kosha_connector_openai.core.transport.retry import RetryPolicy as RetryPolicy
    from kosha_connector_openai.core.transport.retry import decide as decide
    from kosha_connector_openai.core.transport.retry import parse_retry_after as parse_retry_after
    from kosha_connector_openai.core.transport.token_exchange import exchange_token as exchange_token
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "client": "Clients facts load_async_engine tls_of url",
            "fetch_description": "fetch_document",
            "idle_timer": "IdleTimer",
            "retry": "Failure RetryBudget RetryPolicy decide parse_retry_after",
            "token_exchange": "exchange_token",
        },
    )
