"""A list page by page: an action, inputs and a connection come in; pages, items or a whole listing go out, in bounded memory.

Every walk ends: at the list's end, at the caller's limits, at the hard limits, or with an error that says from where to go on.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from kosha_connector_openai.connector import CallOptions, Connection, Connector, Result
from kosha_connector_openai.errors import ConnectorError, Fault, InputError, PagingError
from kosha_connector_openai.flows.links import link_inputs
from kosha_connector_openai.manifest.parts import PageForm
from kosha_connector_openai.text import at

_LONGEST_CURSOR = 8_192
_GO_ON = "What came before is kept; go on from the cursor, or ask for less."


@dataclass(frozen=True, slots=True)
class PagingOptions:
    """How much of a list is read: items, pages and seconds.

    ``items`` and ``pages`` are what the caller wants at most: reaching them is no error. ``hard_items`` and ``hard_pages`` stop a list
    that does not end, with PagingError. ``timeout`` is in seconds and counts the whole walk, the caller's own time included.
    """

    items: int | None = None
    pages: int | None = None
    page_size: int | None = None
    hard_items: int = 10_000_000
    hard_pages: int = 100_000
    timeout: float | None = None
    call: CallOptions = field(default_factory=CallOptions)

    def __post_init__(self) -> None:
        for name in ("items", "pages", "page_size", "hard_items", "hard_pages"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError("The limits of the list are wrong.", [Fault(f"/{name}", "range", "must be at least 1.")])


@dataclass(frozen=True, slots=True)
class Page:
    """One page: its items, the cursor that asked for it (None for the first), the one after it (None at the end), the whole result."""

    number: int
    items: list[Any]
    cursor: Any
    after: Any
    result: Result = field(repr=False)


@dataclass(slots=True)
class Listing:
    """What a whole walk gave. Where ``error`` is set or ``complete`` is false, ``cursor`` is where to go on from."""

    items: list[Any]
    pages: int
    complete: bool
    cursor: Any = None
    stopped: str | None = None
    """Why it stopped before the list's end: ``items``, ``pages``, ``one page``, or an error's code."""
    error: ConnectorError | None = None


class Walk:
    """The state of one walk, without I/O: ``wanted`` says what to ask next, ``take`` reads the answer."""

    def __init__(
        self,
        connector: Connector,
        action: str,
        inputs: Mapping[str, Any],
        options: PagingOptions = PagingOptions(),
        *,
        connection: Connection | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        chosen = connector.catalog_of(connection)[action]
        if chosen.paging is None:
            raise InputError("The answer of this action is no list.", hint="Run it without asking for all pages.")
        self.action = action
        self.form: PageForm = chosen.paging
        self._known = {parameter.name: parameter.schema for parameter in chosen.operation.parameters}
        self._options = options
        self._clock = clock
        self._end = math.inf if options.timeout is None else clock() + options.timeout
        self._inputs = {**self._sized(inputs), **inputs}
        self._seen: set[bytes] = set()
        self.cursor: Any = inputs.get(self.form.send) if self.form.send else None
        """The cursor of the page that comes next."""
        self.pages = 0
        self.items = 0
        self.finished = False
        self.stopped: str | None = None
        self._refusal: PagingError | None = None
        """Raised when the next page is asked for, so that the page before it is handed out first."""

    def _sized(self, inputs: Mapping[str, Any]) -> dict[str, int]:
        """The page size: the caller's, else as large as may be and no larger than what is wanted."""
        form, options = self.form, self._options
        if form.size is None or form.size not in self._known:
            return {}
        sizes = [size for size in (options.page_size or form.most, options.items) if size]
        return {form.size: min(sizes)} if sizes and (options.page_size or form.most) else {}

    def wanted(self) -> tuple[Mapping[str, Any], CallOptions]:
        """The inputs and the options of the next call; raises PagingError where the walk must not go on."""
        options = self._options
        if self._refusal is not None:
            raise self._refusal
        if self.pages >= options.hard_pages or self.items >= options.hard_items:
            raise self._error(f"The list did not end within {self.pages} pages and {self.items} items.")
        left = self._end - self._clock()
        if left <= 0:
            raise self._error(f"The list did not end within {options.timeout:g} seconds.")
        call = options.call
        if left < math.inf:
            call = replace(call, timeout=max(0.001, min(left, call.timeout or left)))
        return dict(self._inputs), call

    def take(self, result: Result) -> Page:
        """The page in an answer; raises PagingError where it is none."""
        form, asked = self.form, self.cursor
        found = at(result.value, form.items) if form.items else result.value
        if not isinstance(found, list):
            raise self._error("The answer holds no list where one was described.")
        more = self._more(result, found)
        upcoming = self._upcoming(result, found) if more else None
        self.pages += 1
        room = (self._options.items or math.inf) - self.items
        items = found if len(found) <= room else found[: int(room)]
        self.items += len(items)
        if len(items) < len(found):
            self.finished, self.stopped = True, "items"
            # What was cut off must not be passed over: go on after the last item that was kept, else repeat this page.
            self.cursor = at(items[-1], form.last) if items and form.last else asked
        elif upcoming is not None:
            self._turn(upcoming, empty=not found)
        else:
            self._end_here(more=more)
        return Page(self.pages, items, asked, self.cursor, result)

    def _end_here(self, *, more: bool) -> None:
        self.finished, self.cursor = True, None
        if not more or self.form.more is None:
            return
        self.stopped = "one page"
        if self.form.goes_on:
            self._refuse("The answer says that more follow, but not from where.")

    def _turn(self, upcoming: Any, *, empty: bool) -> None:
        """Takes the cursor of the next page, unless that page must not be asked for."""
        options = self._options
        if empty and not self.form.sparse:
            return self._refuse("A page without items says that more follow.")
        if fault := self._fault(upcoming):
            return self._refuse(fault)
        if self.items >= (options.items or math.inf):
            self.finished, self.stopped = True, "items"
        elif self.pages >= (options.pages or math.inf):
            self.finished, self.stopped = True, "pages"
        self.cursor = upcoming
        self._inputs.update(upcoming if isinstance(upcoming, Mapping) else {str(self.form.send): upcoming})
        return None

    def _refuse(self, message: str) -> None:
        self.finished, self._refusal = False, self._error(message)

    def _fault(self, cursor: Any) -> str | None:
        """What is wrong with a cursor; one that was seen before would repeat pages without an end."""
        text = repr(sorted(cursor.items()) if isinstance(cursor, Mapping) else cursor)
        if isinstance(cursor, bool) or not isinstance(cursor, (str, int, Mapping)) or len(text) > _LONGEST_CURSOR:
            return "The cursor of the next page is no short text."
        mark = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        if mark in self._seen or cursor == self.cursor:
            return "The list goes round in circles: a cursor came again."
        self._seen.add(mark)
        return None

    def _more(self, result: Result, found: list[Any]) -> bool:
        form = self.form
        if form.more is not None:
            return at(result.value, form.more) is True
        if form.count is not None:
            return bool(found) and (form.size is None or len(found) >= self._inputs.get(form.size, 1))
        return True

    def _upcoming(self, result: Result, found: list[Any]) -> Any:
        form = self.form
        cursor = next((value for pointer in form.cursor if (value := at(result.value, pointer)) not in (None, "")), None)
        if cursor is None and form.last is not None and found:
            cursor = at(found[-1], form.last)
        if cursor is None and form.link is not None:
            return link_inputs(result.headers, form.link, self._known) or None
        if cursor is None and form.count is not None:
            now = form.start if self.cursor is None else int(self.cursor)
            return now + (1 if form.count == "pages" else len(found))
        # Only a link may set several inputs; an object from an answer would set whatever the server likes.
        return cursor if cursor is None or isinstance(cursor, (str, int)) else False

    def _error(self, message: str) -> PagingError:
        return PagingError(message, hint=_GO_ON, cursor=self.cursor, pages=self.pages, items=self.items)


