"""The files of a run: its output, the ledger beside it, and rows that came in no file."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from kosha_connector_openai.errors import Fault, SetupError
from kosha_connector_openai.flows.bulk.keys import read_share
from kosha_connector_openai.flows.bulk.ledger import Ledger
from kosha_connector_openai.flows.bulk.opening import exists, has_run, ledger_of, open_ledger
from kosha_connector_openai.flows.bulk.output import failed_path, output_format
from kosha_connector_openai.flows.bulk.row import refused
from kosha_connector_openai.text import MIB


def output_of(ledger: Path) -> Path:
    """The output beside a ledger. Where one says that it is does not count: it may be somebody else's, or have been moved."""
    return ledger.with_name(ledger.name.removesuffix(".ledger"))


def shared_name(out: Path, share: str | None) -> Path:
    """The output of one share: ``out.3-of-16.jsonl``."""
    part, parts = read_share(share)
    return out.with_name(f"{out.stem}.{part + 1}-of-{parts}{out.suffix}") if share and out.name else out


def check_places(out: Path, ledger: Path) -> None:
    """Raises SetupError where something is in the way of a new run, or nothing can be written."""
    output_format(out)
    if out.name == "-":
        fix = "Name a file: the run's ledger lies beside it, so that it can go on."
        raise SetupError("The output cannot be written; nothing was sent.", [Fault("/out", "file", "is standard output.", fix)])
    if not out.parent.is_dir():
        raise SetupError(
            "The output cannot be written.", [Fault("/out", "folder", "lies in a folder that is not there.", "Make the folder.")]
        )
    _try_folder(out.parent)
    try:
        if has_run(ledger):
            raise exists("/ledger", ledger, "is the ledger of a run")
        for path in (out, failed_path(out)):
            if path.exists():
                raise exists("/out", path, "is there already")
    except OSError as error:
        reason = error.strerror
    else:
        return
    raise SetupError(
        "The output cannot be written; nothing was sent.", [Fault("/out", "file", f"cannot be made: {reason}.", "Name another output.")]
    )


def _try_folder(folder: Path) -> None:
    """Raises SetupError where no file can be made in a folder; its mode does not tell, since some hold what the system makes alone."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return
    except OSError as error:
        reason = error.strerror
    fault = Fault("/out", "folder", f"lies in a folder where no file can be made: {reason}.", "Name an output in a folder of yours.")
    raise SetupError("The output cannot be written; nothing was sent.", [fault])


def spooled(rows: BinaryIO | Iterable[Mapping[str, Any]], out: Path) -> Path:
    """The rows as a file beside the output, so that the run can go on later; only its owner can read it."""
    if out.name == "-":
        descriptor, name = tempfile.mkstemp(prefix="kosha-rows-")
        path = Path(name)
    else:
        path = out.with_name(f"{out.name}.input")
        try:
            path.unlink(missing_ok=True)  # the name alone: it may lead to another file
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            fault = Fault("/out", "file", f"{path.name} cannot be written: {error.strerror}.")
            raise SetupError("The rows cannot be kept.", [fault]) from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            if hasattr(rows, "read"):
                _copy(rows, file)
            else:
                _write_rows(file, rows)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


def _copy(rows: Any, file: BinaryIO) -> None:
    if isinstance(rows, io.TextIOBase):
        raise refused("/input", "type", "is a file that was opened for text.", 'Open it with "rb", or give its path.')
    shutil.copyfileobj(rows, file, MIB)


def _write_rows(file: BinaryIO, rows: Iterable[Mapping[str, Any]]) -> None:
    if not isinstance(rows, Iterable):
        raise refused("/input", "type", "is no iterable.", "Give a path, an open binary file, or an iterable of mappings.")
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


def open_run(path: Path) -> Ledger:
    """The ledger of a run, to look at; another process may work on it meanwhile."""
    return open_ledger(ledger_of(path), read_only=True)


def kept_options(settings: Mapping[str, Any]) -> Sequence[str]:
    """The columns that a run's output keeps."""
    return tuple(settings["options"]["keep"])
