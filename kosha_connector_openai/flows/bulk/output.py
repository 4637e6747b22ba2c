"""Rows out: answers and failed rows as files, made anew from the ledger and the input, whole or not at all."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Literal

import orjson

from kosha_connector_openai.errors import Fault, SetupError
from kosha_connector_openai.flows.bulk.entry import RowAnswer, RowEntry, RowState
from kosha_connector_openai.flows.bulk.ledger import Ledger
from kosha_connector_openai.flows.bulk.row import changed, row_of
from kosha_connector_openai.flows.bulk.rows import digest_of
from kosha_connector_openai.text import find, install

if TYPE_CHECKING:
    from kosha_connector_openai.flows.bulk.row import Row, RowSource

Order = Literal["input", "done"]
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that spreadsheets take for a formula (OWASP, CSV injection)."""
_OTHERS: Final = frozenset({".tsv", ".xlsx", ".xls", ".ods", ".gz", ".zip"})
"""Endings that promise a form which no output has."""
_OWN: Final = {"csv": ("row", "answer"), "parquet": ("row", "key", "answer", "text")}
"""The columns that an output has beside those of the input; JSONL has the latter in an object of their own."""
_PIECE: Final = 500
Texts = Sequence[str]


def output_format(path: Path) -> str:
    """The form of an output by its name: JSONL unless it says CSV or Parquet. Raises SetupError where it says another, or pyarrow is not
    there."""
    if path.suffix.lower() in _OTHERS:
        fault = Fault("/out", "format", f"ends in {path.suffix}, and is JSONL, CSV or Parquet.", "Name it *.jsonl, *.csv or *.parquet.")
        raise SetupError("The output cannot be written.", [fault])
    kind = {".csv": "csv", ".parquet": "parquet"}.get(path.suffix.lower(), "jsonl")
    if kind == "parquet":
        try:
            import pyarrow  # noqa: F401 - whether it is there
        except ImportError:
            fault = Fault("/out", "extra", "is Parquet, and pyarrow is not installed.", install("parquet"))
            raise SetupError("The output cannot be written.", [fault]) from None
    return kind


def check_columns(out: Path, keep: Sequence[str]) -> None:
    """Raises SetupError where a column of the input that the output keeps would stand twice in it."""
    own = _OWN.get(output_format(out))
    double = [name for place, name in enumerate(keep) if own and (name in own or name in keep[:place])]
    if double:
        fault = Fault("/keep", "twice", f"has {double[0]!a}, which would stand twice in the output.", "Leave it out, or write JSONL.")
        raise SetupError("The output cannot be written.", [fault])


def failed_path(out: Path) -> Path:
    """Where the rows go that failed."""
    return out.with_name(f"{out.name}.failed.jsonl")


