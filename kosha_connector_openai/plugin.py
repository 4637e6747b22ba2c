"""The OpenAI connector as a plugin: hands its folder to whichever host loads the entry point ``openai``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kosha_connector_openai.hookspecs import hookimpl

__all__ = ["folder", "kosha_connectors"]


def folder() -> Path:
    """Where ``connector.yaml`` lies: in the package once installed, beside it in a checkout."""
    here = Path(__file__).parent
    return next(place for place in (here, here.parent) if (place / "connector.yaml").is_file())


@hookimpl
def kosha_connectors() -> Sequence[Path]:
    """The folder of the OpenAI connector."""
    return [folder()]
