"""One operation carried out: inputs read and checked, then an object, a page, a file, a form of text or a stream of events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from kosha_connector_openai.connector import Action
from kosha_connector_openai.core.actions import EVENT_STREAM
from kosha_connector_openai.errors import InputError
from kosha_connector_openai.sandbox import behaviours
from kosha_connector_openai.sandbox.answers import Answers
from kosha_connector_openai.sandbox.error_replies import RequestFailure
from kosha_connector_openai.sandbox.facts import MADE_UP, AnswerFacts
from kosha_connector_openai.sandbox.limits import EnforcedLimits
from kosha_connector_openai.sandbox.message import Incoming, SandboxReply
from kosha_connector_openai.sandbox.request_inputs import Reader, Unreadable
from kosha_connector_openai.sandbox.resources import ResourcePath, Resources, pages
from kosha_connector_openai.sandbox.routes import Match
from kosha_connector_openai.sandbox.store import Item
from kosha_connector_openai.sandbox.streams import events
from kosha_connector_openai.sandbox.templates import ABSENT, render
from kosha_connector_openai.text import tokens

Values = Mapping[str, str]
Template = Mapping[str, Any]


class Operations:
    """Carries out the operations of a description."""

    def __init__(
        self, actions: Mapping[str, Action], behaviour: Mapping[str, Any], call: Callable[..., Any], limits: EnforcedLimits, *, any_id: bool
    ) -> None:
        self._behaviour = behaviour
        self._call = call
        self._readers = {name: Reader(action) for name, action in actions.items()}
        self._answers = {name: Answers(action) for name, action in actions.items()}
        self._resources = Resources(actions, self._answers, behaviour, limits, any_id=any_id)

    def reply(self, match: Match, request: Incoming, number: int, more: Mapping[str, Any]) -> SandboxReply:
        """Returns the reply to a checked request; raises RequestFailure."""
        action, values = match.action, match.values
        inputs = self._inputs(match, request)
        bound = {**more, "path": dict(values), "call": self._call}
        facts = AnswerFacts(inputs, self._answers[action.id], self._behaviour, number, bound)
        template = self._behaviour["operations"].get(action.id, {})
        status = int(action.operation.success.status) if action.operation.success and action.operation.success.status.isdigit() else 200
        streams = _asked(template.get("stream"), facts)
        with self._resources.store.lock:
            facts, made = self._carry_out(action, facts, values, template)
        if streams:
            live = facts.also(object=made, started=self._started(action, made))
            return SandboxReply(status, events(template["stream"], live), f"{EVENT_STREAM}; charset=utf-8")
        if "forms" in template:
            return _formed(template["forms"], facts, status)
        if "send" in template:
            return SandboxReply(status, render(template["send"], facts), template["type"])
        if action.output_schema is None:
            return _untyped(action, facts, status)
        reply = SandboxReply.json(made, status)
        reply.headers.update(self._hints(action))
        return reply

    def drive(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """What a test asks of a collection: its objects' next steps, and objects to add. Raises KeyError, TypeError or RequestFailure."""
        steps, path = wanted.get("steps"), str(wanted["path"])
        named = None if steps is None else [str(step) for step in steps]
        with self._resources.store.lock:
            return {"path": path, "objects": self._resources.drive(path, named, int(wanted.get("add", 0)))}

    def _hints(self, action: Action) -> Mapping[str, str]:
        """The headers that say when to ask again for an object that goes through steps."""
        place = self._resources.place(action)
        lives = place is not None and place.variable and not place.tail and action.operation.method == "GET"
        return self._behaviour["poll"] if lives and place and self._resources.steps(place.collection) else {}

    def _inputs(self, match: Match, request: Incoming) -> dict[str, Any]:
        try:
            inputs = self._readers[match.action.id].read(request, match.values)
            match.action.check(inputs)
        except Unreadable as error:
            raise RequestFailure("unreadable", reason=str(error)) from None
        except InputError as error:
            fault = error.faults[0] if error.faults else None
            pointer = fault.pointer if fault else ""
            code = self._behaviour["codes"].get(fault.rule if fault else "")
            raise RequestFailure("invalid", param=_dotted(pointer), code=code, reason=fault.message if fault else error.message) from None
        model = inputs.get("model")
        if isinstance(model, str) and model in self._behaviour["models"]:
            raise RequestFailure(self._behaviour["models"][model], param="model")
        return inputs

    def _carry_out(self, action: Action, facts: AnswerFacts, values: Values, template: Template) -> tuple[AnswerFacts, Any]:
        """The facts with what the object adds to it, and the JSON answer."""
        place = self._resources.place(action)
        if place is None:
            return facts, self._made(action, facts, template)
        if not place.variable:
            return facts, self._on_collection(place, action, facts, values, template)
        if not place.tail:
            return facts, self._on_object(place, action, facts, values)
        item = self._resources.item(place, values, self._answers[action.id])
        path = f"{self._resources.path(place.collection, values)}/{values[place.variable]}"
        if place.tail in self._resources.rules(place.collection).get("verbs", {}):
            return facts, self._resources.act(place, item, path, facts)
        facts = replace(facts, makers=self._memories(item, path))
        return facts, self._made(action, facts, template)

    def _made(self, action: Action, facts: AnswerFacts, template: Template) -> Any:
        answers = self._answers[action.id]
        if "page" in template:
            return self._page(render(template["page"], facts), answers, facts)
        echo = facts.get("request") if action.operation.method != "GET" else {}
        return answers.make(render(template.get("answer", {}), facts), echo)

    def _on_collection(self, place: ResourcePath, action: Action, facts: AnswerFacts, values: Values, template: Template) -> Any:
        answers = self._answers[action.id]
        if action.operation.method == "POST":
            return self._resources.create(place, answers, facts, values, template)
        parent = self._resources.path(place.collection, values)
        kept = self._resources.kept(place.collection, values)
        found = [self._resources.see(place, item, f"{parent}/{name}", facts) for name, item in kept.items()]
        return self._page(found, answers, facts)

    def _on_object(self, place: ResourcePath, action: Action, facts: AnswerFacts, values: Values) -> Any:
        answers = self._answers[action.id]
        if action.operation.method == "DELETE":
            return self._resources.delete(place, answers, values)
        item = self._resources.item(place, values, answers)
        if action.operation.method != "GET":
            return self._resources.change(place, item, answers, facts)
        path = f"{self._resources.path(place.collection, values)}/{values[place.variable]}"
        return self._resources.read(place, item, path, facts)

    def _memories(self, item: Item, path: str) -> Mapping[str, Callable[[AnswerFacts], Any]]:
        """The facts about one object."""
        state = self._resources
        return {
            "object": lambda _: item.view(),
            "history": lambda _: item.history,
            "ended": lambda _: [item.status] if item.ended and item.status == item.final else [],
            "contents": lambda _: MADE_UP if item.content is None else item.content,
            "batch_files": lambda _: [file.view() for file in behaviours.batch_items(state, path)],
            "chunks": lambda _: behaviours.chunks(state, path.rpartition("/")[2]),
            "hits": lambda facts: behaviours.hits(state, path, facts),
            "response_inputs": lambda _: behaviours.inputs_of(item),
        }

    def _page(self, values: list[Any], answers: Answers, facts: AnswerFacts) -> Any:
        """A page in the shape of the schema; an empty one has ids that are null, or empty where null is not allowed."""
        rules = self._behaviour["paging"]
        shown, more = pages(values, facts.inputs, rules)
        shown = answers.entries(rules["items"], shown)
        made = answers.make({rules["items"]: shown}, {rules["more"]: more, **rules["same"]})
        ends = {rules["first"]: shown[0].get("id") if shown else "", rules["last"]: shown[-1].get("id") if shown else ""}
        token = shown[-1].get("id") if shown and more else None
        made = answers.lay(made, {**ends, **dict.fromkeys(rules["tokens"], token)})
        return made if shown else answers.lay(made, dict.fromkeys(ends))

    def _started(self, action: Action, made: Any) -> Any:
        place = self._resources.place(action)
        if place is None or not isinstance(made, dict):
            return made
        early = self._resources.early(place.collection, self._answers[action.id].base())
        steps = self._resources.rules(place.collection).get("steps", ())
        changed = {**made, **early, **({"status": steps[-2]} if len(steps) > 1 else {})}
        return {name: value for name, value in changed.items() if value is not ABSENT}


