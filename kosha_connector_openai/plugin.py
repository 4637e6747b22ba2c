"""The OpenAI connector as a plugin: hands its folder to whichever host loads the entry point ``openai``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kosha_connector_openai.hookspecs import hookimpl
from kosha_connector_openai.shipped import folder

__all__ = ["folder", "kosha_connectors"]


@hookimpl
def kosha_connectors() -> Sequence[Path]:
    """The folder of the OpenAI connector."""
    return [folder()]
