"""The audit line about a call: who called what, where, how it went. Never a body, an input or a secret."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass

import orjson

LOGGER = logging.getLogger("kosha.connector.calls")


@dataclass(frozen=True, slots=True)
class Record:
    """One finished call; ``outcome`` is "ok", "incomplete" or an error's code; ``duration`` is in seconds."""

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
        """One line; control characters are escaped, so that no value can start a second one."""
        text = orjson.dumps(asdict(self), option=orjson.OPT_SORT_KEYS).decode()
        return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029").replace("\x7f", "\\u007f").replace("\x85", "\\u0085")


def log(record: Record) -> None:
    """Writes the record to the logger ``kosha.connector.calls``, at INFO."""
    if LOGGER.isEnabledFor(logging.INFO):
        LOGGER.info("%s", record.to_json())
