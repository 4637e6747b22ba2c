"""Everything this package raises on purpose, grouped by what the caller does next.

ConnectorError
├── DescriptionError            fix connector.yaml, openapi.json or a plugin
│   ├── ManifestError
│   ├── DocumentError
│   ├── PluginError
│   ├── ConnectorPackageError   take another package; nothing was written
│   └── WorkflowDocumentError   fix the workflow's document
├── InputError                  fix the input; nothing was sent
│   └── UnknownActionError
├── SetupError                  fix the connection; nothing was sent
│   ├── OriginError
│   └── SecretError
│       ├── SecretMissingError
│       ├── SecretRefusedError
│       └── SecretStoreError
├── TransportError              no whole reply arrived
│   ├── NotSentError            it surely did not run: try again
│   └── OutcomeUnknownError     it may have run: look before trying again
├── ReplyError                  a reply arrived that cannot be trusted; the call may have run
│   ├── MalformedReplyError
│   ├── TruncatedReplyError
│   ├── ReplyTooLargeError
│   ├── RedirectRefusedError
│   └── PagingError             keep what came; go on from its cursor, or stop
├── AnswerError                 the upstream answered, with something other than what was asked for
│   ├── RefusedAnswerError      fix the input: the model or a filter will not answer it
│   ├── IncompleteAnswerError   allow a longer answer, or ask for less
│   └── UnfitAnswerError        the answer breaks the form that was asked for: try again or another model
├── BudgetError                 raise the cap of the run, or stop; nothing was sent
├── ApiError                    the upstream answered with an error
│   ├── RejectedError           fix the input (400, 404, 409, 422, content policy)
│   ├── AccessError             fix the connection (401, 403, quota)
│   └── UnavailableError        try again later (429, 5xx)
├── JobError                    a long job was started: use its handle, start no second one
│   ├── JobPendingError         it was not seen to end: resume from its handle
│   ├── JobUnknownError         it may have been started: look it up before you start it again
│   └── JobEndedError           it ended without success: see its state, then start another
├── WorkflowError               a workflow stopped: see the step that it names
│   └── WorkflowLimitError      it went on for too long: look for a loop without an end
└── TriggerError                do not act on this delivery
    ├── SignatureError          check the secret; else it is a forgery
    ├── StaleError              check the clock; else it is a copy
    ├── ReplayError             it was taken before: do nothing
    └── EventError              look whether the API has changed

One module: an error tree is read whole, and each class is a few lines.
Errors hold values; their text is made when shown. No error holds an input value, a secret, a request or a cause that does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

__all__ = [
    "AccessError", "AnswerError", "ApiError", "BudgetError", "ConnectorError", "ConnectorPackageError", "DescriptionError",
    "DocumentError", "EventError", "Fault", "IncompleteAnswerError", "InputError", "JobEndedError", "JobError", "JobPendingError",
    "JobUnknownError", "MalformedReplyError", "ManifestError", "NotSentError", "OriginError", "OutcomeUnknownError", "PagingError",
    "PluginError", "RedirectRefusedError", "RefusedAnswerError", "RejectedError", "ReplayError", "ReplyError", "ReplyTooLargeError",
    "SecretError", "SecretMissingError", "SecretRefusedError", "SecretStoreError", "SetupError", "SignatureError", "StaleError",
    "TransportError", "TriggerError", "TruncatedReplyError", "UnavailableError", "UnfitAnswerError", "UnknownActionError",
    "WorkflowDocumentError", "WorkflowError", "WorkflowLimitError",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with one place: where, which rule, why, and what to do. Never the value itself.

    ``pointer`` is an RFC 6901 JSON Pointer; ``rule`` is a JSON Schema keyword or one of our own words (``unknown``, ``control``,
    ``dot-segment``, ...); ``allowed`` holds the bound or the permitted values where the rule has them.
    """

    pointer: str
    rule: str
    message: str
    fix: str = ""
    allowed: Any = None

    def __str__(self) -> str:
        where = self.pointer or "/"
        return f"{where}: {self.message}" + (f" {self.fix}" if self.fix else "")


