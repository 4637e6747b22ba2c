"""Finding plugins: a manager made by a function, entry points loaded only by name, and a host's connectors."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import EntryPoint, distributions
from pathlib import Path
from threading import Thread
from typing import Any, Final

import pluggy

from kosha_connector_openai import hookspecs
from kosha_connector_openai.connector import Connector
from kosha_connector_openai.errors import ConnectorError, Fault, PluginError
from kosha_connector_openai.manifest import has_manifest, read_folder
from kosha_connector_openai.secrets import SecretStore
from kosha_connector_openai.secrets.stores import FailingStore, default_stores
from kosha_connector_openai.trusted_files import is_loose

__all__ = ["GROUP", "FolderPlugin", "Found", "create_plugin_manager", "installed_plugins", "load_connectors"]

GROUP: Final = "kosha.connectors"
HOOK_SECONDS: Final = 5.0
"""How long a plugin may take to answer a hook."""
Report = Callable[[PluginError], None]


@dataclass(frozen=True, slots=True)
class Found:
    """An installed plugin: its entry point's name, its distribution, and whether it was asked for."""

    name: str
    distribution: str
    listed: bool


class FolderPlugin:
    """A plugin that offers the connector in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @hookspecs.hookimpl
    def kosha_connectors(self) -> Sequence[Path]:
        """The folder."""
        return [self._folder]


class _Manager(pluggy.PluginManager):
    """A manager whose plugins cannot wrap each other's hooks: what one offers, no other sees or changes."""

    def parse_hookimpl_opts(self, plugin: Any, name: str) -> Any:
        options = super().parse_hookimpl_opts(plugin, name)
        if options and (options.get("wrapper") or options.get("hookwrapper")):
            raise PluginError(f"A plugin wraps the hook {options.get('specname') or name}, which none may.")
        return options


def create_plugin_manager(
    plugins: Iterable[Any] = (), *, names: Collection[str] = (), report: Report | None = None
) -> pluggy.PluginManager:
    """A new manager that knows our hooks, with ``plugins`` registered and the installed entry points named in ``names`` loaded.

    Nothing else is imported: an installed package is no plugin until the host lists it, as ``name``, or as ``distribution:name`` where
    several distributions have the name. Raises PluginError that names the plugin; with ``report`` a plugin that is broken is reported and
    skipped, while a name that nothing installed has still raises.
    """
    manager = _Manager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    for plugin in plugins:
        with _reported(report):
            _register(manager, plugin, manager.get_canonical_name(plugin))
    entries = _entries()
    chosen = {name: _choose(name, entries) for name in names}
    for name, entry in chosen.items():
        with _reported(report):
            _register(manager, _import(name, entry), name)
    return manager


def installed_plugins(names: Collection[str] = ()) -> tuple[Found, ...]:
    """The plugins that are installed, without importing them."""
    found = sorted(_entries().items())
    return tuple(Found(name, owner, name in names or f"{owner}:{name}" in names) for (name, owner), _ in found)


def load_connectors(manager: pluggy.PluginManager, *, report: Report | None = None) -> dict[str, Connector]:
    """The connectors of all plugins by id, in the order of the plugins, each with the built-in secret stores and those of the plugins.

    Raises PluginError that names the plugin. With ``report`` what is broken is reported and skipped, and of two plugins that offer the same
    thing the first one counts.
    """
    stores: dict[str, SecretStore] = {}
    built_in = {store.scheme for store in default_stores(()) if not isinstance(store, FailingStore)}
    for plugin, store in _answers(manager.hook.kosha_secret_stores, SecretStore, manager, report):
        with _reported(report):
            if store.scheme in built_in or store.scheme in stores:
                raise PluginError(f"The plugin {plugin!r} brings a second secret store for {store.scheme!r}.")
            stores[store.scheme] = store
    found: dict[str, Connector] = {}
    for plugin, folder in _answers(manager.hook.kosha_connectors, Path, manager, report):
        with _reported(report):
            connector = _open(plugin, folder, stores)
            if connector.id in found:
                places = [Fault("", "twice", str(place)) for place in (found[connector.id].folder, folder)]
                raise PluginError(f"The plugin {plugin!r} offers the connector {connector.id!r} a second time.", places)
            found[connector.id] = connector
    return found


def _entries() -> dict[tuple[str, str], EntryPoint]:
    """Entry points by name and distribution; of two copies of a distribution the first on the path counts, as it does for imports."""
    found: dict[tuple[str, str], EntryPoint] = {}
    for distribution in distributions(path=[place for place in sys.path if _is_safe(Path(place))]):
        for entry in distribution.entry_points.select(group=GROUP):
            found.setdefault((entry.name, str(distribution.name)), entry)
    return found


def _is_safe(place: Path) -> bool:
    """Whether metadata in this folder was put there by an installation: not in the working folder, nor where other users can write."""
    try:
        status = place.stat()
        if os.path.samestat(status, Path().stat()):
            return False
    except OSError:
        return False
    return not hasattr(os, "getegid") or not is_loose(status)


