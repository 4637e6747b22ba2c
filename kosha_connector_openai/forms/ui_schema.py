"""A form as the ``uiSchema`` of react-jsonschema-form, versions 5 and 6: widgets, order, placeholders and hints beside the JSON Schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from kosha_connector_openai.schema import Node

_WIDGETS: Final[Mapping[str, str]] = {
    "multiline": "textarea", "slider": "range", "file": "file", "multi-select": "checkboxes",
}  # fmt: skip
_DATES: Final[Mapping[str, str]] = {"date": "date", "date-time": "date-time"}
_HINTS: Final = ("group", "visibility", "units", "expression", "location", "raw", "excludes")
_DEEPEST: Final = 5
"""Levels of nested values; a library draws deeper ones by its own rules."""
_ROWS: Final = 4
_LEFT: Final = "left to the provider: "


def ui_schema(fields: list[Node], definition: Callable[[str], Node]) -> Node:
    """The uiSchema of a form with these fields; ``definition`` gives the shape that a ``$ref`` leads to. A new one each time."""
    reader = _Reader(definition)
    out: Node = {"ui:order": [*(field["name"] for field in fields), "*"], "ui:submitButtonOptions": {"submitText": "Check"}}
    out["ui:globalOptions"] = {"enableMarkdownInDescription": True}
    for field in fields:
        out[field["name"]] = reader.field(field) | {"ui:options": _options(field)}
    return out


class _Reader:
    """Follows a form into its definitions, each at most once along one way."""

    def __init__(self, definition: Callable[[str], Node]) -> None:
        self._definition = definition

    def field(self, field: Node, chain: tuple[str, ...] = ()) -> Node:
        """What stands for one field."""
        out = self._shape(field, chain)
        if field["widget"] == "slider" and not field["required"]:  # a slider cannot show that nothing is set
            out["ui:widget"] = "updown"
        if field["visibility"] == "internal":
            out["ui:widget"] = "hidden"
        if "placeholder" in field or "default" in field:
            out["ui:placeholder"] = field.get("placeholder") or _shown(field)
        if field.get("secret"):
            out["ui:widget"] = "password"
        return out

    def _shape(self, shape: Node, chain: tuple[str, ...]) -> Node:
        reference = shape.get("$ref")
        if reference is not None:
            if reference in chain or len(chain) >= _DEEPEST:
                return {}
            return self._shape(self._definition(reference), (*chain, reference))
        out = _widget(shape)
        if names := _names(shape):
            out["ui:options"] = {**out.get("ui:options", {}), "enumNames": names}
        if fields := shape.get("fields"):
            parts = {field["name"]: found for field in fields if (found := self.field(field, chain))}
            out |= parts | {"ui:order": [*(field["name"] for field in fields), "*"]}
        if "items" in shape and (found := self._shape(shape["items"], chain)):
            out["items"] = found
        if "values" in shape and (found := self._shape(shape["values"], chain)):
            out["additionalProperties"] = found
        if variants := shape.get("variants"):
            branches = [{"ui:widget": "hidden"} if "constant" in variant else self._shape(variant, chain) for variant in variants]
            if any(branches):
                out["anyOf"] = branches
        return out


def _widget(shape: Node) -> Node:
    widget = shape["widget"]
    if widget == "date":
        return {"ui:widget": _DATES[shape["date"]]} if shape["date"] in _DATES else {}
    if widget not in _WIDGETS:
        return {}
    if widget == "file" and shape["type"] == "any":  # one file or a list of them, as two alternatives
        return {"anyOf": [{"ui:widget": "file"}, {"ui:widget": "files"}]}
    out: Node = {"ui:widget": "files" if shape.get("multiple") else _WIDGETS[widget]}
    if widget == "multiline":
        out["ui:options"] = {"rows": _ROWS}
    return out


def _names(shape: Node) -> list[str]:
    """The labels of listed values, in their order; none where any text is taken, which is typed and not chosen."""
    visible = shape.get("visibility") != "internal" and not shape.get("open")
    return [option["label"] for option in shape.get("enum", ())] if visible else []


def _options(field: Node) -> Node:
    """``ui:options``: what rjsf knows, and the form's own facts for templates that know them."""
    out: Node = {hint: field[hint] for hint in _HINTS if hint in field}
    if field["widget"] == "multiline":
        out["rows"] = _ROWS
    if names := _names(field):
        out["enumNames"] = names
    if "options" in field:
        out["picker"] = field["options"]
    if accept := [*field.get("file", {}).get("types", ()), *field.get("file", {}).get("extensions", ())]:
        out["accept"] = ",".join(accept)
    return out


def _shown(field: Node) -> str:
    """The default as an empty field shows it: what the provider takes if nothing is sent is no choice, and must not look like one."""
    default: Any = field["default"]
    label = next((option["label"] for option in field.get("enum", ()) if option["value"] == default), None)
    text = label or (str(default).lower() if isinstance(default, bool) else str(default))
    return text if field["origin"].get("default") == "overlay" else f"{_LEFT}{text}"
