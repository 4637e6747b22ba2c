"""Finding plugins: a manager made by a function, entry points loaded only by name, and a host's connectors."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import pluggy

from kosha_connector_openai.core import hookspecs
from kosha_connector_openai.core.connection.store import SecretStore
from kosha_connector_openai.core.connection.stores import default_stores
from kosha_connector_openai.core.connector import Connector
from kosha_connector_openai.core.errors import ConnectorError, Fault, PluginError

GROUP = "kosha.connectors"


@dataclass(frozen=True, slots=True)
class Found:
    """An installed plugin: its entry point's name, its distribution, and whether it was asked for."""

    name: str
    distribution: str
    listed: bool


def create_plugin_manager(plugins: Iterable[Any] = (), *, names: Collection[str] = ()) -> pluggy.PluginManager:
    """A new manager that knows our hooks, with ``plugins`` registered and the installed entry points named in ``names`` loaded.

    Nothing else is imported: an installed package is no plugin until the host lists it. Raises PluginError that names the plugin.
    """
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    for plugin in plugins:
        manager.register(plugin)
    installed = {entry.name: entry for entry in entry_points(group=GROUP)}
    for name in names:
        _load(manager, name, installed)
    manager.check_pending()
    return manager


def installed_plugins(names: Collection[str] = ()) -> tuple[Found, ...]:
    """The plugins that are installed, without importing them."""
    found = sorted(entry_points(group=GROUP), key=lambda entry: entry.name)
    return tuple(Found(entry.name, entry.dist.name if entry.dist else "", entry.name in names) for entry in found)


def load_connectors(manager: pluggy.PluginManager) -> dict[str, Connector]:
    """The connectors of all plugins by id, each with the built-in secret stores and those of the plugins; raises PluginError."""
    stores = [store for answer in manager.hook.kosha_secret_stores() for store in _listed(answer, SecretStore, "secret stores")]
    found: dict[str, Connector] = {}
    for answer in manager.hook.kosha_connectors():
        for folder in _listed(answer, Path, "folders"):
            connector = _open(folder, stores)
            if connector.id in found:
                message = f"Two plugins offer the connector {connector.id!r}."
                places = [Fault("", "twice", str(place)) for place in (found[connector.id].folder, folder)]
                raise PluginError(message, places)
            found[connector.id] = connector
    return found


def _open(folder: Path, stores: list[SecretStore]) -> Connector:
    connector = Connector(folder)
    if stores:
        taken = {store.scheme for store in stores}
        names = [name for entry in connector.manifest.connection.fields if entry.secret for name in entry.env]
        built_in = [store for store in default_stores(names) if store.scheme not in taken or store.scheme in ("env", "file")]
        connector = Connector(folder, stores=[*built_in, *stores])
    return connector


def _load(manager: pluggy.PluginManager, name: str, installed: dict[str, EntryPoint]) -> None:
    if name not in installed:
        known = ", ".join(sorted(installed)) or "none"
        raise PluginError(f"No installed plugin is named {name!r}.", hint=f"Installed: {known}.")
    try:
        manager.register(installed[name].load(), name=name)
    except ConnectorError:
        raise
    except Exception as error:
        raise PluginError(f"The plugin {name!r} cannot be loaded: {type(error).__name__}.") from None


def _listed(answer: Any, kind: Any, what: str) -> list[Any]:
    if not isinstance(answer, (list, tuple)) or not all(isinstance(item, kind) for item in answer):
        raise PluginError(f"A plugin returned something else than a list of {what}.")
    return list(answer)
