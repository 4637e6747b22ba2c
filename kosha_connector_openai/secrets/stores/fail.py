"""A store that cannot be used here, and says what to do about it."""

from __future__ import annotations

from typing import Final, NoReturn

from kosha_connector_openai.errors import SecretStoreError
from kosha_connector_openai.secrets.secret import SecretReference
from kosha_connector_openai.secrets.store import SecretContext


class FailingStore:
    """Stands for a store whose parts are not installed: every read fails with the same advice."""

    immediate: Final = True

    def __init__(self, scheme: str, advice: str) -> None:
        self.scheme = scheme
        self._advice = advice

    def read(self, reference: SecretReference, context: SecretContext) -> NoReturn:
        """Raises SecretStoreError with the advice."""
        error = SecretStoreError(f"The secret store {self.scheme} cannot be used here.", hint=self._advice)
        error.retryable = False
        raise error
