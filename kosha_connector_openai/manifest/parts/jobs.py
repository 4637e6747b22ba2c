"""The part ``jobs``: what starts a long job, how one asks for its state, which states end it, how it is cancelled and what it leaves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from kosha_connector_openai.manifest.part import Constraint, Field, Part

Name = Annotated[str, Constraint(min_length=1, max_length=200)]
Line = Annotated[str, Constraint(min_length=1, max_length=2_000)]
Pointer = Annotated[str, Constraint(pattern=r"^(/.*)?$", max_length=200)]
Seconds = Annotated[float, Constraint(gt=0, le=86_400)]
End = Literal["success", "failure", "cancelled", "expired", "incomplete", "needs_action"]
"""How a job can end; with ``needs_action`` it waits for somebody, so that waiting for it ends."""


class StartRule(Part):
    """When an action starts a job: always, or where the input at ``when`` is set: true, or a value that is not empty.
    ``refuse`` names inputs that must not be true."""

    when: Pointer | None = None
    refuse: tuple[Name, ...] = ()


class Poll(Part):
    """When to ask: after ``start`` seconds, then each time ``factor`` later, at most ``cap``; ``tolerate`` failures in a row."""

    start: Seconds = 1
    factor: float = Field(default=1.5, ge=1, le=10)
    cap: Seconds = 30
    tolerate: int = Field(default=10, ge=0)


class Hint(Part):
    """A header in which the server says when to ask again."""

    header: Name
    unit: Literal["s", "ms"] = "s"


class Progress(Part):
    """Pointers into a status answer. ``percent`` is 0 to 100; the others are counts, ``left`` of those still to do."""

    percent: Pointer | None = None
    done: tuple[Pointer, ...] = ()
    total: Pointer | None = None


class Lookup(Part):
    """How to find a job whose creation got no answer: ``action`` lists jobs, ``mark`` is the object input that carries our mark."""

    action: Name
    mark: Name = Field(description="The input of the start action, and the property of the listed objects, that holds free text by name.")
    room: int = Field(default=16, ge=1, description="How many names it holds.")


class Value(Part):
    """The result is a value in the last status answer: the first pointer that finds one."""

    kind: Literal["value"]
    pointers: tuple[Pointer, ...]


class Text(Part):
    """The result is the text of the last status answer, where the manifest's result rules find it."""

    kind: Literal["text"]


class File(Part):
    """The result is what ``action`` answers, a file."""

    kind: Literal["file"]
    action: Name


class Items(Part):
    """The result is a list, read to its end; ``inputs`` are given to ``action`` besides the job's ids."""

    kind: Literal["items"]
    action: Name
    inputs: Mapping[Name, str] = Field(default_factory=dict)


class Lines(Part):
    """The result is files of JSON lines, matched with the lines of the input file by their key.

    ``files`` and ``order`` point to file ids in the status answer; ``download`` is the action that gives a file, ``input`` its input.
    """

    kind: Literal["lines"]
    files: tuple[Pointer, ...]
    order: Pointer | None = None
    download: Name
    input: Name
    key: Pointer
    status: Pointer | None = Field(default=None, description="The HTTP status of one line's answer.")
    request: Pointer | None = Field(default=None, description="The id of one line's request.")
    body: Pointer = ""
    error: tuple[Pointer, ...] = ()


Outcome = Annotated[Value | Text | File | Items | Lines, Constraint(discriminator="kind")]


class JobKind(Part):
    """One kind of job. The ids that ``status`` takes come from the start action's answer (``ids``) and from its inputs (``keep``)."""

    title: Line
    start: Mapping[Name, StartRule]
    status: Name
    ids: Mapping[Name, Pointer]
    keep: tuple[Name, ...] = ()
    state: Pointer = "/status"
    running: tuple[Name, ...] = Field(default=(), description="States in which it goes on; one that nothing names counts as such, too.")
    ends: Mapping[Name, End]
    error: tuple[Pointer, ...] = Field(default=(), description="Where the status answer says why it failed.")
    poll: Poll = Field(default_factory=Poll)
    progress: Progress | None = None
    events: Name | None = Field(default=None, description="The action that lists what has happened.")
    cancel: Name | None = None
    proceed: Name | None = Field(default=None, description="The action that gives a job what it waits for.")
    lookup: Lookup | None = None
    result: Outcome | None = None


