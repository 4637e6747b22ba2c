"""Objects that can be created, read, listed, changed and deleted: which operation does what follows from path and method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kosha_connector_openai.connector import Action
from kosha_connector_openai.sandbox.answers import Answers
from kosha_connector_openai.sandbox.behaviours import BEHAVIOURS, SandboxState
from kosha_connector_openai.sandbox.error_replies import RequestFailure
from kosha_connector_openai.sandbox.facts import EPOCH, AnswerFacts
from kosha_connector_openai.sandbox.limits import EnforcedLimits
from kosha_connector_openai.sandbox.message import Blob, UploadedFile
from kosha_connector_openai.sandbox.store import Item, Kept, ObjectStore
from kosha_connector_openai.sandbox.templates import ABSENT, render

Rules = Mapping[str, Any]


@dataclass(frozen=True)
class ResourcePath:
    """The path of an operation: its collection's template, the variable of the item if any, and what follows it."""

    collection: str
    variable: str = ""
    tail: str = ""


class Resources(SandboxState):
    """The remembered objects of a whole description."""

    def __init__(
        self,
        actions: Mapping[str, Action],
        answers: Mapping[str, Answers],
        behaviour: Rules,
        limits: EnforcedLimits,
        *,
        any_id: bool = False,
    ) -> None:
        self.any_id = any_id
        self.limits = limits
        self.store = ObjectStore()
        self.behaviour = behaviour
        self._driven: dict[str, list[str]] = {}
        self._answers = answers
        self._rules: Mapping[str, Rules] = behaviour.get("collections", {})
        paths = {action.operation.path for action in actions.values()}
        plain_last = sorted(actions.values(), key=lambda action: not action.operation.query)
        routes = {(action.operation.method, action.operation.path): action for action in plain_last}
        items = {path.rpartition("/")[0] for path in paths if path.endswith("}") and ("GET", path) in routes}
        created = {path for path in items if ("POST", path) in routes}
        self._collections = created | (self._rules.keys() & {path for known in paths for path in _prefixes(known)})
        makers = {path: answers[action.id] for (method, path), action in routes.items() if method == "POST"}
        items_read = ((path, action) for (method, path), action in routes.items() if method == "GET" and path.endswith("}"))
        readers = {path.rpartition("/")[0]: answers[action.id] for path, action in items_read}
        self._shapes = {path: readers.get(path, makers.get(path)) for path in self._collections}
        """The answers that show one object of each collection."""

    def place(self, action: Action) -> ResourcePath | None:
        """The collection that an action works on; None where it works on none."""
        path = action.operation.path
        if path in self._collections:
            return ResourcePath(path)
        for parent in reversed(_prefixes(path)):
            rest = path[len(parent) + 1 :]
            if parent in self._collections and rest.startswith("{"):
                variable, _, tail = rest.partition("/")
                return ResourcePath(parent, variable[1:-1], tail)
        return None

    def rules(self, collection: str) -> Rules:
        """Returns the behaviour's rules for a collection."""
        return self._rules.get(collection, {})

    def drive(self, collection: str, steps: list[str] | None, count: int) -> int:
        """Sets the steps of the objects that are created next, adds ``count`` finished ones, and gives the number of all then."""
        if collection not in self._collections:
            raise RequestFailure("no_route", method="POST", path=collection[:200])
        if steps is not None:
            self._driven[collection] = steps
        if not count:
            return 0
        kept = self.kept(collection, {})
        base = self._least(collection, self._shapes.get(collection))
        for number in range(len(kept), len(kept) + count):
            name = f"{self.rules(collection).get('id', 'obj_')}added-{number:06d}"
            kept[name] = Item({**base, "id": name}, {})
        return len(kept)

    def steps(self, collection: str) -> list[str]:
        """The statuses that a new object of the collection goes through."""
        return list(self._driven.get(collection) or self.rules(collection).get("steps", ()))

    def path(self, collection: str, values: Mapping[str, str]) -> str:
        """The collection as this caller sees it; raises RequestFailure where an object on the path is missing."""
        found = ""
        segments = collection.split("/")[1:]
        for index, segment in enumerate(segments):
            if not segment.startswith("{"):
                found = f"{found}/{segment}"
                continue
            parent = "/" + "/".join(segments[:index])
            if parent in self._collections:
                self.item(ResourcePath(parent, segment[1:-1]), values)
            found = f"{found}/{values[segment[1:-1]]}"
        return found

    def kept(self, collection: str, values: Mapping[str, str]) -> Kept:
        """Returns the objects of a collection."""
        return self.store.collection(self.path(collection, values), lambda: self._seed(collection))

    def item(self, place: ResourcePath, values: Mapping[str, str], answers: Answers | None = None) -> Item:
        """The object that a path names; raises RequestFailure where none was made and its id does not stand for one (``_stands``)."""
        kept, name = self.kept(place.collection, values), values[place.variable]
        if name not in kept and self._stands(place, name):
            reader = self._shapes.get(place.collection) or answers
            base = self._least(place.collection, reader)
            kept[name] = self._new(place.collection, {**base, "id": name}, {}, reader, whole=False, now=EPOCH)
        if name not in kept:
            thing = place.collection.rpartition("/")[2].replace("_", " ").removesuffix("s")
            raise RequestFailure("not_found", thing=thing, id=name, param="id")
        return kept[name]

    def _stands(self, place: ResourcePath, name: str) -> bool:
        """Whether an id stands for an object that was never made: the variable's own name, and every id under ``any_id``."""
        return self.any_id or name == place.variable

    def add(
        self, collection: str, values: Mapping[str, str], made: dict[str, Any], facts: AnswerFacts, content: Blob | None = None
    ) -> Item:
        """Remembers an object that was just made."""
        reader = self._shapes.get(collection)
        complete = reader.lay(self._least(collection, reader), made) if reader else made
        when = self.rules(collection).get("when")
        whole = when is not None and not facts.ask(when, False)
        item = self._new(collection, complete, facts.inputs, reader, whole=whole, now=facts.get("now"))
        item.content = content
        self.kept(collection, values)[made["id"]] = item
        return item

    def create(
        self, place: ResourcePath, answers: Answers, facts: AnswerFacts, values: Mapping[str, str], template: Rules
    ) -> dict[str, Any]:
        """The new object, remembered unless the request says otherwise."""
        rules = self.rules(place.collection)
        given = {"id": self._identity(rules, facts), **render(template.get("answer", {}), facts)}
        made: dict[str, Any] = answers.make(given if "id" in answers.names else {}, self._shown(place.collection, facts))
        path = self.path(place.collection, values)
        if not isinstance(made, dict) or "id" not in made or facts.ask(rules.get("keep", ""), rules.get("kept", True)) is False:
            return made
        upload = facts.inputs.get(template.get("keeps", ""))
        item = self.add(place.collection, values, made, facts, upload.blob if isinstance(upload, UploadedFile) else None)
        self._do(rules.get("do"), item, f"{path}/{made['id']}", facts)
        shown = self.see(place, item, f"{path}/{made['id']}", facts)
        return shown if answers.fits(shown) else answers.lay(made, shown)

    def read(self, place: ResourcePath, item: Item, path: str, facts: AnswerFacts) -> dict[str, Any]:
        """Moves the object one step on and returns it."""
        reached = item.advance(facts.get("now"))
        self._do(self.rules(place.collection).get("reach", {}).get(reached), item, path, facts)
        return self.see(place, item, path, facts)

    def see(self, place: ResourcePath, item: Item, path: str, facts: AnswerFacts) -> dict[str, Any]:
        """The object as it is."""
        self._do(self.rules(place.collection).get("refresh"), item, path, facts)
        return item.view()

    def change(self, place: ResourcePath, item: Item, answers: Answers, facts: AnswerFacts) -> dict[str, Any]:
        """Changes the object by the request's values and returns it."""
        item.object = answers.lay(item.object, self._shown(place.collection, facts))
        return item.view()

    def delete(self, place: ResourcePath, answers: Answers, values: Mapping[str, str]) -> Any:
        """Returns the answer to a deletion; None where it has no body."""
        item = self.item(place, values, answers)
        name = values[place.variable]
        self.kept(place.collection, values).pop(name, None)
        echo = {"id": name, "object": item.object.get("object"), "deleted": True}
        return answers.lay(answers.base(), echo) if answers.action.output_schema else None

    def act(self, place: ResourcePath, item: Item, path: str, facts: AnswerFacts) -> dict[str, Any]:
        """The object after the verb that its path ends with; raises RequestFailure where it has ended."""
        rules = self.rules(place.collection)
        verb = rules.get("verbs", {}).get(place.tail, {})
        if item.ended and self._stands(place, path.rpartition("/")[2]):
            item.enter(list(rules.get("steps", ())), facts.get("now"))
        if item.ended and item.status not in rules.get("open", ()):
            raise RequestFailure("finished", state=item.status)
        self._do(verb.get("do"), item, path, facts)
        item.held = verb.get("hold", item.held)
        if "steps" in verb:
            item.enter(list(verb["steps"]), facts.get("now"))
        return self.see(place, item, path, facts)

    def early(self, collection: str, base: Any) -> dict[str, Any]:
        """What an object of the collection shows before its last step."""
        late = self.rules(collection).get("late", ())
        return {name: base.get(name, ABSENT) if isinstance(base, dict) else ABSENT for name in late}

    def _least(self, collection: str, reader: Answers | None) -> dict[str, Any]:
        """The least object of a collection."""
        return {**(reader.base() if reader else {}), **self.rules(collection).get("always", {})}

    def _new(self, collection: str, made: dict[str, Any], inputs: Rules, reader: Answers | None, *, whole: bool, now: int) -> Item:
        steps, usual = self.steps(collection), self.rules(collection).get("steps", ())
        early = self.early(collection, reader.base() if reader else {})
        item = Item(made, inputs, final=usual[-1] if usual else None, early=early)
        item.stamps = reader.names if reader else frozenset()
        item.enter(list(usual[-1:]) if whole else steps, now)
        return item

    def _identity(self, rules: Rules, facts: AnswerFacts) -> str:
        named = rules.get("id", "obj_")
        if named.startswith("$"):
            return str(render(named, facts))
        return f"{named}{facts.get('number')}"

    def _shown(self, collection: str, facts: AnswerFacts) -> Any:
        """The request without what its collection never shows again."""
        request, hidden = facts.get("request"), frozenset(self.rules(collection).get("hidden", ()))
        return _without(request, hidden) if hidden else request

    def _do(self, name: str | None, item: Item, path: str, facts: AnswerFacts) -> None:
        if name is not None:
            BEHAVIOURS[name](self, item, path, facts)

    def _seed(self, collection: str) -> Kept:
        base = self._least(collection, self._shapes.get(collection))
        return {seed["id"]: Item({**base, **seed}, {}) for seed in self.rules(collection).get("seed", ())}


