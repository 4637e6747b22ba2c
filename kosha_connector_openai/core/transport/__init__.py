"""The way to the server. In: a Request and a Connection. Out: a reply whose body has not been read; the decision whether to send again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.core.transport.client import *
    from kosha_connector_openai.core.transport.fetch_description import *
    from kosha_connector_openai.core.transport.idle_timer import *
    from kosha_connector_openai.core.transport.retry import *
    from kosha_connector_openai.core.transport.token_exchange import *
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "client": "Clients facts load_async_engine tls_of url",
            "fetch_description": "fetch_document",
            "idle_timer": "IdleTimer",
            "retry": "Failure RetryBudget RetryPolicy decide is_doubtful may_begin_again may_have_run parse_retry_after retryable "
            "note_paid turned_away was_paid",
            "token_exchange": "exchange_token",
        },
    )