def _choose(name: str, entries: dict[tuple[str, str], EntryPoint]) -> EntryPoint:
    found = {owner: entry for (known, owner), entry in entries.items() if name in (known, f"{owner}:{known}")}
    if len(found) == 1:
        return next(iter(found.values()))
    if found:
        choices = ", ".join(f"{owner}:{entry.name}" for owner, entry in sorted(found.items()))
        raise PluginError(f"Several installed plugins are named {name!r}.", hint=f"Name one of: {choices}.")
    known = ", ".join(sorted({known for known, _ in entries})) or "none"
    hint = f"Installed: {known}. The working folder and folders that other users can write are not searched."
    raise PluginError(f"No installed plugin is named {name!r}.", hint=hint)


def _import(name: str, entry: EntryPoint) -> Any:
    try:
        loaded = entry.load()
    except (Exception, SystemExit) as error:
        missing = f"It needs {error.name}." if isinstance(error, ModuleNotFoundError) and error.name else ""
        raise PluginError(f"The plugin {name!r} cannot be loaded: {type(error).__name__}.", hint=missing) from None
    return FolderPlugin(folder) if (folder := _data_folder(loaded)) else loaded


def _data_folder(loaded: Any) -> Path | None:
    """The folder of a package of data alone: a namespace package (PEP 420) with a manifest in it; None for any other."""
    if getattr(loaded, "__file__", None) is not None or not hasattr(loaded, "__path__"):
        return None
    return next((folder for folder in map(Path, loaded.__path__) if has_manifest(folder)), None)


def _register(manager: pluggy.PluginManager, plugin: Any, name: str) -> None:
    if manager.is_registered(plugin):
        return
    try:
        manager.register(plugin, name)
        manager.check_pending()
        if not manager.get_hookcallers(plugin):
            raise PluginError("It implements no hook.")
    except (pluggy.PluginValidationError, ValueError, PluginError) as error:
        if manager.is_registered(plugin):
            manager.unregister(plugin)
        reason = " ".join(str(error).split())
        raise PluginError(f"The plugin {_label(name, plugin)!r} does not fit the hooks. {reason}") from None


def _label(name: str, plugin: Any) -> str:
    """A name to show: the manager calls a plugin that is an object by its number."""
    return type(plugin).__name__ if name == str(id(plugin)) else name


def _answers(hook: pluggy.HookCaller, kind: Any, manager: pluggy.PluginManager, report: Report | None) -> list[tuple[str, Any]]:
    """What the plugins answer, item by item, each with its plugin's name, in the order in which the plugins were registered.

    Each plugin is asked by itself, so that a failure of one, or a wish to come first, does not touch the others.
    """
    rank = {id(plugin): number for number, (_, plugin) in enumerate(manager.list_name_plugin())}
    found: list[tuple[str, Any]] = []
    for answering in sorted(hook.get_hookimpls(), key=lambda each: rank[id(each.plugin)]):
        name = _label(answering.plugin_name, answering.plugin)
        with _reported(report):
            found += [(name, item) for item in _ask(name, hook.name, answering.function, kind)]
    return found


def _ask(plugin: str, hook: str, function: Callable[[], Any], kind: Any) -> list[Any]:
    answer: Future[list[Any] | str] = Future()
    # A daemon thread: a plugin that hangs must not keep the process from ending.
    Thread(target=lambda: answer.set_result(_answer(function, kind)), daemon=True).start()
    try:
        items = answer.result(HOOK_SECONDS)
    except TimeoutError:
        items = f"did not answer within {HOOK_SECONDS:g} seconds"
    if isinstance(items, str):
        raise PluginError(f"The plugin {plugin!r} {items}, asked for {hook}.")
    return items


def _answer(function: Callable[[], Any], kind: Any) -> list[Any] | str:
    """What a plugin offers, or what is wrong with it; looking at an item may run the plugin's own code, too."""
    try:
        items = function()
        fits = isinstance(items, (list, tuple)) and all(isinstance(item, kind) and not isinstance(item, type) for item in items)
    except BaseException as error:
        return f"failed with {type(error).__name__}"
    return list(items) if fits else f"returned something else than a list of {kind.__name__}"


def _open(plugin: str, folder: Path, stores: dict[str, SecretStore]) -> Connector:
    try:
        if not stores:
            return Connector(folder)
        fields = read_folder(folder).connection.fields
        built_in = default_stores([name for entry in fields if entry.secret for name in entry.env])
        return Connector(folder, stores=({store.scheme: store for store in built_in} | stores).values())
    except ConnectorError as error:
        faults = getattr(error, "faults", ())
        raise PluginError(f"The plugin {plugin!r} offers a connector that cannot be opened. {error.message}", faults) from None


@contextmanager
def _reported(report: Report | None) -> Iterator[None]:
    try:
        yield
    except PluginError as error:
        if report is None:
            raise
        report(error)
