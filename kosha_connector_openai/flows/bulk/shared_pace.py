"""One pace for all processes of a run: its state is a row of their ledger, taken up and put back with each commit."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import orjson

from kosha_connector_openai.core import Attempt
from kosha_connector_openai.core.result import Result
from kosha_connector_openai.core.transport import turned_away
from kosha_connector_openai.errors import ConnectorError
from kosha_connector_openai.flows.bulk.pace import Pace

_ALONE: Final = 3


@dataclass(frozen=True, slots=True)
class Turn:
    """The slots of some attempts, if the common state is still ``before``; it is ``after`` then."""

    attempts: Sequence[Attempt | None]
    waits: list[float]
    """0, or seconds where there is no slot soon."""
    before: bytes
    after: bytes
    told: int
    """How much of what replies told is in ``after``."""


class SharedPace(Pace):
    """What replies tell is applied here at once, and to the common state with the next turn; slots come from there alone.

    A turn is taken from the common state as it was seen last, while no other process takes turns; else from the one that is held.
    """

    is_common = True

    def __init__(self, state: bytes, held: Callable[[Callable[[bytes], Turn]], Turn], **given: Any) -> None:
        """``state`` is the common one; ``held`` keeps the turn that a function makes of it, while nobody else can."""
        super().__init__(**given)
        self._held = held
        self._lock = threading.Lock()
        """A ledger works in a thread of its own."""
        self._told: list[Callable[[], Any]] = []
        """What replies told since the common state was seen."""
        self._seen = b""
        """The common state that this one goes on from."""
        self._alone = 0
        """Turns since another process took one."""
        self._take_up(state)

    def before_claim(self, attempt: Attempt) -> float:
        """Seconds of a pause for all; the slot comes with the claim."""
        return self.paused

    def wait(self, attempt: Attempt) -> float:
        """As CallPace."""
        if not (self.paused or (attempt.taken is not None and attempt.taken.epoch == self._epoch)):
            turn = self._held(partial(self.take, [attempt]))
            self.kept(turn)
            if turn.waits[0]:
                return turn.waits[0]
        return super().wait(attempt)

    def answered(self, attempt: Attempt, limits: Mapping[str, float], result: Result | None, error: ConnectorError | None) -> bool:
        """As CallPace."""
        with self._lock:
            self._told.append(partial(Pace.answered, self, replace(attempt), limits, result, error))
            super().answered(attempt, limits, result, error)
        return turned_away(error) and self._again

    def release(self, attempt: Attempt) -> None:
        """As Pace."""
        with self._lock:
            if attempt.taken is not None and attempt.taken.probe:  # all others wait for its answer
                self._told.append(partial(Pace.release, self, replace(attempt)))
            super().release(attempt)

    @property
    def news(self) -> bool:
        """Whether replies told what the common state does not know yet."""
        return bool(self._told)

    @property
    def is_alone(self) -> bool:
        """Whether no other process takes turns now."""
        return self._alone >= _ALONE

    def take(self, attempts: Sequence[Attempt | None], state: bytes | None = None) -> Turn:
        """The next turn; ``state`` is the common one where it is held, else it is the one that was seen last."""
        with self._lock:
            if state is not None and state != self._seen:
                self._take_up(state)
                self._alone = 0
            waits = [self._slot(attempt) if attempt is not None else 0.0 for attempt in attempts]
            return Turn(attempts, waits, self._seen, orjson.dumps(self.state()), len(self._told))

    def kept(self, turn: Turn) -> None:
        """The common state is as the turn left it."""
        with self._lock:
            self._seen, self._alone = turn.after, self._alone + 1
            del self._told[: turn.told]

    def lost(self, turn: Turn) -> None:
        """Another process was first: the attempts have no slots."""
        with self._lock:
            self._seen, self._alone = b"", 0
            for attempt in filter(None, turn.attempts):
                attempt.taken = None

    def _take_up(self, state: bytes) -> None:
        """Goes on with the common state, to which it adds what replies told meanwhile."""
        self._seen, refused = state, self.refused
        found = orjson.loads(state)
        if found is not None:
            self.restore(found)
        for tell in self._told:
            tell()
        self.refused = refused

    def _slot(self, attempt: Attempt) -> float:
        wait = super().wait(attempt)
        return wait if attempt.taken is None else 0.0
