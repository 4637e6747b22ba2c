"""What one call needs of the stores: its secrets, through the cache where a store may wait, and a fresh one after a refusal."""

from __future__ import annotations

import pytest

from kosha_connector_openai.errors import SecretMissingError
from kosha_connector_openai.secrets.cache import SecretCache
from kosha_connector_openai.secrets.resolver import SecretResolver
from kosha_connector_openai.secrets.secret import Secret, SecretReference
from kosha_connector_openai.secrets.store import SecretContext, SecretStores

CONTEXT = SecretContext("tenant", "https://tiny.example", "tiny")
QUICK = SecretReference("quick", "a")
VAULT = SecretReference("vault", "a")
OTHER = SecretReference("vault", "b")


class Store:
    """Gives each time the next of its texts."""

    def __init__(self, scheme: str, *texts: str, immediate: bool = False) -> None:
        self.scheme = scheme
        self.immediate = immediate
        self.texts = list(texts)
        self.asked: list[tuple[SecretReference, SecretContext]] = []

    def read(self, reference: SecretReference, context: SecretContext) -> Secret:
        self.asked.append((reference, context))
        if not self.texts:
            raise SecretMissingError("none")
        return Secret(self.texts.pop(0))


@pytest.fixture
def cache() -> SecretCache:
    return SecretCache()


def resolver(cache: SecretCache, *stores: Store, **references: SecretReference) -> SecretResolver:
    return SecretResolver(SecretStores(stores), cache, CONTEXT, references)


def test_a_secret_is_read_from_its_store(cache: SecretCache) -> None:
    """With the reference and the context of the call, and noted for scrubbing."""
    store = Store("vault", "secret-one")
    found = resolver(cache, store, token=VAULT)
    assert found(VAULT).reveal() == "secret-one"
    assert store.asked == [(VAULT, CONTEXT)]
    assert found.used == [Secret("secret-one")]


def test_a_store_that_may_wait_is_read_once(cache: SecretCache) -> None:
    """The next call, and the next attempt, have it from the cache."""
    store = Store("vault", "secret-one", "secret-two")
    for _ in range(2):
        found = resolver(cache, store, token=VAULT)
        assert [found(VAULT).reveal(), found(VAULT).reveal()] == ["secret-one", "secret-one"]
    assert len(store.asked) == 1


def test_a_store_that_never_waits_is_read_each_time(cache: SecretCache) -> None:
    """A rotated variable counts at once."""
    found = resolver(cache, Store("quick", "secret-one", "secret-two", immediate=True), token=QUICK)
    assert [found(QUICK).reveal(), found(QUICK).reveal()] == ["secret-one", "secret-two"]


def test_whether_an_event_loop_may_ask(cache: SecretCache) -> None:
    """Immediate stores, and what is remembered, need no thread; one that may wait makes all wait."""
    quick, vault = Store("quick", immediate=True), Store("vault", "secret-one")
    assert resolver(cache, quick, vault).immediate
    assert resolver(cache, quick, vault, token=QUICK).immediate
    both = resolver(cache, quick, vault, token=QUICK, other=VAULT)
    assert not both.immediate
    both(VAULT)
    assert both.immediate


def test_after_a_refusal_the_store_is_asked_again(cache: SecretCache) -> None:
    """R19: what the upstream refused is forgotten, and the next reading gives the rotated secret."""
    found = resolver(cache, Store("vault", "secret-one", "secret-two"), token=VAULT)
    found(VAULT)
    assert found.refresh()
    assert found(VAULT).reveal() == "secret-two"
    assert [secret.reveal() for secret in found.used] == ["secret-one", "secret-two"]


def test_of_many_refused_calls_one_refreshes(cache: SecretCache) -> None:
    """R19: a second call that was refused with the old secret does not throw away the new one."""
    store = Store("vault", "secret-one", "secret-two", "secret-three")
    first, second = resolver(cache, store, token=VAULT), resolver(cache, store, token=VAULT)
    first(VAULT)
    second(VAULT)
    assert first.refresh()
    assert first(VAULT).reveal() == "secret-two"
    assert second.refresh()
    assert second(VAULT).reveal() == "secret-two"
    assert len(store.asked) == 2


def test_nothing_to_refresh(cache: SecretCache) -> None:
    """An immediate store would give the same again, and where nothing was read there is nothing to forget."""
    quick = resolver(cache, Store("quick", "secret-one", immediate=True), token=QUICK)
    quick(QUICK)
    assert not quick.refresh()
    assert not resolver(cache, Store("vault"), token=VAULT).refresh()
    assert not resolver(cache).refresh()


def test_only_the_calls_own_secrets_are_forgotten(cache: SecretCache) -> None:
    """Another connection's secret in the same store stays remembered."""
    store = Store("vault", "secret-one", "secret-two", "secret-new")
    mine, theirs = resolver(cache, store, token=VAULT), resolver(cache, store, token=OTHER)
    mine(VAULT)
    theirs(OTHER)
    mine.refresh()
    assert theirs(OTHER).reveal() == "secret-two"
    assert mine(VAULT).reveal() == "secret-new"


def test_a_failure_is_noted_nowhere(cache: SecretCache) -> None:
    """A secret that was not had is not among those to scrub."""
    found = resolver(cache, Store("vault"), token=VAULT)
    with pytest.raises(SecretMissingError):
        found(VAULT)
    assert found.used == []
