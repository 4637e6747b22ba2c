"""A connector and a choice -> the list of its tools: tasks and featured actions, what was named, and how others are found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any, Final

from kosha_connector_openai.connector import Connector
from kosha_connector_openai.core.actions import Action
from kosha_connector_openai.errors import DocumentError, Fault, InputError
from kosha_connector_openai.flows.tasks import TaskInfo, list_tasks
from kosha_connector_openai.manifest.parts import RelayRules
from kosha_connector_openai.mcp.tool import Tool, ToolChoice, tool_name
from kosha_connector_openai.mcp.tool_schema import task_input, task_output, tool_input, tool_output
from kosha_connector_openai.text import nearest

Offers = Callable[[Action], bool]
"""Whether an action can be called at all, such as by a caller's token."""
_MOST_PLAIN: Final = 20
"""Actions that are tools by default where the connector features none."""
_MOST_FOUND: Final = 20
_MOST_UNKNOWN: Final = 5
"""Unknown names of a choice that are told, each with the nearest one: a caller of the gateway writes as many as an address holds."""
_OBJECT: Final[Mapping[str, Any]] = {"type": "object"}


class ToolList:
    """The tools of one caller, by name and in order."""

    def __init__(
        self, connector: Connector, choice: ToolChoice = ToolChoice(), offers: Offers = lambda _: True, named: Offers = lambda _: False
    ) -> None:
        """``offers`` tells which actions there are for the caller; ``named``, which of them the caller was given by name.

        Raises InputError, with every fault, where the choice names what is not there.
        """
        self._connector = connector
        self._offers = offers
        self._privileged = connector.part("relay", RelayRules).privileged
        choice = replace(choice, groups=tuple(_spelled(connector, group) for group in choice.groups))
        self._named = frozenset(choice.actions)
        self._given = named
        self._check(choice)
        self.tools: dict[str, Tool] = {}
        for tool in self._made(choice):
            self.tools[tool.name] = tool

    def __getitem__(self, name: str) -> Tool:
        """The tool with this name; raises InputError, with the nearest one, where there is none."""
        if name not in self.tools:
            near = nearest(name, self.tools)
            raise InputError("No tool has this name.", hint=f"Did you mean `{near}`?" if near else "List the tools to see their names.")
        return self.tools[name]

    def action(self, key: str) -> Action:
        """The action that may be run without a tool of its own; raises InputError where it may not."""
        action = self._connector.catalog[key]
        if not self._offers(action):
            raise InputError("No action has this id.", [Fault("/action", "unknown", "is no action here.", "Search the actions.")])
        if not self._open(action):
            fix = "Whoever runs this server can name it: `--actions`, or `actions` of the address or of the token."
            raise InputError("The action is offered only where it is named.", [Fault("/action", "named", "deletes or administrates.", fix)])
        return action

    def search(self, words: str) -> list[dict[str, Any]]:
        """The actions that can be run here and have every word, the best first; without words all groups' first ones."""
        found = [action for action in self._connector.catalog.search(words) if self._offers(action) and self._open(action)]
        return [
            {
                "action": action.id,
                "title": action.title,
                "summary": action.summary,
                "group": action.group.title,
                "hints": list(action.hints.words),
            }
            for action in found[:_MOST_FOUND]
        ]

    def describe(self, key: str) -> dict[str, Any]:
        """What an action takes and gives, all its fields one level deep."""
        action = self.action(key)
        form = self._connector.forms[action.id]
        return {
            "action": action.id,
            "title": action.title,
            "description": _told(action),
            "input_schema": tool_input(form.fields, action.input_schema, whole=True),
            "output_schema": self._connector.outputs.schema(action.id)["properties"]["result"],
            "example": form.sample(),
        }

    def _check(self, choice: ToolChoice) -> None:
        catalog, groups = self._connector.catalog, {group.id for group in self._connector.catalog.groups}
        faults = list(_unknown("actions", choice.actions, set(catalog.document), "action"))
        faults += _unknown("groups", choice.groups, groups, "group")
        hidden = [key for key in choice.actions if key in catalog.document and not self._offers(catalog[key])]
        faults += [Fault("/actions", "unknown", f"`{key}` cannot be called here.", "Its credential or right is missing.") for key in hidden]
        if faults:
            raise InputError("The choice of tools is wrong.", faults)

    def _made(self, choice: ToolChoice) -> Iterator[Tool]:
        taken: set[str] = set()

        def called(identifier: str) -> str:
            name = tool_name(identifier, taken)
            taken.add(name)
            return name

        if not choice.only:
            for info in list_tasks(self._connector):
                if info.action in self._connector.catalog and self._offers(action := self._connector.catalog[info.action]):
                    yield _of_task(called(info.name), info, action)
        for action in self._chosen(choice):
            yield self._of_action(called(action.id), action)
        if choice.search:
            yield from (replace(tool, name=called(tool.name)) for tool in _SEARCH)

    def _chosen(self, choice: ToolChoice) -> Iterator[Action]:
        catalog = self._connector.catalog
        known = [action for action in catalog.values() if self._offers(action)]
        default = [action for action in known if action.overlay.featured and not action.hints.deprecated and self._open(action)]
        if not default and not choice.only:
            default = [action for action in known if self._open(action)][:_MOST_PLAIN]
        grouped = [action for action in known if action.group.id in choice.groups and self._open(action)]
        chosen = [*([] if choice.only else default), *grouped, *(catalog[key] for key in choice.actions)]
        yield from dict.fromkeys(action for action in chosen if _sound(action))

    def _open(self, action: Action) -> bool:
        """Whether an action may be offered without being named: it neither deletes nor administrates."""
        if action.id in self._named or self._given(action):
            return True
        schemes = {name for wanted in action.operation.security for name in wanted}
        administrates = action.id in self._privileged.actions or bool(schemes & set(self._privileged.schemes))
        return not (action.hints.destructive or administrates)

    def _of_action(self, name: str, action: Action) -> Tool:
        hints = action.hints
        return Tool(
            name=name,
            kind="action",
            target=action.id,
            title=action.title,
            description=_told(action),
            input_schema=tool_input(self._connector.forms[action.id].fields, action.input_schema),
            output_schema=tool_output(self._connector.outputs.schema(action.id)),
            read_only=hints.read_only,
            destructive=hints.destructive,
            idempotent=hints.idempotent,
        )


