"""Which actions a file has: those that were named, or the featured ones and those that the tasks run."""

from __future__ import annotations

from collections.abc import Sequence

from kosha_connector_openai.connector import Connector
from kosha_connector_openai.core.actions import Action
from kosha_connector_openai.errors import Fault, InputError
from kosha_connector_openai.flows.tasks import list_tasks
from kosha_connector_openai.text import nearest


def chosen_actions(connector: Connector, actions: Sequence[str] = (), groups: Sequence[str] = (), *, whole: bool = False) -> list[Action]:
    """The actions by name and group, ``whole`` all of them, in the catalog's order; raises InputError with every unknown name."""
    catalog = connector.catalog
    known = {group.id.lower() for group in catalog.groups}
    faults = [
        Fault(f"/actions/{number}", "unknown", "is no action.", f"Did you mean `{near}`?" if (near := nearest(key, catalog)) else "")
        for number, key in enumerate(actions)
        if key not in catalog
    ]
    faults += [
        Fault(f"/groups/{number}", "unknown", "is no group.", f"There are: {', '.join(group.id for group in catalog.groups)}.")
        for number, key in enumerate(groups)
        if key.lower() not in known
    ]
    if faults:
        raise InputError("The choice of actions is wrong.", faults)
    named, of_groups = set(actions), {group.lower() for group in groups}
    if not (named or of_groups or whole):
        named = {action.id for action in catalog.values() if action.overlay.featured and not action.hints.deprecated}
        named |= {info.action for info in list_tasks(connector)}
        whole = not named
    return [action for action in catalog.values() if whole or action.id in named or action.group.id.lower() in of_groups]
