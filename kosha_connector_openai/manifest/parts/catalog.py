"""Part ``catalog``: how actions and tasks are found and shown in a palette: other names, a picture word, what a call is charged by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from kosha_connector_openai.manifest.part import Field, Name, Part

IconName = Literal[
    "action", "agent", "bell", "book", "box", "file", "film", "image", "key", "measure", "model", "phone", "search", "shield",
    "sound", "stack", "talk", "text", "training", "vector",
]  # fmt: skip
Charge = Literal["tokens", "pictures", "seconds", "characters", "calls", "storage"]


class CatalogPart(Part):
    """The part ``catalog``."""

    aliases: Mapping[Name, tuple[Name, ...]] = Field(
        default_factory=dict, description="Action or task -> words and phrases that people look for it by."
    )
    icons: Mapping[Name, IconName] = Field(default_factory=dict, description="Group -> what a palette draws beside its actions.")
    charges: Mapping[Name, Charge] = Field(
        default_factory=dict, description="Group or action -> what a call of a paid action is charged by; the action's goes first."
    )
