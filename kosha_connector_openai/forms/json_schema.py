"""A form as plain JSON Schema 2020-12: the action's input schema with titles, one list of alternatives, and the form's conditions.

Three things differ from the input schema, so that a library that draws it gives a person a usable form: an optional value that may be
null is left out instead of being null, the provider's own defaults are told but not filled in, and a text for which values are known
takes any text. A title is the field's label; a description is CommonMark and begins with the name that the API gives the field.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from kosha_connector_openai.core.actions import Action
from kosha_connector_openai.forms.labels import from_title
from kosha_connector_openai.forms.shapes import Shaper
from kosha_connector_openai.forms.unions import Discriminator, choices, collapse
from kosha_connector_openai.forms.wording import Wording
from kosha_connector_openai.schema import Flat, Flattener, Node, target

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_MAPS: Final = ("properties", "patternProperties")
_NOTHING: Final = {"type": "null", "title": "Nothing"}
_FORMATS: Final = frozenset({"date", "date-time", "time", "duration", "email", "hostname", "ipv4", "ipv6", "uri", "uuid"})
"""Formats of JSON Schema itself; libraries complain about others."""
_INNER: Final = frozenset({"properties", "additionalProperties", "patternProperties", "anyOf", "oneOf", "allOf", "$ref"})
_ONE: Final = ("items", "additionalProperties", "not")


def json_schema(action: Action, fields: list[Node], shapes: Mapping[str, Node], wording: Wording) -> Node:
    """The schema of an action's form; ``shapes`` are the form's definitions by name. A new one each time."""
    given = action.input_schema
    drawing = _Drawing(given.get("$defs", {}), shapes, wording)
    by_name = {field["name"]: field for field in fields}
    out: Node = {"$schema": _DIALECT, "title": action.title, "description": action.summary, "type": "object"}
    out["properties"] = {
        name: drawing.field(name, given["properties"].get(name, {"type": "object", "additionalProperties": True}), by_name[name])
        for name in by_name
    }
    out["required"] = [field["name"] for field in fields if field["required"]]
    out = _conditional(out, fields)
    definitions = {name: drawing.definition(name) for name in given.get("$defs", {})}
    return out | ({"$defs": definitions} if definitions else {})


class _Drawing:
    """One run over one action's schema."""

    def __init__(self, definitions: Mapping[str, Any], shapes: Mapping[str, Node], wording: Wording) -> None:
        self._shapes = shapes
        self._wording = wording
        self._flattener = Flattener(definitions)
        self._shaper = Shaper(self._flattener, wording, lambda node, definition: [])
        self._definitions = definitions

    def field(self, name: str, schema: Any, field: Node) -> Node:
        """An action's own field."""
        out: Node = self._value(schema, required=field["required"])
        out = {**out, "title": field["label"], "description": _described(name, field["help"])}
        if field.get("origin", {}).get("default") == "overlay" or ("constant" in field and field["required"]):
            out["default"] = field.get("default", field.get("constant"))
        for bound in ("minimum", "maximum"):
            if field["origin"].get(bound) == "overlay":
                out[bound] = field[bound]
        return out

    def definition(self, name: str) -> Any:
        """A definition."""
        out = self._value(self._definitions[name], required=False, owner=name)
        fields = self._shapes.get(name, {}).get("fields", ())
        return _conditional(out, fields) if isinstance(out, dict) and "properties" in out else out

    def _value(self, schema: Any, *, required: bool, owner: str | None = None) -> Any:
        if not isinstance(schema, dict):
            return {} if schema is True else schema
        flat = self._flattener.flat(schema)
        if (found := target(schema)) is not None:
            same: Node = {"$ref": f"#/$defs/{found}", **_words(schema)}
            return {"anyOf": [same, dict(_NOTHING)]} if flat.nullable and required else same
        if not flat.branches:
            return self._plain(schema, flat, required, owner)
        if "properties" in flat.node:  # what all alternatives have in common stands beside them
            return self._walked(schema, owner)
        branches = self._wording.ordered(collapse(self._flattener.branches(flat)))
        if len(branches) == 1:
            return self._plain(branches[0].schema, Flat(branches[0].node, nullable=flat.nullable), required, owner) | _words(flat.node)
        discriminator = Discriminator(self._flattener, branches, flat.node.get("discriminator"))
        parts = []
        for branch in branches:
            title = self._shaper.variant_label(branch, discriminator.values(branch) if discriminator.name else [])
            parts.append({**self._value(branch.schema, required=True), "title": title})
        if flat.nullable and required:
            parts.append(dict(_NOTHING))
        out: Node = {"anyOf": parts, **_words(flat.node)}
        if discriminator.name and all(discriminator.values(branch) for branch in branches):
            out["discriminator"] = {"propertyName": discriminator.name}
        return out

    def _plain(self, schema: Any, flat: Flat, required: bool, owner: str | None) -> Node:
        """A value without alternatives; null goes where the value need not be there."""
        node = flat.node
        if node.get("open"):
            return {"type": "string", "examples": node["enum"], **_words(node)}
        only_null = isinstance(schema, dict) and "anyOf" in schema and "properties" not in schema
        if only_null and not (flat.nullable and required):
            inner: Any = next((part for part in schema["anyOf"] if part != {"type": "null"}), {})
            return {**self._value(inner, required=required), **_words(schema)}
        out = self._walked(schema, owner)
        listed = choices(node)
        if "enum" in out and None in out["enum"] and not required:
            out["enum"] = [value for value in out["enum"] if value is not None]
        if "enum" in out and isinstance(out.get("type"), list) and not required:
            out["type"] = next(kind for kind in out["type"] if kind != "null")
        if required and len(listed) == 1 and "$ref" not in out:
            out["default"] = listed[0]
        return out

    def _walked(self, schema: Mapping[str, Any], owner: str | None) -> Node:
        """The schema with what is inside it drawn."""
        out: Node = {}
        for keyword, value in schema.items():
            if keyword in _MAPS:
                required = schema.get("required", ())
                out[keyword] = {name: self._property(name, part, name in required, owner) for name, part in value.items()}
            elif keyword in _ONE and isinstance(value, dict):
                out[keyword] = self._value(value, required=True)
            elif keyword == "anyOf" and "properties" in schema and all(map(_only_asks, value)):
                continue  # which fields go together, the check says
            elif keyword in ("allOf", "anyOf", "prefixItems"):
                out[keyword] = [self._value(part, required=True) for part in value]
            elif keyword != "default" and (keyword != "format" or value in _FORMATS):
                out[keyword] = value
        if isinstance(out.get("items"), dict) and self._is_listed(schema["items"]):  # some of a list; nobody means one of them twice
            out["uniqueItems"] = True
        if out.get("type") == "object" and not out.keys() & _INNER:  # any object: its names are the user's
            out["additionalProperties"] = True
        return out

    def _is_listed(self, schema: Any) -> bool:
        """Whether only some values are allowed, here or in what the schema refers to."""
        flat = self._flattener.flat(schema)
        return not flat.branches and bool(choices(flat.node)) and not flat.node.get("open")

    def _property(self, name: str, schema: Any, required: bool, owner: str | None) -> Any:
        out = self._value(schema, required=required)
        if not isinstance(out, dict):
            return out
        said = {**self._wording.field(name), **self._wording.fields_of(owner).get(name, {})}
        title = said.get("label") or from_title(out.get("title")) or self._wording.label(name)
        return {**out, "title": title, "description": _described(name, said.get("help") or out.get("description"))}


