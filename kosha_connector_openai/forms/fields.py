"""One input as a form's field: its words, its place, its shape, and where each of these facts comes from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from kosha_connector_openai.forms.labels import from_title, units
from kosha_connector_openai.forms.shapes import TEXTS, Shaper
from kosha_connector_openai.forms.unions import TELLERS
from kosha_connector_openai.forms.wording import Facts, Wording
from kosha_connector_openai.manifest import given
from kosha_connector_openai.schema import Flat, Flattener, Node

SPEC: Final = "spec"
OVERLAY: Final = "overlay"
DEFAULT: Final = "default"
_COPIED: Final = ("placeholder", "units", "minimum", "maximum", "step", "secret", "expression")
_ALIKE: Final = (TEXTS, frozenset({"number", "slider"}), frozenset({"object", "key-value", "json"}), frozenset({"select", "text"}))
"""Widgets that may stand for each other."""
_NUMBERS: Final = frozenset({"integer", "number"})
_VISIBILITY: Final = {"main": "important", "options": "normal", "advanced": "advanced"}


class FieldMaker:
    """Makes fields, those of nested objects too."""

    def __init__(self, flattener: Flattener, wording: Wording) -> None:
        self._flattener = flattener
        self._wording = wording
        self.shaper = Shaper(flattener, wording, self._nested)

    def _nested(self, node: Mapping[str, Any], definition: str | None) -> list[Node]:
        """The fields of an object, the ones that it needs first."""
        curated = self._wording.fields_of(definition)
        required = node.get("required", ())
        properties = node["properties"]
        names = [*(name for name in properties if name in required), *(name for name in properties if name not in required)]
        return [
            self.field(name, properties[name], name in required, [curated[name]] if name in curated else (), order)
            for order, name in enumerate(names, 1)
        ]

    def field(self, name: str, schema: Any, required: bool, curated: Iterable[Facts], order: int) -> Node:
        """A field; ``curated`` are facts about it, the strongest last."""
        flat = self._flattener.flat(schema)
        said: dict[str, Any] = {**self._wording.field(name)}
        for facts in curated:
            said.update(facts)
        shape = self.shaper.shape(schema, flat, name)
        origin: dict[str, str] = {}
        out: Node = {"name": name}
        self._words(out, origin, schema, flat, said)
        out["order"] = order
        out["required"] = required
        constant = "constant" in shape and (required or name in TELLERS or flat.node.get("default") == shape["constant"])
        self._place(out, origin, said, flat, constant)
        out["expression"] = not constant
        out.update(shape)
        origin["widget"] = DEFAULT
        if "enum" in shape:
            _relabel(out, origin, said)
        self._values(out, origin, said, flat)
        _conditions(out, origin, said)
        out["origin"] = origin
        return out

    def _words(self, out: Node, origin: dict[str, str], schema: Any, flat: Flat, said: Facts) -> None:
        name = out["name"]
        label = said.get("label")
        own = schema.get("title") if isinstance(schema, dict) else None  # the title of what it refers to is that thing's name
        title = None if label else from_title(own)
        out["label"] = label or title or self._wording.label(name)
        origin["label"] = OVERLAY if label else SPEC if title else DEFAULT
        text, given = said.get("help"), flat.node.get("description")
        if text or given:
            out["help"] = text or given
            origin["help"] = OVERLAY if text else SPEC

    def _place(self, out: Node, origin: dict[str, str], said: Facts, flat: Flat, constant: bool) -> None:
        if flat.node.get("deprecated"):
            out["deprecated"] = True
        group = said.get("group")
        usual = "important" if out["required"] else "advanced" if "deprecated" in out else "normal"
        out["visibility"] = said.get("visibility") or ("internal" if constant else _VISIBILITY[group] if group else usual)
        origin["visibility"] = OVERLAY if "visibility" in said or group else DEFAULT

    def _values(self, out: Node, origin: dict[str, str], said: Facts, flat: Flat) -> None:
        default = said.get("default", flat.node.get("default"))
        if default is not None:
            out["default"] = default
            origin["default"] = OVERLAY if "default" in said else SPEC
        if out.get("type") in _NUMBERS and "units" not in said and (unit := units(out["name"])):
            out["units"] = unit
            origin["units"] = DEFAULT
        if (example := said.get("example")) is not None:
            out["example"] = example
            origin["example"] = OVERLAY
        for fact in _COPIED:
            if said.get(fact) is not None:
                out[fact] = said[fact]
                origin[fact] = OVERLAY
        if (widget := said.get("widget")) and fits(widget, out):
            out["widget"] = widget
            origin["widget"] = OVERLAY
        if picker := said.get("picker"):
            out["options"] = picker
            origin["options"] = OVERLAY
        if "file" in out:
            _file(out, origin, said)


def fits(widget: str, shape: Node) -> bool:
    """Whether a curated widget can draw a shape; one that cannot is not used."""
    return any({widget, shape["widget"]} <= alike for alike in _ALIKE)


def _file(out: Node, origin: dict[str, str], said: Facts) -> None:
    said_rules = said.get("file")
    facts = given(said_rules) if said_rules else {}
    rules = {key: list(value) if isinstance(value, tuple) else value for key, value in facts.items() if value}
    out["file"] = {**out["file"], **rules}
    origin["file"] = OVERLAY if rules else DEFAULT


def _relabel(out: Node, origin: dict[str, str], said: Facts) -> None:
    labels = said.get("enum")
    origin["enum"] = SPEC
    origin["enum_labels"] = SPEC if out.get("open") else DEFAULT
    if labels:
        out["enum"] = [{**option, "label": labels.get(str(option["value"]), option["label"])} for option in out["enum"]]
        origin["enum_labels"] = OVERLAY


def _conditions(out: Node, origin: dict[str, str], said: Facts) -> None:
    for fact in ("visible_when", "required_when"):
        if said.get(fact):
            out[fact] = [_condition(name, test) for name, test in said[fact].items()]
            origin[fact] = OVERLAY
    if said.get("excludes"):
        out["excludes"] = list(said["excludes"])
        origin["excludes"] = OVERLAY


def _condition(name: str, test: Any) -> Node:
    if isinstance(test, str):
        return {"field": name, "given": test == "given"}
    return {"field": name, "in": list(test)}
