"""``connector/forms.yaml`` -> FormsPart: what people see of an action's inputs, where the description's own words are not enough."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from kosha_connector_openai.manifest.part import Field, Line, Name, Part

Widget = Literal[
    "text", "multiline", "json", "number", "slider", "switch", "select", "multi-select", "key-value", "list", "file", "date", "object",
    "variants",
]  # fmt: skip
GroupName = Literal["main", "options", "advanced"]
Visibility = Literal["important", "normal", "advanced", "internal"]
Source = Literal["data-url", "base64", "text", "path"]
Condition = Mapping[Name, tuple[Any, ...] | Literal["given", "absent"]]
"""Sibling field -> the values that fulfil it, or whether it is filled in; all must hold."""


class FileRules(Part):
    """What a file field takes."""

    types: tuple[str, ...] = Field(default=(), description="Media types; image/* stands for all of a kind.")
    extensions: tuple[str, ...] = Field(default=(), description="Endings of file names, each with its dot.")
    max_bytes: int | None = Field(default=None, ge=1, description="The most that the provider takes; the connection's limit holds as well.")
    sources: tuple[Source, ...] = Field(default=(), description="How the file may be given, where not in every way.")


class FieldForm(Part):
    """What people see of one field; what is left out is derived from the description."""

    label: Line | None = Field(default=None, description="The field's term, where the words of its name are not it.")
    label_reason: Line | None = Field(default=None, description="Why the label is another than the words of the name.")
    help: Line | None = Field(default=None, description="CommonMark.")
    placeholder: Line | None = Field(default=None, description="A short example inside the empty field.")
    example: Any = None
    default: Any = Field(default=None, description="Filled in from the start; the description's own defaults are only shown.")
    group: GroupName | None = None
    visibility: Visibility | None = None
    widget: Widget | None = None
    units: Name | None = None
    minimum: int | float | None = Field(default=None, description="A bound that the description lacks.")
    maximum: int | float | None = None
    step: int | float | None = None
    enum: Mapping[str, Line] = Field(default_factory=dict, description="Value -> its label.")
    secret: bool | None = None
    expression: bool | None = Field(default=None, description="Whether a workflow's expression may stand here in place of a value.")
    visible_when: Condition = Field(default_factory=dict)
    required_when: Condition = Field(default_factory=dict)
    excludes: tuple[Name, ...] = Field(default=(), description="Fields that must be left out where this one is filled in.")
    picker: Name | None = Field(default=None, description="The picker of the part `pickers` that offers values.")
    file: FileRules | None = None


class ShapeForm(Part):
    """What people see of a schema that the description defines by name, wherever it is used."""

    label: Line | None = None
    label_reason: Line | None = Field(default=None, description="Why the label is another than the words of the name.")
    help: Line | None = Field(default=None, description="CommonMark.")
    fields: Mapping[Name, FieldForm] = Field(default_factory=dict)


class ActionForm(Part):
    """One action's form. The three lists give its fields their groups and order; fields in none of them follow, by the usual rules."""

    help: Line | None = Field(default=None, description="CommonMark.")
    main: tuple[Name, ...] = ()
    options: tuple[Name, ...] = ()
    advanced: tuple[Name, ...] = ()
    fields: Mapping[Name, FieldForm] = Field(default_factory=dict)


class FormsPart(Part):
    """A whole ``forms.yaml``."""

    core: tuple[Name, ...] = Field(default=(), description="The actions that most people need: their forms are complete in every fact.")
    words: Mapping[str, str] = Field(default_factory=dict, description="Word of a name or whole name, in lower case -> its spelling.")
    fields: Mapping[Name, FieldForm] = Field(default_factory=dict, description="Field name, or a pattern with *, in any action and object.")
    inputs: Mapping[Name, FieldForm] = Field(default_factory=dict, description="The same for the fields of an action itself.")
    shapes: Mapping[Name, ShapeForm] = Field(default_factory=dict, description="Name of a schema in the description -> its form.")
    usual: tuple[Name, ...] = Field(
        default=(),
        description="Schemas that stand first among alternatives, in this order: what most people mean. The others follow as described.",
    )
    actions: Mapping[Name, ActionForm] = Field(default_factory=dict, description="Operation id -> its form.")
