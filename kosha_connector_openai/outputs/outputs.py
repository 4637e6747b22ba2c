"""The room of a connector where answers become short results: ``connector.outputs``. Needs no key and no network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from kosha_connector_openai.core.actions import Action, Catalog
from kosha_connector_openai.core.result import Policy, Result, add_body_facts, judge, settle
from kosha_connector_openai.errors import Fault
from kosha_connector_openai.manifest import parse_part
from kosha_connector_openai.manifest.parts import BodyField, OutputsPart, Shape
from kosha_connector_openai.outputs.budget import Budget
from kosha_connector_openai.outputs.cost import estimate
from kosha_connector_openai.outputs.prices import Prices, read_prices
from kosha_connector_openai.outputs.schema import body_schema, output_schema
from kosha_connector_openai.outputs.shapes import ShortResult, file_names, normalised_usage, shape_of, shaped
from kosha_connector_openai.outputs.stream_fold import Folded, fold
from kosha_connector_openai.schema import sample
from kosha_connector_openai.text import encode

_PLAIN = Shape(help="The answer as it came.", fields={"file": BodyField(kind="body", help="The answer as a file.")})
_ENVELOPE = Shape(help="The answer as it came.")
_NOTHING = {"type": "object", "properties": {"value": {"type": "null"}}, "required": ["value"]}
_MEDIA = {
    "audio": b"ID3\x04\x00\x00\x00\x00\x00\x00",
    "video": b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom",
    "image": b"\x89PNG\r\n\x1a\n",
    "application/zip": b"PK\x05\x06" + bytes(18),
}
_LINES = b'{"id": "sample"}\n'


class OutputRoom:
    """Short results by the part ``outputs`` of the manifest. An action without a shape keeps its JSON answer as its result."""

    def __init__(self, catalog: Catalog, part: OutputsPart) -> None:
        self._catalog = catalog
        self._part = part

    @property
    def part(self) -> OutputsPart:
        """The rules."""
        return self._part

    def actions(self) -> tuple[str, ...]:
        """The actions that have a shape of their own."""
        return (*self._part.actions, *self._part.singles, *self._part.tables)

    def file_names(self, action: str) -> frozenset[str]:
        """What the files of an action's results are called, before their endings."""
        return file_names(shape_of(action, self._part) or _PLAIN, self._part)

    def of(self, result: Result, *, prices: Prices | None = None, model: str | None = None, policy: Policy = "pass") -> ShortResult:
        """The short result of a call, its usage and outcome, and with ``prices`` what it cost; raises AnswerError by ``policy``.

        ``model`` is the one that was asked for: some answers, such as pictures, do not name theirs.
        """
        settle(result, policy)
        folded = self._values(result)
        values = folded.value
        usage = normalised_usage(result.usage, self._part)
        shape = shape_of(result.action, self._part)
        answers = len(values[shape.answers]) if shape is not None and shape.answers else 1
        return ShortResult(
            action=result.action,
            result=values,
            outcome=result.outcome,
            reasons=result.reasons,
            usage=usage,
            cost=estimate(usage, prices, result.model, model, answers=answers),
            model=result.model or model,
            request_id=result.request_id,
            warnings=(*result.warnings, *folded.warnings),
            raw=folded.raw,
        )

    def whole(self, result: Result) -> Result:
        """The result as it would have come without events; itself where it came without, or nothing says how they are put together."""
        shape = shape_of(result.action, self._part)
        if result.kind != "events" or shape is None or shape.stream is None:
            return result
        value = fold(result.value, shape.stream).value
        if not isinstance(value, Mapping) or not value:
            return result
        made = replace(result, kind="json", value=dict(value), raw=encode(value), content_type="application/json")
        add_body_facts(made, self._catalog.manifest.result)
        made.model, made.usage = made.model or result.model, made.usage or result.usage
        return made

    def usage(self, result: Result) -> dict[str, int | float] | None:
        """The counts of an answer by the connector's own names; None where it told none."""
        return normalised_usage(result.usage, self._part)

    def schema(self, action: str) -> dict[str, Any]:
        """The JSON Schema 2020-12 of ``of(...).to_dict()`` for an action."""
        chosen = self._catalog[action]
        shape = shape_of(action, self._part)
        if shape is None and chosen.output_schema is not None:
            return output_schema(_ENVELOPE, self._part, raw=chosen.output_schema)
        if shape is None and not chosen.output_types:
            return output_schema(_ENVELOPE, self._part, raw=_NOTHING)
        return output_schema(shape or _PLAIN, self._part)

    def sample(self, action: str) -> dict[str, Any]:
        """A realistic ``of(...).to_dict()`` of an action, the same at each call. Raises DocumentError where none can be made."""
        return self.of(self._sample_result(action)).to_dict()

    def raw_schema(self, action: str) -> dict[str, Any]:
        """The JSON Schema 2020-12 of the answer as it comes; that of a text or of bytes where it is no JSON."""
        chosen = self._catalog[action]
        return dict(chosen.output_schema) if chosen.output_schema is not None else body_schema(chosen.output_types)

    def raw_sample(self, action: str) -> Any:
        """A realistic answer: JSON values, a text or bytes. Raises DocumentError where none can be made."""
        chosen, part = self._catalog[action], self._part
        shape = shape_of(action, part)
        if shape is not None and shape.sample is not None:
            return shape.sample
        if chosen.output_schema is None:
            return _body_sample(chosen.output_types)
        made, carrier = sample(chosen.output_schema), chosen.promise.carrier
        if carrier is not None and isinstance(made, dict) and made.get(carrier.name) is False:  # such as `deleted`: what was asked for came
            made[carrier.name] = True
        record = part.samples.get(part.singles.get(action) or part.tables.get(action, ""))
        if record is None or not isinstance(made, dict):
            return made
        if action in part.singles:
            return {**record, "object": made["object"]} if "object" in made else record
        rows = part.page.rows[0].split("/")[1]
        return {**made, rows: [record]}

    def budget(
        self,
        *,
        calls: int | None = None,
        tokens: int | None = None,
        cost: Decimal | float | str | None = None,
        prices: Prices | None = None,
        strict: bool = True,
    ) -> Budget:
        """The caps of one run, to be given to each call as ``CallOptions(budget=...)``; raises SetupError."""
        return Budget(self._part, calls=calls, tokens=tokens, cost=cost, prices=prices, strict=strict)

    def budget_of(self, terms: Mapping[str, Any]) -> Budget:
        """A budget of the ``terms`` of another one, with nothing used. Raises ManifestError or SetupError where they are none."""
        prices = parse_part(encode(terms["prices"]), Prices, name="prices") if terms["prices"] else None
        return Budget(self._part, **terms["caps"], prices=prices, strict=terms["strict"])

    @staticmethod
    def prices(path: Path) -> Prices:
        """The operator's price file; raises SetupError with every fault."""
        return read_prices(path)

    def _values(self, result: Result) -> Folded:
        shape = shape_of(result.action, self._part)
        if shape is not None:
            return shaped(result, shape, self._part)
        if result.kind in ("bytes", "file", "text"):
            return shaped(result, _PLAIN, self._part)
        if isinstance(result.value, Mapping):
            return Folded(dict(result.value))
        return Folded({"value": [event.data for event in result.value] if result.kind == "events" else result.value})

    def _sample_result(self, action: str) -> Result:
        raw = self.raw_sample(action)
        chosen, rules = self._catalog[action], self._catalog.manifest.result
        kind: Any = "bytes" if isinstance(raw, bytes) else "text" if isinstance(raw, str) else "empty" if raw is None else "json"
        made = Result(action=action, status=200, kind=kind, value=raw, content_type=_content_type(chosen, kind), request_id="req_sample")
        if kind == "json":
            made.raw = encode(raw)
            add_body_facts(made, rules)
            judge(made, rules, "pass")
        return made


def faults(catalog: Catalog, part: OutputsPart) -> Iterator[Fault]:
    """What the part says of actions, shapes and records that are not there."""
    for place in ("actions", "singles", "tables", "bounds"):
        for name in getattr(part, place):
            if name not in catalog:
                yield Fault(f"/{place}/{name}", "unknown", "No action has this id.")
    for name, shape in part.actions.items():
        if shape not in part.shapes:
            yield Fault(f"/actions/{name}", "unknown", "No shape has this name.")
    for place in ("singles", "tables"):
        for name, record in getattr(part, place).items():
            if record not in part.records:
                yield Fault(f"/{place}/{name}", "unknown", "No record has this name.")


def _body_sample(types: Sequence[str]) -> bytes | str | None:
    if not types:
        return None
    if types[0].startswith("text/"):
        return "sample"
    return _MEDIA.get(types[0]) or _MEDIA.get(types[0].partition("/")[0], _LINES)


def _content_type(action: Action, kind: str) -> str:
    wanted = "json" if kind == "json" else ""
    return next((name for name in action.output_types if wanted in name), "application/octet-stream")