def _without(value: Any, names: frozenset[str]) -> Any:
    """``value`` without the properties of these names, at any depth."""
    if isinstance(value, Mapping):
        return {name: _without(inner, names) for name, inner in value.items() if name not in names}
    return [_without(inner, names) for inner in value] if isinstance(value, list) else value


def _prefixes(path: str) -> list[str]:
    """The path and what it stands below, shortest first."""
    segments = path.split("/")
    return ["/".join(segments[:end]) for end in range(2, len(segments) + 1)]


def pages(values: list[Any], query: Mapping[str, Any], rules: Rules) -> tuple[list[Any], bool]:
    """One page of a list that is oldest first, and whether more follow. The newest come first unless the query says ``asc``."""
    for name, key in rules["filters"].items():
        if name in query:
            values = [value for value in values if key not in value or value[key] == query[name]]
    if query.get(rules["order"]) != "asc":
        values = values[::-1]
    ids = [value.get("id") for value in values]
    if (after := next((query[name] for name in rules["after"] if name in query), None)) in ids:
        values = values[ids.index(after) + 1 :]
    elif (before := query.get(rules["before"])) in ids:
        values = values[: ids.index(before)]
    limit = query.get(rules["limit"], rules["default"])
    size = limit if isinstance(limit, int) else rules["default"]
    return values[:size], len(values) > size