def _spelled(connector: Connector, group: str) -> str:
    """A group's id as the manifest spells it, whatever its case; the text itself where none has it."""
    return next((each.id for each in connector.catalog.groups if each.id.lower() == group.lower()), group)


def _of_task(name: str, info: TaskInfo, action: Action) -> Tool:
    return Tool(
        name=name,
        kind="task",
        target=info.name,
        title=info.title,
        description=f"{info.summary}{' Paid.' if action.hints.paid else ''}",
        input_schema=task_input(info.input_schema),
        output_schema=task_output(info.rules.output),
        read_only=True,
    )


def _told(action: Action) -> str:
    """What the action gives, in a line, and what a client should know before it calls it."""
    hints = action.hints
    more = [word for word, said in (("Paid.", hints.paid), ("Deletes.", hints.destructive)) if said]
    if hints.deprecated:
        more.append(f"Retired: use {hints.replacement}." if hints.replacement else "Retired.")
    return " ".join((action.summary, *more))


def _sound(action: Action) -> bool:
    try:
        return action.input_schema is not None
    except DocumentError:
        return False


def _unknown(place: str, given: tuple[str, ...], known: set[str], noun: str) -> Iterator[Fault]:
    unknown = ((number, key) for number, key in enumerate(given) if key not in known)
    for number, key in islice(unknown, _MOST_UNKNOWN):
        near = nearest(key, known)
        yield Fault(f"/{place}/{number}", "unknown", f"is no {noun}.", f"Did you mean `{near}`?" if near else f"List the {place}.")


_NAMED: Final = {"type": "string", "description": "The action's id, as search_actions gives it."}
_WORDS: Final = {"type": "string", "description": "Such as `vector store`."}
_SEARCH: Final = (
    Tool(
        name="search_actions",
        kind="search",
        target="",
        title="Search actions",
        description="Finds actions beyond the tools listed here, by words.",
        input_schema={**_OBJECT, "properties": {"words": _WORDS}, "required": ["words"]},
        output_schema={**_OBJECT, "properties": {"actions": {"type": "array", "items": _OBJECT}}, "required": ["actions"]},
        read_only=True,
        idempotent=True,
        open_world=False,
    ),
    Tool(
        name="describe_action",
        kind="describe",
        target="",
        title="Describe action",
        description="Tells what an action takes, with an example, and what it gives.",
        input_schema={**_OBJECT, "properties": {"action": _NAMED}, "required": ["action"]},
        output_schema={
            **_OBJECT,
            "properties": {"action": {"type": "string"}, "input_schema": _OBJECT},
            "required": ["action", "input_schema"],
        },
        read_only=True,
        idempotent=True,
        open_world=False,
    ),
    Tool(
        name="run_action",
        kind="run",
        target="",
        title="Run action",
        description="Runs an action by its id. It may be a paid one: search_actions says which are.",
        input_schema={
            **_OBJECT,
            "properties": {"action": _NAMED, "inputs": {**_OBJECT, "description": "As describe_action says."}},
            "required": ["action"],
        },
        output_schema={
            **_OBJECT,
            "properties": {"outcome": {"type": "string"}, "result": _OBJECT},
            "required": ["outcome", "result"],
        },
    ),
)
