"""What an authentication scheme is, and the facts of a request that one which signs may look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kosha_connector_openai.secrets import Secret

Headers = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """A request as it will be written: ``url`` is absolute and encoded, ``body`` is None where it is not in memory."""

    method: str
    url: str
    content_type: str | None = None
    body: bytes | None = b""

    def __repr__(self) -> str:
        return f"<RequestFacts {self.method}>"


class AuthScheme:
    """One way of writing a credential into a request; this one writes nothing."""

    parts: tuple[str, ...] = ()
    """The names of the secrets that it needs; a credential gives a reference for each."""
    optional: tuple[str, ...] = ()
    """The names of secrets and settings that it can do without."""
    settings: tuple[str, ...] = ()
    """The names of what is no secret: written in the manifest, or given by a field of the connection."""
    signs = False
    """Whether its headers depend on the request."""

    @property
    def names(self) -> tuple[str, ...]:
        """Everything that a field of the connection may give it."""
        return tuple(dict.fromkeys((*self.parts, *self.optional, *self.settings)))

    def check(self, settings: Mapping[str, str]) -> None:
        """Raises SetupError for settings that it cannot use, before any secret is read."""

    def headers(self, secrets: Mapping[str, Secret], settings: Mapping[str, str], request: RequestFacts) -> Headers:
        """Returns the headers, secrets and all, for this one request; raises SetupError for one that it cannot sign."""
        return []

    def query(self, secrets: Mapping[str, Secret], settings: Mapping[str, str]) -> Headers:
        """Returns the pairs that go into the query, secrets and all."""
        return []
