"""What an HTTP library logs of a reply's headers at DEBUG: not of our exchanges, since an upstream may echo the key in one of them."""

from __future__ import annotations

import logging
from contextvars import ContextVar
from typing import Final

OURS: Final[ContextVar[bool]] = ContextVar("kosha_exchange", default=False)
"""Whether the running thread or task is in an exchange of ours."""
_HEADERS: Final = "receive_response_headers.complete"


class _NotOurs(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record may pass: those of other users of the library all do."""
        return not (OURS.get() and str(record.msg).startswith(_HEADERS))


_FILTER: Final = _NotOurs()


def withhold(core: str) -> None:
    """Keeps the reply headers of our exchanges from the logger of ``core``, whatever its level; a second time changes nothing."""
    logging.getLogger(f"{core}.http11").addFilter(_FILTER)