class Pager:
    """The pages of a list, in a thread by ``for`` or on an event loop by ``async for``.

    ``cursor``, ``pages`` and ``items`` tell at any time how far it got, after an error too. A pager is walked once.
    """

    def __init__(
        self,
        connector: Connector,
        action: str,
        inputs: Mapping[str, Any],
        connection: Connection,
        options: PagingOptions = PagingOptions(),
    ) -> None:
        """Raises InputError where the action's answer is no list. Nothing is sent yet.

        Where the connection names a description it is read here; on an event loop call ``connector.aread`` before.
        """
        self._connector = connector
        self._connection = connection
        self.walk = Walk(connector, action, inputs, options, connection=connection)

    @property
    def cursor(self) -> Any:
        """The cursor of the page that comes next; give it to the action's cursor input."""
        return self.walk.cursor

    def __iter__(self) -> Iterator[Page]:
        """Yields the pages; raises ConnectorError."""
        walk = self.walk
        while not walk.finished:
            inputs, options = walk.wanted()
            yield walk.take(self._connector.run(walk.action, inputs, self._connection, options))

    async def __aiter__(self) -> AsyncIterator[Page]:
        """The same for asyncio."""
        walk = self.walk
        while not walk.finished:
            inputs, options = walk.wanted()
            yield walk.take(await self._connector.arun(walk.action, inputs, self._connection, options))

    def items(self) -> Iterator[Any]:
        """Yields the items of all pages; one page is in memory at a time."""
        for page in self:
            yield from page.items

    async def aitems(self) -> AsyncIterator[Any]:
        """The same for asyncio."""
        async for page in self:
            for item in page.items:
                yield item

    def collect(self) -> Listing:
        """Returns all items. Never raises ConnectorError: the listing holds the error and the items before it."""
        found: list[Any] = []
        try:
            for page in self:
                found += page.items
        except ConnectorError as error:
            return self._listing(found, error)
        return self._listing(found, None)

    async def acollect(self) -> Listing:
        """The same for asyncio."""
        found: list[Any] = []
        try:
            async for page in self:
                found += page.items
        except ConnectorError as error:
            return self._listing(found, error)
        return self._listing(found, None)

    def _listing(self, found: list[Any], error: ConnectorError | None) -> Listing:
        walk = self.walk
        stopped = error.code if error else walk.stopped
        return Listing(found, walk.pages, stopped is None, walk.cursor, stopped, error)
