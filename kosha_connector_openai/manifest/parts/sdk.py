"""Part ``sdk``: what is known of the provider's own client library, from whose source newer facts are read."""

from __future__ import annotations

from collections.abc import Mapping

from kosha_connector_openai.manifest.part import Field, Line, Name, Part


class IdRules(Part):
    """How an operation gets its id that no description has: the verb of the client's method and the nouns of the path."""

    verbs: Mapping[str, str] = Field(
        default_factory=dict, description="The client's name of a method -> the verb; any other is a verb of its own."
    )
    dropped: tuple[str, ...] = Field(default=(), description="Segments of a path that no id has.")
    singular: Mapping[str, str] = Field(default_factory=dict, description="Endings of nouns, the first that fits: plural -> singular.")
    exceptions: Mapping[str, str] = Field(
        default_factory=dict, description="Method and path with `{}` for each variable -> the id, where the rule would read badly."
    )


class KeptFact(Part):
    """Differences from the client in which the connector's description is right: one pattern of each list must fit."""

    reason: Line
    kinds: tuple[str, ...] = ("*",)
    operations: tuple[str, ...] = ("*",)
    where: tuple[str, ...] = ("*",)


class SdkPart(Part):
    """The part ``sdk``. Without a ``package`` no client is read."""

    package: str = Field(default="", description="Its name in the package index.")
    title: Name = "sdk"
    server: str = Field(default="/", description="The server that its paths are below.")
    ids: IdRules = Field(default_factory=IdRules)
    kept: tuple[KeptFact, ...] = ()
