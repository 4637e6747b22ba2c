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

        folder = Path(self._choice) if self._choice and is_path(self._choice) else None
        if folder and not folder.is_dir():
            raise PluginError("No folder is there.", hint="Name a folder with a connector.yaml, or a connector's id.")
        manager = create_plugin_manager([_plugin(folder) if folder else plugin], names=self.plugins)
        found = load_connectors(manager)
        self._open += found.values()
        if folder:
            return self._open[0] if len(found) == 1 else next(c for c in self._open if c.folder == folder)
        wanted = self._choice or (next(iter(found)) if len(found) == 1 else OURS)
        if wanted not in found:
            beside = f" For the folder of this name here write ./{wanted}." if Path(wanted).is_dir() else ""
            raise PluginError("No loaded plugin offers this connector.", hint=f"Loaded: {', '.join(sorted(found))}.{beside}")
        return found[wanted]

    def keep(self, connector: Connector) -> Connector:
        """``connector``, closed together with the others."""
        self._open.append(connector)
        return connector

    def close(self) -> None:
        """Closes all connectors."""
        for connector in self._open:
            connector.close()


def _plugin(folder: Path) -> object:
    """A plugin that offers the folder named on the command line."""
    from kosha_connector_openai import hookimpl

    class FolderPlugin:
        @hookimpl
        def kosha_connectors(self) -> Sequence[Path]:
            return [folder]

    return FolderPlugin()
