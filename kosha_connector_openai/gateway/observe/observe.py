"""An exchange that ended -> a line in the log, numbers, and a span: three readers of one record, none of which sees a body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from kosha_connector_openai.gateway.observe.exchange_record import ExchangeRecord
from kosha_connector_openai.gateway.observe.logs import AccessLog
from kosha_connector_openai.gateway.observe.metrics import OTHER, Metrics
from kosha_connector_openai.gateway.observe.traces import Traces

_SHED: Final = frozenset({429, 503})
_USAGE: Final[Mapping[str, str]] = {
    "input_tokens": "input",
    "prompt_tokens": "input",
    "output_tokens": "output",
    "completion_tokens": "output",
}
"""The names that upstreams give to what is counted."""
_MOST: Final = 2**53
"""No call uses more; a larger number is no count, and none that a sum could keep exactly."""


class Observer:
    """Takes each exchange once, at its end."""

    def __init__(self, log: AccessLog, metrics: Metrics, traces: Traces | None = None) -> None:
        self._log = log
        self._metrics = metrics
        self._traces = traces

    def __call__(self, exchange: ExchangeRecord) -> None:
        """Writes the line, counts, and ends the span."""
        used = counted(exchange.usage)
        self._count(exchange, used)
        self._log.write(_fields(exchange, used))
        if self._traces is not None:
            self._traces.record(exchange, used)

    def _count(self, exchange: ExchangeRecord, used: Mapping[str, int]) -> None:
        metrics, operation = self._metrics, exchange.operation or OTHER
        metrics.requests(operation, str(exchange.status)).inc()
        metrics.seconds(operation).observe(exchange.duration)
        if exchange.first_byte is not None:
            metrics.first_byte(operation).observe(exchange.first_byte)
        if exchange.upstream_status is not None:
            metrics.upstream(operation, str(exchange.upstream_status)).inc()
        elif exchange.attempts:
            metrics.failures(operation, exchange.outcome).inc()
        if exchange.attempts > 1:
            metrics.retries(operation).inc(exchange.attempts - 1)
        if exchange.outcome == "refused":
            metrics.refused(exchange.refusal or str(exchange.status)).inc()
            if exchange.status in _SHED:
                metrics.sheds(operation, str(exchange.status)).inc()
        for kind, number in used.items():
            metrics.tokens(operation, kind).inc(number)
        metrics.received(operation).inc(exchange.received)
        metrics.sent(operation).inc(exchange.sent)


def counted(usage: Mapping[str, Any] | None) -> dict[str, int]:
    """The tokens that an upstream says it used, in and out; what it does not say is left out."""
    found: dict[str, int] = {}
    given = usage or {}
    for name, kind in _USAGE.items():
        number = given.get(name)
        if type(number) is int and 0 <= number <= _MOST:
            found.setdefault(kind, number)
    return found


def _fields(exchange: ExchangeRecord, used: Mapping[str, int]) -> dict[str, Any]:
    """What the line says; the names are stable."""
    values: dict[str, Any] = {
        "event": "request",
        "request_id": exchange.request_id,
        "method": exchange.method,
        "operation": exchange.operation or OTHER,
        "caller": exchange.caller,
        "tenant": exchange.tenant,
        "status": exchange.status,
        "outcome": exchange.outcome,
        "seconds": round(exchange.duration, 6),
        "received": exchange.received,
        "sent": exchange.sent,
    }
    if exchange.attempts:
        values |= {"upstream_status": exchange.upstream_status, "upstream_request_id": exchange.upstream_request_id}
        values |= {"attempts": exchange.attempts}
    if exchange.streamed:
        values["streamed"] = True
    if exchange.first_byte is not None:
        values["first_byte"] = round(exchange.first_byte, 6)
    if exchange.faults:
        values["faults"] = exchange.faults
    if exchange.refusal:
        values["refusal"] = exchange.refusal
    return values | {f"tokens_{kind}": number for kind, number in used.items()}