def _asked(stream: Mapping[str, Any] | None, facts: AnswerFacts) -> bool:
    if stream is None:
        return False
    found = facts.ask(stream["when"]) if "when" in stream else True
    return bool(found == stream["equals"] if "equals" in stream else found is True)


def _untyped(action: Action, facts: AnswerFacts, status: int) -> SandboxReply:
    """An answer that is no JSON, made from its media type alone."""
    kind = next(iter(action.output_types), None)
    if kind is None:
        return SandboxReply(status, b"", None)
    text = facts.words["transcript"].encode() if kind.startswith("text/") else MADE_UP
    return SandboxReply(status, b"data: {}\n\n" if kind == EVENT_STREAM else text, kind)


def _formed(forms: Mapping[str, Any], facts: AnswerFacts, status: int) -> SandboxReply:
    wanted = facts.ask(forms["by"], forms["default"])
    form = forms.get(wanted, forms[forms["default"]])
    if "json" in form:
        return SandboxReply.json(render(form["json"], facts), status)
    if "bytes" in form:
        return SandboxReply(status, render(form["bytes"], facts), form["type"])
    return SandboxReply(status, render(form["text"], facts).encode(), form["type"])


def _dotted(pointer: str) -> str:
    """A JSON Pointer as the vendor writes it: ``messages[0].role``."""
    found = ""
    for name in tokens(pointer):
        found += f"[{name}]" if name.isdigit() else f".{name}" if found else name
    return found
