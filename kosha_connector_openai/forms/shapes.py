"""The shape of a value in a form: its widget, bounds, choices, entries, fields or variants.

Whatever has parts and a name in the description becomes a definition, drawn once and referred to by ``$ref``; so schemas that contain
themselves end, and actions share what they have in common.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from kosha_connector_openai.forms.labels import from_title, singular
from kosha_connector_openai.forms.unions import Discriminator, choices, collapse, is_file, kind, type_label, when
from kosha_connector_openai.forms.wording import Wording
from kosha_connector_openai.schema import Branch, Flat, Flattener, Node, target

CONTAINERS: Final = frozenset({"object", "variants", "list"})
TEXTS: Final = frozenset({"text", "multiline", "json"})
"""Widgets of one text, any of which may stand for another."""
SOURCES: Final = ("data-url", "base64", "text", "path")
"""The ways in which JSON can give a file; a path only where whoever runs the connector allows it."""
_BOUNDS: Final[Mapping[str, str]] = {
    "minimum": "minimum", "maximum": "maximum", "exclusiveMinimum": "above", "exclusiveMaximum": "below", "multipleOf": "step",
    "minLength": "min_length", "maxLength": "max_length", "pattern": "pattern", "minItems": "min_items", "maxItems": "max_items",
    "uniqueItems": "unique", "minProperties": "min_items", "maxProperties": "max_items",
}  # fmt: skip
_DATES: Final[Mapping[str, str]] = {"date": "date", "date-time": "date-time", "unixtime": "unix"}
_SLIDER: Final = 10.0
"""The widest range of a number with fractions that a slider still shows well; for whole numbers it is ten times that."""
_LONG: Final = 400
"""Characters; a text that may be longer gets several lines."""

FieldsMaker = Callable[[Mapping[str, Any], str | None], list[Node]]


class Shaper:
    """Draws shapes. ``fields`` makes the fields of an object; ``uses`` gathers the definitions that are referred to meanwhile."""

    def __init__(self, flattener: Flattener, wording: Wording, fields: FieldsMaker) -> None:
        self._flattener = flattener
        self._wording = wording
        self._fields = fields
        self._widgets: dict[str, str] = {}
        self._done: dict[str, tuple[Node, tuple[str, ...]]] = {}
        self._open: frozenset[str] = frozenset()
        self.uses: dict[str, None] = {}

    def definition(self, name: str) -> tuple[Node, tuple[str, ...]]:
        """The shape of a definition, and the names of those that it refers to."""
        if name not in self._done:
            outer = self.uses, self._open
            self.uses, self._open = {}, frozenset()
            shape = self._drawn(self._flattener.definition(name), name, name)
            self._done[name] = ({"label": self._wording.definition(name), **shape}, tuple(self.uses))
            self.uses, self._open = outer
        return self._done[name]

    def shape(self, schema: Any, flat: Flat, name: str) -> Node:
        """The shape of a value under ``schema``, which is ``flat``; ``name`` is what its field is called."""
        found = target(schema)
        if found is None:
            return self._drawn(flat, name, None)
        widget = self._widget(found)
        if widget not in CONTAINERS and not (widget == "key-value" and self._holds_more(found)):
            return self._drawn(flat, name, None)
        self.uses[found] = None
        out: Node = {"widget": widget, "$ref": f"#/$defs/{found}"}
        return {**out, "nullable": True} if flat.nullable else out

    def _holds_more(self, name: str) -> bool:
        """Whether the values of a map are more than single ones, and may lead back to it."""
        rest = self._flattener.definition(name).node.get("additionalProperties")
        inner = self._flattener.flat(rest)
        return bool(inner.branches) or kind(inner.node) in ("object", "array")

    def _widget(self, name: str) -> str:
        """The widget of a definition, without drawing it."""
        if name not in self._widgets:
            flat = self._flattener.definition(name)
            branches = collapse(self._flattener.branches(flat)) if flat.branches else []
            node = branches[0].node if len(branches) == 1 else flat.node
            self._widgets[name] = "variants" if len(branches) > 1 else self._typed(node, name, None, probe=True)["widget"]
        return self._widgets[name]

    def _drawn(self, flat: Flat, name: str, owner: str | None) -> Node:
        if self._open & flat.names:  # merged into something that contains it: there is no name to refer to
            return {"widget": "json", "type": "any"}
        outer, self._open = self._open, self._open | flat.names
        out = self._inline(flat, name, owner)
        self._open = outer
        return out

    def _inline(self, flat: Flat, name: str, owner: str | None) -> Node:
        branches = self._wording.ordered(collapse(self._flattener.branches(flat))) if flat.branches else []
        if len(branches) > 1:
            out = self._files(branches) or self._union(flat, branches, name)
        else:
            out = self._only(branches[0], flat, name, owner) if branches else self._typed(flat.node, name, owner)
        if flat.nullable:
            out["nullable"] = True
        return out

    def _only(self, branch: Branch, flat: Flat, name: str, owner: str | None) -> Node:
        """The shape of the one alternative there is; what was merged into it is open while it is drawn."""
        merged = branch.names - flat.names
        if merged & self._open:
            return {"widget": "json", "type": "any"}
        outer, self._open = self._open, self._open | merged
        out = self._typed(branch.node, name, owner)
        self._open = outer
        return out

    def _files(self, branches: list[Branch]) -> Node | None:
        """One file or several: a file field that takes a list too."""
        lists = [branch.node for branch in branches if kind(branch.node) == "array"]
        inner = [branch.node for branch in branches if branch.node not in lists]
        if not all(map(is_file, [*inner, *(self._flattener.flat(node.get("items", {})).node for node in lists)])):
            return None
        most = max((node.get("maxItems", 1) for node in lists), default=1)
        out: Node = {"widget": "file", "type": "any", "multiple": True, "file": {"sources": [*SOURCES]}}
        return out | ({"max_items": most} if most > 1 else {})

    def _union(self, flat: Flat, branches: list[Branch], name: str) -> Node:
        discriminator = Discriminator(self._flattener, branches, flat.node.get("discriminator"))
        taken: dict[str, int] = {}
        variants = [self._variant(branch, discriminator, name, taken, flat.names) for branch in branches]
        self._distinguish(variants, branches)
        out: Node = {"widget": "variants", "type": "any", "raw": True}
        if discriminator.name:
            out["discriminator"] = discriminator.name
        out["variants"] = variants
        return out

    def _variant(self, branch: Branch, discriminator: Discriminator, name: str, taken: dict[str, int], opened: frozenset[str]) -> Node:
        values = discriminator.values(branch) if discriminator.name else []
        found = kind(branch.node)
        known = values[0] if len(values) == 1 else branch.target if branch.target and found == "object" else found
        taken[known] = taken.get(known, 0) + 1
        identity = known if taken[known] == 1 else f"{known}-{taken[known]}"
        out: Node = {"id": identity, "label": self.variant_label(branch, values)}
        if text := self._wording.definition_help(branch.target) or branch.node.get("description"):
            out["help"] = text
        out["when"] = when(branch, discriminator, self._flattener)
        flat = self._flattener.flat(branch.schema) if branch.target else Flat(branch.node, names=branch.names - opened)
        return {**out, **self.shape(branch.schema, flat, name)}

    def _distinguish(self, variants: list[Node], branches: list[Branch]) -> None:
        """Labels that occur twice become those of the definitions."""
        labels = [variant["label"] for variant in variants]
        for variant, branch in zip(variants, branches, strict=True):
            if branch.target and labels.count(variant["label"]) > 1:
                variant["label"] = self._wording.definition(branch.target)

    def variant_label(self, branch: Branch, values: list[Any]) -> str:
        """The label of an alternative: curated, else the description's title, else what tells it apart, else its type."""
        title = from_title(branch.node.get("title"))
        if title and title.startswith("Array of "):
            title = title.replace("Array of ", "List of ", 1)
        curated = self._wording.curated(branch.target)
        return curated or title or (self._wording.label(values[0]) if len(values) == 1 else "") or self._plain_label(branch)

    def _plain_label(self, branch: Branch) -> str:
        if branch.target and kind(branch.node) in ("object", "any"):
            return self._wording.definition(branch.target)
        listed = choices(branch.node)
        return self._wording.option(listed[0]) if len(listed) == 1 else type_label(branch.node, self._flattener)

    def _typed(self, node: Node, name: str, owner: str | None, *, probe: bool = False) -> Node:
        found = kind(node)
        make = _MAKERS.get(found)
        out = make(self, node, name, owner, probe) if make else {"widget": "json", "type": found}
        for keyword, value in node.items():
            if keyword in _BOUNDS:
                out[_BOUNDS[keyword]] = value
        return out

    def _object(self, node: Node, _: str, owner: str | None, probe: bool) -> Node:
        properties, rest = node.get("properties"), node.get("additionalProperties")
        if properties:
            out: Node = {"widget": "object", "type": "object", "raw": True, "fields": [] if probe else self._fields(node, owner)}
            return {**out, "closed": True} if rest is False else out
        out = {"widget": "key-value", "type": "object", "raw": True}
        if isinstance(rest, dict) and rest and not probe:
            out["values"] = self.shape(rest, self._flattener.flat(rest), "value")
        elif not isinstance(rest, dict) or not rest:
            out["widget"] = "json"
        return out

    def _array(self, node: Node, name: str, _: str | None, probe: bool) -> Node:
        items = node.get("items", {})
        flat = self._flattener.flat(items)
        if is_file(flat.node):
            return {"widget": "file", "type": "array", "multiple": True, "file": {"sources": [*SOURCES]}}
        listed = choices(flat.node) if not flat.branches else []
        if listed and not flat.node.get("open"):
            return {"widget": "multi-select", "type": "array", "enum": self._options(listed)}
        out: Node = {"widget": "list", "type": "array", "raw": True}
        if not probe:
            out["items"] = {"label": singular(self._wording.label(name)), **self.shape(items, flat, name)}
        return out

    def _string(self, node: Node, name: str, _: str | None, __: bool) -> Node:
        listed, form = choices(node), str(node.get("format", ""))
        if is_file(node):
            return {"widget": "file", "type": "string", "file": {"sources": [*SOURCES]}}
        if listed:
            if node.get("open"):  # names that a provider gives, such as those of models: shown as they are
                return {"widget": "select", "type": "string", "enum": _plain(listed), "open": True}
            out: Node = {"widget": "select", "type": "string", "enum": self._options(listed)}
            return {**out, "constant": listed[0]} if len(listed) == 1 else out
        if form in _DATES:
            return {"widget": "date", "type": "string", "date": _DATES[form]}
        said = self._wording.field(name).get("widget")
        widget = said if said in TEXTS else "multiline" if node.get("maxLength", 0) > _LONG else "text"
        return {"widget": widget, "type": "string", **({"format": form} if form else {})}

    def _number(self, node: Node, name: str, _: str | None, __: bool) -> Node:
        whole = node.get("type") == "integer"
        if listed := choices(node):
            out: Node = {"widget": "select", "type": kind(node), "enum": _plain(listed)}
            return {**out, "constant": listed[0]} if len(listed) == 1 else out
        if node.get("format") in _DATES:
            return {"widget": "date", "type": "integer", "date": "unix"}
        low, high = node.get("minimum"), node.get("maximum")
        span = high - low if low is not None and high is not None else None
        narrow = span is not None and span <= _SLIDER * (10 if whole else 1)
        out = {"widget": "slider" if narrow else "number", "type": "integer" if whole else "number"}
        return out if whole or not narrow or span is None else {**out, "step": 0.1 if span > 1 else 0.01}

    def _boolean(self, node: Node, *_: Any) -> Node:
        listed = choices(node)
        return {"widget": "switch", "type": "boolean", **({"constant": listed[0]} if len(listed) == 1 else {})}

    def _options(self, values: list[Any]) -> list[Node]:
        return [{"value": value, "label": self._wording.option(value)} for value in values]


def _plain(values: list[Any]) -> list[Node]:
    return [{"value": value, "label": str(value)} for value in values]


_MAKERS: Final[Mapping[str, Callable[[Shaper, Node, str, str | None, bool], Node]]] = {
    "object": Shaper._object,
    "array": Shaper._array,
    "string": Shaper._string,
    "integer": Shaper._number,
    "number": Shaper._number,
    "boolean": Shaper._boolean,
}
