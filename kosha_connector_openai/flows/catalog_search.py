"""One search over a connector's actions and tasks, as every palette and the command line have it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai.connector import Action, Connector
from kosha_connector_openai.core.actions import Catalog, standing
from kosha_connector_openai.flows.tasks import TaskInfo, list_tasks
from kosha_connector_openai.manifest.parts import CatalogPart
from kosha_connector_openai.text import SearchEntry, ranked

if TYPE_CHECKING:
    from collections.abc import Sequence


def search_catalog(connector: Connector, words: str, catalog: Catalog | None = None) -> tuple[Action | TaskInfo, ...]:
    """The actions and tasks that have every word in a name, a title, another name or a summary, best first; slips are forgiven.

    ``catalog`` is the connector's own unless another is given. Administration and what is retired come last. Raises ManifestError.
    """
    chosen = catalog or connector.catalog
    actions = tuple(chosen.values())
    tasks = [task for task in list_tasks(connector) if task.action in chosen]
    things: Sequence[Action | TaskInfo] = (*tasks, *actions)
    aliases = connector.part("catalog", CatalogPart).aliases
    entries = [SearchEntry((task.name, task.title), aliases.get(task.name, ()), (task.summary,)) for task in tasks]
    found = ranked(words, [*entries, *map(chosen.entry, actions)])
    best = sorted(found, key=lambda pair: (_standing(things[pair[1]]), -pair[0] - _favour(things[pair[1]])))
    return tuple(things[place] for _, place in best)


def _standing(thing: Action | TaskInfo) -> int:
    return 0 if isinstance(thing, TaskInfo) else standing(thing)


def _favour(thing: Action | TaskInfo) -> float:
    """What most people need goes before what is found as well."""
    return 0.9 if isinstance(thing, TaskInfo) else 1.0 if thing.overlay.featured else 0.0
