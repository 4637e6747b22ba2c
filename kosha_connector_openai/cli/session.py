"""What the options before the command chose: the plugins and the connector, opened when it is first needed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from kosha_connector_openai import Connector

OURS: Final = "openai"


def is_path(name: str) -> bool:
    """Whether a name means a file or folder: it has a separator in it. A bare name never does, whatever lies in the working folder."""
    return "/" in name or os.sep in name or bool(os.altsep and os.altsep in name)


class Session:
    """One run of the command."""

    def __init__(self, plugins: Sequence[str] = (), connector: str | None = None) -> None:
        """``plugins`` are names of entry points; ``connector`` is an id, or the path of a folder, with a separator in it."""
        self.plugins = tuple(dict.fromkeys(name for name in plugins if name != OURS))
        self._choice = connector
        self._open: list[Connector] = []

    @cached_property
    def connector(self) -> Connector:
        """The connector; raises PluginError or ManifestError."""
        from kosha_connector_openai import create_plugin_manager, load_connectors, plugin
        from kosha_connector_openai.errors import PluginError
        from kosha_connector_openai.plugins import FolderPlugin

        folder = Path(self._choice) if self._choice and is_path(self._choice) else None
        if folder and not folder.is_dir():
            raise PluginError("No folder is there.", hint="Name a folder with a connector.yaml, or a connector's id.")
        added = self._installed() if folder is None and self._choice not in (None, OURS) else None
        if added is not None:
            found = load_connectors(create_plugin_manager([added], names=self.plugins))
        else:
            names = (*self.plugins, *self._entry_points()) if folder is None else self.plugins
            found = load_connectors(create_plugin_manager([FolderPlugin(folder) if folder else plugin], names=names))
        self._open += found.values()
        if folder:
            return self._open[0] if len(found) == 1 else next(c for c in self._open if c.folder == folder)
        wanted = self._choice or (next(iter(found)) if len(found) == 1 else OURS)
        if wanted not in found:
            beside = f" For the folder of this name here write ./{wanted}." if Path(wanted).is_dir() else ""
            raise PluginError("No loaded plugin offers this connector.", hint=f"Loaded: {', '.join(sorted(found))}.{beside}")
        return found[wanted]

    def _installed(self) -> object | None:
        """A plugin that offers the installed package of the chosen id; None where there is none."""
        from kosha_connector_openai.packages import PackageStore, plugin_of

        found = PackageStore().find(str(self._choice))
        return None if found is None else plugin_of(found)

    def _entry_points(self) -> tuple[str, ...]:
        """The plugin of the chosen id that pip has installed: to choose it is to list it."""
        from kosha_connector_openai.plugins import installed_plugins

        if self._choice is None or self._choice == OURS or self._choice in self.plugins:
            return ()
        return (self._choice,) if any(each.name == self._choice for each in installed_plugins()) else ()

    def keep(self, connector: Connector) -> Connector:
        """``connector``, closed together with the others."""
        self._open.append(connector)
        return connector

    def close(self) -> None:
        """Closes all connectors."""
        for connector in self._open:
            connector.close()
