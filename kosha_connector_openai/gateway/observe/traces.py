"""OpenTelemetry spans of calls, where its API is installed and a provider is set up; named by the GenAI semantic conventions.

The span is made when the exchange has ended, with its real times: nothing of tracing is in the way of a call. No prompt or answer is in it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, Final

from kosha_connector_openai.gateway.observe.exchange_record import ExchangeRecord

_NANO: Final = 1_000_000_000
_ERRORS: Final = 500


class Traces:
    """Writes a span for each call of an operation; made by ``make_traces``."""

    def __init__(self, system: str) -> None:
        """``system`` is the provider's id (``gen_ai.provider.name``)."""
        from opentelemetry import trace

        self._trace = trace
        self._tracer = trace.get_tracer("kosha_connector.gateway")
        self._system = system

    def record(self, exchange: ExchangeRecord, used: Mapping[str, int]) -> None:
        """One finished span; none for the service's own pages, for what never became a call, and where no provider would take it."""
        if not exchange.attempts or isinstance(self._trace.get_tracer_provider(), self._trace.ProxyTracerProvider):
            return
        ended = time.time_ns()
        span = self._tracer.start_span(
            f"{exchange.method} {exchange.operation}",
            kind=self._trace.SpanKind.SERVER,
            start_time=ended - int(exchange.duration * _NANO),
            attributes=self._attributes(exchange, used),
        )
        if exchange.status >= _ERRORS or exchange.outcome not in ("ok", "left"):
            span.set_status(self._trace.Status(self._trace.StatusCode.ERROR))
        span.end(ended)

    def _attributes(self, exchange: ExchangeRecord, used: Mapping[str, int]) -> dict[str, Any]:
        values: dict[str, Any] = {
            "gen_ai.provider.name": self._system,
            "gen_ai.operation.name": exchange.operation,
            "http.request.method": exchange.method,
            "http.response.status_code": exchange.status,
            "kosha.request_id": exchange.request_id,
            "kosha.tenant": exchange.tenant,
            "kosha.attempts": exchange.attempts,
            **{f"gen_ai.usage.{kind}_tokens": number for kind, number in used.items()},
        }
        if exchange.upstream_request_id:
            values["gen_ai.response.id"] = exchange.upstream_request_id
        if exchange.outcome not in ("ok", "left"):
            values["error.type"] = exchange.outcome
        return values


def make_traces(system: str) -> Traces | None:
    """Spans, where the API of OpenTelemetry is installed; else nothing, and nothing of it is imported."""
    return Traces(system) if find_spec("opentelemetry") is not None and find_spec("opentelemetry.trace") is not None else None
