"""What the options before the command chose: the plugins and the connector, opened when it is first needed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from kosha_connector_openai import Connector

OURS: Final = "openai"


class Session:
    """One run of the command."""

    def __init__(self, plugins: Sequence[str] = (), connector: str | None = None) -> None:
        """``plugins`` are names of entry points; ``connector`` is an id, or a folder with a manifest."""
        self.plugins = tuple(dict.fromkeys(name for name in plugins if name != OURS))
        self._choice = connector
        self._open: list[Connector] = []

    @cached_property
    def connector(self) -> Connector:
        """The connector; raises PluginError or ManifestError."""
        from kosha_connector_openai import create_plugin_manager, load_connectors, plugin
        from kosha_connector_openai.errors import PluginError

        folder = Path(self._choice) if self._choice and Path(self._choice).is_dir() else None
        manager = create_plugin_manager([_plugin(folder) if folder else plugin], names=self.plugins)
        found = load_connectors(manager)
        self._open += found.values()
        if folder:
            return self._open[0] if len(found) == 1 else next(c for c in self._open if c.folder == folder)
        wanted = self._choice or (next(iter(found)) if len(found) == 1 else OURS)
        if wanted not in found:
            raise PluginError("No loaded plugin offers this connector.", hint=f"Loaded: {', '.join(sorted(found))}.")
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