def export(ledger: Ledger, source: RowSource, out: Path, *, order: Order = "input", texts: Texts = (), keep: Sequence[str] = ()) -> int:
    """Writes the answers that there are to ``out``, and the rows that failed beside it; gives the number of answers.

    ``texts`` are the paths of the text in an answer, for CSV; ``keep`` are columns of the input that stand beside the answers. Raises
    InputError where these or failed rows are to be written, and the input has changed; SetupError where ``out`` cannot be written.
    """
    check_columns(out, keep)
    known = (ledger.kept("input") or {}).get("digest")
    if known and (keep or ledger.counts()[RowState.FAILED]) and known != digest_of(source):
        raise changed("has other bytes than before")
    write = {"jsonl": _json_lines, "csv": _csv, "parquet": _parquet}[output_format(out)]
    with _replacing(out) as file:
        count = write(file, _answers(ledger, source, order, keep), texts, keep)
    _failed(ledger, source, failed_path(out))
    return count


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the place of ``path`` when all of it is there; only its owner can read it."""
    temporary = path.with_name(f".{path.name}.part")
    try:
        temporary.unlink(missing_ok=True)
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        problem = error.strerror
    else:
        return
    finally:
        temporary.unlink(missing_ok=True)
    fix = "Make room and give write access, then write it anew with `bulk export`; the answers are in the ledger."
    raise SetupError("The output cannot be written.", [Fault("/out", "file", f"cannot be written: {problem}.", fix)])


Found = tuple[RowEntry, RowAnswer, dict[str, Any]]


def _answers(ledger: Ledger, source: RowSource, order: Order, keep: Sequence[str]) -> Iterator[Found]:
    rows: Callable[[RowEntry], dict[str, Any]] = lambda _: {}  # noqa: E731
    if keep:
        rows = _kept(source, keep)
    if order == "done" and not keep:
        numbers = [n for (n,) in ledger.in_order_done()]
        entries: Iterator[RowEntry] = (entry for n in numbers if (entry := ledger.entry(n)) is not None)
    else:
        entries = ledger.entries(RowState.DONE)
    for entry, answer in ledger.answers_of(entries):
        if answer.media_type and not ledger.in_place:
            ledger.write_answer(answer.facts["file"]["name"], answer.body)
        yield entry, answer, rows(entry)


def _kept(source: RowSource, keep: Sequence[str]) -> Callable[[RowEntry], dict[str, Any]]:
    rows = iter(source.rows())

    def find_row(entry: RowEntry) -> dict[str, Any]:
        row = row_of(rows, entry.n)
        return {name: row.values.get(name) for name in keep}

    return find_row


def _value(ledger_answer: RowAnswer) -> bytes:
    """The answer as JSON; of a file its name, size and type."""
    if not ledger_answer.media_type:
        return ledger_answer.body
    stored = ledger_answer.facts.get("file", {})
    return orjson.dumps({"file": stored.get("name"), "size": stored.get("size"), "content_type": ledger_answer.media_type})


def _json_lines(file: BinaryIO, found: Iterator[Found], texts: Texts, keep: Sequence[str]) -> int:
    count = 0
    for entry, answer, kept in found:
        count += 1
        head = orjson.dumps({"row": entry.n, "key": entry.key, **({"input": kept} if keep else {})})
        file.write(head[:-1] + b',"answer":' + _value(answer) + b"}\n")
    return count


def _text(answer: RowAnswer, texts: Texts) -> str:
    """The text of an answer, where it has one; else its JSON."""
    body = _value(answer)
    if isinstance(answer.facts.get("text"), str) and answer.facts["text"]:
        return str(answer.facts["text"])
    value = orjson.loads(body)
    if isinstance(value, str):
        return value
    for path in texts:
        found = "".join(part for part in find(value, path) if isinstance(part, str))
        if found:
            return found
    return body.decode()


def cell(value: Any) -> str:
    """A cell of CSV; one that spreadsheets would take for a formula is quoted by an apostrophe. Numbers stay numbers."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    text = value if isinstance(value, str) else "" if value is None else orjson.dumps(value, default=str).decode()
    return f"'{text}" if text.startswith(_FORMULA) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text[:1] in "+-" and text[1:2].isdigit()


def _csv(file: BinaryIO, found: Iterator[Found], texts: Texts, keep: Sequence[str]) -> int:
    wrapper, count = io.TextIOWrapper(file, "utf-8", newline="", write_through=True), 0
    writer = csv.writer(wrapper)
    writer.writerow(["row", *map(cell, keep), "answer"])
    for entry, answer, kept in found:
        count += 1
        writer.writerow([entry.n, *(cell(kept[name]) for name in keep), cell(_text(answer, texts))])
    wrapper.detach()
    return count


def _parquet(file: BinaryIO, found: Iterator[Found], texts: Texts, keep: Sequence[str]) -> int:
    import pyarrow as arrow
    from pyarrow import parquet

    names = ["row", "key", *keep, "answer", "text"]
    schema = arrow.schema([(name, arrow.int64() if name == "row" else arrow.string()) for name in names])
    count, piece = 0, []
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        for entry, answer, kept in found:
            count += 1
            values = {name: value if isinstance(value, str) else cell(value) for name, value in kept.items()}
            piece.append({"row": entry.n, "key": entry.key, **values, "answer": _value(answer).decode(), "text": _text(answer, texts)})
            if len(piece) == _PIECE:
                writer.write_table(arrow.Table.from_pylist(piece, schema=schema))
                piece = []
        if piece:
            writer.write_table(arrow.Table.from_pylist(piece, schema=schema))
    return count


def _failed(ledger: Ledger, source: RowSource, path: Path) -> None:
    """The rows that failed, each in the input's own form, so that the file can be an input; no file where there is none."""
    entries = ledger.entries(RowState.FAILED)
    entry = next(entries, None)
    if entry is None:
        path.unlink(missing_ok=True)
        return
    with _replacing(path) as file:
        for row in source.rows():
            if entry is None:
                return
            if row.number == entry.n:
                file.write(_form(row) + b"\n")
                entry = next(entries, None)


def _form(row: Row) -> bytes:
    return row.raw if row.raw is not None else orjson.dumps(row.values)
