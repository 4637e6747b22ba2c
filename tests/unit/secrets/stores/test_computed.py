"""Computed tokens are made at each read and never handed out after their end; through the cache a refused one is made anew."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from itertools import count, pairwise

import pytest

from kosha_connector_openai.errors import SecretMissingError, SecretRefusedError, SecretStoreError, SetupError
from kosha_connector_openai.secrets.cache import SecretCache
from kosha_connector_openai.secrets.resolver import SecretResolver
from kosha_connector_openai.secrets.secret import Secret, SecretReference
from kosha_connector_openai.secrets.store import SecretContext, SecretStores
from kosha_connector_openai.secrets.stores.computed import ComputedStore, Token
from kosha_connector_openai.testing import SecretStoreContract
from tests.canary import Canary

_VALUE = "value-12345"
_REFERENCE = SecretReference.parse("identity:workload")


def _store(source: Callable[[SecretContext], Token], now: float = 1000) -> ComputedStore:
    return ComputedStore("identity", {"workload": source}, clock=lambda: now)


class TestComputedStoreContract(SecretStoreContract):
    """The computed store keeps the contract of all stores."""

    store = pytest.fixture(lambda self: _store(lambda context: Token(Secret(_VALUE), time.time() + 60)))
    reference = pytest.fixture(lambda self: _REFERENCE)
    expected = pytest.fixture(lambda self: _VALUE)
    missing = pytest.fixture(lambda self: SecretReference.parse("identity:other"))


def test_the_source_knows_for_whom() -> None:
    """The source gets the tenant and the origin; the token's version goes along."""
    store = _store(lambda context: Token(Secret(f"token-for-{context.tenant}", version=context.origin)))
    found = SecretStores([store]).resolve(_REFERENCE, SecretContext("tenant-a", "https://a.example"))
    assert (found.reveal(), found.version, found.reference) == ("token-for-tenant-a", "https://a.example", "identity:workload")


@pytest.mark.parametrize("expires", [None, 1000.1, 9999.0])
def test_good_tokens_are_given(expires: float | None) -> None:
    """A token without an end, or before it, is given."""
    assert _store(lambda context: Token(Secret(_VALUE), expires)).read(_REFERENCE, SecretContext()).reveal() == _VALUE


@pytest.mark.parametrize("expires", [1000.0, 999.9, 0.0, -1.0])
def test_expired_tokens_are_not_given(expires: float) -> None:
    """A token at or past its end is a failure of the source that may pass."""
    with pytest.raises(SecretStoreError) as caught:
        _store(lambda context: Token(Secret(_VALUE), expires)).read(_REFERENCE, SecretContext())
    assert (caught.value.message, caught.value.retryable) == ("The source of identity:workload gave a token that has expired.", True)


def test_the_cache_asks_once_and_anew_after_a_refusal() -> None:
    """Within its minute a token is made once; after the upstream refused it, once more."""
    numbers = count()
    stores, cache = SecretStores([_store(lambda context: Token(Secret(f"token-number-{next(numbers)}")))]), SecretCache()
    call = SecretResolver(stores, cache, SecretContext("tenant"), {"token": _REFERENCE})
    before = [call(_REFERENCE).reveal() for _ in range(3)]
    assert call.refresh()
    assert [*before, call(_REFERENCE).reveal()] == ["token-number-0"] * 3 + ["token-number-1"]


@pytest.mark.parametrize("name", ["other", "workload/../other", "workload#field"])
def test_unknown_names_are_missing(name: str) -> None:
    """Only the sources that the operator named exist."""
    with pytest.raises(SecretMissingError, match="Known: workload"):
        _store(lambda context: Token(Secret(_VALUE))).read(SecretReference("identity", *name.split("#")), SecretContext())


@pytest.mark.parametrize("scheme", ["", "Identity", "a b", "a:b", "x" * 21])
def test_schemes_stand_before_a_colon(scheme: str) -> None:
    """A scheme that no reference could name is refused."""
    with pytest.raises(SetupError):
        ComputedStore(scheme, {})


