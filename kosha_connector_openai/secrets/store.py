"""Secret stores: what one is, and the closed set that a host uses."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Thread
from typing import Protocol, runtime_checkable

from kosha_connector_openai.errors import (
    SecretError,
    SecretMissingError,
    SecretRefusedError,
    SecretStoreError,
    SetupError,
)
from kosha_connector_openai.secrets.secret import Secret, SecretReference, check_secret


@dataclass(frozen=True, slots=True)
class SecretContext:
    """For whom a secret is read. ``tenant`` comes from the host, never from an action's inputs."""

    tenant: str = ""
    origin: str = ""
    connector: str = ""
    shortest: int = 1
    """Characters that a secret for this origin has at least; what is shorter is refused."""


@runtime_checkable
class SecretStore(Protocol):
    """A place that keeps secrets, found by the scheme of a reference.

    Two optional marks: ``immediate = True`` for a store that never waits (it is read on the event loop),
    ``slow = True`` for one that may hang (it is read in a thread, within a time limit).
    """

    @property
    def scheme(self) -> str:
        """The word before the colon of its references."""

    def read(self, reference: SecretReference, context: SecretContext) -> Secret:
        """The secret. Raises SecretMissingError, SecretRefusedError or SecretStoreError."""


class SecretStores(Mapping[str, SecretStore]):
    """A read-only mapping from scheme to store. A reference is answered by its own store or not at all."""

    def __init__(self, stores: Iterable[SecretStore], *, time_limit: float = 5) -> None:
        """``time_limit``: seconds, for slow stores. Raises SetupError when two stores claim one scheme."""
        self._stores: dict[str, SecretStore] = {}
        self._time_limit = time_limit
        for store in stores:
            if self._stores.setdefault(store.scheme, store) is not store:
                raise SetupError(f"Two secret stores claim the scheme {store.scheme}.", hint="Remove one of them.")

    def __getitem__(self, scheme: str) -> SecretStore:
        return self._stores[scheme]

    def __iter__(self) -> Iterator[str]:
        return iter(self._stores)

    def __len__(self) -> int:
        return len(self._stores)

    def immediate(self, reference: SecretReference) -> bool:
        """Whether resolving it never waits, so that async callers need no thread for it."""
        store = self._stores.get(reference.scheme)
        return store is None or bool(getattr(store, "immediate", False))

    def resolve(self, reference: SecretReference, context: SecretContext) -> Secret:
        """The secret that the reference's own store holds.

        Raises SecretMissingError, SecretRefusedError or SecretStoreError; what else a store raises becomes a
        SecretStoreError that keeps nothing but its type's name. The value is checked as by ``check_secret``.
        """
        store = self._stores.get(reference.scheme)
        if store is None:
            known = ", ".join(sorted(self)) or "none"
            raise _final(SecretStoreError("No secret store has this scheme.", hint=f"Known: {known}."))
        read = self._read_in_time if getattr(store, "slow", False) else _read
        return unwrap(read(store, reference, context))

    def _read_in_time(self, store: SecretStore, reference: SecretReference, context: SecretContext) -> Secret | SecretError:
        answer: Future[Secret | SecretError] = Future()
        # A daemon thread: a store that hangs must not keep the process from ending.
        Thread(target=lambda: answer.set_result(_read(store, reference, context)), daemon=True).start()
        try:
            return answer.result(self._time_limit)
        except TimeoutError:
            return SecretStoreError(f"The secret store {store.scheme} did not answer within {self._time_limit:g} seconds.")


def _read(store: SecretStore, reference: SecretReference, context: SecretContext) -> Secret | SecretError:
    """What the store gave or why it did not, never raised: a frame of the store would show its variables."""
    try:
        return _checked(store.read(reference, context), reference, context.shortest)
    except SecretError as error:
        return error
    except Exception as error:
        return SecretStoreError(f"The secret store {store.scheme} failed with {type(error).__name__}.")


def _checked(found: object, reference: SecretReference, shortest: int) -> Secret:
    """What a store gave, if a request can carry it: an outside store may not have checked."""
    if not isinstance(found, Secret):
        del found
        raise _final(SecretStoreError(f"The secret store {reference.scheme} gave something that is no Secret."))
    if found.expires is not None and found.expires <= time.time():
        raise SecretStoreError(f"The secret store {reference.scheme} gave a secret that has ended.", hint="Check the clocks.")
    # A record names what was used: a secret that does not say where it came from is given its reference.
    if found.reference and found.is_plain(shortest):
        return found
    checked = check_secret(found.reveal(), str(reference), version=found.version, expires=found.expires, shortest=shortest)
    return found if found == checked and found.reference else checked


def unwrap(outcome: Secret | SecretError) -> Secret:
    """Returns the secret, or raises the error anew, without its traceback."""
    if isinstance(outcome, Secret):
        return outcome
    raise afresh(outcome)


def _final(error: SecretError) -> SecretError:
    error.retryable = False
    return error


def afresh(error: SecretError) -> SecretError:
    """The same error without traceback, cause and context, and of a type of our own."""
    kinds = (SecretMissingError, SecretRefusedError, SecretStoreError, SecretError)
    kind = next(kind for kind in kinds if isinstance(error, kind))
    again = kind(error.message, error.faults, hint=error.hint, pointer=error.pointer)
    again.retryable = error.retryable
    return again