class ConnectorError(Exception):
    """The root of this tree. ``code`` is stable and documented; ``hint`` says what to do next."""

    code: ClassVar[str] = "connector_error"
    retryable: bool | None = False
    """True: trying again is safe and may help. False: it will not help. None: nobody can know; look first."""

    def __init__(self, message: str, *, hint: str = "", pointer: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.pointer = pointer

    def __str__(self) -> str:
        where = f"{self.pointer}: " if self.pointer else ""
        return f"{where}{self.message}" + (f" {self.hint}" if self.hint else "")

    def __reduce__(self) -> tuple[Any, ...]:
        return _revive, (type(self), self.__dict__.copy())

    def to_dict(self) -> dict[str, Any]:
        """The error as JSON-ready values, as printed by ``--json`` and returned to hosts."""
        values: dict[str, Any] = {"code": self.code, "message": self.message, "retryable": self.retryable}
        if self.hint:
            values["hint"] = self.hint
        if self.pointer:
            values["pointer"] = self.pointer
        return values


def _revive(kind: type[ConnectorError], values: dict[str, Any]) -> ConnectorError:
    """An error that another process had; its values, and neither its cause nor its frames."""
    error = kind.__new__(kind, values["message"])
    error.__dict__.update(values)
    return error


class _Faulty(ConnectorError):
    """An error that lists faults, all of them, the most telling first."""

    def __init__(self, message: str, faults: Sequence[Fault] = (), *, hint: str = "", pointer: str = "") -> None:
        super().__init__(message, hint=hint, pointer=pointer)
        self.faults = tuple(faults)

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *(f"  {fault}" for fault in self.faults)])

    def to_dict(self) -> dict[str, Any]:
        return super().to_dict() | {"faults": [asdict(fault) for fault in self.faults]}


class DescriptionError(_Faulty):
    """The connector's own files are wrong; no action of it, or not this one, can run."""

    code = "description"


class ManifestError(DescriptionError):
    """``connector.yaml`` cannot be read or breaks its schema."""

    code = "manifest"


class DocumentError(DescriptionError):
    """The OpenAPI description cannot be read, or the operation asked for is faulty."""

    code = "document"


class PluginError(DescriptionError):
    """A plugin failed to load, or returned something that the hook specification does not allow."""

    code = "plugin"


class ConnectorPackageError(DescriptionError):
    """A package is refused, or what is installed is not as it was; faults name the file or field."""

    code = "package"


class InputError(_Faulty):
    """The inputs break the action's schema. Nothing was sent and no secret was read."""

    code = "input"


class UnknownActionError(InputError):
    """No action has this id."""

    code = "unknown_action"


class SetupError(_Faulty):
    """The connection is incomplete or wrong. Nothing was sent."""

    code = "setup"


class OriginError(SetupError):
    """The credential may not be sent to this origin. The secret was not read."""

    code = "origin"


class SecretError(SetupError):
    """The secret could not be had. Its value is in no message."""

    code = "secret"


class SecretMissingError(SecretError):
    """The store answered, and has no such secret."""

    code = "secret_missing"


class SecretRefusedError(SecretError):
    """The reference or the secret breaks a rule: a forbidden name, a loose file, a control character, a length."""

    code = "secret_refused"


class SecretStoreError(SecretError):
    """The store did not answer, or not in time."""

    code = "secret_store"
    retryable: bool | None = True


class TransportError(ConnectorError):
    """No whole reply arrived. ``phase`` names where it stopped: pool, connect, tls, write, head, read or deadline."""

    code = "transport"
    status: int | None = None
    """The status, where the head of a reply was seen."""
    request_id: str | None = None
    """The upstream's id of the request, where the head of a reply was seen."""

    def __init__(self, message: str, *, phase: str, hint: str = "", attempts: int = 1) -> None:
        super().__init__(message, hint=hint)
        self.phase = phase
        self.attempts = attempts

    def to_dict(self) -> dict[str, Any]:
        seen = {} if self.status is None else {"status": self.status, "request_id": self.request_id}
        return super().to_dict() | {"phase": self.phase, "attempts": self.attempts} | seen


class NotSentError(TransportError):
    """No byte of the request left, so it surely did not run."""

    code = "not_sent"
    retryable: bool | None = True


class OutcomeUnknownError(TransportError):
    """The request, or part of it, was sent and no reply came: it may have run, and may have been paid for."""

    code = "outcome_unknown"
    retryable: bool | None = None


class ReplyError(ConnectorError):
    """A reply arrived that cannot be used. ``status`` and ``request_id`` are what was read before that was clear."""

    code = "reply"
    retryable: bool | None = None

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        request_id: str | None = None,
        excerpt: str = "",
        hint: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.request_id = request_id
        self.excerpt = excerpt

    def to_dict(self) -> dict[str, Any]:
        return super().to_dict() | {"status": self.status, "request_id": self.request_id}


class MalformedReplyError(ReplyError):
    """The body is not what its Content-Type says: invalid JSON, empty, too deep, not text, an unknown encoding."""

    code = "malformed_reply"


class TruncatedReplyError(ReplyError):
    """The body ended before its declared end."""

    code = "truncated_reply"


class ReplyTooLargeError(ReplyError):
    """The body, a header, a line or an event passed its limit; the connection was closed."""

    code = "reply_too_large"


