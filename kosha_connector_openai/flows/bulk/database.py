"""A connection to PostgreSQL in a thread with an event loop of its own: threads ask it as they ask a file, other event loops await it."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from functools import lru_cache
from itertools import count
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from kosha_connector_openai.errors import Fault, SetupError
from kosha_connector_openai.secrets import Secret
from kosha_connector_openai.text import install

T = TypeVar("T")
_SECONDS: Final = 10.0
_SESSION: Final = {
    "application_name": "kosha-connector",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "idle_in_transaction_session_timeout": "30s",
}
"""Who is stopped, or cut off, while it holds rows is ended before those that wait for them give up."""

_FIX: Final = "Look whether PostgreSQL is there and has room; then resume. What was sent and is not in it is told as unknown."
_ROLE: Final = "The role needs CREATE on the database, and a run's schema is its own: give the DSN of the role that began the run."
_FIXES: Final = {
    "InsufficientPrivilegeError": _ROLE,
    "UndefinedTableError": _ROLE,
    "QueryCanceledError": "Something else holds the rows, or the role's statement_timeout is too short: look there; then resume.",
    "ReadOnlySQLTransactionError": "The server is a standby, or takes no changes: give the DSN of the one that does; then resume.",
}
"""What helps, by the kind of error, where it is another than ``_FIX``."""


class Database:
    """One connection; its statements have SQLite's placeholders and types. Close it at the end."""

    def __init__(self, dsn: Secret) -> None:
        """Raises SetupError where the package or the server is not there, or the server refuses."""
        try:
            import asyncpg
        except ImportError:
            fault = Fault("/ledger", "extra", "is in PostgreSQL, and asyncpg is not installed.", install("postgres"))
            raise SetupError("The ledger cannot be used; nothing was sent.", [fault]) from None
        self._connect = asyncpg.connect
        self._errors = asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="ledger", daemon=True)
        self._thread.start()
        self._inside = False
        self.turn = asyncio.Lock()
        """Held while a transaction is open."""
        self.connection: Any = None
        """asyncpg's, for coroutines that ``arun`` runs."""
        try:
            self.connection = self._connected(dsn)
        except BaseException:
            self.close()
            raise

    def _connected(self, dsn: Secret) -> Any:
        place = _place(dsn)
        try:
            return self._wait(self._connect(dsn.reveal(), timeout=_SECONDS, command_timeout=60, server_settings=_SESSION))
        except (OSError, TimeoutError) as error:
            problem = f"nobody answers ({type(error).__name__})"
        except (*self._errors, ValueError) as error:
            problem = f"it refuses ({type(error).__name__})"  # its words may have parts of the DSN
        fix = "Start PostgreSQL there, or mend the DSN in the secret; the role needs CREATE on the database."
        raise SetupError("PostgreSQL is not there; nothing was sent.", [Fault("/ledger", "server", f"is at {place}, and {problem}.", fix)])

    def command(self, text: str) -> None:
        """A statement without values and rows. Raises SetupError where the database fails."""
        self._asked(self.connection.execute(text))

    def execute(self, text: str, values: Sequence[Any] = ()) -> FoundRows:
        """The rows of a statement of the open transaction. Raises SetupError where the database fails."""
        return FoundRows(tuple(found) for found in self._asked(self.connection.fetch(numbered(text), *values)))

    def executemany(self, text: str, values: Iterable[Sequence[Any]]) -> None:
        """Runs a statement of the open transaction for each of the values. Raises as ``execute`` does."""
        self._asked(self.connection.executemany(numbered(text), values))

    def read(self, text: str, *values: Any) -> list[Any]:
        """All rows of a query, which waits for a transaction of others. Raises as ``execute`` does."""
        return self._asked(self._read(text, values))

    async def _read(self, text: str, values: Sequence[Any]) -> list[Any]:
        async with nullcontext() if self._inside else self.turn:
            return [tuple(found) for found in await self.connection.fetch(numbered(text), *values)]

    @contextmanager
    def transaction(self) -> Iterator[Database]:
        """One transaction; raises SetupError where it cannot be kept, and then nothing of it is."""
        self._asked(self.turn.acquire())
        try:
            self.command("BEGIN")
            self._inside = True  # what is read now belongs to the transaction
            try:
                yield self
                self.command("COMMIT")
            except BaseException:
                with suppress(SetupError):
                    self.command("ROLLBACK")
                raise
        finally:
            self._inside = False
            self._loop.call_soon_threadsafe(self.turn.release)

    async def arun(self, work: Coroutine[Any, Any, T]) -> T:
        """The value of ``work``, which runs on the database's loop, for any other loop. Raises SetupError where the database fails."""
        with self._told():
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    def listen(self, channel: str, told: Callable[[], object]) -> None:
        """``told`` is called, on another thread, each time that somebody notifies the channel. Raises as ``command`` does."""
        self._asked(self.connection.add_listener(channel, lambda *_: told()))

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _asked(self, work: Coroutine[Any, Any, T]) -> T:
        with self._told():
            return self._wait(work)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Tells what fails in the database as a SetupError."""
        try:
            yield
        except (*self._errors, OSError, TimeoutError) as error:
            problem = type(error).__name__
        else:
            return
        fix = _FIXES.get(problem, _FIX)
        raise SetupError(f"The ledger cannot be used: {problem}.", [Fault("/ledger", "server", "cannot be read or written.", fix)])

    @property
    def is_lost(self) -> bool:
        """Whether the connection has gone, as when the server was restarted."""
        return self.connection is None or bool(self.connection.is_closed())

    def close(self) -> None:
        """Closes the connection, and ends the thread."""
        if self._loop.is_closed():
            return
        with suppress(Exception):
            if self.connection is not None:
                self._wait(self.connection.close(timeout=2))
        self.connection = None
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class FoundRows(list[Any]):
    """The rows that a statement gave, as a cursor gives them."""

    def fetchall(self) -> list[Any]:
        """All of them."""
        return self

    def fetchone(self) -> Any:
        """The first."""
        return self[0]


def _place(dsn: Secret) -> str:
    """The host and port of a DSN. Raises SetupError where it is none."""
    try:
        url = urlsplit(dsn.reveal())
        if url.scheme in ("postgres", "postgresql"):
            return f"{url.hostname or 'the local socket'}:{url.port or 5432}"
    except ValueError:  # its words would show the DSN
        pass
    fault = Fault("/ledger", "form", "is no DSN.", "Write postgresql://USER:PASSWORD@HOST:PORT/DATABASE into the secret.")
    raise SetupError("The ledger cannot be used; nothing was sent.", [fault])


@lru_cache(256)
def numbered(text: str) -> str:
    """A statement with PostgreSQL's placeholders and its word for bytes."""
    places = count(1)
    return re.sub(r"\?", lambda _: f"${next(places)}", text.replace("BLOB", "BYTEA"))
