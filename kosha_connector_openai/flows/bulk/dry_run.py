"""Every row checked, and nothing sent."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from kosha_connector_openai.errors import Fault, InputError
from kosha_connector_openai.flows.bulk.batch_file import batch_rate, batch_target
from kosha_connector_openai.flows.bulk.keys import base_of, read_share
from kosha_connector_openai.flows.bulk.options import RowCheck
from kosha_connector_openai.flows.bulk.row import FaultList, Row

if TYPE_CHECKING:
    from kosha_connector_openai.flows.bulk.mapping import RowMap
    from kosha_connector_openai.flows.bulk.options import RowOptions, Via
    from kosha_connector_openai.flows.bulk.row import RowSource
    from kosha_connector_openai.flows.bulk.targets import RowTarget
    from kosha_connector_openai.outputs import Prices

_BYTES: Final = (6, 3)
"""Bytes of a request that a token stands for: at the lower end of the range, and at its upper end."""


def check_rows(target: RowTarget, source: RowSource, row_map: RowMap, options: RowOptions, prices: Prices | None, show: int) -> RowCheck:
    """Reads and checks all rows; what is wrong is in the check, by line."""
    check, faults, seen = RowCheck(), FaultList(), set()
    encode = base_of(target.kind, target.name, options.fixed)
    part, parts = read_share(options.share)
    cost = _Cost(target, prices, options.via)
    for row in source.rows():
        if (row.number - 1) % parts != part:
            continue
        check.rows += 1
        inputs = _inputs(row, row_map, target, faults)
        if inputs is None:
            continue
        data = row_map.digest_bytes(row)
        base = encode(data)[:8]
        check.equal += base in seen
        seen.add(base)
        size = len(data) + cost.fixed(options.fixed)
        check.bytes += size
        cost.add(inputs, size)
        if len(check.first) < show:
            check.first += (shown(target, inputs),)
    check.faults, check.fault_count = tuple(faults.faults), faults.count
    low, high = _BYTES
    check.tokens = (check.bytes // low, check.bytes // high)
    check.cost, check.currency = cost.range, prices.currency if prices and cost.range else None
    return check


def _inputs(row: Row, row_map: RowMap, target: RowTarget, faults: FaultList) -> dict[str, Any] | None:
    """The row's inputs; None where they have faults, which then are noted with the row's line."""
    if row.fault is not None:
        faults.add(row.fault)
        return None
    try:
        inputs = row_map.inputs(row)
        target.check(inputs)
    except InputError as error:
        faults.add(InputError(error.message, [_at_line(fault, row.line) for fault in error.faults]))
        return None
    return inputs


def _at_line(fault: Fault, line: int) -> Fault:
    if fault.pointer.startswith("/line/"):
        return fault
    return Fault(f"/line/{line}{fault.pointer}", fault.rule, fault.message, fault.fix, fault.allowed)


def shown(target: RowTarget, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """A row as its request; of a task or a workflow its inputs."""
    if target.kind != "action":
        return {target.kind: target.name, "inputs": {name: value if _is_plain(value) else "(a file)" for name, value in inputs.items()}}
    preview = target.connector.preview(target.name, inputs, target.connection)
    content = getattr(preview.request.body, "content", None)
    body = content.decode("utf-8", "replace") if isinstance(content, bytes) else "(a file)" if preview.request.body else None
    return {"method": preview.method, "url": preview.url, "body": body}


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, (str, int, float, bool, list, dict))


class _Cost:
    """Adds up the least and the most that rows can cost."""

    def __init__(self, target: RowTarget, prices: Prices | None, via: Via) -> None:
        self._target, self._prices = target, prices
        self._low = self._high = Decimal(0)
        self._known = prices is not None and target.kind == "action"
        self._budget = target.connector.outputs.budget(prices=prices) if self._known else None
        self._rate = batch_rate(batch_target(target), prices) if via == "batch" else Decimal(1)
        self._fixed: int | None = None

    def fixed(self, fixed: Mapping[str, Any]) -> int:
        """Bytes of the inputs that all rows share."""
        if self._fixed is None:
            import orjson

            self._fixed = len(orjson.dumps(dict(fixed), default=str)) if fixed else 0
        return self._fixed

    def add(self, inputs: Mapping[str, Any], size: int) -> None:
        """Counts one row."""
        if not self._known or self._budget is None or self._prices is None:
            return
        price = self._prices.of(self._target.model(inputs))
        need = self._budget.reserve(self._target.name, inputs, size // _BYTES[1], paid=True, rate=self._rate).need
        if price is None or need.cost is None:
            self._known = False
            return
        least = (price.input or Decimal(0)) * (size // _BYTES[0]) / 1_000_000 + (price.call or Decimal(0)) + (price.each or Decimal(0))
        self._low += least * self._rate
        self._high += need.cost

    @property
    def range(self) -> tuple[float, float] | None:
        """The least and the most; None where a price or a bound is missing."""
        return (float(round(self._low, 6)), float(round(self._high, 6))) if self._known else None
