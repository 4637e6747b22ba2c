"""A chain goes on only where a secret is missing: an outage or a refusal never changes which credential is used."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kosha_connector_openai.errors import (
    SecretError,
    SecretMissingError,
    SecretRefusedError,
    SecretStoreError,
    SetupError,
)
from kosha_connector_openai.secrets.secret import Secret, SecretReference
from kosha_connector_openai.secrets.store import SecretContext, SecretStores
from kosha_connector_openai.secrets.stores.chain import ChainStore
from kosha_connector_openai.secrets.stores.environment import EnvironmentStore
from kosha_connector_openai.secrets.stores.scoped import Scoped
from kosha_connector_openai.testing import SecretStoreContract

_VALUE = "value-12345"
_KEY = SecretReference.parse("chain:key")


class _Place:
    """A store for tests that gives what it was told for each place, and remembers what it was asked for."""

    scheme = "place"

    def __init__(self, answers: Mapping[str, Exception | str]) -> None:
        self.asked: list[str] = []
        self._answers = answers

    def read(self, reference: SecretReference, context: SecretContext) -> Secret:
        """The secret, or the exception raised."""
        self.asked.append(reference.locator)
        answer = self._answers.get(reference.locator, SecretMissingError("none"))
        if isinstance(answer, Exception):
            raise answer
        return Secret(answer, reference=str(reference))


def _environment(**variables: str) -> SecretStores:
    return SecretStores([EnvironmentStore(["ONE", "TWO", "BAD"], variables)])


def _chain(stores: SecretStores, *references: str) -> SecretStores:
    return SecretStores([ChainStore({"key": references}, stores)])


class TestChainStoreContract(SecretStoreContract):
    """The chain keeps the contract of all stores."""

    store = pytest.fixture(lambda self: ChainStore({"key": ["env:ONE", "env:TWO"], "none": ["env:ONE"]}, _environment(TWO=_VALUE)))
    reference = pytest.fixture(lambda self: _KEY)
    expected = pytest.fixture(lambda self: _VALUE)
    missing = pytest.fixture(lambda self: SecretReference.parse("chain:none"))


def test_the_secret_says_who_answered() -> None:
    """The reference of the secret is that of the store that had it, for the audit."""
    first = _chain(_environment(ONE=_VALUE, TWO="value-of-two"), "env:ONE", "env:TWO").resolve(_KEY, SecretContext())
    second = _chain(_environment(TWO="value-of-two"), "env:ONE", "env:TWO").resolve(_KEY, SecretContext())
    assert (first.reveal(), first.reference) == (_VALUE, "env:ONE")
    assert (second.reveal(), second.reference) == ("value-of-two", "env:TWO")


@pytest.mark.parametrize(
    "failure", [SecretStoreError("down"), SecretRefusedError("denied"), SecretError("other"), OSError("x"), KeyError("x")]
)
def test_a_failure_ends_the_search(failure: Exception) -> None:
    """C9: an outage, a refusal or a bug of one store is told, though the next store has the secret, which is not even asked."""
    place = _Place({"first": failure, "second": _VALUE})
    with pytest.raises(SecretError) as caught:
        _chain(SecretStores([place]), "place:first", "place:second").resolve(_KEY, SecretContext())
    assert not isinstance(caught.value, SecretMissingError)
    assert place.asked == ["first"]


def test_a_malformed_secret_ends_the_search() -> None:
    """A store that has a broken secret has one; going on would hide it."""
    with pytest.raises(SecretRefusedError, match=r"env:ONE has a blank inside at position 4"):
        _chain(_environment(ONE="two words", TWO=_VALUE), "env:ONE", "env:TWO").resolve(_KEY, SecretContext())


def test_a_secret_that_is_nowhere() -> None:
    """The error lists the places, in their order, and is the one for a missing secret."""
    with pytest.raises(SecretMissingError) as caught:
        _chain(_environment(), "env:ONE", "env:TWO").resolve(_KEY, SecretContext())
    assert str(caught.value) == "No store of this chain has the secret. Asked: env:ONE, env:TWO."
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


@pytest.mark.parametrize("reference", [SecretReference("chain", "other"), SecretReference("chain", "key", "field")])
def test_unlisted_names_are_refused(reference: SecretReference) -> None:
    """A mistyped name is no missing secret."""
    with pytest.raises(SecretRefusedError, match="There is no such chain") as caught:
        ChainStore({"key": ["env:ONE"]}, _environment()).read(reference, SecretContext())
    assert caught.value.hint == "Known: key."


@pytest.mark.parametrize("references", [[], ["vault:a/b#c"], ["env:ONE", "chain:key"], "env:ONE", ["not a reference"], ["env:ONE", ""]])
def test_lists_are_checked_when_they_are_made(references: list[str]) -> None:
    """Empty lists, stores that are not there, chains of chains and what is no reference are refused at once."""
    with pytest.raises(SetupError):
        ChainStore({"key": references}, _environment())


def test_tenants_stay_apart_inside_a_chain() -> None:
    """The context goes on to each store: a member that the tenant may not read ends the search."""
    stores = SecretStores([Scoped(EnvironmentStore(["ONE"], {"ONE": _VALUE}), {"a": ["ONE"]})])
    chain = _chain(stores, "env:ONE")
    assert chain.resolve(_KEY, SecretContext("a")).reveal() == _VALUE
    with pytest.raises(SecretRefusedError):
        chain.resolve(_KEY, SecretContext("b"))


_OUTCOMES = st.sampled_from(["missing", "down", "denied", "there"])
_ANSWERS = {"missing": SecretMissingError("x"), "down": SecretStoreError("x"), "denied": SecretRefusedError("x"), "there": _VALUE}
_ENDS = {"missing": SecretMissingError, "down": SecretStoreError, "denied": SecretRefusedError, "there": Secret}


@given(st.lists(_OUTCOMES, min_size=1, max_size=6))
@settings(max_examples=100, deadline=None)
def test_the_first_that_is_not_missing_decides(outcomes: list[str]) -> None:
    """Whatever the stores do, the end is that of the first one that does not lack the secret, and no later one is asked."""
    place = _Place({str(number): _ANSWERS[outcome] for number, outcome in enumerate(outcomes)})
    chain = _chain(SecretStores([place]), *(f"place:{number}" for number in range(len(outcomes))))
    deciding = next((number for number, outcome in enumerate(outcomes) if outcome != "missing"), len(outcomes) - 1)
    try:
        end: object = chain.resolve(_KEY, SecretContext())
    except SecretError as error:
        end = error
    assert type(end) is _ENDS[outcomes[deciding]]
    assert place.asked == [str(number) for number in range(deciding + 1)]