class RedirectRefusedError(ReplyError):
    """The upstream redirected; a credential never follows."""

    code = "redirect_refused"


class AnswerError(_Faulty):
    """The upstream answered and was paid, and the answer is not what was asked for. ``usage`` is what it cost; no text of it is here."""

    code = "answer"
    retryable: bool | None = None

    def __init__(
        self,
        message: str,
        faults: Sequence[Fault] = (),
        *,
        hint: str = "",
        usage: Mapping[str, Any] | None = None,
        request_ids: Sequence[str] = (),
    ) -> None:
        super().__init__(message, faults, hint=hint)
        self.usage = dict(usage or {})
        self.request_ids = tuple(request_ids)

    def to_dict(self) -> dict[str, Any]:
        return super().to_dict() | {"usage": self.usage, "request_ids": list(self.request_ids)}


class RefusedAnswerError(AnswerError):
    """The model, or a filter around it, refused to answer."""

    code = "refused_answer"
    retryable: bool | None = False


class IncompleteAnswerError(AnswerError):
    """The answer was cut before its end."""

    code = "incomplete_answer"
    retryable: bool | None = False


class UnfitAnswerError(AnswerError):
    """The answer is whole and breaks the form that was asked for; the faults say where."""

    code = "unfit_answer"


class BudgetError(ConnectorError):
    """The run's budget does not cover the call. Nothing was sent. ``cap`` names the cap: calls, tokens or cost."""

    code = "budget"

    def __init__(self, message: str, *, cap: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.cap = cap

    def to_dict(self) -> dict[str, Any]:
        return super().to_dict() | {"cap": self.cap}


class ApiError(ConnectorError):
    """The upstream answered with an error.

    ``category`` comes from the manifest's error table; ``api_code``, ``param`` and ``type`` are the upstream's own words, scrubbed of
    secrets; ``retry_after`` is in seconds.
    """

    code = "api"

    def __init__(
        self,
        message: str,
        *,
        status: int,
        category: str,
        retryable: bool | None = False,
        hint: str = "",
        api_code: str | None = None,
        type: str | None = None,  # noqa: A002 - the upstream's own word
        param: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
        attempts: int = 1,
        body: Any = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.category = category
        self.retryable = retryable
        self.api_code = api_code
        self.type = type
        self.param = param
        self.request_id = request_id
        self.retry_after = retry_after
        self.headers = dict(headers or {})
        self.attempts = attempts
        self.body = body
        """The upstream's error body after scrubbing: JSON values, or at most 200 safe characters of text."""
        self.rate_limit: dict[str, str] = {}
        """The state of the rate limits by name, as the reply told it, like ``Result.rate_limit``."""
        self.ran = False
        """Whether the call surely ran: a part of its answer, or what it used, came with the error or before it."""
        self.place = ""  # the pointer in the upstream's answer where ``body`` stood, such as ``/error``

    def __str__(self) -> str:
        return f"{self.status} {self.category}: {super().__str__()}"

    def to_dict(self) -> dict[str, Any]:
        names = ("status", "category", "api_code", "type", "param", "request_id", "retry_after", "attempts")
        return super().to_dict() | {name: getattr(self, name) for name in names}


class RejectedError(ApiError):
    """The upstream refuses this input; the same input will be refused again."""

    code = "rejected"


class AccessError(ApiError):
    """The upstream refuses this credential, project or balance."""

    code = "access"


class UnavailableError(ApiError):
    """The upstream is busy or broken; the same call may work later."""

    code = "unavailable"


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
    """A long job did not give its result. ``handle`` is JSON-ready, holds no secret, and is all that another process needs to go on."""

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
    """The request that starts the job was sent and no answer came: it may run, and may have been paid for.

    ``absent``: it was looked for by its mark, and no job bears it.
    """

    code = "job_unknown"
    retryable: bool | None = None
    absent = False


class JobEndedError(JobError):
    """The job has ended, and not with success. ``state`` is the upstream's word, ``end`` ours.

    ``category`` is that of the upstream's error, where it tells one; ``retryable`` says whether another job may be started safely.
    """

    code = "job_ended"

    def __init__(
        self, message: str, *, handle: Mapping[str, Any], state: str, end: str, hint: str = "", cause: ApiError | None = None
    ) -> None:
        super().__init__(message, handle=handle, hint=hint, cause=cause)
        self.state = state
        self.end = end
        self.category = cause.category if cause else None
        self.retryable = cause.retryable if cause else False

    def to_dict(self) -> dict[str, Any]:
        return super().to_dict() | {"state": self.state, "end": self.end, "category": self.category}


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
