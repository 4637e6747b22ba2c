"""The ledger: damage is named or harmless, and a write that fails stops the run and costs nothing."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from kosha_connector_openai.errors import SetupError
from kosha_connector_openai.flows.bulk import RowAnswer, RowEntry, RowState, SqliteLedger
from tests.unit.flows.bulk.conftest import Upstream, prompts, texts

ROWS = 40


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A ledger with rows in every state."""
    path = tmp_path / "whole.ledger"
    with SqliteLedger(path, new=True) as ledger:
        ledger.add(((n, n.to_bytes(16, "big")) for n in range(1, ROWS + 1)), {"settings": {"target": "t"}})
        entries = list(ledger.entries())
        ledger.commit(claims=entries[:30])
        for number, entry in enumerate(entries[:25]):
            entry.state = RowState.DONE if number % 3 else RowState.FAILED
            entry.done = number
        ledger.commit(moved=[(entry, RowAnswer(b'{"text":"%d"}' % entry.n * 20, {"model": "m"})) for entry in entries[:25]])
        ledger.commit(calls=[(26, 0, {"action": "one"})])
    return path


def everything(path: Path) -> list[Any]:
    """All that a ledger tells."""
    with SqliteLedger(path) as ledger:
        entries = list(ledger.entries())
        answers = [ledger.answer_of(entry) for entry in entries if entry.state in (RowState.DONE, RowState.FAILED)]
        told = [(answer.body, answer.facts) for answer in answers]
        return [ledger.kept("settings"), [entry.values() for entry in entries], told, ledger.calls(26)]


def broken(whole: bytes, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """The ledger's bytes, cut or with one bit changed, each ``count`` times."""
    chosen = random.Random(seed)
    for _ in range(count):
        place = chosen.randrange(len(whole))
        yield f"cut at {place}", whole[:place]
        place, bit = chosen.randrange(len(whole)), chosen.randrange(8)
        yield f"bit {bit} of byte {place}", whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :]


@pytest.mark.parametrize("count", [60, pytest.param(500, marks=pytest.mark.slow)])
def test_damage_is_named_or_harmless(kept: Path, tmp_path: Path, count: int) -> None:
    """R2: no crash but a SetupError, and no answer that was not given."""
    right, whole, wrong = everything(kept), kept.read_bytes(), []
    with closing(sqlite3.connect(kept)) as base:
        assert base.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert not list(tmp_path.glob("*-wal"))
    for what, data in broken(whole, count, seed=count):
        for path in tmp_path.glob("broken*"):
            path.unlink()
        path = tmp_path / "broken.ledger"
        path.write_bytes(data)
        path.chmod(0o600)
        try:
            if everything(path) != right:
                wrong.append(what)
        except SetupError as error:
            if not error.faults or not error.faults[0].fix:
                wrong.append(f"{what}: {error}")
    assert wrong == []


@pytest.mark.parametrize("word", [b"settings", b"BLOB NOT NULL", b"sqlite_autoindex_run_1", b"rows"])
def test_what_an_index_or_a_definition_hides_is_missed(kept: Path, word: bytes) -> None:
    """R2: a changed name, of a value, a type, an index or a table, is told wherever it stands; a digest alone would not see it."""
    whole = kept.read_bytes()
    places = [place for place in range(len(whole)) if whole.startswith(word, place)]
    assert places
    for place in places:
        kept.write_bytes(whole[:place] + bytes([whole[place] ^ 2]) + whole[place + 1 :])
        with pytest.raises(SetupError) as caught:
            everything(kept)
        assert caught.value.faults[0].rule == "damaged", place


