"""The errors of what takes more than one call: lists and long jobs. Their place in the tree is drawn in ``errors.py``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kosha_connector_openai.core.errors import ConnectorError, ReplyError


class PagingError(ReplyError):
    """A list goes round in circles, does not end, or says that more follows but not from where. ``cursor`` is where to go on from."""

    code = "paging"
    retryable: bool | None = False

    def __init__(self, message: str, *, hint: str = "", cursor: Any = None, pages: int = 0, items: int = 0) -> None:
        super().__init__(message, hint=hint)
        self.cursor = cursor
        self.pages = pages
        self.items = items

    def to_dict(self) -> dict[str, Any]:
        return super().to_dict() | {"cursor": self.cursor, "pages": self.pages, "items": self.items}


class JobError(ConnectorError):
    """Something about a long job. ``handle`` is JSON-ready, holds no secret, and is all that another process needs to go on."""

    code = "job"

    def __init__(self, message: str, *, handle: Mapping[str, Any], hint: str = "", cause: ConnectorError | None = None) -> None:
        super().__init__(message, hint=hint)
        self.handle = dict(handle)
        self.reason = cause.to_dict() if cause else None
        """The error behind this one, as JSON-ready values."""

    def to_dict(self) -> dict[str, Any]:
        return super().to_dict() | {"handle": self.handle, "reason": self.reason}


class JobPendingError(JobError):
    """The wait is over and the job is not, or its state could not be asked for any more; it goes on upstream."""

    code = "job_pending"
    retryable: bool | None = True


class JobUnknownError(JobError):
    """The request that starts the job was sent and no answer came: it may run, and may have been paid for."""

    code = "job_unknown"
    retryable: bool | None = None


class JobEndedError(JobError):
    """The job has ended, and not with success. ``state`` is the upstream's word, ``end`` ours."""

    code = "job_ended"

    def __init__(self, message: str, *, handle: Mapping[str, Any], state: str, end: str, hint: str = "") -> None:
        super().__init__(message, handle=handle, hint=hint)
        self.state = state
        self.end = end

    def to_dict(self) -> dict[str, Any]:
        return super().to_dict() | {"state": self.state, "end": self.end}
