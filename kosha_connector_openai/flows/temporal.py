"""Temporal, as flows use it: where it is, a worker that ends well, and work that is finished rather than dropped."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeVar

from kosha_connector_openai.errors import ConnectorError, Fault, SecretError, SetupError
from kosha_connector_openai.flows.temporal_place import TemporalPlace
from kosha_connector_openai.text import install

if TYPE_CHECKING:
    from kosha_connector_openai.connector import Connector

T = TypeVar("T")
LOGGER: Final = logging.getLogger("kosha.connector.temporal")
_TASK: Final = timedelta(seconds=2)
_GRACE: Final = timedelta(seconds=35)
_BEAT: Final = 0.5
_RENEWAL: Final = 60.0


def queue_of(connector: Connector, work: str) -> str:
    """The task queue of a connector's work: workers of another connector on the same server take none of it."""
    return f"kosha-{connector.id}-{work}"


async def connected(place: TemporalPlace) -> Any:
    """A client. Raises SetupError where the package, the server or its namespace is not there, or it does not let us in."""
    try:
        from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
        from temporalio.client import Client
        from temporalio.service import RPCError
    except ImportError:
        fault = Fault("/temporal", "extra", "is asked for, and temporalio is not installed.", install("temporal"))
        raise SetupError("Temporal cannot be used; nothing was sent.", [fault]) from None
    options = place.options()
    try:
        client = await Client.connect(place.address, namespace=place.namespace, runtime=_runtime(), **options)
        await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=place.namespace))
    except (RuntimeError, RPCError, ValueError) as error:
        words = str(error).lower()  # they are not repeated: a proxy's may have what was sent
    else:
        return client
    del options
    rule, what, fix = next((told for signs, *told in _TROUBLES if any(sign in words for sign in signs)), _AWAY)
    message = what.format(address=place.address, namespace=place.namespace)
    raise SetupError("Temporal is not there; nothing was sent.", [Fault("/temporal", rule, message, fix)])


_SIGN_IN: Final = "Give the key or the client's certificate of this namespace by reference: --temporal-sign-in api-key=env:NAME."
_TLS: Final = (
    "Look at --temporal-sign-in: tls-ca is an authority of your own, tls-name another name, tls-cert and tls-key are the client's."
)
_TROUBLES: Final = (
    (
        ("certificate", "handshake", "alert", "tls"),
        "tls",
        "does not agree on TLS at {address}.",
        _TLS,
    ),
    (("hyper::error",), "closed", "is at {address} and closes the connection, as a server with TLS does.", _TLS),
    (("unauthenticated", "unauthorized", "permission"), "access", "does not let this client into {namespace} at {address}.", _SIGN_IN),
    (("not found", "notfound"), "namespace", "has no namespace {namespace} at {address}.", "Name one: --temporal HOST:PORT/NAMESPACE."),
)
"""What the words of a failed connection say, in this order."""
_AWAY: Final = [
    "server",
    "does not answer at {address}.",
    "Start one, such as `temporal server start-dev`, or name its address: --temporal HOST:PORT. One with TLS needs --temporal-sign-in.",
]


@asynccontextmanager
async def begun(client: Any, place: TemporalPlace, workflow: str, arguments: list[Any], *, name: str, queue: str) -> AsyncIterator[Any]:
    """The handle of the workflow with this name, which is started where none goes on; in the block the client's sign-in is renewed."""
    from temporalio.exceptions import WorkflowAlreadyStartedError

    async with renewed(client, place):
        try:
            handle = await client.start_workflow(workflow, args=arguments, id=name, task_queue=queue, task_timeout=_TASK)
        except WorkflowAlreadyStartedError:
            handle = client.get_workflow_handle(name)
        yield handle


@asynccontextmanager
async def renewed(client: Any, place: TemporalPlace, each: float = _RENEWAL) -> AsyncIterator[None]:
    """In the block a client signs in with what its references stand for now, each minute: keys are rotated while a run goes on."""
    task = asyncio.create_task(_renewing(client, place, each))
    try:
        yield
    finally:
        task.cancel()


