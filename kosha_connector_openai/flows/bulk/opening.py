"""Which ledger a run has: SQLite in a file beside its output, or a file there that names a database by a secret reference."""

from __future__ import annotations

import os
import re
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from kosha_connector_openai.errors import Fault, SetupError
from kosha_connector_openai.flows.bulk.keys import read_share
from kosha_connector_openai.flows.bulk.ledger import Ledger, Sync
from kosha_connector_openai.flows.bulk.sqlite import SqliteLedger
from kosha_connector_openai.flows.operator_secret import operator_secret
from kosha_connector_openai.secrets import Secret
from kosha_connector_openai.trusted_files import open_trusted, read_trusted

if TYPE_CHECKING:
    from kosha_connector_openai.flows.bulk.postgres import PostgresLedger

_KIND: Final = "kosha-bulk-run"
_LONGEST: Final = 4096
_LISTED: Final = 20
"""Shares that are named one by one."""


def exists(pointer: str, path: Path, what: str) -> SetupError:
    """The error for a file that a new run would write over."""
    fix = "Go on with `bulk resume`, name another output, or move it away."
    return SetupError("A run would write over what is there; nothing was sent.", [Fault(pointer, "exists", f"{path.name} {what}.", fix)])


def ledger_of(path: Path) -> Path:
    """The ledger of an output; a ledger's own path stays as it is. Raises SetupError for a path that ends in no name, as ``.`` does."""
    if not path.name:
        raise SetupError("The run has no output.", [Fault("/out", "file", "names no file.", "Name one.")])
    return path if path.name.endswith(".ledger") else path.with_name(f"{path.name}.ledger")


def open_ledger(path: Path, *, sync: Sync = "normal", read_only: bool = False) -> Ledger:
    """The ledger at ``path``, or the one in a database that the file there names. Raises SetupError where it cannot be used."""
    _check_shares(path)
    named = _named(path)
    return SqliteLedger(path, sync=sync, read_only=read_only) if named is None else shared_ledger(*named, path=path, read_only=read_only)


def has_run(path: Path) -> bool:
    """Whether a run was begun in the ledger at ``path``. Raises SetupError and OSError where that cannot be told."""
    if not path.exists() or not path.stat().st_size:
        return False
    try:
        with open_ledger(path, read_only=True) as found:
            return found.kept("settings") is not None
    except SetupError as error:
        if any(fault.rule == "empty" for fault in error.faults):
            return False
        raise


def check_copy(ledger: Ledger) -> None:
    """Raises SetupError where the ledger is a copy, and the one that the run began with is there still: both would send the rows that wait.

    One that was moved, mounted elsewhere or restored is taken.
    """
    name = ledger.kept("id")
    if name is None or not ledger.in_place:
        return
    first = ledger_of(Path(ledger.kept("settings")["out"]))
    try:
        if first.samefile(ledger.path):
            return
        with open_ledger(first, read_only=True) as other:
            is_copy = other.kept("id") == name
    except (OSError, SetupError):  # it is not there, or is none
        return
    if is_copy:
        fault = Fault("/ledger", "copy", f"is a copy of {first}.", "Go on with that one; or move it away, and go on with this.")
        raise SetupError("The run has two ledgers, by which rows would be sent twice; nothing was sent.", [fault])


def new_ledger(path: Path, out: Path, *, sync: Sync = "normal", reference: str | None = None, share: str | None = None) -> Ledger:
    """A ledger for a new run over ``out``: at ``path``, or in the database of the DSN that ``reference`` stands for.

    Raises SetupError where there is one already.
    """
    run = run_name(out, share)
    ledger = SqliteLedger(path, sync=sync, new=True) if reference is None else shared_ledger(reference, run, path=path, new=True)
    try:
        if ledger.kept("settings") is not None:
            raise exists("/ledger", path, "is the ledger of a run" if reference is None else f"has a run in this database: {run}")
        if reference is not None:
            _name(path, reference, run)
    except BaseException:
        ledger.close()
        raise
    return ledger


def shared_ledger(reference: str, run: str, *, path: Path = Path("run.ledger"), **how: Any) -> PostgresLedger:
    """The ledger of ``run`` in the database of the DSN that ``reference`` stands for; ``how`` is as for PostgresLedger.

    Raises what dsn_of and PostgresLedger raise.
    """
    from kosha_connector_openai.flows.bulk.postgres import PostgresLedger

    return PostgresLedger(path, dsn_of(reference), run, **how)


def dsn_of(reference: str) -> Secret:
    """The DSN that ``reference`` stands for. Raises SetupError for a DSN in its place, and what secret stores raise."""
    fault = None
    if reference.startswith(("postgres:", "postgresql:")):
        fault = Fault("/ledger", "reference", "is a DSN, which may hold a password.", "Put it in a variable and give --ledger env:NAME.")
    elif ":" not in reference:
        fault = Fault("/ledger", "reference", "is no secret reference.", "Give --ledger env:NAME, or file:/run/secrets/NAME.")
    if fault is not None:
        raise SetupError("The ledger cannot be used; nothing was sent.", [fault])
    return operator_secret(reference)


def run_name(out: Path, share: str | None) -> str:
    """The name of a run in a database: that of its output, the same for all its processes, and then the share."""
    stem = re.sub("[^a-z0-9]+", "-", out.stem.lower()).strip("-")[:24]
    part, parts = read_share(share)
    end = f".{part + 1}-of-{parts}" if share else ""
    return f"{stem or 'run'}-{blake2b(str(out.absolute()).encode(), digest_size=4).hexdigest()}{end}"


def _check_shares(path: Path) -> None:
    """Raises SetupError for the output of a run of which only shares are there, and names theirs."""
    out = Path(path.name.removesuffix(".ledger"))
    form = re.compile(rf"{re.escape(out.stem)}\.(\d+)-of-\d+{re.escape(out.suffix)}\.ledger")
    try:
        names = [] if path.exists() else [each.name for each in path.parent.iterdir()]
    except OSError:  # whoever opens the ledger says what is wrong
        return
    found = sorted((int(match[1]), name) for name in names if (match := form.fullmatch(name)))
    if found:
        listed = ", ".join(name.removesuffix(".ledger") for _, name in found[:_LISTED])
        more = f" and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
        fault = Fault("/ledger", "share", f"is not there; its shares are {listed}{more}.", "Name one of them.")
        raise SetupError("The run has been shared; each share has an output and a ledger of its own.", [fault])


def _name(path: Path, reference: str, run: str) -> None:
    with os.fdopen(open_trusted(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb") as file:
        file.write(orjson.dumps({"kind": _KIND, "ledger": reference, "run": run}) + b"\n")


def _named(path: Path) -> tuple[str, str] | None:
    """The reference and the run that a file names; None where it is no such file."""
    try:
        with path.open("rb") as file:
            if file.read(1) != b"{":
                return None
        found = orjson.loads(read_trusted(path, _LONGEST))
        if found["kind"] == _KIND:
            return str(found["ledger"]), str(found["run"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise SetupError("The file is no ledger.", [Fault("/ledger", "kind", "names no run.", "Name a run's ledger or output.")])
