"""The keyring store uses the system's keyring and no other kind, only listed services, and shows nothing of what it reads or writes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from threading import Event
from time import monotonic
from typing import Any

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends import chainer, fail, null
from keyring.errors import KeyringLocked, PasswordSetError

from kosha_connector_openai.errors import (
    SecretError,
    SecretMissingError,
    SecretRefusedError,
    SecretStoreError,
)
from kosha_connector_openai.secrets.secret import Secret, SecretReference
from kosha_connector_openai.secrets.store import SecretContext, SecretStores
from kosha_connector_openai.secrets.stores import default_stores
from kosha_connector_openai.secrets.stores.keyring_store import ACCEPTED, KeyringStore
from kosha_connector_openai.testing import SecretStoreContract
from tests.canary import Canary

_VALUE = "value-12345"
_REFERENCE = SecretReference.parse("keyring:kosha/work.api_key")


class _Memory:
    """A keyring for tests; what it is called decides whether it is accepted."""

    def __init__(self, answer: Callable[[], str | None] | None = None) -> None:
        self.entries: dict[tuple[str, str], str] = {}
        self._answer = answer

    def get_password(self, service: str, name: str) -> str | None:
        """The entry, or what the function gives."""
        return self._answer() if self._answer else self.entries.get((service, name))

    def set_password(self, service: str, name: str, text: str) -> None:
        """Stores the entry."""
        self.entries[service, name] = text
        if self._answer:
            self._answer()


def _named(full_name: str, answer: Callable[[], str | None] | None = None) -> _Memory:
    """A keyring in memory that goes by this name."""
    module, _, name = full_name.rpartition(".")
    kind = type(name, (_Memory,), {"__module__": module})
    found: _Memory = kind(answer)
    return found


def _raises(error: Exception) -> Callable[[], str | None]:
    def answer() -> str | None:
        raise error

    return answer


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], Any]:
    """Sets ``keyring`` up with a backend, as its configuration would."""

    def chosen(backend: Any) -> Any:
        monkeypatch.setattr(keyring, "get_keyring", lambda: backend)
        return backend

    return chosen


@pytest.fixture
def backend(use: Callable[[Any], Any]) -> _Memory:
    """An accepted keyring with one entry."""
    found: _Memory = use(_named(ACCEPTED[0]))
    found.entries["kosha", "work.api_key"] = _VALUE
    return found


def _read(text: str = str(_REFERENCE), store: KeyringStore | None = None) -> Secret:
    return (store or KeyringStore()).read(SecretReference.parse(text), SecretContext())


@pytest.mark.usefixtures("backend")
class TestKeyringStoreContract(SecretStoreContract):
    """The keyring store keeps the contract of all stores."""

    store = pytest.fixture(lambda self: KeyringStore())
    reference = pytest.fixture(lambda self: _REFERENCE)
    expected = pytest.fixture(lambda self: _VALUE)
    missing = pytest.fixture(lambda self: SecretReference.parse("keyring:kosha/other"))


class TestBackends:
    """Which kinds of keyring are used."""

    @pytest.mark.parametrize("name", ACCEPTED)
    def test_keyrings_of_operating_systems_are_accepted(self, use: Callable[[Any], Any], name: str) -> None:
        """Each listed backend is read and written."""
        use(_named(name))
        KeyringStore().write(_REFERENCE, Secret(_VALUE))
        assert _read().reveal() == _VALUE

    @pytest.mark.parametrize(
        "backend",
        [
            _named("keyrings.alt.file.PlaintextKeyring"),
            _named("keyrings.alt.file.EncryptedKeyring"),
            _named("keyrings.cryptfile.cryptfile.CryptFileKeyring"),
            _named("another.Keyring"),
            null.Keyring(),
            fail.Keyring(),
        ],
        ids=lambda backend: type(backend).__module__,
    )
    def test_others_are_refused_by_name(self, use: Callable[[Any], Any], backend: Any) -> None:
        """Plain-text, asking, empty and unknown backends are named, and neither read nor written."""
        use(backend)
        name = f"{type(backend).__module__}.{type(backend).__qualname__}"
        for action in (_read, lambda: KeyringStore().write(_REFERENCE, Secret(_VALUE))):
            with pytest.raises(SecretRefusedError) as caught:
                action()
            assert caught.value.message == f"The keyring backend {name} is not accepted."
        assert getattr(backend, "entries", {}) == {}

    def test_accepted_backends_are_the_packages_own(self) -> None:
        """The list names classes that the package has, on whatever system it runs."""
        from keyring.backends import SecretService, Windows, kwallet, libsecret

        kinds = (Windows.WinVaultKeyring, SecretService.Keyring, libsecret.Keyring, kwallet.DBusKeyring, kwallet.DBusKeyringKWallet4)
        assert tuple(f"{kind.__module__}.{kind.__qualname__}" for kind in kinds) == ACCEPTED[1:]
        assert all(issubclass(kind, KeyringBackend) for kind in kinds)

    @pytest.fixture
    def chain(self, use: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
        """Sets the package's own chain up with these members."""

        def chained(*members: Any) -> None:
            monkeypatch.setattr(chainer.ChainerBackend, "backends", members)
            use(chainer.ChainerBackend())

        return chained

    def test_a_chain_with_a_plain_text_member_is_refused(self, chain: Callable[..., None]) -> None:
        """One member that is not accepted is one too many, wherever it stands."""
        chain(_named(ACCEPTED[0]), _named("keyrings.alt.file.PlaintextKeyring"))
        with pytest.raises(SecretRefusedError, match=r"keyrings\.alt\.file\.PlaintextKeyring is not accepted"):
            _read()

    def test_no_member_of_a_chain_answers_for_another(self, chain: Callable[..., None]) -> None:
        """Of accepted members the first is used, to read as to write; what it lacks is missing."""
        first, second = _named(ACCEPTED[2]), _named(ACCEPTED[4])
        second.entries["kosha", "work.api_key"] = "value-of-second"
        chain(first, second)
        with pytest.raises(SecretMissingError):
            _read()
        KeyringStore().write(_REFERENCE, Secret(_VALUE))
        assert (first.entries, _read().reveal()) == ({("kosha", "work.api_key"): _VALUE}, _VALUE)

    def test_an_empty_chain(self, chain: Callable[..., None]) -> None:
        """A chain without members is no keyring."""
        chain()
        with pytest.raises(SecretRefusedError, match="No keyring is set up"):
            _read()


