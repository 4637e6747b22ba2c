"""Each tenant reads below its own beginnings and nowhere else, and no load or rotation ever mixes tenants."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import count, cycle, islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kosha_connector_openai.core.connection.auth import Credential, authorize
from kosha_connector_openai.core.connection.scheme import RequestFacts
from kosha_connector_openai.errors import SecretError, SecretMissingError, SecretRefusedError, SetupError
from kosha_connector_openai.http.origin import parse_origin
from kosha_connector_openai.secrets.cache import SecretCache
from kosha_connector_openai.secrets.resolver import SecretResolver
from kosha_connector_openai.secrets.secret import Secret, SecretReference
from kosha_connector_openai.secrets.store import SecretContext, SecretStores
from kosha_connector_openai.secrets.stores.environment import EnvironmentStore
from kosha_connector_openai.secrets.stores.scoped import Scoped
from kosha_connector_openai.testing import SecretStoreContract

_VALUE = "value-12345"
_TENANTS = {"a": ["kv/team-a/*", "kv/shared#key"], "b": ["kv/team-b/*", "TEAM_B_*"], "": ["PUBLIC_KEY"]}


class _Echo:
    """A store for tests that has every secret, and says which one it is."""

    scheme = "vault"
    slow = True

    def read(self, reference: SecretReference, context: SecretContext) -> Secret:
        """The place itself."""
        return Secret(f"secret-of-{reference.locator}".replace(" ", "_"))


class TestScopedContract(SecretStoreContract):
    """A scoped store keeps the contract of all stores, for the tenant that the contract uses."""

    store = pytest.fixture(lambda self: Scoped(EnvironmentStore(["KEY_*"], {"KEY_A": _VALUE}), {"": ["KEY_*"]}))
    reference = pytest.fixture(lambda self: SecretReference.parse("env:KEY_A"))
    expected = pytest.fixture(lambda self: _VALUE)
    missing = pytest.fixture(lambda self: SecretReference.parse("env:KEY_B"))


@pytest.mark.parametrize(
    ("tenant", "locator", "field"),
    [
        ("a", "kv/team-a/x", "f"),
        ("a", "kv/team-a/x/y", None),
        ("a", "kv/shared", "key"),
        ("b", "TEAM_B_KEY", None),
        ("", "PUBLIC_KEY", None),
    ],
)
def test_own_places_are_read(tenant: str, locator: str, field: str | None) -> None:
    """A tenant reads below its beginnings, and the whole places on its list."""
    found = Scoped(_Echo(), _TENANTS).read(SecretReference("vault", locator, field), SecretContext(tenant))
    assert found.reveal() == f"secret-of-{locator}"


@pytest.mark.parametrize(
    ("tenant", "locator", "field"),
    [
        ("a", "kv/team-b/x", "f"),
        ("a", "kv/team-ab/x", "f"),
        ("a", "kv/team-a", "f"),
        ("a", "kv/team-a/", "f"),
        ("a", "kv/team-a/../team-b/x", "f"),
        ("a", "kv/team-a/..", "f"),
        ("a", "kv/team-a/%2e%2e/team-b/x", "f"),
        ("a", "kv/team-a\\..\\team-b", "f"),
        ("a", "kv/shared", "other"),
        ("a", "kv/shared", None),
        ("a", "kv/shared/x", "key"),
        ("a", "KV/team-a/x", "f"),
        ("a", "PUBLIC_KEY", None),
        ("b", "TEAM_BX", None),
        ("c", "kv/team-a/x", "f"),
        ("", "kv/team-a/x", "f"),
    ],
)
def test_other_places_are_refused_before_the_store_is_asked(tenant: str, locator: str, field: str | None) -> None:
    """C12: neighbours, look-alikes, climbing and encoded paths are refused, in a record made by hand as well."""
    with pytest.raises(SecretRefusedError):
        Scoped(_Echo(), _TENANTS).read(SecretReference("vault", locator, field), SecretContext(tenant))


def test_the_refusal_names_the_tenants_own_list_only() -> None:
    """Neither what was asked for nor other tenants' places are told."""
    with pytest.raises(SecretRefusedError) as caught:
        Scoped(_Echo(), _TENANTS).read(SecretReference("vault", "kv/team-b/x", "f"), SecretContext("a"))
    assert str(caught.value) == "This tenant may not read this secret. Allowed: kv/shared#key, kv/team-a/*."


