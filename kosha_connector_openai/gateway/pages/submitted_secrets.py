"""``submitted:`` secrets: what a caller hands over to have a connection tried, held for that one try and read by nobody else; and what the
user of this machine's studio hands over, held until the process ends."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from kosha_connector_openai.errors import SecretMissingError
from kosha_connector_openai.secrets import Secret, SecretContext, SecretReference, check_secret


class SubmittedSecrets:
    """A secret store whose references are drawn at random and end with the block that made them."""

    scheme: Final = "submitted"
    immediate: Final = True
    UNSET: Final = "submitted:unset"
    """The reference of a secret that nobody has handed over yet."""

    def __init__(self) -> None:
        self._held: dict[str, Secret] = {}

    def read(self, reference: SecretReference, context: SecretContext) -> Secret:
        """The secret; raises SecretMissingError once its try is over."""
        found = self._held.get(reference.locator)
        if found is None:
            raise SecretMissingError("This secret was submitted for one try, which is over.")
        return found

    def keep(self, values: Mapping[str, str]) -> dict[str, str]:
        """References for the values, by the same names, for as long as this process runs. Raises SecretRefusedError as ``hold``."""
        found = {}
        for name, text in values.items():
            locator = secrets.token_hex(16)
            self._held[locator] = check_secret(text, name)
            found[name] = f"{self.scheme}:{locator}"
        return found

    def drop(self, references: Iterable[str]) -> None:
        """Forgets secrets that were kept."""
        for reference in references:
            self._held.pop(reference.partition(":")[2], None)

    @contextmanager
    def hold(self, values: Mapping[str, str]) -> Iterator[dict[str, str]]:
        """References for the values, by the same names. Raises SecretRefusedError for a value that no request can carry."""
        names = {name: secrets.token_hex(16) for name in values}
        try:
            for name, locator in names.items():
                self._held[locator] = check_secret(values[name], name)
            yield {name: f"{self.scheme}:{locator}" for name, locator in names.items()}
        finally:
            for locator in names.values():
                self._held.pop(locator, None)
