"""Everything this package raises on purpose, grouped by what the caller does next.

ConnectorError
├── DescriptionError            fix connector.yaml, openapi.json or a plugin
│   ├── ManifestError
│   ├── DocumentError
│   ├── PluginError
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

Those of lists, jobs, workflows and triggers are in ``flow_errors.py``.
Errors hold values; their text is made when shown. No error holds an input value, a secret, a request or a cause that does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kosha_connector_openai.core.fault import ConnectorError as ConnectorError
from kosha_connector_openai.core.fault import Fault as Fault
from kosha_connector_openai.core.fault import _Faulty


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
    """No whole reply arrived. ``phase`` names where it stopped: pool, connect, write, read or deadline."""

    code = "transport"

    def __init__(self, message: str, *, phase: str, hint: str = "", attempts: int = 1) -> None:
        super().__init__(message, hint=hint)
        self.phase = phase
        self.attempts = attempts

    def to_dict(self) -> dict[str, Any]:
        return super().to_dict() | {"phase": self.phase, "attempts": self.attempts}


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
