"""Manifest + Document -> Catalog, an ordered read-only mapping from action id to Action, each built when it is first asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property

from kosha_connector_openai.core.actions.action import Action, Parts
from kosha_connector_openai.errors import DocumentError, Fault, UnknownActionError
from kosha_connector_openai.manifest import ActionOverlay, ConnectionTest, Group, Manifest
from kosha_connector_openai.openapi import Document
from kosha_connector_openai.text import SearchEntry, nearest, ranked

_PLAIN = ActionOverlay()


class Catalog(Mapping[str, Action]):
    """What a connector offers, in the order of the manifest's groups. Hidden actions are not listed but can be asked for."""

    def __init__(self, manifest: Manifest, document: Document, parts: Parts = lambda _, model: model()) -> None:
        """``parts`` gives the parts of the manifest that only some uses need."""
        self.manifest = manifest
        self.document = document
        self._parts = parts
        self._groups = {group.id: group for group in manifest.groups}
        self._actions: dict[str, Action] = {}
        self._entries: dict[str, SearchEntry] = {}

    def __getitem__(self, key: str) -> Action:
        """The action with this id. Raises UnknownActionError (a KeyError too), or DocumentError where its description is faulty."""
        if key not in self._actions:
            if key not in self.document:
                raise _Unknown(key, self)
            self._actions[key] = self._build(key)
        return self._actions[key]

    def __contains__(self, key: object) -> bool:
        return key in self.document

    def __iter__(self) -> Iterator[str]:
        return iter(self._order)

    def __len__(self) -> int:
        return len(self._order)

    @cached_property
    def _order(self) -> tuple[str, ...]:
        ranks = {group: rank for rank, group in enumerate(self._groups)}
        ids = [key for key in self.document if self._usable(key) and not self._overlay(key).hidden]
        return tuple(sorted(ids, key=lambda key: ranks.get(self[key].group.id, len(ranks))))

    def _usable(self, key: str) -> bool:
        try:
            self.document[key]
        except DocumentError:
            return False
        return True

    @property
    def groups(self) -> tuple[Group, ...]:
        """The groups that have actions, in order; a tag that the manifest does not name is a group of its own, at the end."""
        used = {self[key].group.id: self[key].group for key in self}
        return tuple(used.values())

    def faults(self) -> tuple[Fault, ...]:
        """The faults of the description and of overlays that name no operation."""
        lost = [key for key in self.manifest.actions if key not in self.document]
        unknown = [Fault(f"/actions/{key}", "unknown", "No operation has this id.") for key in lost]
        return (*self.document.faults(), *unknown)

    @property
    def proposed_test(self) -> ConnectionTest | None:
        """A GET that needs no input and answers no file, one that asks for a credential before others."""
        plain = [action for action in self.values() if action.operation.method == "GET" and not action.inputs.required]
        fit = [action for action in plain if not (action.file_out or action.operation.deprecated or action.can_run)]
        best = min(fit, key=lambda action: () in action.operation.security or not action.operation.security, default=None)
        return ConnectionTest(action=best.id) if best else None

    def search(self, words: str) -> tuple[Action, ...]:
        """The actions that have every word in id, title, other names, summary or group, best first; a slip of a letter is forgiven.

        Retired actions and those of administration come last.
        """
        actions = tuple(self.values())
        found = ranked(words, [self.entry(action) for action in actions])
        best = sorted(found, key=lambda pair: (standing(actions[pair[1]]), -pair[0] - actions[pair[1]].overlay.featured))
        return tuple(actions[place] for _, place in best)

    def entry(self, action: Action) -> SearchEntry:
        """What a search looks at of an action. Raises ManifestError."""
        from kosha_connector_openai.manifest.parts import CatalogPart

        if action.id not in self._entries:
            aliases = self._parts("catalog", CatalogPart).aliases.get(action.id, ())
            self._entries[action.id] = SearchEntry((action.id, action.title), aliases, (action.summary, action.group.title))
        return self._entries[action.id]

    def _overlay(self, key: str) -> ActionOverlay:
        return self.manifest.actions.get(key, _PLAIN)

    def _build(self, key: str) -> Action:
        operation = self.document[key]
        overlay = self._overlay(key)
        name = overlay.group or (operation.tags[0] if operation.tags else self.manifest.title)
        group = self._groups.get(name) or Group(id=name, title=name)
        rules = self.manifest
        return Action(operation, self.document, overlay, group, self._parts, rules.request, rules.result.carriers)


class _Unknown(UnknownActionError, KeyError):
    """Both: a mapping raises KeyError, and a user needs the nearest name."""

    def __init__(self, key: str, catalog: Catalog) -> None:
        near = nearest(key, catalog.document)
        hint = f"Did you mean `{near}`?" if near else "List the actions to see their ids."
        super().__init__("No action has this id.", hint=hint)

    __str__ = UnknownActionError.__str__


def standing(action: Action) -> int:
    """Where an action stands in a list: 0 with the usual ones, 1 with administration, 2 with what should not be used any more."""
    return 2 if action.hints.deprecated else 1 if action.group.security else 0
