"""Files of requests: which targets can go in one, the lines of a file, and what is kept of a file that is on its way."""

from __future__ import annotations

import os
import re
import secrets
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, Self

import orjson

from kosha_connector_openai.core import make_request
from kosha_connector_openai.errors import Fault, InputError
from kosha_connector_openai.flows.bulk.entry import RowEntry, RowState, damaged, unusable
from kosha_connector_openai.flows.bulk.ledger import Ledger
from kosha_connector_openai.flows.bulk.row import Start
from kosha_connector_openai.manifest.parts import BatchRules, JobKind, JobsPart
from kosha_connector_openai.schema import SchemaReader
from kosha_connector_openai.trusted_files import check_folder, open_trusted

if TYPE_CHECKING:
    from kosha_connector_openai.flows.bulk.row import Row
    from kosha_connector_openai.flows.bulk.targets import RowTarget
    from kosha_connector_openai.outputs import Prices

_KEPT: Final = "batches"
_NAME: Final = re.compile(r"batch-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class BatchTarget:
    """How a target's requests go in a file: the rules, the kind of job, the action that starts it and the path that all requests have."""

    rules: BatchRules
    job: JobKind
    start: str
    path: str


def batch_rate(batch: BatchTarget, prices: Prices | None) -> Decimal:
    """What a row in a batch costs, as a part of a call's price: by the price file, else by the connector's data."""
    return prices.batch if prices is not None and prices.batch is not None else Decimal(str(batch.rules.price))


def batch_target(target: RowTarget) -> BatchTarget:
    """Raises InputError where no kind of batch takes the target's requests, with those that it takes."""
    catalog = target.connector.catalog_of(target.connection)
    part = target.connector.part("jobs", JobsPart)
    taken: list[str] = []
    for name, rules in part.batches.items():
        start = next(iter(part.kinds[name].start))
        schema = catalog[start].input_schema
        paths = [value for each in SchemaReader(schema).parts(schema["properties"][rules.url]) for value in each.get("enum", ())]
        goes = {
            action.id: action.operation.path
            for action in catalog.values()
            if action.operation.path in paths and action.operation.method == "POST" and not action.operation.query
        }
        if target.kind == "action" and target.name in goes:
            return BatchTarget(rules, part.kinds[name], start, goes[target.name])
        taken += goes
    fix = f"Batches take {', '.join(sorted(taken))}; leave --via batch out for others." if taken else "Leave --via batch out."
    raise InputError("The rows cannot go in batches; nothing was sent.", [Fault("/target", "batch", "has no batch endpoint.", fix)])


def line_of(batch: BatchTarget, target: RowTarget, inputs: Mapping[str, Any], key: str) -> bytes:
    """A row's request as a line of the file. Raises InputError where its inputs are wrong, or cannot go in a batch."""
    refused = [name for name in batch.rules.refuse if inputs.get(name)]
    if refused:
        faults = [Fault(f"/{name}", "batch", "cannot be used in a batch.", "Leave it out, or leave --via batch out.") for name in refused]
        raise InputError("These inputs cannot go in a batch.", faults)
    action = target.connector.catalog_of(target.connection)[target.name]
    request = make_request(action, inputs, target.connection, named_files=False)
    body = getattr(request.body, "content", None)
    if not isinstance(body, bytes) or not body.startswith(b"{") or "?" in request.target:
        raise InputError("The request is no JSON object alone, and cannot go in a batch.", hint="Leave --via batch out.")
    form = batch.rules.line
    head = orjson.dumps({form.key: key, form.method: request.method, form.url: batch.path})
    return head[:-1] + b',"' + form.body.encode() + b'":' + body + b"}\n"


@dataclass(slots=True)
class RowBatch:
    """One file of rows and its job. Its rows in the ledger bear its ``name`` as their category while they are sent."""

    name: str = field(default_factory=lambda: f"batch-{secrets.token_hex(6)}")
    rows: int = 0
    start: Start = field(default_factory=Start)
    """Where the input's reader begins for its first row."""
    file: str | None = None
    """The upstream's id of the file, once that is there."""
    upload: dict[str, Any] | None = None
    """The handle of the upload in parts."""
    job: dict[str, Any] | None = None
    """The handle of the job; it is kept before the job is started."""

    @classmethod
    def read(cls, value: Mapping[str, Any]) -> Self:
        """What ``asdict`` gave. Raises SetupError where its name could be a path: the ledger may be somebody else's."""
        if not _NAME.fullmatch(value["name"]):
            raise damaged("the name of a batch was changed")
        return cls(**{**value, "start": Start(**value["start"])})


class OpenBatches:
    """The batches of a run that have not been read to their end, kept in the ledger, and the files of those that are not up yet."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.all = {each["name"]: RowBatch.read(each) for each in ledger.kept(_KEPT) or ()}

    def keep(self) -> None:
        """Keeps them as they are now. Raises SetupError."""
        self._ledger.keep(_KEPT, [asdict(batch) for batch in self.all.values()])

    def drop(self, batch: RowBatch) -> None:
        """Forgets a batch and its file."""
        self.all.pop(batch.name, None)
        self.keep()
        self.clear(batch)

    def rewind(self) -> None:
        """After the input has changed: the rows of each batch are looked for from the beginning."""
        for batch in self.all.values():
            batch.start = Start()
        if self.all:
            self.keep()

    @property
    def folder(self) -> Path:
        """Where the files are made; only this user can."""
        return self._ledger.path.with_name(f"{self._ledger.path.name}.batches")

    def place(self, batch: RowBatch) -> Path:
        """Where a batch's file is made."""
        return self.folder / f"{batch.name}.jsonl"

    def whole(self, batch: RowBatch) -> Path:
        """A batch's file, to be sent. Raises SetupError where somebody else could have put it there."""
        place = self.place(batch)
        try:
            check_folder(self.folder)
            os.close(open_trusted(place))
        except OSError as error:
            raise unusable(error) from None
        return place

    def clear(self, batch: RowBatch) -> None:
        """Deletes a batch's file, and the folder with the last one."""
        self.place(batch).unlink(missing_ok=True)
        self._tidy()

    def _tidy(self) -> None:
        with suppress(OSError):
            self.folder.rmdir()

    def recover(self) -> None:
        """After a process has ended: rows whose file was never whole wait again, and so do those whose file is gone and was not sent.

        Raises SetupError where somebody else could have filled the folder.
        """
        if os.path.lexists(self.folder):
            try:
                check_folder(self.folder)
            except OSError as error:
                raise unusable(error) from None
        for batch in list(self.all.values()):
            if batch.file is None and batch.job is None and not self.place(batch).is_file():
                self.all.pop(batch.name)
        lost = []
        found: Counter[str] = Counter()
        for entry in self._ledger.entries(RowState.SENT):
            found[entry.category] += 1
            if entry.category not in self.all:
                lost.append(entry)
        for batch in self.all.values():
            batch.rows = found[batch.name]
        self.keep()
        for entry in lost:
            entry.state, entry.category, entry.tries = RowState.PENDING, "", max(0, entry.tries - 1)
        self._ledger.commit(moved=[(entry, None) for entry in lost])
        for path in self.folder.glob("batch-*.jsonl"):
            if path.stem not in self.all:
                path.unlink()
        self._tidy()


@dataclass
class BatchFile:
    """A file that is being written: its rows, in order."""

    batch: RowBatch
    path: Path
    rows: list[tuple[RowEntry, Row]] = field(default_factory=list)
    size: int = 0
    items: int = 0
    _file: IO[bytes] | None = None

    def add(self, entry: RowEntry, row: Row, line: bytes, items: int) -> None:
        """Writes a row's line. Raises SetupError where it cannot be."""
        try:
            if self._file is None:
                self.path.parent.mkdir(mode=0o700, exist_ok=True)
                check_folder(self.path.parent)
                self._file = os.fdopen(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
                self.batch.start = Start(row.number - 1, row.line - 1, row.place)
            self._file.write(line)
        except OSError as error:
            raise unusable(error) from None
        self.rows.append((entry, row))
        self.size += len(line)
        self.items += items

    def close(self) -> None:
        """Makes the file last. Raises SetupError."""
        file, self._file = self._file, None
        if file is None:
            return
        try:
            with file:
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise unusable(error) from None
        self.batch.rows = len(self.rows)


def open_batches(ledger: Ledger) -> list[RowBatch]:
    """The batches of a run that have not been read to their end."""
    return list(OpenBatches(ledger).all.values())