class UploadKind(Part):
    """A large file sent in parts: ``create``, then ``part`` for each piece, then ``finish``.

    ``facts`` says which inputs of ``create`` take the file's name, size and content type.
    """

    title: Line
    create: Name
    facts: Mapping[Name, Literal["name", "size", "content_type"]]
    ids: Mapping[Name, Pointer]
    part: Name
    data: Name = Field(description="The input of ``part`` that takes the piece.")
    part_id: Pointer = "/id"
    size: int = Field(ge=1, description="The largest piece, in bytes.")
    at_once: int = Field(default=3, ge=1, le=32, description="How many pieces go up at the same time.")
    largest: int = Field(default=8 * 1024**3, ge=1, description="The largest file, in bytes.")
    finish: Name
    order: Name = Field(description="The input of ``finish`` that takes the ids of the parts in the file's order.")
    md5: Name | None = Field(default=None, description="The input of ``finish`` that takes the file's MD5 in hexadecimal.")
    cancel: Name | None = None
    result: Pointer = ""
    lookup: Name | None = Field(default=None, description="The action that lists whole files, for a finish that got no answer.")
    same: Mapping[Pointer, Literal["name", "size"]] = Field(default_factory=dict, description="What makes a listed file this one.")


class LineFile(Part):
    """How a file of lines reaches the upstream: by ``action``, whose input ``data`` takes it; one that is larger than a part goes up in
    parts, as the upload ``parts``. ``inputs`` are given to the one and the other."""

    action: Name
    data: Name
    inputs: Mapping[Name, str] = Field(default_factory=dict)
    id: Pointer = "/id"
    parts: Name | None = None


class LineForm(Part):
    """The names of a line's properties."""

    key: Name
    method: Name
    url: Name
    body: Name


class FileErrors(Part):
    """What the status answer of a refused file says: at ``at`` are its errors, each with a ``code`` and a ``line``, counted from 1."""

    at: Pointer
    code: Name = "code"
    line: Name = "line"


class BatchRules(Part):
    """How many requests go up in one file: one job of a kind whose result is lines. The input ``url`` of its start action says, by its
    values in the description, which paths can go."""

    file: LineFile
    input: Name = Field(description="The input of the start action that takes the file's id.")
    url: Name = Field(description="The input of the start action that takes the path of all requests.")
    inputs: Mapping[Name, str] = Field(default_factory=dict, description="Its other inputs.")
    line: LineForm
    lines: int = Field(ge=1, description="The most lines of a file.")
    bytes: int = Field(ge=1, description="The most bytes of a file.")
    items: Mapping[Name, Name] = Field(default_factory=dict, description="Action -> the input whose items count as lines do.")
    refuse: tuple[Name, ...] = Field(default=(), description="Inputs that must not be true.")
    errors: FileErrors
    full: tuple[str, ...] = Field(default=(), description="Codes that say that too much waits already: the same file is taken later.")
    again: tuple[str, ...] = Field(default=(), description="Codes of a line's error that say that it has not run.")
    price: float = Field(default=1, ge=0, le=1, description="What a line costs, as a part of a call's price; a price file may say another.")
    at_once: int = Field(default=10, ge=1, le=100, description="How many files go on at the same time.")
    settle: Seconds = Field(default=60, description="For how long a start whose answer was lost is looked for.")


class JobsPart(Part):
    """A whole ``jobs.yaml``."""

    hints: tuple[Hint, ...] = Field(default=(), description="Headers of a status answer that say when to ask again; the first one counts.")
    hint_cap: Seconds = Field(default=300, description="The longest wait that a server may ask for.")
    kinds: Mapping[Name, JobKind] = Field(default_factory=dict)
    uploads: Mapping[Name, UploadKind] = Field(default_factory=dict)
    batches: Mapping[Name, BatchRules] = Field(default_factory=dict, description="Kind of job -> how requests go in its file.")

    def starts(self, action: str) -> tuple[str, JobKind] | None:
        """The kind of job that an action may start, with its name."""
        return next(((name, kind) for name, kind in self.kinds.items() if action in kind.start), None)
