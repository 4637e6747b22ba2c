"""The audit record: each line follows the one before it, and what was changed, taken out or put in shows."""

import json
import os
import stat
from pathlib import Path

import pytest

from kosha_connector_openai import Connector
from kosha_connector_openai.errors import SetupError
from kosha_connector_openai.gateway.observe.audit import AuditError, AuditLog, check_audit
from kosha_connector_openai.gateway.records import Allowance, Caller

CALLER = Caller("one", "acme", "default", "on", Allowance(1, 1))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "audit"


def write(place: Path, count: int) -> None:
    log = AuditLog(place)
    for number in range(count):
        log.page(f"id-{number}", "POST", "/x", "/x", CALLER)
    log.close()


def test_lines_follow_each_other_over_restarts(place: Path) -> None:
    """Numbers and digests go on; the file is its owner's alone."""
    write(place, 3)
    write(place, 2)
    lines = [json.loads(line) for line in place.read_text().splitlines()]
    assert [line["number"] for line in lines] == [1, 2, 3, 4, 5]
    assert [line["previous"] for line in lines[1:]] == [line["hash"] for line in lines[:-1]]
    found = check_audit(place)
    assert (found.lines, found.last, found.torn, found.fault) == (5, lines[-1]["hash"], 0, None)
    assert stat.S_IMODE(place.stat().st_mode) == 0o600


@pytest.mark.parametrize("way", ["changed", "taken out", "put in", "turned round", "first gone"])
def test_a_record_that_was_touched_is_told(place: Path, way: str) -> None:
    """Whatever is done to a line that others follow."""
    write(place, 5)
    lines = place.read_bytes().splitlines(keepends=True)
    if way == "changed":
        lines[2] = lines[2].replace(b"acme", b"evil")
    elif way == "put in":
        lines.insert(2, lines[1])
    elif way == "turned round":
        lines[1], lines[2] = lines[2], lines[1]
    else:
        del lines[0 if way == "first gone" else 2]
    place.write_bytes(b"".join(lines))
    assert check_audit(place).fault


def test_a_line_that_was_cut_is_counted_and_the_next_ones_go_on(place: Path) -> None:
    """The machine stopped in the middle of a line, anywhere in it."""
    write(place, 3)
    *lines, third = place.read_bytes().splitlines(keepends=True)
    whole = b"".join(lines)
    for cut in (1, 20, 200, len(third) - 2):
        place.write_bytes(whole + third[:cut])
        write(place, 2)
        found = check_audit(place)
        assert (found.lines, found.torn, found.fault) == (4, 1, None)


@pytest.mark.parametrize("way", ["junk", "changed last", "half of another", "blanks", "a whole line without its end"])
def test_b29_what_is_no_beginning_of_a_line_is_a_fault(place: Path, way: str) -> None:
    """B29: only a line that was not written to its end is counted as one; the last line, too, must be as it was written."""
    write(place, 3)
    lines = place.read_bytes().splitlines(keepends=True)
    if way == "changed last":
        lines[2] = lines[2].replace(b"acme", b"evil")
    elif way == "a whole line without its end":
        lines.append(lines[2].replace(b'"number":3', b'"number":4'))
    else:
        lines.insert(2, {"junk": b"not a line\n", "half of another": lines[0][:80] + b"\n", "blanks": b"   \n"}[way])
    place.write_bytes(b"".join(lines))
    assert check_audit(place).fault


def test_a_file_that_others_could_write_is_refused(place: Path, tmp_path: Path) -> None:
    """Loose modes, links, what is no file or no record, and a file that another process writes."""
    write(place, 1)
    link, pipe, text = tmp_path / "link", tmp_path / "pipe", tmp_path / "text"
    link.symlink_to(place)
    os.mkfifo(pipe, 0o600)
    text.touch(0o600)
    text.write_text("my notes\n")
    for wrong in (link, pipe, text, tmp_path, tmp_path / "no" / "folder"):
        with pytest.raises(SetupError):
            AuditLog(wrong)
    assert text.read_text() == "my notes\n"
    log = AuditLog(place)
    with pytest.raises(SetupError, match="another process"):
        AuditLog(place)
    log.close()
    place.chmod(0o640)
    with pytest.raises(SetupError, match="others than its owner"):
        AuditLog(place)


@pytest.mark.parametrize("required", [True, False])
def test_a_disk_that_is_full_stops_calls_where_it_must(place: Path, required: bool) -> None:
    """And once there is room again the record goes on where it was."""
    log = AuditLog(place, required=required)
    log.page("1", "POST", "/x", "/x", CALLER)
    good = os.dup(log._descriptor)
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, log._descriptor)
    os.close(full)
    if required:
        with pytest.raises(AuditError):
            log.page("2", "POST", "/x", "/x", CALLER)
    else:
        log.page("2", "POST", "/x", "/x", CALLER)
    os.dup2(good, log._descriptor)
    os.close(good)
    log.page("3", "POST", "/x", "/x", CALLER)
    log.close()
    assert check_audit(place).lines == 2


def test_no_value_starts_a_line_of_its_own(place: Path, connector: Connector) -> None:
    """C14: line breaks and escapes of terminals stay inside their line."""
    log = AuditLog(place)
    log.page("1", "POST", "/x", 'x\n{"event":"end"}\u2028\x1b[31m\r', CALLER)
    log.close()
    assert len(place.read_bytes().splitlines()) == 1
    assert b"\x1b" not in place.read_bytes()
