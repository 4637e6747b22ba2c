"""Part ``outputs``: the short result of an answer, the counts in its usage, and what a call may use at most.

A *path* is a JSON Pointer (RFC 6901) in which a step may be ``*``, every item of an array, or ``*[name=value]``, those items whose
property has that value; ``*[name!=value]`` the others; ``*[name?=value]`` those whose property has that value or is not there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from kosha_connector_openai.manifest.part import Constraint, Field, Kinds, Line, Name, Part

Path = Annotated[str, Constraint(pattern=r"^(/.*)?$", max_length=200)]
JsonType = Literal["string", "integer", "number", "boolean", "object", "array"]
UsageName = Literal[
    "input",
    "output",
    "total",
    "cached",
    "cache_write",
    "reasoning",
    "audio_input",
    "audio_output",
    "image_input",
    "image_output",
    "text_input",
    "text_output",
    "seconds",
]


class _Found(Part):
    """A field that is made of what the first fitting path finds."""

    at: tuple[Path, ...]
    help: Line


class ValueField(_Found):
    """The first value that one of the paths finds, as it is; ``default`` where there is none."""

    kind: Literal["value"] = "value"
    type: JsonType | None = None
    default: Any = None


class TextField(_Found):
    """The texts that the first path with any text finds, joined; "" where there are none."""

    kind: Literal["text"]


class ParsedField(_Found):
    """The object or array that such a text is, parsed; null where it is anything else."""

    kind: Literal["json"]


class TimeField(_Found):
    """Seconds since 1970 as a date and time in UTC (RFC 3339)."""

    kind: Literal["time"]


class CountField(_Found):
    """How many items a path finds."""

    kind: Literal["count"]


class NamesField(_Found):
    """The names in an object whose values are true, sorted."""

    kind: Literal["names"]


class AnyField(_Found):
    """Whether any of the values found is true; null where none is and one is missing: a verdict that did not come is no verdict."""

    kind: Literal["any"]


class VectorsField(Part):
    """All vectors, in the order of the inputs; numbers, also where they come as base64 of little-endian 32-bit floats."""

    kind: Literal["vectors"]
    at: tuple[Path, ...]
    vector: Path
    order: Path = ""
    help: Line


class FileField(Part):
    """A file: its bytes out of base64, or its URL. ``type`` finds a media type or the name of a format, in an item or
    around it; ``default`` is one."""

    kind: Literal["file"]
    at: tuple[Path, ...]
    url: tuple[Path, ...] = ()
    type: tuple[Path, ...] = ()
    default: str = "application/octet-stream"
    name: str = "file"
    help: Line


class BodyField(Part):
    """The whole answer as a file: bytes, a text, or what was saved."""

    kind: Literal["body"]
    name: str = "file"
    help: Line


class ListField(Part):
    """A list with an object for each item found; its fields are given here or by the name of a record. ``order`` sorts by a number."""

    kind: Literal["list"]
    at: tuple[Path, ...]
    of: Name | None = None
    fields: Mapping[Name, OutputField] = Field(default_factory=dict)
    order: Path = ""
    help: Line


OutputField = Annotated[
    ValueField
    | TextField
    | ParsedField
    | TimeField
    | CountField
    | NamesField
    | AnyField
    | VectorsField
    | FileField
    | BodyField
    | ListField,
    Kinds("value"),
]
"""Most fields are values: that is the kind where none is given."""


class FinalEvent(Part):
    """The event that holds the whole answer, and where in its data."""

    type: Name
    at: Path = ""


class CallPieces(Part):
    """Pieces of a list of calls. A call is told from the others by its id; where that repeats or is missing, by its number, its name
    and whether its inputs are already whole."""

    list: Name
    id: Name = "id"
    name: tuple[Path, ...] = ()
    text: tuple[Path, ...] = Field(default=(), description="Where a call has its inputs, as a JSON text.")


class MergeEvents(Part):
    """Pieces of items, put together by their ``key``: texts of the names in ``append`` are joined, those in ``base64`` as the bytes
    that they stand for; calls are told apart by identity, items of the lists in ``numbered`` by their key; other lists go on; the rest is
    replaced, but never by an empty text. ``rename`` gives a piece's property the name that it has in a whole answer, ``set`` what events
    say of themselves the value that a whole answer has there."""

    items: Name
    key: Name = "index"
    rename: Mapping[Name, Name] = Field(default_factory=dict)
    set: Mapping[Name, Name] = Field(default_factory=dict)
    append: tuple[Name, ...] = ()
    base64: tuple[Name, ...] = ()
    numbered: tuple[Name, ...] = ()
    calls: CallPieces | None = None
    part: Name = Field(default="text", description="Type of the part, and name of its property, that a text is among parts.")


class ItemEvents(Part):
    """Items of an answer, and pieces of them, in the events before the final one. An item is found again by its id, or by its number."""

    list: Name
    key: Name
    id: Name
    base: tuple[FinalEvent, ...] = Field(default=(), description="Events with the answer as it begins.")
    begun: tuple[FinalEvent, ...] = Field(default=(), description="Events with an item that begins.")
    done: tuple[FinalEvent, ...] = Field(default=(), description="Events with a whole item.")
    part: Name = "part"
    parts: Mapping[Name, Path] = Field(
        default_factory=dict, description="Event type -> where in the item its part goes; {name} is a number of the event."
    )
    delta: Name = "delta"
    pieces: Mapping[Name, Path] = Field(default_factory=dict, description="Event type -> where in the item its text goes on.")


class StreamFold(Part):
    """How the events of a stream become the answer that would have come without one."""

    final: tuple[FinalEvent, ...] = ()
    items: ItemEvents | None = Field(default=None, description="What takes the place of a final event that did not come, or came empty.")
    collect: Mapping[Name, Name] = Field(default_factory=dict, description="Event type -> the list that each one's data goes into.")
    merge: MergeEvents | None = None
    bytes: FinalEvent | None = Field(default=None, description="Events with pieces of a file in base64.")


class Shape(Part):
    """The short result of some actions."""

    help: Line
    of: Name | None = Field(default=None, description="A record whose fields it has, before those given here.")
    fields: Mapping[Name, OutputField] = Field(default_factory=dict)
    answers: Name | None = Field(default=None, description="The field, a list, whose length says how many answers were made.")
    stream: StreamFold | None = None
    sample: Any = Field(default=None, description="A realistic answer; without one it is made from the action's schema.")


class RowPage(Part):
    """What pages of rows have in common: where the rows are, and what stands beside them."""

    rows: tuple[Path, ...] = ()
    fields: Mapping[Name, OutputField] = Field(default_factory=dict)


class Bound(Part):
    """What a call of an action may use at most. Input tokens never pass the bytes of the body, unless an input names what is not in it."""

    output: tuple[Path, ...] = Field(default=(), description="Inputs that limit the output tokens of one answer.")
    output_default: int | None = Field(default=None, description="Output tokens of one answer where none of them is given.")
    no_output: bool = Field(default=False, description="It makes no output tokens.")
    times: tuple[Path, ...] = Field(default=(), description="Inputs that say how many answers are made; the largest counts.")
    each: tuple[Path, ...] = Field(default=(), description="Inputs of which each item has answers of its own.")
    elsewhere: tuple[Path, ...] = Field(default=(), description="Inputs that bring in what is not in the request: pictures, files, tools.")


class Bundle(Part):
    """An action that takes many texts in one call and answers each: how many, in which input, and where their answers are."""

    input: Name = Field(description="The input that takes a text, or a list of texts.")
    items: Annotated[int, Constraint(ge=2, le=100_000)]
    bytes: Annotated[int, Constraint(ge=1)] = Field(default=300_000, description="Bytes of UTF-8 in one call.")
    answers: Name = Field(description="The property of the answer that lists the texts' answers.")
    index: Name | None = Field(default=None, description="The property of each that is its text's place; without it they are in order.")


class OutputsPart(Part):
    """The part ``outputs``."""

    model: Path = Field(default="/model", description="The input that names the model.")
    usage: Mapping[UsageName, tuple[Path, ...]] = Field(default_factory=dict, description="Where a usage object holds which count.")
    records: Mapping[Name, Mapping[Name, OutputField]] = Field(default_factory=dict)
    samples: Mapping[Name, Any] = Field(default_factory=dict, description="Record -> a realistic object of it.")
    shapes: Mapping[Name, Shape] = Field(default_factory=dict)
    actions: Mapping[Name, Name] = Field(default_factory=dict, description="Action -> shape.")
    singles: Mapping[Name, Name] = Field(default_factory=dict, description="Action that answers with one object -> its record.")
    tables: Mapping[Name, Name] = Field(default_factory=dict, description="Action that answers with a page of rows -> the record of a row.")
    page: RowPage = Field(default_factory=RowPage)
    bounds: Mapping[Name, Bound] = Field(default_factory=dict, description="Action -> what it may use at most.")
    together: Mapping[Name, Bundle] = Field(default_factory=dict, description="Action -> how many texts go in one call of a bulk run.")