async def _renewing(client: Any, place: TemporalPlace, each: float) -> None:
    before = None
    while place.api_key or place.headers:
        with suppress(SecretError):  # one that is being replaced is read the next time
            found = await asyncio.to_thread(place.sign_in)
            for name, value in found.items() if found != before else ():
                setattr(client, name, value)
            before = found
        await asyncio.sleep(each)


@cache
def _runtime() -> Any:
    """One for the process; its core would write its log to standard output."""
    from temporalio.runtime import LogForwardingConfig, LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter

    forwarding = LogForwardingConfig(LOGGER)
    logs = LoggingConfig(TelemetryFilter(core_level="WARN", other_level="ERROR"), forwarding=forwarding)
    return Runtime(telemetry=TelemetryConfig(logging=logs))


async def run_worker(place: TemporalPlace, queue: str, workflow: type, activities: Mapping[str, Callable[..., Any]], at_once: int) -> None:
    """Works for a queue until SIGTERM or SIGINT; what is under way is then finished."""
    client = await connected(place)
    from temporalio import activity
    from temporalio.worker import UnsandboxedWorkflowRunner, Worker

    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError, RuntimeError):
            loop.add_signal_handler(number, ended.set)
    worker = Worker(
        client,
        task_queue=queue,
        workflows=[workflow],
        activities=[activity.defn(name=name)(_function(work)) for name, work in activities.items()],
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_concurrent_activities=at_once,
        graceful_shutdown_timeout=_GRACE,
        sticky_queue_schedule_to_start_timeout=_TASK,
        max_heartbeat_throttle_interval=timedelta(seconds=1),
    )
    async with renewed(client, place), worker:
        await ended.wait()


def _function(method: Callable[..., Any]) -> Callable[..., Any]:
    """A function of its own for a method, since an activity's name is kept on it."""

    async def call(*values: Any) -> Any:
        return await method(*values)

    return call


async def finished(work: Coroutine[Any, Any, T], drain: Callable[[], None]) -> tuple[T, bool]:
    """Runs an activity's work to its end, beating meanwhile; ``drain`` asks it to end where it is cancelled or its worker stops.

    Gives its value, and whether it was cancelled.
    """
    task = asyncio.ensure_future(work)
    beside = [asyncio.ensure_future(_beating()), asyncio.ensure_future(_draining(drain))]
    cancelled = False
    try:
        while not task.done():
            try:
                await asyncio.shield(task)
            except asyncio.CancelledError:
                cancelled = True
                drain()
    finally:
        for each in beside:
            each.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
    return task.result(), cancelled


async def _beating() -> None:
    from temporalio import activity

    while True:
        activity.heartbeat()
        await asyncio.sleep(_BEAT)


async def _draining(drain: Callable[[], None]) -> None:
    from temporalio import activity

    await activity.wait_for_worker_shutdown()
    drain()


class Failures:
    """What a worker's activities fail with: in words for Temporal, and for the worker's log, there once a minute: they are tried again."""

    def __init__(self) -> None:
        self._said: dict[str, float] = {}

    def told(self, error: ConnectorError) -> Exception:
        """The error for Temporal, which tries again what may come back: a server that is away, a run that another process holds."""
        from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

        again = any(fault.rule in ("server", "held") for fault in getattr(error, "faults", ()))
        text, now = str(error), time.monotonic()
        if now - self._said.get(text, -_RENEWAL) >= _RENEWAL:
            self._said[text] = now
            LOGGER.warning("%s%s", text, "\n  It is tried again each second." if again else "")
        # Benign: its own log has a traceback for each. Where a server is stays out of Temporal.
        words, category = error.message if again else text, ApplicationErrorCategory.BENIGN
        found: Exception = ApplicationError(words, type=error.code, non_retryable=not again, category=category)
        return found


def told(error: BaseException) -> ConnectorError:
    """What failed on a worker, in the words that it gave."""
    from temporalio.exceptions import ApplicationError

    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ApplicationError):
        cause = cause.__cause__
    words = str(cause.message) if isinstance(cause, ApplicationError) else "it was ended from outside."
    return SetupError(f"A worker could not go on: {words}", hint="Look at the worker's log; mend it; then resume.")
