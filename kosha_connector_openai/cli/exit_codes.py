"""What the process ends with: one number for each thing that a caller does next."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Final

from kosha_connector_openai.errors import (
    AccessError,
    AnswerError,
    ApiError,
    BudgetError,
    ConnectorError,
    DescriptionError,
    InputError,
    JobEndedError,
    JobError,
    JobPendingError,
    JobUnknownError,
    NotSentError,
    RefusedAnswerError,
    ReplyError,
    SetupError,
    TransportError,
    TriggerError,
    UnavailableError,
    WorkflowError,
)


class ExitCode(IntEnum):
    """The exit codes; scripts may depend on them."""

    OK = 0
    BUG = 1
    USAGE = 2
    INPUT = 3
    SETUP = 4
    REJECTED = 5
    ACCESS = 6
    UNAVAILABLE = 7
    UNKNOWN = 8
    REPLY = 9
    DESCRIPTION = 10
    PENDING = 11
    ENDED = 12
    BUDGET = 13
    WORKFLOW = 14
    DELIVERY = 15
    INTERRUPTED = 130
    CLOSED = 141


MEANINGS: Final[Mapping[ExitCode, tuple[str, str]]] = MappingProxyType(
    {
        ExitCode.OK: ("It worked.", "Nothing."),
        ExitCode.BUG: (
            "This program failed; from `spec diff`: a breaking change; from `spec refresh`: a part left out.",
            "Report it; `KOSHA_DEBUG=1` shows where.",
        ),
        ExitCode.USAGE: ("The command line is wrong.", "Read the message, or add `--help`."),
        ExitCode.INPUT: ("The inputs were refused here; nothing was sent.", "Fix each fault that is listed."),
        ExitCode.SETUP: ("The connection or its secret is not usable; nothing was sent.", "Run `kosha-openai doctor`."),
        ExitCode.REJECTED: ("The API refused the input.", "Change it; the same input will be refused again."),
        ExitCode.ACCESS: ("The API refused the key, its permissions or its balance.", "Fix the connection or the account."),
        ExitCode.UNAVAILABLE: (
            "It surely did not run, or the API is busy or broken.",
            "Try again later; where the error says that it may have run (`retryable` is null), look first.",
        ),
        ExitCode.UNKNOWN: ("It was sent and no answer came: it may have run.", "Look before you run it again."),
        ExitCode.REPLY: ("The answer is not usable or cannot be written, or a stream was cut.", "Look before you run it again."),
        ExitCode.DESCRIPTION: ("A manifest, a description or a plugin is wrong.", "Fix the file or plugin that is named."),
        ExitCode.PENDING: ("A long job was not seen to end, or rows still wait.", "Run `jobs resume JOB` or `bulk resume OUTPUT`."),
        ExitCode.ENDED: (
            "A long job ended without success, or some rows failed.",
            "Read why; `jobs fetch JOB` or `bulk status OUTPUT` tells.",
        ),
        ExitCode.BUDGET: ("The call could pass a cap of `--budget`; nothing was sent.", "Raise the cap, or ask for less."),
        ExitCode.WORKFLOW: ("A workflow failed at a step.", "Look at the step that is named; what came before may have been paid."),
        ExitCode.DELIVERY: ("A webhook's delivery must not be acted on.", "Check the secret and the clock; else it is not the API's."),
        ExitCode.INTERRUPTED: ("Ctrl-C; the upstream connection was closed.", "A job that was started goes on: `jobs resume`."),
        ExitCode.CLOSED: ("The output's reader closed it, as `| head` does.", "Nothing; what was sent stays sent."),
    }
)
"""What each code says, and what to do."""

_BY_KIND: Final[Mapping[type[BaseException], ExitCode]] = MappingProxyType(
    {
        DescriptionError: ExitCode.DESCRIPTION,
        WorkflowError: ExitCode.WORKFLOW,
        TriggerError: ExitCode.DELIVERY,
        InputError: ExitCode.INPUT,
        SetupError: ExitCode.SETUP,
        NotSentError: ExitCode.UNAVAILABLE,
        TransportError: ExitCode.UNKNOWN,
        ReplyError: ExitCode.REPLY,
        BudgetError: ExitCode.BUDGET,
        RefusedAnswerError: ExitCode.REJECTED,
        AnswerError: ExitCode.REPLY,
        AccessError: ExitCode.ACCESS,
        UnavailableError: ExitCode.UNAVAILABLE,
        ApiError: ExitCode.REJECTED,
        JobPendingError: ExitCode.PENDING,
        JobUnknownError: ExitCode.UNKNOWN,
        JobEndedError: ExitCode.ENDED,
        JobError: ExitCode.PENDING,
        ConnectorError: ExitCode.BUG,
    }
)


def exit_code(error: ConnectorError) -> ExitCode:
    """The code for an error: that of its nearest class in the error tree."""
    return next(_BY_KIND[kind] for kind in type(error).__mro__ if kind in _BY_KIND)
