"""Part ``pickers``: which values a field is offered, and from where: an action's list, the description's own words, or a list written here.

A *path* is a JSON Pointer into an item, in which ``*`` stands for every item of an array.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Annotated, Any

from kosha_connector_openai.manifest.part import Constraint, Field, Line, Name, Part

Path = Annotated[str, Constraint(pattern=r"^(/.*)?$", max_length=200)]


class PickOption(Part):
    """One value that is written here."""

    value: str
    label: str = ""
    about: str = ""


class Fallback(Part):
    """What is offered where the list cannot be had: the values that the description names for the field, and those given here."""

    described: bool = True
    options: tuple[PickOption, ...] = ()
    date: datetime.date | None = Field(default=None, description="When the list was true; that of the description where none is given.")


class Picker(Part):
    """Where a field's values come from. Without ``action`` they are those of ``fallback``, and no call is made."""

    help: Line
    action: Name | None = Field(default=None, description="The action that lists them; it pages as the part `paging` says.")
    inputs: Mapping[Name, Any] = Field(default_factory=dict, description="Its inputs.")
    take: Mapping[Name, Name] = Field(default_factory=dict, description="Its inputs that other fields of the form give: input -> field.")
    items: Path = Field(default="/data/*", description="The items of an answer that does not page.")
    value: Path = "/id"
    label: tuple[Path, ...] = Field(default=(), description="The first that is there; else the value stands for itself.")
    about: tuple[Path, ...] = Field(default=(), description="What more to say of an item, in this order.")
    ends: Path | None = Field(default=None, description="The day on which an item goes away.")
    where: Mapping[Path, tuple[str, ...]] = Field(default_factory=dict, description="Items to offer: path -> patterns of its value.")
    sort: Path | None = Field(default=None, description="A number or a text; the greatest comes first.")
    models: bool = Field(default=False, description="Leave out models that are known not to serve the action; unknown ones come last.")
    most: int = Field(default=1_000, ge=1, le=20_000, description="Items at most; a list that has more says so.")
    cache: float = Field(default=300, ge=0, le=86_400, description="Seconds that a list is kept for a connection.")
    fallback: Fallback = Field(default_factory=Fallback)


class FieldPicker(Part):
    """Which fields a picker is for: patterns of their names, in these actions (patterns too), or in all."""

    fields: tuple[Name, ...]
    actions: tuple[Name, ...] = ("*",)
    picker: Name


class Pickers(Part):
    """The part ``pickers``. The first entry of ``fields`` that fits counts; else the picker that a field's form names."""

    pickers: Mapping[Name, Picker] = Field(default_factory=dict)
    fields: tuple[FieldPicker, ...] = ()
    described: datetime.date | None = Field(default=None, description="When the description's own lists were true.")
