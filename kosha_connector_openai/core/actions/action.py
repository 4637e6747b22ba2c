"""One operation as an action: a title, a group, one flat input schema, an output schema and hints."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, get_args

from kosha_connector_openai.core.actions.inputs import Checked, Inputs
from kosha_connector_openai.core.actions.leniency import Leniency
from kosha_connector_openai.core.actions.promise import EVENT_STREAM, Promise, promise_of
from kosha_connector_openai.errors import ConnectorError, DocumentError, Fault, InputError
from kosha_connector_openai.manifest import ActionOverlay, Carrier, Group, RequestRules, Validation
from kosha_connector_openai.openapi import Document, MediaType, Operation, Parameter
from kosha_connector_openai.text import is_json

if TYPE_CHECKING:
    from kosha_connector_openai.manifest.parts import JobKind, PageForm

RETIRED = "x-kosha-retired"
_LONGEST_TITLE = 100
"""Characters; some descriptions write a whole page where a name should stand."""
_READS = frozenset({"GET", "HEAD"})
Parts = Callable[[Any, Any], Any]
"""Gives a part of the manifest by its name and its model."""


_WORDS: Final = {
    "paid": "paid",
    "streams": "streams",
    "file_in": "file in",
    "file_out": "file out",
    "long_running": "long",
    "pages": "pages",
    "destructive": "deletes",
    "deprecated": "retired",
}


@dataclass(frozen=True, slots=True)
class Hints:
    """Facts about an action that builders show and hosts check before a call."""

    paid: bool
    read_only: bool
    destructive: bool
    idempotent: bool
    long_running: bool
    streams: bool
    file_in: bool
    file_out: bool
    deprecated: bool
    replacement: str | None = None
    """The action to use instead of a deprecated one."""
    pages: bool = False
    """Its answer is one page of a list, and there is a way to ask for the next."""

    @property
    def words(self) -> tuple[str, ...]:
        """Those that people look for, a word or two each, the same wherever they are shown."""
        return tuple(word for name, word in _WORDS.items() if getattr(self, name))


class Action:
    """One action of a connector. Everything costly is made when it is first asked for."""

    def __init__(
        self,
        operation: Operation,
        document: Document,
        overlay: ActionOverlay,
        group: Group,
        parts: Parts = lambda _, model: model(),
        request: RequestRules = RequestRules(),
        carriers: Sequence[Carrier] = (),
    ) -> None:
        """``parts`` gives the parts of the manifest, asked only for what needs one; ``request`` and ``carriers`` are its rules."""
        self.operation = operation
        self.overlay = overlay
        self.group = group
        self._document = document
        self._parts = parts
        self._request = request
        self._carriers = carriers
        self.inputs = Inputs(document, operation)

    def __repr__(self) -> str:
        return f"<Action {self.id}: {self.operation.method} {self.operation.path}>"

    @property
    def id(self) -> str:
        """The operation's id, verbatim: generated clients depend on it."""
        return self.operation.id

    @property
    def digest(self) -> str:
        """The digest of the description that the action is from."""
        return self._document.digest

    @property
    def title(self) -> str:
        """A short name in words: ours, the description's where it is short, else the id's."""
        summary = self.operation.summary.strip()
        return self.overlay.title or (summary if 0 < len(summary) <= _LONGEST_TITLE and "\n" not in summary else _words(self.id))

    @property
    def summary(self) -> str:
        """One line that says what the action returns."""
        text = self.overlay.summary or self.operation.description or self.operation.summary or self.title
        return text.strip().splitlines()[0]

    @cached_property
    def hints(self) -> Hints:
        """The hints: from the manifest where it speaks, else from the method and the media types."""
        overlay, method = self.overlay, self.operation.method
        reads = overlay.read_only if overlay.read_only is not None else method in _READS
        paid = overlay.paid if overlay.paid is not None else self.group.paid and method == "POST" and not self._retired
        return Hints(
            paid=paid,
            read_only=reads,
            destructive=overlay.destructive if overlay.destructive is not None else method == "DELETE",
            idempotent=self.idempotent,
            long_running=overlay.long_running or self.job is not None,
            streams=EVENT_STREAM in self._success_content,
            file_in=any(form.file_fields for form in self.inputs.bodies),
            file_out=self.file_out,
            deprecated=self.operation.deprecated,
            replacement=overlay.replacement or self._retired.get("successor"),
            pages=self.paging is not None and self.paging.goes_on,
        )

    @property
    def idempotent(self) -> bool:
        """Whether nothing is changed by asking again."""
        return self.overlay.idempotent if self.overlay.idempotent is not None else self.operation.method in _READS

    @property
    def file_out(self) -> bool:
        """Whether the answer may be a file."""
        return any(_is_binary(media_type) for media_type in self._success_content.values())

    @cached_property
    def paging(self) -> PageForm | None:
        """How the list that it answers with pages; None where the answer is no list. Raises ManifestError."""
        from kosha_connector_openai.core.actions.paging_form import page_form
        from kosha_connector_openai.manifest.parts import Paging

        return page_form(self._document.root, self._document.version, self.operation, self._parts("paging", Paging))

    @property
    def job(self) -> tuple[str, JobKind] | None:
        """The kind of long job that it may start, with its name. Raises ManifestError."""
        from kosha_connector_openai.manifest.parts import JobsPart

        jobs: JobsPart = self._parts("jobs", JobsPart)
        return jobs.starts(self.id)

    @property
    def _retired(self) -> Mapping[str, Any]:
        value = self.operation.extensions.get(RETIRED)
        return value if isinstance(value, Mapping) else {}

    @property
    def _success_content(self) -> Mapping[str, MediaType]:
        return self.operation.success.content if self.operation.success else {}

    @property
    def input_schema(self) -> Mapping[str, Any]:
        """One flat JSON Schema 2020-12 over all inputs."""
        return self.inputs.schema

    @cached_property
    def output_schema(self) -> Mapping[str, Any] | None:
        """The JSON Schema 2020-12 of a successful JSON answer; None where the answer is text, bytes or empty."""
        media_type = next((m for name, m in self._success_content.items() if is_json(name)), None)
        if media_type is None or media_type.schema is None:
            return None
        schema = self._document.schema(media_type.schema, request=False)
        return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema

    @cached_property
    def promise(self) -> Promise:
        """What a successful answer has to hold."""
        return promise_of(self.operation, self._document.root, self._document.version, self._carriers)

    @property
    def output_types(self) -> tuple[str, ...]:
        """The media types of a successful answer."""
        return tuple(self._success_content)

    @cached_property
    def accept(self) -> str:
        """The Accept header: the media types that the description promises; JSON too, since errors come as JSON."""
        return ", ".join(dict.fromkeys([*self.output_types, "application/json"]))

    @property
    def can_run(self) -> Fault | None:
        """Why no inputs let the action run; None where some do."""
        cookie = next((each for each in self.operation.parameters if each.location == "cookie" and each.required), None)
        if cookie:
            return Fault(cookie.pointer, "cookie", f"needs the cookie {cookie.name!a}, and nothing here sends cookies.")
        try:
            self.check({})
        except InputError:
            return None
        except ConnectorError as error:
            return error.faults[0] if isinstance(error, DocumentError) and error.faults else Fault(error.pointer, error.code, error.message)
        return None

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters that are inputs, each with the rule by which its lists are written."""
        found = self.inputs.parameters.values()
        return tuple(replace(each, lists=self.rules(each.input_name).lists) if each.style == "deepObject" else each for each in found)

    def rules(self, field: str) -> RequestRules:
        """How lists and objects of an input are written: as the manifest says of the field, of the action, or of all."""
        own = self.overlay.fields.get(field)
        rules = self.overlay.request.over(self._request)
        return own.request.over(rules) if own else rules

    def check(self, inputs: Mapping[str, Any], validation: Validation = "on") -> Checked:
        """The inputs split and checked; raises InputError with every fault that ``validation`` does not let through as a warning."""
        return self.inputs.check(inputs, self._leniency[validation])

    @cached_property
    def _leniency(self) -> Mapping[Validation, Leniency]:
        return {validation: Leniency(validation, self.overlay.given_back) for validation in get_args(Validation)}

    def asks_for_events(self, inputs: Mapping[str, Any]) -> bool:
        """Whether the inputs have the switch by which the answer comes as events."""
        name, on = next(iter(self.overlay.events.items()), ("", None))
        return name in inputs and inputs[name] == on

    def describe(self) -> dict[str, Any]:
        """The action as JSON-ready values, without its schemas."""
        return {
            "id": self.id,
            "title": self.title,
            "summary": self.summary,
            "group": self.group.id,
            "method": self.operation.method,
            "path": self.operation.path,
            "featured": self.overlay.featured,
            "hints": asdict(self.hints),
            "output_types": list(self.output_types),
        }


def _is_binary(media_type: MediaType) -> bool:
    schema = media_type.schema
    declared = isinstance(schema, Mapping) and schema.get("format") == "binary"
    return declared or media_type.name.startswith(("audio/", "image/", "video/", "application/octet-stream", "application/zip"))


def _words(identifier: str) -> str:
    """``createSomeThing`` and ``list-some-things`` as words."""
    spaced = re.sub(r"[-_/.]+", " ", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", identifier)).strip()
    return spaced[:1].upper() + spaced[1:].lower()
