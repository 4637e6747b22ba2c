"""An installed package -> a plugin for the host: one of data offers its folder, one of code is imported from where it lies."""

from __future__ import annotations

import sys
from importlib import import_module

from kosha_connector_openai.errors import PluginError
from kosha_connector_openai.packages.store import Installed
from kosha_connector_openai.plugins import FolderPlugin


def plugin_of(found: Installed) -> object:
    """What the host registers. Raises PluginError where the package's code cannot be imported."""
    if not found.code:
        return FolderPlugin(found.folder)
    place = str(found.place)
    if place not in sys.path:
        sys.path.append(place)  # behind all others: it can replace nothing that is installed
    try:
        return import_module(found.module)
    except (Exception, SystemExit) as error:
        failure = type(error).__name__
    raise PluginError(f"The package {found.id!r} cannot be loaded: {failure}.", hint="Roll it back, or remove it.")
