"""Texts of several rows in one call, for actions that answer each of them; a call that is refused is made again in halves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from kosha_connector_openai.core import Attempt, CallOptions
from kosha_connector_openai.errors import ConnectorError, InputError, RejectedError, ReplyError
from kosha_connector_openai.flows.bulk.entry import RowAnswer, RowEntry
from kosha_connector_openai.flows.bulk.pace import Granted
from kosha_connector_openai.flows.bulk.runner import Item, Runner

if TYPE_CHECKING:
    from kosha_connector_openai.core.result import Result
    from kosha_connector_openai.flows.bulk.row import Row
    from kosha_connector_openai.manifest.parts import Bundle


@dataclass(slots=True)
class _Text:
    """One row's text on its way; ``others`` are the inputs beside it."""

    entry: RowEntry
    row: Row
    text: str
    others: dict[str, Any]


class TogetherRunner(Runner):
    """Sends the texts of rows whose other inputs are equal in one call."""

    rules: Bundle

    async def _work(self, entry: RowEntry, row: Row) -> None:
        group: list[_Text] = []
        size, others = 0, b""
        item: Item | None = (entry, row)
        while item is not None:
            text = self._text(*item)
            key = orjson.dumps(text.others, option=orjson.OPT_SORT_KEYS, default=str) if text else b""
            fits = text is not None and (not group or (key == others and size + len(text.text) * 4 <= self.rules.bytes))
            if text is None or not fits:
                await self._one(*item)  # alone; what cannot be read is told there
            else:
                group.append(text)
                size, others = size + len(text.text.encode()), key
            item = self._next() if fits and len(group) < self.rules.items and not self.stop else None
        self.progress.in_flight += max(0, len(group) - 1)
        try:
            if group:
                await self._claimed(group)
        finally:
            self.progress.in_flight -= max(0, len(group) - 1)

    def _text(self, entry: RowEntry, row: Row) -> _Text | None:
        try:
            inputs = self.row_map.inputs(row)
            self.target.check(inputs)
        except InputError:
            return None
        text = inputs.get(self.rules.input)
        others = {name: value for name, value in inputs.items() if name != self.rules.input}
        return _Text(entry, row, text, others) if isinstance(text, str) else None

    async def _claimed(self, group: Sequence[_Text]) -> None:
        attempt = await self._allowed(group)
        if attempt is None:
            for each in group:
                self._back(each.entry, each.row, wait=0.0)
            return
        try:
            taken = await asyncio.gather(*(self._claim(each.entry) for each in group))
        except ConnectorError:
            return  # the ledger takes nothing any more, and the run stops
        if ours := [each for each, is_ours in zip(group, taken, strict=True) if is_ours]:
            await self._call(ours, attempt)
        else:
            self.pace.release(attempt)

    async def _allowed(self, group: Sequence[_Text]) -> Attempt | None:
        """Waits for the pace; None where the run stops meanwhile."""
        attempt = Attempt(self.target.name, self.target.model(group[0].others), sum(len(each.text.encode()) for each in group))
        while (wait := self.pace.wait(attempt)) > 0 and not self.stop:
            await self._sleep(min(wait, 5.0))
        if self.stop:
            self.pace.release(attempt)
            return None
        return attempt

    async def _call(self, group: Sequence[_Text], attempt: Attempt) -> None:
        inputs = {**group[0].others, self.rules.input: [each.text for each in group] if len(group) > 1 else group[0].text}
        options = CallOptions(
            attempts=1,
            timeout=self.timeout,
            pace=self._kept_budget(Granted(self.pace, attempt, lambda: bool(self.stop))),
            budget=self.budget,
            policy="pass",
            named_files=False,
        )
        try:
            result = await self.target.arun(self.target.name, inputs, self.target.connection, options)
            answers = self._answers(result, len(group))
        except (RejectedError, InputError) as error:
            self.pace.release(attempt)
            if len(group) > 1:
                await self._halves(group)
            else:
                self._refused(group[0].entry, group[0].row, error)
        except ConnectorError as error:
            for each in group:
                self._refused(each.entry, each.row, error)
        else:
            for place, (each, answer) in enumerate(zip(group, answers, strict=True)):
                usage = result.usage if place == 0 else None  # once for all: the call tells no more
                facts = {"model": result.model, "usage": usage, "request_id": result.request_id}
                self._succeeded(each.entry, RowAnswer(answer, facts), "")

    async def _halves(self, group: Sequence[_Text]) -> None:
        """What was refused has not run: one text may be to blame, and the others are answered without it."""
        middle = len(group) // 2
        for half in (group[:middle], group[middle:]):
            attempt = await self._allowed(half)
            if attempt is None:
                for each in half:
                    self._back(each.entry, each.row, wait=0.0, counted=False)
            else:
                await self._call(half, attempt)

    def _answers(self, result: Result, count: int) -> list[bytes]:
        """Each text's answer as if it had been asked for alone; raises ReplyError where one is missing."""
        value = result.value
        items = value.get(self.rules.answers) if isinstance(value, Mapping) else None
        if not isinstance(items, list) or len(items) != count:
            raise ReplyError("The answer has not one part for each text.", status=result.status, request_id=result.request_id)
        index = self.rules.index
        if index is not None:
            places = [item.get(index) if isinstance(item, Mapping) else None for item in items]
            if sorted(place for place in places if isinstance(place, int)) != list(range(count)):
                raise ReplyError(
                    "The answer does not say which part is for which text.", status=result.status, request_id=result.request_id
                )
            items = [dict(item) | {index: 0} for item in sorted(items, key=lambda item: item[index])]
        rest = {name: part for name, part in value.items() if name not in (self.rules.answers, "usage")}
        return [orjson.dumps({**rest, self.rules.answers: [item]}) for item in items]


def runner_by(rules: Bundle) -> Callable[..., Runner]:
    """Makes the runner of an action that takes many texts in one call."""

    def make(*values: Any) -> Runner:
        runner = TogetherRunner(*values)
        runner.rules = rules
        return runner

    return make
