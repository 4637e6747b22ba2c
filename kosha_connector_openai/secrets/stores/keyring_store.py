"""``keyring:service/name``: secrets in the keyring of the operating system, and in no other kind of keyring."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from types import MappingProxyType
from typing import Any, Final, TypeVar

from kosha_connector_openai.errors import SecretError, SecretMissingError, SecretRefusedError, SecretStoreError
from kosha_connector_openai.secrets.secret import Secret, SecretReference, check_secret
from kosha_connector_openai.secrets.store import SecretContext

T = TypeVar("T")

SERVICE: Final = "kosha"
"""The service whose entries are ours."""
ACCEPTED: Final = (
    "keyring.backends.macOS.Keyring",
    "keyring.backends.Windows.WinVaultKeyring",
    "keyring.backends.SecretService.Keyring",
    "keyring.backends.libsecret.Keyring",
    "keyring.backends.kwallet.DBusKeyring",
    "keyring.backends.kwallet.DBusKeyringKWallet4",
)
"""Backends that keep secrets encrypted under the user's login, and never ask on the terminal."""
_CHAIN: Final = "keyring.backends.chainer.ChainerBackend"
_ADVICE: Final = MappingProxyType({"KeyringLocked": "Unlock it and try again.", "PasswordSetError": "Unlock it, or make room in it."})


class KeyringStore:
    """Reads and writes entries of listed services through the ``keyring`` package, which is imported at the first use."""

    scheme: Final = "keyring"
    slow: Final = True

    def __init__(self, services: Collection[str] = (SERVICE,), accepted: Collection[str] = ACCEPTED) -> None:
        """``services`` may be used and no others; ``accepted`` are the full names of backend classes."""
        self._services = tuple(services)
        self._accepted = frozenset(accepted)

    def read(self, reference: SecretReference, context: SecretContext) -> Secret:
        """The entry's text. Raises SecretRefusedError for an unlisted service or a backend that is not accepted."""
        place = self._place(reference)
        found = _attempt(lambda: _hidden(self._backend().get_password(*place)))
        if found is None:
            raise SecretMissingError(f"The keyring has no entry for {reference}.", hint="Store it there first.")
        return check_secret(found.reveal(), str(reference))

    def write(self, reference: SecretReference, secret: Secret) -> None:
        """Stores or replaces the entry; raises as ``read`` does, and SecretStoreError where the keyring does not take it."""
        place = self._place(reference)
        _attempt(lambda: self._backend().set_password(*place, secret.reveal()))

    def _place(self, reference: SecretReference) -> tuple[str, str]:
        """Service and name; refuses a record made by hand that climbs."""
        SecretReference.parse(str(reference))
        service, _, name = reference.locator.partition("/")
        if service not in self._services or not name or reference.field is not None:
            raise SecretRefusedError(
                "This entry of the keyring may not be used here.",
                hint=f"Write keyring:service/name. Allowed services: {', '.join(self._services) or 'none'}.",
            )
        return service, name

    def _backend(self) -> Any:
        """The backend that ``keyring`` is set up with; of a chain its first member, so that none answers for another."""
        import keyring

        found = list(_members(keyring.get_keyring()))
        refused = next((name for name in map(_name, found) if name not in self._accepted), None)
        if refused or not found:
            message = f"The keyring backend {refused} is not accepted." if refused else "No keyring is set up."
            raise SecretRefusedError(message, hint="Use the keyring of the operating system, or another secret store.")
        return found[0]


def _members(backend: Any) -> Iterator[Any]:
    if _name(backend) == _CHAIN:
        yield from backend.backends
    else:
        yield backend


def _name(backend: Any) -> str:
    return f"{type(backend).__module__}.{type(backend).__qualname__}"


def _hidden(text: str | None) -> Secret | None:
    """The text where no frame of ours shows it."""
    return None if text is None else Secret(text)


def _attempt(action: Callable[[], T]) -> T:
    """What the action gives; a foreign error leaves only its type's name, since it may quote the secret."""
    try:
        return action()
    except SecretError:
        raise
    except Exception as error:
        name = type(error).__name__
    raise SecretStoreError(f"The keyring failed with {name}.", hint=_ADVICE.get(name, "Check it with the system's own tool."))
