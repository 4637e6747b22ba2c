"""The part ``tasks``: small tasks over an action: their form, where each input goes in the action's inputs, where the answer lies.

A request is a tree of values written by the author. An object whose first key begins with ``$`` is a step of a closed language; it is
replaced by what it gives, and an entry whose step gives nothing is left out. What a user enters is put in its place and never read again:

=====================================  ================================================================================
``{$input: NAME, $as: FORM?}``         the input, as it is or in a form: ``data_url``, ``json``, ``strict_schema``
``{$join: [TEXT or step, ...]}``       the texts and whole numbers, one after the other
``{$when: NAME, $then: X, $else: X?}`` X where the input is given, and neither false nor empty
``{$choose: NAME, $from: {VALUE: X}}`` the X of the input's value
=====================================  ================================================================================

A result is such a tree of ``{$at: POINTER, $as: true_names?}`` steps into the answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from kosha_connector_openai.manifest.part import Constraint, Field, Line, Name, Part, renamed

Pointer = Annotated[str, Constraint(pattern=r"^(/.*)?$")]
Count = Annotated[int, Constraint(ge=1)]
TaskName = Annotated[str, Constraint(pattern=r"^[a-z][a-z0-9-]{0,62}$")]

FORMS = frozenset({"data_url", "json", "strict_schema"})
"""What ``$as`` makes of an input."""
_STEPS: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    "$input": (frozenset(), frozenset({"$as"})),
    "$join": (frozenset(), frozenset()),
    "$when": (frozenset({"$then"}), frozenset({"$else"})),
    "$choose": (frozenset({"$from"}), frozenset()),
}
"""A step's first key -> the keys that it needs and those that it may have."""


_SCHEMA_WORDS = frozenset({"$comment", "$defs", "$id", "$ref", "$schema"})
"""JSON Schema's own words; they stay as they are."""
_READINGS = frozenset({"true_names"})
"""What ``$as`` makes of a value in an answer."""


class FileRule(Part):
    """What a file input takes. Bytes and media types; ``url``: an https address may stand in its place."""

    bytes: Count
    types: tuple[Name, ...] = ()
    url: bool = False


class Input(Part):
    """One field of a task's form."""

    label: Name
    help: Line
    required: bool = False
    default: Any = None
    example: Any = None
    placeholder: str = ""
    advanced: bool = False
    takes: Mapping[str, Any] = Field(default_factory=lambda: {"type": "string"}, description="The JSON Schema of its values.")
    file: FileRule | None = None


class Split(Part):
    """How a sound that is too long is cut and its transcripts are joined. Bytes, seconds; pointers into each transcript."""

    input: Name
    bytes: Count
    seconds: Count
    quiet: Annotated[float, Constraint(ge=0)] = Field(default=10, description="How far before a limit the quietest moment is looked for.")
    form: Name = Field(description="The input that chooses the result: text, segments, srt or vtt.")
    text: Pointer
    segments: Pointer
    start: Pointer
    end: Pointer
    words: Pointer
    language: Pointer | None = None


class Rank(Part):
    """How texts are compared with a query: vectors are asked for in batches of at most ``items`` texts and ``bytes`` of UTF-8."""

    query: Name
    texts: Name
    top: Name
    items: Count
    bytes: Count
    list: Pointer
    index: Pointer
    vector: Pointer


class StrictRules(Part):
    """What a schema may say where the upstream must answer in its form. Keywords of JSON Schema."""

    sent: tuple[str, ...] = Field(default=(), description="Kept in the schema that is sent.")
    checked: tuple[str, ...] = Field(default=(), description="Not sent; the answer is checked against them here.")
    dropped: tuple[str, ...] = Field(default=(), description="Mean nothing to the upstream.")
    formats: tuple[str, ...] = Field(default=(), description="Values of `format` that may be sent; others are checked here.")
    depth: Count = 10
    properties: Count = 5_000
    values: Count = 1_000
    characters: Count = Field(default=120_000, description="Of all names and listed values together.")


class TaskRules(Part):
    """A task: its form, the action's inputs made from it, and the result."""

    title: Name
    summary: Line
    action: Name
    inputs: Mapping[str, Input]
    request: Mapping[str, Any]
    answer: Mapping[str, Any] | None = Field(default=None, description="The JSON Schema that the answer's text must fit; a tree of steps.")
    value: Any = Field(default=None, description="The result, as a tree of `$at` steps; without it, the answer's text.")
    output: Mapping[str, Any] = Field(description="The JSON Schema of the result, for those who map it; a tree of steps.")
    sample: Any = Field(description="A result as it could be.")
    split: Split | None = None
    rank: Rank | None = None

    def __post_init__(self) -> None:
        for tree in (self.request, self.answer, self.output):
            for wrong in _wrong(tree, self.inputs.keys()):
                raise ValueError(wrong)
        for wrong in _wrong_value(self.value):
            raise ValueError(wrong)
        named = [name for rules in (self.split, self.rank) if rules for name in _named(rules)]
        for name in named:
            if name not in self.inputs:
                raise ValueError(f"there is no input {name!r}")


class Tasks(Part):
    """All tasks of a connector."""

    strict: StrictRules = Field(default_factory=StrictRules)
    tasks: Mapping[TaskName, TaskRules] = Field(default_factory=dict)

    @classmethod
    def accept(cls, raw: Any) -> Any:
        """``raw`` with the key of version 0.1 under its present name; read until 0.2."""
        return renamed(raw, "presets", "tasks")


def _named(rules: Split | Rank) -> tuple[str, ...]:
    return (rules.input, rules.form) if isinstance(rules, Split) else (rules.query, rules.texts, rules.top)


def step(tree: Any) -> str | None:
    """The first key of a step; None where ``tree`` is a plain value."""
    if isinstance(tree, Mapping) and tree:
        first = next(iter(tree))
        return first if isinstance(first, str) and first in _STEPS else None
    return None


def _wrong(tree: Any, inputs: Any) -> Iterator[str]:
    """What breaks the language, in words."""
    if isinstance(tree, list):
        for item in tree:
            yield from _wrong(item, inputs)
        return
    if not isinstance(tree, Mapping):
        return
    kind = step(tree)
    if kind is None:
        yield from (f"{key!r} is no step" for key in tree if key.startswith("$") and key not in _SCHEMA_WORDS)
    else:
        needs, may = _STEPS[kind]
        keys = tree.keys() - {kind}
        yield from (f"{kind} needs {key}" for key in sorted(needs - keys))
        yield from (f"{kind} has no {key!r}" for key in sorted(keys - needs - may))
        if kind != "$join" and tree[kind] not in inputs:
            yield f"there is no input {tree[kind]!r}"
        if "$as" in tree and tree["$as"] not in FORMS:
            yield f"there is no form {tree['$as']!r}"
    for value in tree.values():
        yield from _wrong(value, inputs)


def _wrong_value(tree: Any) -> Iterator[str]:
    if isinstance(tree, list):
        for item in tree:
            yield from _wrong_value(item)
    elif isinstance(tree, Mapping) and "$at" in tree:
        yield from (f"$at has no {key!r}" for key in tree if key not in ("$at", "$as"))
        if not isinstance(tree["$at"], str) or not tree["$at"].startswith("/"):
            yield f"{tree['$at']!r} is no pointer"
        if tree.get("$as", "true_names") not in _READINGS:
            yield f"there is no form {tree['$as']!r}"
    elif isinstance(tree, Mapping):
        yield from (f"{key!r} is no step" for key in tree if key.startswith("$"))
        for value in tree.values():
            yield from _wrong_value(value)
