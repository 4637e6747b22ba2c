"""Secrets that are made when they are asked for, such as the short-lived tokens of a workload identity."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from kosha_connector_openai.errors import SecretMissingError, SecretStoreError, SetupError
from kosha_connector_openai.secrets.secret import Secret, SecretReference, check_secret
from kosha_connector_openai.secrets.store import SecretContext

_SCHEME: Final = re.compile(r"[a-z][a-z0-9+-]{0,19}")


@dataclass(frozen=True, slots=True)
class Token:
    """What a source made: the secret, and the second of ``time.time`` at which it ends (None: it does not)."""

    secret: Secret
    expires: float | None = None


TokenSource = Callable[[SecretContext], Token | Awaitable[Token]]
"""Makes a token for a tenant and an origin; it may wait, and what it raises counts as a failure of the store.

One that is ``async`` runs on an event loop of its own, so that callers in threads and on other loops can use it.
"""


class ComputedStore:
    """Makes secrets: ``scheme:name`` calls the source of that name.

    It remembers nothing: the host's cache asks once a minute, before a token's end, and anew after a refusal.
    """

    slow: Final = True

    def __init__(self, scheme: str, sources: Mapping[str, TokenSource], clock: Callable[[], float] = time.time) -> None:
        """Raises SetupError where ``scheme`` cannot stand before a colon."""
        if not _SCHEME.fullmatch(scheme):
            raise SetupError("The scheme of a secret store is a word of lower-case letters.")
        self.scheme = scheme
        self._sources = dict(sources)
        self._clock = clock

    def read(self, reference: SecretReference, context: SecretContext) -> Secret:
        """A token that is still good. Raises SecretMissingError for an unknown name, SecretStoreError for a token past its end."""
        source = self._sources.get(str(reference).removeprefix(f"{self.scheme}:"))
        if source is None:
            raise SecretMissingError("No source of tokens has this name.", hint=f"Known: {', '.join(sorted(self._sources)) or 'none'}.")
        token = _made(source(context))
        if token.expires is not None and token.expires <= self._clock():
            raise SecretStoreError(f"The source of {reference} gave a token that has expired.", hint="Check the clocks.")
        ends = token.secret.expires if token.expires is None else token.expires
        return check_secret(token.secret.reveal(), str(reference), version=token.secret.version, expires=ends)


def _made(found: Token | Awaitable[Token]) -> Token:
    """The token, awaited where its source is asynchronous; the store is read in a thread, which has no loop yet."""
    if not isinstance(found, Awaitable):
        return found
    import asyncio

    async def wait() -> Token:
        return await found

    return asyncio.run(wait())
