"""Form: one action's inputs as a person fills them in, as JSON-ready values; and Forms, those of a whole catalog."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from threading import RLock
from typing import TYPE_CHECKING, Any, Final

from kosha_connector_openai.core.actions import BODY, EXTRA_BODY, Action, Catalog
from kosha_connector_openai.forms.fields import DEFAULT, OVERLAY, SPEC, FieldMaker
from kosha_connector_openai.forms.pickers import PickerNames
from kosha_connector_openai.forms.wording import Facts, Wording, facts
from kosha_connector_openai.manifest import PartName, given
from kosha_connector_openai.manifest.parts import ActionForm, FormsPart, Pickers
from kosha_connector_openai.openapi import Definitions
from kosha_connector_openai.schema import Flattener, Node

if TYPE_CHECKING:
    from kosha_connector_openai.forms.model_facts import ModelFacts

FORM_VERSION: Final = 1
GROUPS: Final = ({"id": "main", "label": "Main"}, {"id": "options", "label": "Options"}, {"id": "advanced", "label": "Advanced"})
_GROUP_OF: Final = {"important": "main", "normal": "options", "advanced": "advanced", "internal": "advanced"}
_EXTRA: Final[Node] = {
    "name": EXTRA_BODY, "label": "Extra body",
    "help": "Fields of the body that this form does not know, as a JSON object. Sent unchecked.",
    "required": False, "visibility": "advanced", "expression": True, "widget": "json", "type": "object", "location": "extra",
    "group": "advanced", "origin": {"label": DEFAULT, "help": DEFAULT, "visibility": DEFAULT, "widget": DEFAULT, "group": DEFAULT},
}  # fmt: skip
_PLAIN: Final = ActionForm()


class Form:
    """One action's form. What it gives is shared between forms and must not be changed; docs/forms.md explains each key."""

    def __init__(self, action: Action, curated: ActionForm, fields: list[Node], names: tuple[str, ...], forms: Forms) -> None:
        self.action = action
        self.fields = fields
        """The fields in order. What is nested and has a name stands behind ``$ref``."""
        self._curated = curated
        self._names = names
        self._definition = forms.define
        self._forms = forms

    def __repr__(self) -> str:
        return f"<Form of {self.action.id}: {len(self.fields)} fields>"

    def definition(self, reference: str) -> Node:
        """The shape that a ``$ref`` of this form leads to, drawn when it is first asked for. Raises KeyError."""
        return self._definition(reference.removeprefix("#/$defs/"))[0]

    @cached_property
    def definitions(self) -> Mapping[str, Node]:
        """Every shape that the form refers to, directly or not, by name."""
        found: dict[str, Node] = {}
        waiting = list(self._names)
        while waiting:
            name = waiting.pop()
            if name not in found:
                found[name], names = self._definition(name)
                waiting.extend(names)
        return found

    def head(self) -> Node:
        """The form without its fields and definitions."""
        action = self.action
        out: Node = {"form_version": FORM_VERSION, "action": action.id, "title": action.title, "summary": action.summary}
        if self._curated.help:
            out["help"] = self._curated.help
        if action.operation.deprecated:  # else the hints, which look at more of the manifest, are not needed
            out["deprecated"] = {"replacement": action.hints.replacement}
        return out | {"groups": [*GROUPS], "raw": {"scope": "inputs", "type": "object"}}

    def to_dict(self) -> Node:
        """The whole form as JSON values, with its definitions under ``$defs``."""
        return self._whole

    @cached_property
    def models(self) -> Mapping[str, list[Node]]:
        """What is known of models and the form's fields, by field: ``to_dict`` has it under ``models``. Raises ManifestError."""
        return self._forms.model_facts.of(self.action.id)

    @cached_property
    def _whole(self) -> Node:
        fields, head = self.fields, self.head()
        if self.models:
            head["models"] = self._forms.model_facts.head
            fields = [field | {"models": self.models[field["name"]]} if field["name"] in self.models else field for field in fields]
        return head | {"fields": fields, "$defs": self.definitions}

    def sample(self, *, minimal: bool = True) -> dict[str, Any]:
        """JSON-ready inputs to try the form with, which its schema and the action's check accept. Raises DocumentError."""
        from kosha_connector_openai.forms.sample import form_sample

        return form_sample(self.action, self.fields, self.definition, minimal=minimal)

    def to_json_schema(self) -> Node:
        """The form as JSON Schema 2020-12, with titles and conditions, for libraries that draw forms from schemas."""
        from kosha_connector_openai.forms.json_schema import json_schema

        return json_schema(self.action, self.fields, self.definitions, self._forms.wording)

    def to_ui_schema(self) -> Node:
        """What react-jsonschema-form needs beside the schema: widgets, order, hints."""
        from kosha_connector_openai.forms.ui_schema import ui_schema

        return ui_schema(self.fields, self.definition)


