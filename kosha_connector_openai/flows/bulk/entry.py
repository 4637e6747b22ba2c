"""The rows of a ledger: where each stands, and what came back for it, with a digest of its own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from kosha_connector_openai.errors import Fault, SetupError

if TYPE_CHECKING:
    from kosha_connector_openai.core import Attempt


class RowState(IntEnum):
    """Where a row stands."""

    PENDING = 0
    SENT = 1
    DONE = 2
    FAILED = 3
    UNKNOWN = 4


STATES: Final = {int(state): state for state in RowState}


@dataclass(slots=True)
class RowEntry:
    """One row of the ledger. ``base`` is the digest of its inputs and target, ``occurrence`` counts equal rows from 0."""

    n: int
    base: bytes
    occurrence: int = 0
    state: RowState = RowState.PENDING
    tries: int = 0
    at: float = 0.0
    category: str = ""
    done: int = 0

    @property
    def key(self) -> str:
        """The row's key, the same in each run over the same inputs."""
        return f"{self.base.hex()}-{self.occurrence}" if self.occurrence else self.base.hex()

    def claimed(self) -> RowEntry:
        """The row as it is once it has been claimed, now."""
        return RowEntry(self.n, self.base, self.occurrence, RowState.SENT, self.tries + 1, time.time())

    def take(self, fresh: RowEntry) -> None:
        """Takes over where another stands, such as what ``claimed`` gave."""
        self.state, self.tries, self.at, self.category = fresh.state, fresh.tries, fresh.at, fresh.category

    def values(self) -> tuple[Any, ...]:
        """As the table has them."""
        body = (self.n, self.base, self.occurrence, int(self.state), self.tries, self.at, self.category, self.done)
        return (*body, digest(repr(body).encode()))


@dataclass(slots=True)
class RowAnswer:
    """What came back for a row: one JSON value as bytes, or a file's bytes with their media type."""

    body: bytes = b"null"
    facts: dict[str, Any] = field(default_factory=dict)
    """``model``, ``usage``, ``request_id``; of a failure ``code``, ``message``, ``status``."""
    media_type: str = ""
    """Where the answer is no JSON but a file."""


Moved = tuple[RowEntry, RowAnswer | None]
"""A row with its new state, and its answer where it has one."""
Claim = tuple[RowEntry, "Attempt | None"]
"""A row to claim, and its first attempt where that needs a slot."""


_NOTHING: Final = blake2b(digest_size=8)


def digest(data: bytes) -> bytes:
    """The digest that a row or an answer carries."""
    whole = _NOTHING.copy()  # quicker made than from its parameters
    whole.update(data)
    return whole.digest()


def entry_of(values: Sequence[Any]) -> RowEntry:
    """A row of the table, checked."""
    state = STATES.get(values[3])
    if state is None or digest(repr(tuple(values[:8])).encode()) != values[8]:
        raise damaged(f"Row {values[0]} was changed")
    return RowEntry(values[0], values[1], values[2], state, *values[4:8])


def no_run() -> SetupError:
    """The error for a ledger in which no run was begun, such as that of a process which ended too soon."""
    return SetupError("The ledger has no run.", [Fault("/ledger", "empty", "was never filled.", "Begin the run anew; nothing was sent.")])


def damaged(what: str) -> SetupError:
    """The error for a ledger that cannot be trusted."""
    fix = "Take a copy of it from before. A new run over the same input sends every row again, those that were paid for too."
    return SetupError(f"The ledger is damaged: {what}.", [Fault("/ledger", "damaged", "cannot be trusted.", fix)])


def unusable(error: Exception) -> SetupError:
    """The error for a ledger that cannot be read or written now."""
    told = getattr(error, "strerror", None) or str(error)  # without the system's number and our path
    text = told.rstrip(".") or type(error).__name__
    fix = "Make room and give write access to it and its folder; then resume. What was sent and is not in it is told as unknown."
    return SetupError(f"The ledger cannot be used: {text}.", [Fault("/ledger", "file", "cannot be read or written.", fix)])