def _only_asks(branch: Any) -> bool:
    """Whether an alternative says no more than which fields must be there."""
    return isinstance(branch, Mapping) and branch.keys() <= {"required", "not", "title", "description"}


def _described(name: str, text: str | None) -> str:
    """The API's name of a field, which stands below its label, and its help."""
    code = f"``{name}``" if "`" in name else f"`{name}`"
    return f"{code} \u00b7 {text}" if text else code


def _words(node: Mapping[str, Any]) -> Node:
    return {key: node[key] for key in ("title", "description", "deprecated") if key in node}


def _conditional(schema: Node, fields: Sequence[Node]) -> Node:
    """The object's schema with its fields' conditions: what one hides stands where it holds, and nowhere else."""
    properties = schema["properties"]
    rules = list(_rules([field for field in fields if field["name"] in properties], properties))
    if not rules:
        return schema
    closed = schema.get("additionalProperties", True) is not True  # then a name must be listed to be taken at all
    hidden = {field["name"] for field in fields if "visible_when" in field and not closed}
    shown = {name: part for name, part in properties.items() if name not in hidden}
    return {**schema, "properties": shown, "allOf": [*schema.get("allOf", ()), *rules]}


def _rules(fields: Iterable[Node], properties: Mapping[str, Any]) -> Iterable[Node]:
    """The form's conditions as schemas."""
    defaults = {field["name"]: field.get("default") for field in fields}
    excluded = set()
    for field in fields:
        name = field["name"]
        if "visible_when" in field:
            yield {"if": _test(field["visible_when"], defaults), "then": {"properties": {name: properties[name]}}}
        if "required_when" in field:
            yield {"if": _test(field["required_when"], defaults), "then": {"required": [name]}}
        for other in field.get("excludes", ()):
            pair = frozenset({name, other})
            if pair not in excluded:
                excluded.add(pair)
                yield {"not": {"required": sorted(pair)}}


def _test(conditions: Iterable[Node], defaults: Mapping[str, Any]) -> Node:
    """A schema that the inputs fit where all conditions hold; a field left out counts as its default."""
    tests: list[Node] = []
    for condition in conditions:
        name = condition["field"]
        if "given" in condition:
            given: Node = {"required": [name]}
            tests.append(given if condition["given"] else {"not": given})
            continue
        test: Node = {"properties": {name: {"enum": condition["in"]}}}
        tests.append(test if defaults.get(name) in condition["in"] else test | {"required": [name]})
    return tests[0] if len(tests) == 1 else {"allOf": tests}
