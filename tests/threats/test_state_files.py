"""Row B28 and its kind: files of ours that somebody else could have put there, and what is in those that came from somebody else."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner

from kosha_connector_openai import Connector
from kosha_connector_openai.cli.app import make_app
from kosha_connector_openai.cli.exit_codes import ExitCode
from kosha_connector_openai.errors import ConnectorPackageError, SetupError
from kosha_connector_openai.flows.bulk import Bulk, RowAnswer, RowBatch, RowOptions, RowState, SqliteLedger
from kosha_connector_openai.flows.bulk.batch_file import BatchFile, OpenBatches
from kosha_connector_openai.flows.bulk.entry import digest
from kosha_connector_openai.flows.bulk.row import Row
from kosha_connector_openai.packages import PackageStore, build_wheel, read_wheel
from kosha_connector_openai.trusted_files import replace_trusted
from tests.gateway import ROOT
from tests.recorder import Recorder, reply
from tests.unit.packages.tampering import TIDES

WORDS = b"WORDS-OF-A-PRIVATE-FILE"


@pytest.fixture
def store(tmp_path: Path) -> PackageStore:
    """A store with one package."""
    found = PackageStore(tmp_path / "store")
    name, data = build_wheel(TIDES)
    found.put(read_wheel(data, name))
    return found


def moved(path: Path) -> None:
    """A link in place of what was there."""
    path.rename(target := path.with_name(f"{path.name}-elsewhere"))
    path.symlink_to(target)


HARM: dict[str, Callable[[Path], None]] = {"loose": lambda path: path.chmod(path.stat().st_mode | 0o022), "link": moved}


@pytest.mark.parametrize("harm", HARM)
@pytest.mark.parametrize("part", [".", "tides", "tides/current", "tides/versions", "version", "version/kosha.json"])
def test_b28_a_package_that_others_could_change_is_not_used(store: PackageStore, part: str, harm: str) -> None:
    """Which version counts, and what it is, say files of this user alone in folders that nobody else may fill."""
    found = store.find("tides")
    assert found is not None
    HARM[harm](store.folder / part if not part.startswith("version") else found.place / part.partition("/")[2])
    with pytest.raises(ConnectorPackageError, match="not used") as caught:
        store.find("tides")
    assert [fault.rule for fault in caught.value.faults] == ["trust"]


def test_b28_the_lock_of_the_packages_is_no_link(store: PackageStore, tmp_path: Path) -> None:
    """Nothing is opened or made where a link leads."""
    (store.folder / ".lock").unlink()
    (store.folder / ".lock").symlink_to(tmp_path / "made")
    with pytest.raises(OSError, match="link"):
        store.rollback("tides")
    assert not (tmp_path / "made").exists()


def test_b28_a_file_takes_the_place_of_a_link(tmp_path: Path) -> None:
    """And what the link led to stays as it was; the new file is its owner's alone."""
    (victim := tmp_path / "victim").write_bytes(WORDS)
    (path := tmp_path / "state").symlink_to(victim)
    replace_trusted(path, b"new")
    assert (path.read_bytes(), path.is_symlink(), path.stat().st_mode & 0o777, victim.read_bytes()) == (b"new", False, 0o600, WORDS)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["state", "victim"]


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A ledger that somebody else made: its one answer lies in a file, and its output is a file of this user's."""
    rows = tmp_path / "rows.jsonl"
    rows.write_bytes(b'{"input":"x"}\n')
    (tmp_path / "victim").write_bytes(WORDS)
    options = {"order": "input", "keep": [], "format": "jsonl"}
    settings = {"target": "createResponse", "input": str(rows), "out": str(tmp_path / "victim"), "options": options}
    path = tmp_path / "out.jsonl.ledger"
    with SqliteLedger(path, new=True) as ledger:
        ledger.add([(1, b"1" * 16)], {"settings": settings})
        (entry,) = ledger.entries()
        entry.state, entry.done = RowState.DONE, 1
        ledger.commit(moved=[(entry, RowAnswer(b"RIFF", {}, "audio/wav"))])
    return path


def test_b7_a_ledger_says_no_place_of_its_output(foreign: Path, tmp_path: Path) -> None:
    """The output is beside the ledger, whatever that says; one that came from elsewhere writes over nothing."""
    done = CliRunner().invoke(make_app(), ["bulk", "export", str(foreign), "--json"])
    assert json.loads(done.stdout)["out"] == str(tmp_path / "out.jsonl")
    assert (tmp_path / "victim").read_bytes() == WORDS
    assert orjson.loads((tmp_path / "out.jsonl").read_bytes())["row"] == 1


@pytest.mark.parametrize("name", ["../victim", "/etc/hostname", "..", "1.wav/../../victim"])
def test_b7_an_answer_of_a_ledger_is_no_path(foreign: Path, name: str) -> None:
    """Its file is in the ledger's own folder: no other is read as an answer."""
    with SqliteLedger(foreign) as ledger:
        file = {"name": name, "size": len(WORDS), "digest": digest(WORDS).hex(), "type": "audio/wav"}
        facts = orjson.dumps({"file": file})
        with ledger.transaction() as base:
            base.execute("UPDATE answers SET facts = ?, sum = ?", (facts, digest(b"1|%s|" % facts)))
        with pytest.raises(SetupError, match="damaged"):
            ledger.answer(1)


