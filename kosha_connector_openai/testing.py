"""Contract suites that other projects inherit to test their own parts against this package's promises."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from kosha_connector_openai.errors import SecretError, SecretMissingError, SecretRefusedError
from kosha_connector_openai.secrets import Secret, SecretContext, SecretReference, SecretStore, SecretStores

__all__ = ["SecretStoreContract"]


class _Captured(Protocol):
    """What pytest's ``capsys`` gives."""

    def readouterr(self) -> tuple[str, str]:
        """Standard output and standard error so far."""


class SecretStoreContract:
    """What every secret store promises.

    Inherit it in a class named ``Test...`` and give four pytest fixtures: ``store``; ``reference``, of a
    secret that it holds; ``expected``, its text; ``missing``, a reference to a secret that does not exist.
    """

    def test_reads_the_secret(self, store: SecretStore, reference: SecretReference, expected: str) -> None:
        """The store gives exactly the secret that it holds, as an opaque Secret."""
        found = _stores(store).resolve(reference, SecretContext())
        assert isinstance(found, Secret)
        assert found.reveal() == expected

    def test_missing_secret(self, store: SecretStore, missing: SecretReference) -> None:
        """A secret that does not exist is missing, not empty and not a failure of the store."""
        assert isinstance(_failure(lambda: store.read(missing, SecretContext())), SecretMissingError)

    def test_refuses_traversal(self, store: SecretStore, reference: SecretReference) -> None:
        """No reference climbs out of its place, neither as text nor as a record made by hand."""
        climbing = f"{reference.locator}/../other"
        assert isinstance(_failure(lambda: SecretReference.parse(f"{store.scheme}:{climbing}")), SecretRefusedError)
        record = SecretReference(store.scheme, climbing, reference.field)
        assert isinstance(_failure(lambda: store.read(record, SecretContext())), SecretError)

    def test_shows_nothing(
        self,
        store: SecretStore,
        reference: SecretReference,
        expected: str,
        missing: SecretReference,
        capsys: _Captured,
    ) -> None:
        """Reading prints nothing, and neither the store, the secret nor an error shows the value."""
        shown = [repr(store.read(reference, SecretContext())), repr(store), str(store)]
        shown.append(repr(_failure(lambda: store.read(missing, SecretContext()))))
        assert tuple(capsys.readouterr()) == ("", "")
        assert not any(expected in text for text in shown)

    def test_many_threads(self, store: SecretStore, reference: SecretReference, expected: str) -> None:
        """Eight threads that read at once all get the secret."""
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda _: store.read(reference, SecretContext()).reveal(), range(32)))
        assert set(found) == {expected}

    def test_scheme(self, store: SecretStore, reference: SecretReference) -> None:
        """The store answers for the scheme of its references, and its name can stand before a colon."""
        assert SecretReference.parse(f"{store.scheme}:name").scheme == store.scheme == reference.scheme


def _stores(store: SecretStore) -> SecretStores:
    return SecretStores([store])


def _failure(action: Callable[[], object]) -> BaseException | None:
    """What the action raises, or None."""
    try:
        action()
    except Exception as error:
        return error
    return None
