"""A reply that came by another way, in a file of many, read as if the call had got it."""

from __future__ import annotations

from typing import Any

from kosha_connector_openai.core.call import Call, Head
from kosha_connector_openai.core.drive import drive_steps
from kosha_connector_openai.core.executor import THROWN, bare
from kosha_connector_openai.core.plan import plan
from kosha_connector_openai.core.result import Result, malformed, settle
from kosha_connector_openai.core.steps import Open, Read, Step
from kosha_connector_openai.errors import ConnectorError

_JSON = (("Content-Type", "application/json"),)


def read_recorded(call: Call, status: int, body: bytes) -> Result:
    """The result of a call that was answered with this status and JSON body. Raises what the call would; nothing is sent."""

    def perform(step: Step) -> Any:
        return Head(status, _JSON) if isinstance(step, Open) else body if isinstance(step, Read) else None

    try:
        done = drive_steps(plan(call), perform, THROWN)
    except ConnectorError as error:
        raise bare(error)  # noqa: B904 - it is its own cause
    if not isinstance(done, Result):
        raise malformed("The reply is an event stream.", body, status=status, request_id=None, scrub=call.scrub)
    settle(done, call.options.policy)
    return done