class TestPlaces:
    """Which entries may be used."""

    @pytest.mark.parametrize("text", ["keyring:mail/me", "keyring:kosha", "keyring:kosha/", "keyring:kosha/a#f", "keyring:koshax/a"])
    def test_only_listed_services(self, backend: _Memory, text: str) -> None:
        """Other entries of the user's keyring are out of reach, even where they exist."""
        backend.entries |= {("mail", "me"): _VALUE, ("koshax", "a"): _VALUE, ("kosha", ""): _VALUE}
        with pytest.raises(SecretRefusedError, match="may not be used here") as caught:
            _read(text)
        assert caught.value.hint.endswith("Allowed services: kosha.")

    def test_an_operator_lists_services(self, backend: _Memory) -> None:
        """A listed service is read; a name may have slashes."""
        backend.entries["team", "a/b"] = _VALUE
        assert _read("keyring:team/a/b", KeyringStore(["team"])).reveal() == _VALUE

    def test_an_entry_is_read_at_each_call(self, backend: _Memory) -> None:
        """A rotated entry gives its new secret."""
        before = _read().reveal()
        KeyringStore().write(_REFERENCE, Secret("value-rotated"))
        assert (before, _read().reveal()) == (_VALUE, "value-rotated")


class TestFailures:
    """What a keyring does instead of answering."""

    @pytest.mark.parametrize(
        ("error", "message", "hint"),
        [
            (KeyringLocked("x"), "The keyring failed with KeyringLocked.", "Unlock it and try again."),
            (PasswordSetError("x"), "The keyring failed with PasswordSetError.", "Unlock it, or make room in it."),
            (RuntimeError("x"), "The keyring failed with RuntimeError.", "Check it with the system's own tool."),
        ],
    )
    def test_failures_keep_their_type_only(self, use: Callable[[Any], Any], error: Exception, message: str, hint: str) -> None:
        """A failure is one of the store, to read as to write, and is not taken for a missing entry."""
        use(_named(ACCEPTED[0], _raises(error)))
        for action in (_read, lambda: KeyringStore().write(_REFERENCE, Secret(_VALUE))):
            with pytest.raises(SecretStoreError) as caught:
                action()
            assert (caught.value.message, caught.value.hint, caught.value.__context__) == (message, hint, None)

    def test_a_keyring_that_asks_is_left_in_time(self, use: Callable[[Any], Any]) -> None:
        """A desktop that waits for its user does not hold a call longer than the limit."""
        release = Event()
        use(_named(ACCEPTED[0], lambda: str(release.wait(20))))
        started = monotonic()
        with pytest.raises(SecretStoreError, match=r"did not answer within 0\.1 seconds"):
            SecretStores([KeyringStore()], time_limit=0.1).resolve(_REFERENCE, SecretContext())
        release.set()
        assert monotonic() - started < 2

    @pytest.mark.parametrize("write", ["{}\n{}", "{0}\u00e9", "\u201c{}\u201d"])
    def test_malformed_entries_leave_no_trace(self, use: Callable[[Any], Any], write: str) -> None:
        """An entry that no header could carry is refused, and neither the error nor its frames show it."""
        canary = Canary()
        use(_named(ACCEPTED[0], lambda: write.format(canary.key, "x")))
        with pytest.raises(SecretRefusedError) as caught:
            _read()
        canary.scan(caught.value)

    def test_errors_that_quote_the_secret_leave_no_trace(self, use: Callable[[Any], Any]) -> None:
        """A backend that repeats what it was given, in reading or writing, does not leak it."""
        canary = Canary()
        use(_named(ACCEPTED[0], _raises(OSError(canary.key))))
        for action in (_read, lambda: KeyringStore().write(_REFERENCE, Secret(canary.key))):
            with pytest.raises(SecretError) as caught:
                action()
            canary.scan(caught.value)


class TestDefault:
    """The built-in stores."""

    @pytest.fixture
    def without_package(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """An installation without the extra."""
        monkeypatch.setitem(sys.modules, "keyring", None)
        monkeypatch.setattr("kosha_connector_openai.secrets.stores.defaults.find_spec", lambda name: None)
        return

    def test_with_the_extra(self, backend: _Memory) -> None:
        """Where the package is installed, our own entries can be read."""
        assert SecretStores(default_stores([])).resolve(_REFERENCE, SecretContext()).reveal() == _VALUE

    @pytest.mark.usefixtures("without_package")
    def test_without_the_extra(self) -> None:
        """Where it is not, the advice names the extra."""
        with pytest.raises(SecretStoreError, match=r"pip install .*\[keyring\]"):
            SecretStores(default_stores([])).resolve(_REFERENCE, SecretContext())
