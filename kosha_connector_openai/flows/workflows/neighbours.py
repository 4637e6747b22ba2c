"""The other wings of flows, imported when a document names a preset or a job: most name neither."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def presets() -> Any:
    """``flows.presets``."""
    return import_module("kosha_connector_openai.flows.presets")


def jobs() -> Any:
    """``flows.jobs``."""
    return import_module("kosha_connector_openai.flows.jobs")
