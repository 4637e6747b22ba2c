"""The part ``relay``: what of another client's request may go on to the upstream, and what of the reply may come back."""

from __future__ import annotations

from kosha_connector_openai.manifest.part import Field, Part


class Privileged(Part):
    """Actions that a token may call only where its list names each: those that change who may do what, and those that give credentials."""

    schemes: tuple[str, ...] = Field(default=(), description="Security schemes; every action that needs one is privileged.")
    actions: tuple[str, ...] = Field(default=(), description="Other actions, by id: their replies hold a credential of the provider's.")


class RelayRules(Part):
    """Names of headers are in lower case; a ``*`` in a name stands for anything."""

    request_headers: tuple[str, ...] = Field(default=("accept",), description="Headers of a client that are sent on.")
    reply_headers: tuple[str, ...] = Field(default=(), description="Headers of the upstream that come back, beside those of every result.")
    hidden_headers: tuple[str, ...] = Field(default=(), description="Headers of the upstream that never come back.")
    refused_headers: tuple[str, ...] = Field(default=(), description="Headers by which a client would choose the upstream: refused.")
    refused_fields: tuple[str, ...] = Field(
        default=(), description="Fields of a body that would do the same, unless the action declares them."
    )
    privileged: Privileged = Field(default_factory=Privileged, description="Actions that a token's list must name.")
    slashes: tuple[str, ...] = Field(default=(), description="Variables of paths whose values may hold slashes; no other may.")
    retry_hint: str | None = Field(default=None, description="The reply header that tells clients' libraries whether to try again.")
