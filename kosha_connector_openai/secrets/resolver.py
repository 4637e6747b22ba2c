"""What one call needs of the secret stores: the secret behind a reference, which ones it used, and a fresh one after a refusal."""

from __future__ import annotations

from collections.abc import Mapping

from kosha_connector_openai.secrets.cache import SecretCache, cache_key
from kosha_connector_openai.secrets.secret import Secret, SecretReference
from kosha_connector_openai.secrets.store import SecretContext, SecretStores


class SecretResolver:
    """Resolves references for one call; stores that may wait are read through the cache."""

    def __init__(
        self,
        stores: SecretStores,
        cache: SecretCache,
        context: SecretContext,
        references: Mapping[str, SecretReference],
    ) -> None:
        self._stores = stores
        self._cache = cache
        self._context = context
        self._references = tuple(references.values())
        self.used: list[Secret] = []
        """Every secret that was given out, for scrubbing what comes back."""

    @property
    def immediate(self) -> bool:
        """Whether resolving waits for nothing: the store never does, or the cache has the secret."""
        return all(
            self._stores.immediate(reference) or self._cache.peek(cache_key(reference, self._context)) is not None
            for reference in self._references
        )

    def __call__(self, reference: SecretReference) -> Secret:
        """The secret; raises SecretError."""
        if self._stores.immediate(reference):
            secret = self._stores.resolve(reference, self._context)
        else:
            key = cache_key(reference, self._context)
            secret = self._cache.get(key, lambda: self._stores.resolve(reference, self._context))
        self.used.append(secret)
        return secret

    def refresh(self) -> bool:
        """Forgets what the upstream refused; False where nothing was remembered, so that asking again gives the same."""
        stale = {id(secret): secret for secret in self.used}
        cached = [reference for reference in self._references if not self._stores.immediate(reference)]
        for reference in cached:
            for secret in stale.values():
                self._cache.invalidate(cache_key(reference, self._context), secret)
        return bool(cached and stale)