class Forms(Mapping[str, Form]):
    """The forms of a catalog's actions by action id, each made when it is first asked for. Safe to share between threads."""

    def __init__(self, catalog: Catalog, read: Callable[[PartName, type[Any]], Any]) -> None:
        """``read`` gives a part of the manifest: two at once, a third for the first whole form. Raises ManifestError."""
        self._catalog = catalog
        self._part: FormsPart = read("forms", FormsPart)
        self._pickers = PickerNames(read("pickers", Pickers).fields)
        self._read = read
        self._lock = RLock()
        self._made: dict[str, Form] = {}
        document = catalog.document
        self._definitions = Definitions(document.root, document.version)
        self.wording = Wording(self._part)
        self._maker = FieldMaker(Flattener(self._definitions), self.wording)

    def __getitem__(self, key: str) -> Form:
        """The form of the action with this id. Raises UnknownActionError (a KeyError too), or DocumentError."""
        found = self._made.get(key)
        if found is None:
            action = self._catalog[key]
            with self._lock:
                found = self._made.get(key) or self._form(action)
                self._made[key] = found
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._catalog)

    def __len__(self) -> int:
        return len(self._catalog)

    @property
    def core(self) -> tuple[str, ...]:
        """The ids of the actions whose forms are curated in every fact."""
        return tuple(key for key in self._part.core if key in self._catalog)

    def define(self, name: str) -> tuple[Node, tuple[str, ...]]:
        """The shape of a definition, and the names of those that it refers to. Raises KeyError."""
        with self._lock:
            return self._maker.shaper.definition(name)

    def fields_of(self, schema: Mapping[str, Any]) -> list[Node]:
        """The fields of an object's schema that refers to nothing, such as a task's inputs; those that are needed come first."""
        required = schema.get("required", ())
        names = sorted(schema.get("properties", {}), key=lambda name: name not in required)
        with self._lock:
            fields = [
                self._maker.field(name, schema["properties"][name], name in required, (), order) for order, name in enumerate(names, 1)
            ]
        for field in fields:
            field["group"] = "main" if field["required"] else "options"
            field["origin"]["group"] = DEFAULT
        return fields

    @cached_property
    def model_facts(self) -> ModelFacts:
        """What is known of models, read when it is first asked for. Raises ManifestError."""
        from kosha_connector_openai.forms.model_facts import ModelFacts
        from kosha_connector_openai.manifest.parts import Models

        return ModelFacts(self._read("models", Models))

    def _form(self, action: Action) -> Form:
        curated = self._part.actions.get(action.id, _PLAIN)
        shaper = self._maker.shaper
        shaper.uses = {}
        fields = [self._field(action, curated, name) for name in action.inputs.fields]
        rank = {name: index for index, name in enumerate((*curated.main, *curated.options, *curated.advanced))}
        fields.sort(key=lambda field: (_RANKS[field["group"]], rank.get(field["name"], len(rank)), not field["required"]))
        if EXTRA_BODY not in action.inputs.fields and any(form.is_flat for form in action.inputs.bodies):
            fields.append(dict(_EXTRA))
        for order, field in enumerate(fields, 1):
            field["order"] = order
        return Form(action, curated, fields, tuple(shaper.uses), self)

    def _field(self, action: Action, curated: ActionForm, name: str) -> Node:
        inputs = action.inputs
        parameter = inputs.parameters.get(name)
        schema = self._definitions.schema(inputs.fields[name])
        if parameter is not None and parameter.description and isinstance(schema, dict):
            schema = {**schema, "description": parameter.description}
        field = self._maker.field(name, schema, name in inputs.required, self._said(action, curated, name), 0)
        if "file" in field and "max_bytes" not in field["file"]:
            field["file"]["max_bytes"] = self._catalog.manifest.defaults.limits.upload
        if "help" not in field:
            field["help"], field["origin"]["help"] = self._help(action, field), DEFAULT
        field["location"] = parameter.location if parameter else BODY
        media_types = [form.media_type.name for form in inputs.bodies if name in form.properties]
        if parameter is None and len(media_types) < len(inputs.bodies):
            field["media_types"] = media_types
        if parameter is not None and parameter.deprecated:
            field["deprecated"] = True
        group = _group(curated, name)
        field["group"] = group or _GROUP_OF[field["visibility"]]
        field["origin"]["group"] = OVERLAY if group else DEFAULT
        return field

    def _said(self, action: Action, curated: ActionForm, name: str) -> list[Facts]:
        """What is curated of an input, the strongest last."""
        found = [self.wording.input(name)]
        if group := _group(curated, name):
            found.append({"group": group})
        if old := action.overlay.fields.get(name):
            found.append(given(old))
        if form := curated.fields.get(name):
            found.append(facts(form))
        if picker := self._pickers.get(action.id, name):
            found.append({"picker": picker})
        return found

    def _help(self, action: Action, field: Node) -> str:
        """A sentence for a field that nobody described."""
        if field["name"] == BODY and action.operation.request_body and action.operation.request_body.description:
            return action.operation.request_body.description
        if field["name"].endswith("_id") and field["required"]:
            return f"Which {field['label'].removesuffix(' ID').lower()} is meant, by its ID."
        return f"{field['label']} of this request."


_RANKS: Final = {group["id"]: rank for rank, group in enumerate(GROUPS)}


def _group(curated: ActionForm, name: str) -> str | None:
    """The group under which the action lists a field."""
    return next((group for group in ("main", "options", "advanced") if name in getattr(curated, group)), None)


__all__ = ["DEFAULT", "FORM_VERSION", "GROUPS", "OVERLAY", "SPEC", "Form", "Forms"]