@pytest.mark.parametrize("fails", [lambda key: Token(Secret(f"{key}\nmore")), lambda key: Token(Secret(key), 1), lambda key: key])
def test_nothing_of_a_token_is_shown(fails: Callable[[str], Token]) -> None:
    """A malformed token, an expired one, and a source that gives no Token at all leave no trace."""
    canary = Canary()
    with pytest.raises((SecretRefusedError, SecretStoreError)) as caught:
        SecretStores([_store(lambda context: fails(canary.key))]).resolve(_REFERENCE, SecretContext())
    canary.scan(caught.value)


class _Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(("lifetime", "used"), [(3600, 60), (60, 54), (20, 18), (1, 0.9), (300, 60)])
def test_a_token_is_not_used_to_its_very_end(lifetime: float, used: float) -> None:
    """It is remembered for a minute at most, and for a tenth less than its life: a call takes time."""
    wall = _Clock()
    made: list[float] = []

    def source(context: SecretContext) -> Token:
        made.append(wall.now)
        return Token(Secret(f"token-number-{len(made)}"), wall.now + lifetime)

    stores, cache = SecretStores([ComputedStore("identity", {"workload": source}, clock=wall)]), SecretCache(clock=wall, wall=wall)
    call = SecretResolver(stores, cache, SecretContext("tenant"), {"token": _REFERENCE})
    start = wall.now
    for step in range(1, 200):
        served = call(_REFERENCE)
        assert served.expires is not None
        assert wall.now < served.expires
        wall.now = start + step * lifetime / 37
    assert min(later - earlier for earlier, later in pairwise(made)) >= used - 1e-6


def test_a_date_counts_even_where_the_clock_of_waits_stands_still() -> None:
    """A machine that slept, or whose clock was set, serves nothing past its end: the date is looked at each time."""
    wall, still = _Clock(), _Clock()
    numbers = count()
    source = ComputedStore("identity", {"workload": lambda c: Token(Secret(f"token-number-{next(numbers)}"), wall.now + 50)}, clock=wall)
    cache = SecretCache(clock=still, wall=wall)
    call = SecretResolver(SecretStores([source]), cache, SecretContext(), {"token": _REFERENCE})
    first = call(_REFERENCE).reveal()
    wall.now += 46
    assert not call.immediate
    assert (first, call(_REFERENCE).reveal()) == ("token-number-0", "token-number-1")


def test_an_end_in_the_past_is_refused_whatever_the_store() -> None:
    """An outside store that marks a secret as ended is not believed to have a good one."""

    class Old:
        scheme = "identity"

        def read(self, reference: SecretReference, context: SecretContext) -> Secret:
            return Secret(_VALUE, expires=time.time() - 1)

    with pytest.raises(SecretStoreError, match="has ended"):
        SecretStores([Old()]).resolve(_REFERENCE, SecretContext())


def test_the_end_of_a_secret_is_kept_through_trimming() -> None:
    """A token with a line break at its end keeps its own end."""
    ends = time.time() + 50
    stores = SecretStores([_store(lambda context: Token(Secret(f"{_VALUE}\n", expires=ends)))])
    found = stores.resolve(_REFERENCE, SecretContext())
    assert (found.reveal(), found.expires) == (_VALUE, ends)


def test_a_source_may_be_asynchronous() -> None:
    """It is awaited on a loop of its own, for callers in threads and on a loop."""

    async def source(context: SecretContext) -> Token:
        await asyncio.sleep(0)
        return Token(Secret(f"token-for-{context.tenant}"), time.time() + 60)

    stores = SecretStores([ComputedStore("identity", {"workload": source})])
    assert stores.resolve(_REFERENCE, SecretContext("a")).reveal() == "token-for-a"

    async def ask() -> str:
        return (await asyncio.to_thread(stores.resolve, _REFERENCE, SecretContext("b"))).reveal()

    assert asyncio.run(ask()) == "token-for-b"