@pytest.mark.parametrize("entries", [["*"], ["kv/team-a*"], ["kv/*/x"], [""], ["kv/team-a/"], "kv/team-a/x", ["a", "**"]])
def test_lists_that_allow_by_accident_are_refused(entries: list[str]) -> None:
    """A lone star, a beginning that ends inside a name, and a bare text are refused when the store is made."""
    with pytest.raises(SetupError):
        Scoped(_Echo(), {"a": entries})


def test_the_marks_of_the_store_are_kept() -> None:
    """A scoped store is read in the same way as the store itself."""
    slow, immediate = Scoped(_Echo(), {}), Scoped(EnvironmentStore([]), {})
    assert (slow.scheme, slow.slow, slow.immediate) == ("vault", True, False)
    assert (immediate.scheme, immediate.slow, immediate.immediate) == ("env", False, True)


@given(st.text(alphabet="ab/.%\\*_#-", max_size=30))
@settings(max_examples=300, deadline=None)
def test_no_text_reaches_a_neighbour(text: str) -> None:
    """Whatever a reference says, what tenant a reads lies below its own beginning, without a dot segment."""
    try:
        found = Scoped(_Echo(), {"a": ["a/*"]}).read(SecretReference("vault", text, "f"), SecretContext("a"))
    except SecretError:
        return
    place = found.reveal().removeprefix("secret-of-")
    assert place.startswith("a/")
    assert not {".", ".."} & set(place.replace("\\", "/").split("/"))


class _Rotating:
    """A store with one secret for each tenant, which is another one at each read, and away at every seventh."""

    scheme = "vault"

    def __init__(self) -> None:
        self.reads = count(1)

    def read(self, reference: SecretReference, context: SecretContext) -> Secret:
        """The tenant's newest secret."""
        version = next(self.reads)
        if version % 7 == 0:
            raise SecretMissingError("away")
        return Secret(f"key-of-{context.tenant}-version-{version}", version=str(version))


_ORIGIN = parse_origin("https://api.example.com")
_SHARED = SecretReference.parse("vault:shared/key#token")
_CREDENTIAL = Credential("bearer", {}, {"token": _SHARED}, frozenset({_ORIGIN}))


def _strange_headers(stores: SecretStores, cache: SecretCache, tenant: str, calls: int) -> list[str]:
    """Headers of a tenant's calls that do not carry its own key; every fiftieth call is refused and asks for a fresh one."""
    strange = []
    for refused in islice(cycle([True, *[False] * 49]), calls):
        resolver = SecretResolver(stores, cache, SecretContext(tenant, str(_ORIGIN)), _CREDENTIAL.references)
        try:
            ((_, header),) = authorize(_CREDENTIAL, _ORIGIN, resolver, RequestFacts("GET", "https://api.example.com/v1/things"))
        except SecretMissingError:
            continue
        if refused:
            resolver.refresh()
        if not header.startswith(f"Bearer key-of-{tenant}-version-"):
            strange.append(header)
    return strange


def _run(calls: int) -> tuple[list[str], int]:
    """Eight tenants, 64 workers, one reference for all, keys that rotate all the time; strange headers, and how often a key was read."""
    store, cache = _Rotating(), SecretCache(ttl=0.01, negative_ttl=0.001)
    stores = SecretStores([Scoped(store, {f"tenant-{number}": ["shared/key"] for number in range(8)})])
    with ThreadPoolExecutor(64) as pool:
        work = [pool.submit(_strange_headers, stores, cache, f"tenant-{number % 8}", calls // 8) for number in range(64)]
        strange = [header for each in work for header in each.result()]
    return strange, next(store.reads) - 1


def test_no_tenant_ever_sends_another_ones_key() -> None:
    """R18, small: 8 tenants x 2,000 calls with rotation, refusals and failures; every header carries its tenant's own key."""
    strange, rotations = _run(2_000)
    assert strange == []
    assert rotations > 8


@pytest.mark.slow
def test_no_tenant_ever_sends_another_ones_key_in_full() -> None:
    """R18: the same with 8 tenants x 100,000 calls."""
    strange, rotations = _run(100_000)
    assert strange == []
    assert rotations > 1_000
