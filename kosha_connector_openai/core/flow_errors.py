"""The errors of what takes more than one call: lists, long jobs, workflows, triggers. Their place in the tree is drawn in ``errors.py``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kosha_connector_openai.core.errors import ConnectorError, DescriptionError, ReplyError
from kosha_connector_openai.core.fault import _Faulty


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


class WorkflowDocumentError(DescriptionError):
    """A workflow's document is wrong, or uses what is not supported; each fault has its pointer. Nothing of it was run."""

    code = "workflow_document"


class WorkflowError(_Faulty):
    """A workflow failed. ``step`` and ``pointer`` say where; ``reason`` is the error of the call, if one failed, as JSON-ready values.

    ``result`` is what came before: outputs so far and a record of each step, without any body.
    """

    code = "workflow"

    def __init__(
        self,
        message: str,
        *,
        pointer: str,
        workflow: str,
        step: str | None = None,
        hint: str = "",
        cause: ConnectorError | None = None,
    ) -> None:
        faults = getattr(cause, "faults", ())
        super().__init__(message, faults, hint=hint or (cause.hint if cause else ""), pointer=pointer)
        self.workflow = workflow
        self.step = step
        self.reason = cause.to_dict() if cause else None
        self.retryable = cause.retryable if cause else False
        self.result: Any = None

    def to_dict(self) -> dict[str, Any]:
        return super().to_dict() | {"workflow": self.workflow, "step": self.step, "reason": self.reason}


class WorkflowLimitError(WorkflowError):
    """A workflow passed a limit: its steps, its time or its depth."""

    code = "workflow_limit"


class TriggerError(ConnectorError):
    """A delivery that must not be acted on. No part of it, and no secret, is in the message. ``status`` is what to answer it with."""

    code = "trigger"
    status: int = 400


class SignatureError(TriggerError):
    """The delivery is not signed with one of our secrets, or its headers are malformed: it may be from anybody."""

    code = "signature"
    status: int = 401


class StaleError(TriggerError):
    """The delivery was signed too long ago, or too far in the future: it may be a copy."""

    code = "stale"
    status: int = 401


class ReplayError(TriggerError):
    """The delivery came before and was taken. Answer it with success, and do nothing."""

    code = "replay"
    status: int = 200


class EventError(TriggerError):
    """The delivery is signed, and its body is no event that can be read."""

    code = "event"
