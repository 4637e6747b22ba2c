"""What an operator sees. In: one record of each exchange. Out: log lines, metrics, spans and the audit file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.gateway.observe.audit import AuditError as AuditError
    from kosha_connector_openai.gateway.observe.audit import AuditLog as AuditLog
    from kosha_connector_openai.gateway.observe.audit import check_audit as check_audit
    from kosha_connector_openai.gateway.observe.exchange_record import ExchangeRecord as ExchangeRecord
    from kosha_connector_openai.gateway.observe.exchange_record import Observe as Observe
    from kosha_connector_openai.gateway.observe.logs import AccessLog as AccessLog
    from kosha_connector_openai.gateway.observe.logs import configure as configure
    from kosha_connector_openai.gateway.observe.metrics import Metrics as Metrics
    from kosha_connector_openai.gateway.observe.observe import Observer as Observer
    from kosha_connector_openai.gateway.observe.traces import make_traces as make_traces
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