def test_what_is_no_ledger_of_ours_is_named(kept: Path, tmp_path: Path) -> None:
    """Nothing, a text, another database, a newer ledger, one that others may write."""
    other, newer = tmp_path / "other.ledger", tmp_path / "newer.ledger"
    with closing(sqlite3.connect(other)) as base:
        base.execute("CREATE TABLE x (y)")
    shutil.copy(kept, newer)
    with closing(sqlite3.connect(newer)) as base:
        base.execute("PRAGMA user_version=7")
    (tmp_path / "text.ledger").write_text("hello" * 100)
    kept.chmod(0o666)
    for name, words in [
        ("none", "not there"), ("text", "is no ledger"), ("other", "another database"), ("newer", "has version 7"), ("whole", "others"),
    ]:  # fmt: skip
        with pytest.raises(SetupError) as refused:
            SqliteLedger(tmp_path / f"{name}.ledger")
        assert words in str(refused.value)


def test_a_ledger_that_was_never_filled_is_in_no_way(run: Any, bulk: Any, tmp_path: Path) -> None:
    """A process that ends, or finds no room, before its run is begun leaves a database without tables, or one with empty ones: each tells
    that no run is in it, and a run begins there."""
    path = tmp_path / "out.jsonl.ledger"
    for make in (lambda: new_database(path), lambda: SqliteLedger(path, new=True).close()):
        make()
        path.chmod(0o600)
        with Upstream() as upstream:
            with pytest.raises(SetupError, match="has no run"):
                bulk(upstream).resume(tmp_path / "out.jsonl")
            assert run(upstream, prompts(2)).done == 2
        for left in tmp_path.iterdir():
            left.unlink()


def new_database(path: Path) -> None:
    """As SQLite makes one before its first table."""
    with closing(sqlite3.connect(path)) as base:
        base.execute("PRAGMA journal_mode=WAL")


def test_two_runners_never_claim_one_row(tmp_path: Path) -> None:
    """A claim that came second is told; so with several processes on one ledger each row leaves once."""
    with SqliteLedger(tmp_path / "a.ledger", new=True) as ledger:
        ledger.add([(1, b"a" * 16), (2, b"b" * 16)], {})
        first, second = list(ledger.entries()), list(ledger.entries())
        assert ledger.commit(claims=first[:1]) == [True]
        assert ledger.commit(claims=second) == [False, True]
        assert [entry.state for entry in ledger.entries()] == [RowState.SENT, RowState.SENT]
        assert isinstance(ledger.entry(1), RowEntry)


class _Failing(sqlite3.Connection):
    """Fails at one statement, and at those after it, until it is mended."""

    left = -1
    error = sqlite3.OperationalError("database or disk is full")

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        if arguments[0].startswith(("BEGIN", "COMMIT", "INSERT", "UPDATE")) and _Failing.left >= 0:
            if _Failing.left == 0:
                raise _Failing.error
            _Failing.left -= 1
        return super().execute(*arguments)


@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_a_write_that_fails_stops_the_run_and_costs_nothing(
    run: Any, bulk: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """R3: each write in turn: no row more is sent, the run says what to do, and a later process completes it; rows whose answers could
    not be kept are told, and nothing else is sent again."""
    real: Callable[..., Any] = sqlite3.connect
    monkeypatch.setattr("sqlite3.connect", lambda *given, **named: real(*given, **{**named, "factory": _Failing}))
    kinds = ["database or disk is full", "disk I/O error", "attempt to write a readonly database"]
    failed = 0
    for place in range(0, 60, step):
        out = f"{place}.jsonl"
        with Upstream() as upstream:
            _Failing.left, _Failing.error = place, sqlite3.OperationalError(kinds[place % 3])
            try:
                result = run(upstream, prompts(12), out=out)
            except SetupError:
                assert not upstream.seen
                _Failing.left = -1
                failed += 1
                continue
            _Failing.left = -1
            assert result.stop in ("ledger", "")
            sent = sum(upstream.seen.values())
            if result.stop:
                failed += 1
                assert result.reason is not None
                assert sent <= 12
            again = bulk(upstream).resume(tmp_path / out)
            assert set(upstream.seen.values()) == {1}
            assert again.done + again.unknown == 12
            assert again.unknown >= len(result.unkept)
            assert len(texts(tmp_path / out)) == again.done
    assert failed >= 3
