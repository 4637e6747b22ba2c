"""uvicorn's HTTP protocol with limits that it lacks: on the head of a request and of those behind it, on trailers, on connections.

All that arrives is counted before it is kept: a field that is not whole, fields, requests in a row. Trailers are dropped: they are never
headers (RFC 9110, section 6.5.1). A request that is answered before its body was read is the connection's last.
"""

from __future__ import annotations

import asyncio
import select
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, cast

from kosha_connector_openai.gateway.app import ABORT, KNOWN
from kosha_connector_openai.gateway.discard import Discard
from kosha_connector_openai.gateway.head_buffer import HeadBuffer
from kosha_connector_openai.gateway.head_refusals import REFUSALS
from kosha_connector_openai.gateway.places import Places
from kosha_connector_openai.gateway.rounds import BEGUN, READ, Rounds
from kosha_connector_openai.gateway.turned_flow import TurnedFlow
from kosha_connector_openai.gateway.turned_requests import TurnedRequests, check_library

if TYPE_CHECKING:
    from kosha_connector_openai.gateway.settings import ServiceLimits

_UNREAD: Final = 32 * 1024
"""Bytes that wait for a client that does not read before reading from the upstream stops; one chunk comes on top."""
_ANONYMOUS: Final = 8 * 1024
"""Bytes that are read at once of a client that has shown no token: many may come in the same moment."""
_STALLED: Final = 120.0
"""Seconds until the connection of a client that reads nothing is broken."""
_LINGER, _LINGER_KNOWN = 1, 5
"""Seconds in which the rest of a refused request is read and dropped, of a client without a token and of one that has shown it."""
_MOST_FIELDS: Final = 128
_REQUEST, _FIELD = 1024, 128
"""Bytes that a request, and each of its fields, count beside their own: what is kept with them."""
_ROW: Final = 4
"""Requests that may wait for another one where no token was shown: each costs a reply."""


