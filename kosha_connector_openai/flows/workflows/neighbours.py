"""The presets beside us, imported when a document names one: most name none."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def presets() -> Any:
    """``flows.presets``."""
    return import_module("kosha_connector_openai.flows.presets")
