"""What an operator sees. In: one record of each exchange. Out: log lines, metrics, spans and the audit file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.gateway.observe.audit import *
    from kosha_connector_openai.gateway.observe.exchange_record import *
    from kosha_connector_openai.gateway.observe.logs import *
    from kosha_connector_openai.gateway.observe.metrics import *
    from kosha_connector_openai.gateway.observe.observe import *
    from kosha_connector_openai.gateway.observe.traces import *
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "audit": "AuditError AuditLog check_audit",
            "exchange_record": "ExchangeRecord Observe",
            "logs": "AccessLog configure",
            "metrics": "Metrics",
            "observe": "Observer",
            "traces": "make_traces",
        },
    )