class GuardedProtocol(TurnedRequests):
    """One connection. ``limits``, ``places``, ``begun`` and ``reads`` are set by ``guarded``."""

    limits: ServiceLimits
    places: Places
    reads: Rounds
    flow: TurnedFlow
    _timer: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None
    _refusal: int = 400
    _unfinished: int = 0
    """Bytes since something was whole: a head, a piece of a body, a chunk, a request."""
    _kept: int = 0
    """Bytes of the heads that have no whole answer yet."""
    _held: int = 0
    """How many bytes of both the places know of."""
    _head: int = 0
    """Bytes of the fields of this head and of those that wait behind another request, or of this request's trailers."""
    _fields: int = 0
    _begun: bool = False
    """Whether a head has begun that is not whole: its time runs. One that comes in one piece needs no timer."""
    _in_head: bool = True
    _usual: int = _UNREAD
    """Bytes of a read, once the connection is known."""
    _known: bool = False
    _read: bool = False
    _deaf: bool = False
    """Whether all that still comes is dropped."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins to wait for a head, or turns the connection away."""
        super().connection_made(transport)
        self.flow = TurnedFlow(transport, self.reads)
        # asyncio does so only for sockets that name their protocol, which ready-made listeners do not: small replies would wait 40 ms.
        with suppress(OSError, AttributeError):
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport.set_write_buffer_limits(_UNREAD)
        if not self.places.add(self, self.client[0] if self.client else ""):
            self._refuse(503)
            return
        self._expect()
        self._usual, cast("Any", transport).max_size = getattr(transport, "max_size", _UNREAD), _ANONYMOUS

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends the timers and gives the place back."""
        self._stop()
        self.resume_writing()
        self.places.remove(self)
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self.flow.end()
        self._let_go()

    def _forget(self) -> None:
        """Lets the requests go that have no whole answer: none of them gets one."""
        self._give_up()
        for cycle in filter(None, (self.cycle, *(waiting for waiting, _ in self.pipeline))):
            buffer: object = cycle.transport
            if isinstance(buffer, HeadBuffer):
                buffer.end()
            cycle.disconnected = True
            cycle.message_event.set()
        self.scope = self.headers = self.cycle = cast("Any", None)
        self.pipeline.clear()
        self._unfinished = self._kept = 0
        self._hold(0)

    def _let_go(self) -> None:
        """Breaks the circles of all that ends here, asyncio's transport too: it would stay until the garbage collector comes."""
        self._forget()
        kept = vars(self.transport)
        kept.update({name: None for name, value in kept.items() if getattr(value, "__self__", None) is self.transport})

    def drop(self) -> None:
        """Closes the connection without a reply: another one needs the place."""
        self.transport.abort()

    def waits(self) -> bool:
        """Whether the service is behind: the first bytes are here and were not read yet, or a whole head has no answer yet."""
        if self.cycle is not None and not self.cycle.response_started:
            return True
        number = self.transport.get_extra_info("socket").fileno()
        if self._read or number < 0:
            return False
        poll = select.poll()
        poll.register(number, select.POLLIN)
        return bool(poll.poll(0))

    def data_received(self, data: bytes) -> None:
        """Counts what has not become anything whole yet, in steps that are smaller than the limit."""
        self._read = True
        self._take(data)
        self._rest()

    def _take(self, data: bytes) -> None:
        most = self.limits.header_bytes
        step = most // 2
        for start in range(0, len(data), step):
            if self._deaf or self.transport.is_closing():
                break
            piece = data if len(data) <= step else data[start : start + step]
            self._unfinished += len(piece)
            super().data_received(piece)
            if self._begun and self._timer is None and not self._deaf and not self.transport.is_closing():
                self._expect()
            if self._unfinished > most and not self._deaf and not self.transport.is_closing():
                self._refuse(431 if self._in_head else 400)
        held = self._unfinished + self._kept
        if held != self._held and not self.transport.is_closing() and not self._hold(held):
            self._refuse(503)

    def _rest(self) -> None:
        """After a piece of a body the others have their turn; what a refused request still sends is dropped in turns too."""
        if self._deaf or not self._in_head:
            self.flow.pause_reading()
        if self._deaf:
            self.flow.resume_reading()

    def pause_writing(self) -> None:
        """Waits for a client that does not read, but not for ever."""
        super().pause_writing()
        self._stalled = self._stalled or self.loop.call_later(_STALLED, self.transport.abort)

    def resume_writing(self) -> None:
        """The client reads again."""
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
        super().resume_writing()

    def on_message_begin(self) -> None:
        """A request begins. What waits behind another request adds up."""
        super().on_message_begin()
        state = cast("Any", self.scope)["state"]
        state[ABORT], state[KNOWN] = self.transport.abort, self._know
        self._in_head = True
        self._fields = 0
        if not self.pipeline:
            self._head = 0
        if self._count(0, _REQUEST) or (len(self.pipeline) >= _ROW and not self._known):
            self._fail(431)
        self._begun = True

    def on_url(self, url: bytes) -> None:
        """A piece of the request's target."""
        if self._count(len(url)):
            self._fail(431)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field; one that comes after the head is counted and dropped."""
        self._fields += 1
        if self._count(len(name) + len(value) + 4, _FIELD) or self._fields > _MOST_FIELDS:
            self._fail(431 if self._in_head else 400)
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is here."""
        self._stop()
        self._begun = self._in_head = False
        self._unfinished = 0
        if not self.pipeline:
            self._head = self._fields = 0
        if not self.url.startswith(b"/"):
            self._take_host_of_target()
        super().on_headers_complete()
        if self.scope["method"] != "HEAD":  # a reply that is a head alone
            self.cycle.transport = cast("Any", HeadBuffer(self.transport, self.cycle, self._linger))
        if not self._known:
            self.flow.pause_reading()  # until who reads the body has been told whose it is

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._unfinished = 0
        super().on_body(body)

    def on_chunk_complete(self) -> None:
        """A chunk with its framing and extensions."""
        self._unfinished = 0

    def on_message_complete(self) -> None:
        """The next bytes are a head again."""
        self._in_head = True
        self._unfinished = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuses without the parser's message."""
        self._refuse(self._refusal)

    def on_response_complete(self) -> None:
        """Keeps nothing of a request that was answered, unless more of it, or of another one, is being read."""
        super().on_response_complete()
        cycle = self.cycle
        if cycle is not None and cycle.response_complete and cycle.scope is self.scope and not (cycle.more_body and self.parser):
            self.scope = self.headers = self.cycle = cast("Any", None)
            self._kept = 0
            self._hold(self._unfinished)

    def _count(self, size: int, beside: int = 0) -> bool:
        """Whether this, with what is kept beside it, is more than a connection may send."""
        self._head += size + (beside if self.pipeline else 0)
        if self._in_head:
            self._kept += size + beside
        return self._head > self.limits.header_bytes

    def _fail(self, status: int) -> None:
        """Ends parsing; what was parsed before stays."""
        self._refusal = status
        raise ValueError

    def _take_host_of_target(self) -> None:
        """The host of a target in absolute form counts, and the Host field does not (RFC 9112, section 3.2.2)."""
        scheme, found, rest = self.url.partition(b"://")
        if not found or scheme.lower() not in (b"http", b"https"):
            return
        host = rest.partition(b"/")[0].partition(b"?")[0]
        self.headers[:] = [(name, host if name == b"host" else value) for name, value in self.headers]

    def _know(self) -> None:
        if not self._known:
            self._known, cast("Any", self.transport).max_size = True, self._usual
            self._hold(0)
            self.places.know(self)

    def _hold(self, size: int) -> bool:
        before, self._held = self._held, 0 if self._known else size
        return self.places.hold(before, self._held)

    def _expect(self) -> None:
        self._timer = self.loop.call_later(self.limits.header_seconds, self._late)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        self._timer = None
        # Whoever sent nothing at all gets nothing.
        if self._unfinished:
            self._refuse(408)
        else:
            self.transport.close()

    def _refuse(self, status: int) -> None:
        """Replies and closes; where other replies are owed, once they are sent, and without one of its own."""
        self._stop()
        cycle = self.cycle
        owed = cycle is not None and not cycle.response_complete
        if owed and self._in_head and status != 503:  # noqa: PLR2004 - memory is short: what waits for an answer is what takes it
            self._deaf, cycle.keep_alive = True, False
        elif owed and (self.pipeline or cycle.response_started):
            self.transport.abort()
            self._forget()
        else:
            if owed:
                cycle.disconnected = True
            self.transport.write(REFUSALS[status])
            if status == 503:  # noqa: PLR2004 - who is one too many is not waited for
                self._deaf = True
                self.transport.close()
                self._forget()
            else:
                self._linger()

    def _linger(self) -> None:
        """Says that nothing more comes, drops what the client still sends for a while, and closes."""
        self._deaf = True
        self._stop()
        self._unfinished = self._kept = 0
        self._hold(0)
        self.parser = cast("Any", None)  # with all that it keeps of a field that is not whole
        if self.cycle is not None:
            self.cycle.body = bytearray()
        if not self.transport.is_closing() and self.transport.can_write_eof() and (self._known or self.places.linger(self)):
            with suppress(OSError):  # the client has gone
                Discard(self.transport, self, self.flow, _LINGER_KNOWN if self._known else _LINGER)
                return
        self.transport.close()


def guarded(limits: ServiceLimits) -> type[Any]:
    """The protocol with these limits, for ``uvicorn.Config(http=...)``. Raises SetupError for a uvicorn that it does not fit."""
    check_library()
    places = Places(limits.connections, limits.connections_anonymous)
    return type("GuardedProtocol", (GuardedProtocol,), {"limits": limits, "places": places, "begun": Rounds(BEGUN), "reads": Rounds(READ)})
