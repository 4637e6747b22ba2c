"""The files of a run: its output, the ledger beside it, and rows that came in no file."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

import orjson

from kosha_connector_openai.errors import Fault, SetupError
from kosha_connector_openai.flows.bulk.keys import read_share
from kosha_connector_openai.flows.bulk.ledger import Ledger, Sync
from kosha_connector_openai.flows.bulk.output import failed_path, output_format
from kosha_connector_openai.flows.bulk.row import RowSource, refused
from kosha_connector_openai.flows.bulk.rows import open_source
from kosha_connector_openai.flows.bulk.sqlite import SqliteLedger


def ledger_of(path: Path) -> Path:
    """The ledger of an output; a ledger's own path stays as it is."""
    return path if path.name.endswith(".ledger") else path.with_name(f"{path.name}.ledger")


def shared_name(out: Path, share: str | None) -> Path:
    """The output of one share: ``out.3-of-16.jsonl``."""
    part, parts = read_share(share)
    return out.with_name(f"{out.stem}.{part + 1}-of-{parts}{out.suffix}") if share else out


def check_places(out: Path, ledger: Path) -> None:
    """Raises SetupError where something is in the way of a new run, or nothing can be written."""
    output_format(out)
    if not out.parent.is_dir():
        raise SetupError(
            "The output cannot be written.", [Fault("/out", "folder", "lies in a folder that is not there.", "Make the folder.")]
        )
    if ledger.exists() and ledger.stat().st_size:
        with open_ledger(ledger, read_only=True) as found:
            if found.kept("settings") is not None:
                raise exists("/ledger", ledger, "is the ledger of a run")
    for path in (out, failed_path(out)):
        if path.exists():
            raise exists("/out", path, "is there already")
    if not os.access(out.parent, os.W_OK):
        raise SetupError("The output cannot be written.", [Fault("/out", "folder", "lies in a folder that you may not write to.")])


def exists(pointer: str, path: Path, what: str) -> SetupError:
    """The error for a file that a new run would write over."""
    fix = "Go on with `bulk resume`, name another output, or move it away."
    return SetupError("A run would write over what is there; nothing was sent.", [Fault(pointer, "exists", f"{path.name} {what}.", fix)])


def spooled(rows: BinaryIO | Iterable[Mapping[str, Any]], out: Path) -> Path:
    """The rows as a file beside the output, so that the run can go on later; only its owner can read it."""
    import tempfile

    if out.name == "-":
        descriptor, name = tempfile.mkstemp(prefix="kosha-rows-")
        path = Path(name)
    else:
        path = out.with_name(f"{out.name}.input")
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0), 0o600)
        except OSError as error:
            fault = Fault("/out", "file", f"{path.name} cannot be written: {error.strerror}.")
            raise SetupError("The rows cannot be kept.", [fault]) from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            if hasattr(rows, "read"):
                shutil.copyfileobj(cast("BinaryIO", rows), file, 1024 * 1024)
            else:
                _write_rows(file, rows)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


def _write_rows(file: BinaryIO, rows: Iterable[Mapping[str, Any]]) -> None:
    for number, row in enumerate(rows, 1):
        if not isinstance(row, Mapping):
            raise refused(f"/line/{number}", "type", "is no mapping.", "Give each row as a mapping from column to value.")
        try:
            file.write(orjson.dumps(dict(row)) + b"\n")
        except (TypeError, ValueError):
            fault = refused(f"/line/{number}", "type", "has a value that is not JSON.", "Give files by path, with --map FIELD=@COLUMN.")
        else:
            continue
        raise fault


def drop_spool(path: Path | None) -> None:
    """Deletes a file of rows, where there is one."""
    if path is not None:
        path.unlink(missing_ok=True)


def open_ledger(path: Path, *, sync: Sync = "normal", read_only: bool = False) -> Ledger:
    """The ledger that is at ``path``. Raises SetupError where it cannot be used."""
    return SqliteLedger(path, sync=sync, read_only=read_only)


def new_ledger(path: Path, *, sync: Sync = "normal") -> Ledger:
    """A ledger for a new run. Raises SetupError where there is one."""
    ledger = SqliteLedger(path, sync=sync, new=True)
    if ledger.kept("settings") is None:
        return ledger
    ledger.close()
    raise exists("/ledger", path, "is the ledger of a run")


def open_run(path: Path) -> Ledger:
    """The ledger of a run, to look at; another process may work on it meanwhile."""
    return open_ledger(ledger_of(path), read_only=True)


def source_of(settings: Mapping[str, Any]) -> RowSource:
    """The input of a run, by its settings."""
    return open_source(Path(settings["input"]), settings["options"]["format"])


def kept_options(settings: Mapping[str, Any]) -> Sequence[str]:
    """The columns that a run's output keeps."""
    return tuple(settings["options"]["keep"])
