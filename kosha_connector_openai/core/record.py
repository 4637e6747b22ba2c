"""The audit line about a call: who called what, where, how it went. Never a body, an input or a secret."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Final

LOGGER = logging.getLogger("kosha.connector.calls")
LONGEST: Final = 500
"""Characters of one value; what an upstream sends may be longer."""


@dataclass(frozen=True, slots=True)
class Record:
    """One finished call; ``outcome`` is "ok", what is wrong with an answer, or an error's code; ``duration`` is in seconds."""

    connector: str
    action: str
    method: str
    path: str
    origin: str
    tenant: str
    credential: str
    outcome: str
    status: int | None
    request_id: str | None
    attempts: int
    duration: float
    spec_digest: str

    def to_json(self) -> str:
        """One line of ASCII, control characters escaped, so that no value can start a second one; long values are cut."""
        values = {name: value[:LONGEST] if isinstance(value, str) else value for name, value in asdict(self).items()}
        return json.dumps(values, sort_keys=True, separators=(",", ":")).replace("\x7f", "\\u007f")


def is_heard(sink: Callable[[Record], None]) -> bool:
    """Whether anybody takes what ``sink`` is given: ``log`` drops it where the logger is not at INFO, ``drop`` always."""
    return sink is not drop and (sink is not log or LOGGER.isEnabledFor(logging.INFO))


def drop(record: Record) -> None:
    """Takes no record: for a host that writes its own."""


def log(record: Record) -> None:
    """Writes the record to the logger ``kosha.connector.calls``, at INFO."""
    if LOGGER.isEnabledFor(logging.INFO):
        LOGGER.info("%s", record.to_json())
