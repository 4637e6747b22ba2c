"""``chain:name``: an ordered list of references that the operator wrote down; the next one counts only where a secret is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

from kosha_connector_openai.errors import SecretMissingError, SecretRefusedError, SetupError
from kosha_connector_openai.secrets.secret import Secret, SecretReference
from kosha_connector_openai.secrets.store import SecretContext, SecretStores


class ChainStore:
    """Reads the first reference of a list whose store has it.

    A store that fails or refuses ends the search: an outage must not change the credential.
    """

    scheme: Final = "chain"
    slow: Final = True

    def __init__(self, chains: Mapping[str, Sequence[str]], stores: SecretStores) -> None:
        """``chains``: for each name its references, read from ``stores`` in their order.

        Raises SetupError for a list that is empty or needs a store that is not there, SecretRefusedError for what is no reference.
        """
        self._chains = {name: tuple(map(SecretReference.parse, () if isinstance(texts, str) else texts)) for name, texts in chains.items()}
        self._stores = stores
        for references in self._chains.values():
            if not references or not all(reference.scheme in stores for reference in references):
                raise SetupError("A chain is a list of references, each to a store that it was given.", hint=f"Given: {', '.join(stores)}.")

    def read(self, reference: SecretReference, context: SecretContext) -> Secret:
        """The first secret that is there; its ``reference`` says which one answered.

        Raises SecretMissingError where none is, SecretRefusedError for an unlisted name, and what the first failing store raises.
        """
        members = self._chains.get(str(reference).removeprefix("chain:"))
        if members is None:
            raise SecretRefusedError("There is no such chain of secrets.", hint=f"Known: {', '.join(sorted(self._chains)) or 'none'}.")
        for member in members:
            with suppress(SecretMissingError):
                return self._stores.resolve(member, context)
        raise SecretMissingError("No store of this chain has the secret.", hint=f"Asked: {', '.join(map(str, members))}.")
