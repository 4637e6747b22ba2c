"""The part ``relay``: what of another client's request may go on to the upstream, and what of the reply may come back."""

from __future__ import annotations

from collections.abc import Mapping

from kosha_connector_openai.manifest.part import Field, Part


class Privileged(Part):
    """Actions that a token may call only where its list names each: those that change who may do what, and those that give credentials."""

    schemes: tuple[str, ...] = Field(default=(), description="Security schemes; every action that needs one is privileged.")
    actions: tuple[str, ...] = Field(default=(), description="Other actions, by id: their replies hold a credential of the provider's.")


class Stored(Part):
    """A field of the request that says whether what is made is kept by the provider."""

    field: str
    default: bool


class ObjectRules(Part):
    """Which texts are ids of objects that somebody made, beside the variables of the description's paths."""

    open: tuple[str, ...] = Field(default=(), description="Variables of paths that hold names which all may use.")
    reserved: tuple[str, ...] = Field(
        default=(), description="Names that are somebody's all the same, wherever they stand; `*` for anything."
    )
    references: tuple[str, ...] = Field(default=(), description="More fields that hold ids; `name.id`: the id in an object of that name.")
    words: tuple[str, ...] = Field(
        default=(), description="Fields that are called as a path's variable is, and hold the caller's own words."
    )
    free: tuple[str, ...] = Field(default=("metadata",), description="Objects whose names and values are the caller's own words.")
    envelope: tuple[str, ...] = Field(default=("object",), description="Texts of a list's page that are no cursors.")
    cursors: tuple[str, ...] = Field(default=(), description="Parameters of a query that say where a list goes on.")
    stored: Mapping[str, Stored] = Field(default_factory=dict, description="Actions whose objects are kept only where the request says so.")


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
    unmetered: tuple[str, ...] = Field(
        default=(), description="Paid actions whose replies do not tell what they use: a token with a budget needs a list that names each."
    )
    objects: ObjectRules = Field(default_factory=ObjectRules, description="What is told apart where tenants share an account.")
    slashes: tuple[str, ...] = Field(default=(), description="Variables of paths whose values may hold slashes; no other may.")
    retry_hint: str | None = Field(default=None, description="The reply header that tells clients' libraries whether to try again.")
