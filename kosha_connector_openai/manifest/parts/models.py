"""Part ``models``: which model serves which action, what a model takes, when it goes away. Every fact has a source and a date.

Model names are matched with ``*``, ``?`` and ``[...]``, case and all. A name that no pattern fits is unknown: no rule speaks of it.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from kosha_connector_openai.manifest.part import Constraint, Field, Line, Name, Part

Pattern = Annotated[str, Constraint(min_length=1, max_length=100)]
Patterns = tuple[Pattern, ...]
Pointer = Annotated[str, Constraint(pattern=r"^/")]


class FactSource(Part):
    """Where a fact comes from, and when it was true."""

    title: Line
    url: str = ""
    date: datetime.date


class Family(Part):
    """Models that serve the same actions; the first family that fits a name counts."""

    models: Patterns
    actions: tuple[Name, ...]
    source: Name


class Rule(Part):
    """What some models make of one input of some actions.

    ``hide``: they do not take it. ``rename``: it is called ``to`` there. ``allow``: they take only ``values``, or numbers up to
    ``most``, or texts and lists of at most ``longest``; values may be patterns. ``require``: it must be given. ``when`` names other inputs
    and the values that they must have for the rule to speak.
    """

    do: Literal["hide", "rename", "allow", "require"]
    actions: tuple[Name, ...]
    models: Patterns
    but: Patterns = Field(default=(), description="Models that the rule does not mean.")
    field: Pointer
    to: Name | None = None
    values: tuple[str | bool | int | float, ...] = ()
    most: float | None = None
    longest: int | None = None
    when: Mapping[Pointer, tuple[Any, ...]] = Field(default_factory=dict)
    reason: Line
    source: Name


class Retirement(Part):
    """Models that go away on a day, and what takes their place."""

    models: Patterns
    date: datetime.date
    successor: Name | None = None
    source: Name


class Models(Part):
    """The part ``models``."""

    field: Name = Field(default="model", description="The input that names the model.")
    derived: tuple[Name, ...] = Field(default=(), description="Beginnings of names of trained models; what follows names the base model.")
    sources: Mapping[Name, FactSource] = Field(default_factory=dict)
    families: tuple[Family, ...] = ()
    rules: tuple[Rule, ...] = ()
    retirements: tuple[Retirement, ...] = ()