@pytest.mark.parametrize("part", ["folder", "file"])
def test_b28_an_answer_is_no_link(foreign: Path, part: str) -> None:
    """Neither its folder nor its file."""
    with SqliteLedger(foreign) as ledger:
        moved(ledger.folder if part == "folder" else next(ledger.folder.iterdir()))
        with pytest.raises(SetupError, match="cannot be used"):
            ledger.answer(1)


@pytest.mark.parametrize("name", ["../victim", "/etc/hostname", "batch-0/../../victim", ""])
def test_b7_a_batch_of_a_ledger_is_no_path(foreign: Path, name: str, tmp_path: Path) -> None:
    """Its file would be sent, and deleted then: the ledger is refused before anything is."""
    (tmp_path / "victim.jsonl").write_bytes(WORDS)
    with SqliteLedger(foreign) as ledger:
        ledger.keep("batches", [asdict(RowBatch()) | {"name": name}])
        with pytest.raises(SetupError, match="damaged"):
            OpenBatches(ledger)
    assert (tmp_path / "victim.jsonl").read_bytes() == WORDS


@pytest.mark.parametrize("harm", HARM)
@pytest.mark.parametrize("part", ["folder", "file"])
def test_b28_a_batch_is_no_link(foreign: Path, part: str, harm: str) -> None:
    """Nothing is sent from a folder that others may fill, nor is anything there deleted."""
    with SqliteLedger(foreign) as ledger:
        batch, found = RowBatch(), OpenBatches(ledger)
        file = BatchFile(batch, found.place(batch))
        file.add(next(iter(ledger.entries())), Row(1, 1, {}), b"{}\n", 1)
        file.close()
        found.all[batch.name] = batch
        assert found.whole(batch).read_bytes() == b"{}\n"
        HARM[harm](found.folder if part == "folder" else found.place(batch))
        with pytest.raises(SetupError, match="cannot be used"):
            found.whole(batch)
        if part == "folder":
            found.all.clear()
            with pytest.raises(SetupError, match="cannot be used"):
                found.recover()
        assert found.place(batch).read_bytes() == b"{}\n"


@pytest.mark.parametrize("run", ['x"; DROP SCHEMA public CASCADE; --', "X", "", "a" * 53, "-a", "a\n"])
def test_b7_a_run_of_a_ledger_is_a_name(tmp_path: Path, run: str) -> None:
    """It becomes a part of statements: a file that came from elsewhere says none, and no database is asked."""
    path = tmp_path / "out.jsonl.ledger"
    replace_trusted(path, orjson.dumps({"kind": "kosha-bulk-run", "ledger": "env:HOME", "run": run}))
    done = CliRunner().invoke(make_app(), ["bulk", "status", str(path)])
    assert done.exit_code == ExitCode.SETUP
    assert "no name of a run" in done.output


@pytest.mark.parametrize("number", ["0", "1", "x"])
def test_b28_a_lock_names_a_process_and_no_group(foreign: Path, number: str) -> None:
    """`bulk cancel` ends the process that works on the run, and never all of its own group."""
    import fcntl

    lock = foreign.with_name(f"{foreign.name}.lock")
    lock.write_text(number)
    with lock.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = CliRunner().invoke(make_app(), ["bulk", "cancel", str(foreign)])
    assert done.exit_code == ExitCode.SETUP
    assert "is not known" in done.output


BESIDE = ("", ".ledger", ".ledger.lock", ".ledger-wal", ".ledger-shm", ".ledger-journal", ".failed.jsonl", ".input")


def test_b28_nothing_beside_an_output_leads_to_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Links and second names of every file of a run, put there before it: what they lead to stays as it is, whatever becomes of the run."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789abcdefghij")
    harmed = []
    with (
        Recorder(reply(200, {"choices": [{"text": "yes", "index": 0, "finish_reason": "stop"}]})) as upstream,
        Connector(ROOT) as connector,
    ):
        connection = connector.connection({"server_url": upstream.url, "api_key": "env:OPENAI_API_KEY"}, validation="warn")
        for end, link in itertools.product(BESIDE, (Path.symlink_to, Path.hardlink_to)):
            place = tmp_path / f"{link.__name__}{end}"
            place.mkdir()
            kept = place / "kept"
            kept.write_text("precious")
            link(place / f"out.jsonl{end}", kept)
            with contextlib.suppress(SetupError):
                Bulk(connector, connection).run(
                    "createCompletion", [{"prompt": "x"}], place / "out.jsonl", RowOptions(fixed={"model": "m"})
                )
            harmed += [place.name] if kept.read_text(errors="replace") != "precious" else []
    assert harmed == []
    assert upstream.requests
