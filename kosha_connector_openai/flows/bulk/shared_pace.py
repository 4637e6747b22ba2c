"""One pace for all processes of a run: its state is a row of their ledger, taken up and put back with each commit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from kosha_connector_openai.core import Attempt
from kosha_connector_openai.core.result import Result
from kosha_connector_openai.core.transport import turned_away
from kosha_connector_openai.errors import ConnectorError
from kosha_connector_openai.flows.bulk.pace import Pace


class SharedPace(Pace):
    """What replies tell is applied here at once, and again to the common state when that is next held; slots come from there alone."""

    is_common = True

    def __init__(self, held: Callable[[Callable[[], Any]], Any], **given: Any) -> None:
        """``held`` runs a function while the common state is held, and gives its value."""
        super().__init__(**given)
        self._held = held
        self._told: list[Callable[[], Any]] = []
        """What is to be done to the common state when that is next held."""

    def before_claim(self, attempt: Attempt) -> float:
        """Seconds of a pause for all; the slot comes with the claim."""
        return self.paused

    def wait(self, attempt: Attempt) -> float:
        """As CallPace."""
        if self.paused or (attempt.taken is not None and attempt.taken.epoch == self._epoch):
            return super().wait(attempt)
        wait: float = self._held(lambda: super(SharedPace, self).wait(attempt))
        return wait

    def answered(self, attempt: Attempt, limits: Mapping[str, float], result: Result | None, error: ConnectorError | None) -> bool:
        """As CallPace."""
        self._told.append(partial(Pace.answered, self, replace(attempt), limits, result, error))
        super().answered(attempt, limits, result, error)
        return turned_away(error) and self._again

    def release(self, attempt: Attempt) -> None:
        """As Pace."""
        if attempt.taken is not None and attempt.taken.probe:  # all others wait for its answer
            self._told.append(partial(Pace.release, self, replace(attempt)))
        super().release(attempt)

    @property
    def news(self) -> bool:
        """Whether replies told what the common state does not know yet."""
        return bool(self._told)

    def take_up(self, state: Mapping[str, Any] | None) -> None:
        """Goes on with the common state, to which it adds what replies told meanwhile."""
        if state is not None:
            self.restore(state)
        told, self._told = self._told, []
        refused = self.refused
        for tell in told:
            tell()
        self.refused = refused

    def slots(self, attempts: Sequence[Attempt | None]) -> list[float]:
        """A slot for each attempt, in the state that is held now: 0, or seconds where there is none soon."""
        return [self._slot(attempt) if attempt is not None else 0.0 for attempt in attempts]

    def _slot(self, attempt: Attempt) -> float:
        wait = super().wait(attempt)
        return wait if attempt.taken is None else 0.0
