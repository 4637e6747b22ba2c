"""What one relayed call takes of its caller's budget: set aside before it is sent, settled by the upstream's own count."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from kosha_connector_openai.core import Passthrough
from kosha_connector_openai.errors import ConnectorError
from kosha_connector_openai.gateway.access import SpendingTicket
from kosha_connector_openai.gateway.exchange import validation
from kosha_connector_openai.gateway.exchange.context import CallContext, Refused
from kosha_connector_openai.gateway.exchange.multipart_scan import Permits
from kosha_connector_openai.gateway.exchange.response import UpstreamResponse
from kosha_connector_openai.gateway.observe import ExchangeRecord
from kosha_connector_openai.gateway.records import Caller, SpentError
from kosha_connector_openai.gateway.replies import spent
from kosha_connector_openai.gateway.routes import Route
from kosha_connector_openai.outputs import Extent, extent_of

_ERROR: Final = 400
_DIGITS: Final = 12
_UNKNOWN: Final = Extent(input=None, output=None)


class Metering:
    """Nothing of it happens for a caller without a budget."""

    def __init__(self, context: CallContext, caller: Caller, route: Route, record: ExchangeRecord, response: UpstreamResponse) -> None:
        self._context, self._route, self._record, self._response = context, route, record, response
        self._budget = context.spending.of(caller) if context.spending is not None else None
        self._ticket: SpendingTicket | None = None
        self._fields: dict[str, Any] = {}
        self.extent = _UNKNOWN
        """How much the call can use, as far as its body says."""

    @property
    def applies(self) -> bool:
        """Whether the caller has a budget."""
        return self._budget is not None

    def measure(self, value: Any, size: int | None) -> None:
        """Notes what a body of JSON says of how much the call can use."""
        if self.applies and self._route.action.hints.paid:
            self.extent = extent_of(self._context.bounds, self._route.id, validation.own_fields(value), size)

    def measure_form(self) -> None:
        """The same of a form's fields; the bytes of its files bound nothing."""
        self.measure(self._fields, None)

    def noting(self, permits: Permits | None) -> Permits | None:
        """``permits`` that notes a form's fields; of one that comes twice, neither counts."""
        if not self.applies:
            return permits

        def noted(fields: Iterable[tuple[str, Any]]) -> bool:
            given = list(fields)
            for name, value in given[:1]:
                text = value if isinstance(value, str) else ""
                number = int(text) if text.isdecimal() and len(text) <= _DIGITS else text
                self._fields[name] = number if name not in self._fields else None
            return permits is None or permits(given)

        return noted

    def set_aside(self) -> None:
        """Sets aside what the call can use. Raises Refused."""
        if self._budget is None:
            return
        try:
            self._ticket = self._budget.set_aside(self.extent if self._route.action.hints.paid else None)
        except SpentError as error:
            raise Refused(spent(error, self._context.rules.retry_hint)) from None
        self._response.metered = True

    def failed(self, error: ConnectorError) -> None:
        """Settles a call that was not answered."""
        if self._ticket is not None and self._record.upstream_status is None:
            self._ticket.settle(None, error)

    def ended(self, relay: Passthrough | None = None) -> None:
        """Counts what the call used; without a ``relay`` that came to its end, no less than was set aside. A second time does nothing."""
        ticket, status = self._ticket, self._record.upstream_status
        if ticket is None:
            return
        if status is not None and status >= _ERROR:
            ticket.refused(status)
        else:
            whole = relay is not None and relay.outcome == "ok"
            ticket.ended(self._response.usage, whole=whole, streamed=self._record.sent if self._record.streamed else 0)
