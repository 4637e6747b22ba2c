"""Every way to spoil a package is refused, and the fault names the file or field; nothing is written."""

from __future__ import annotations

import dataclasses
import io
import struct
import zipfile
from collections.abc import Callable

import pytest

from kosha_connector_openai.errors import ConnectorPackageError
from kosha_connector_openai.packages import read_wheel, wheel
from kosha_connector_openai.packages.facts import check_host
from tests.unit.packages.tampering import DATA, INFO, changed, entry, members, packed, recorded, tides

NAME, GOOD = tides()
RECORD = f"{INFO}/RECORD"


def without(path: str) -> bytes:
    return packed(each for each in members(GOOD) if each[0].filename != path)


def renamed(old: str, new: str) -> bytes:
    found = members(GOOD)
    return packed((entry(new) if each.filename == old else each, content) for each, content in found)


def added(name: str, content: bytes = b"x", mode: int = 0o100644, *, listed: bool = False) -> bytes:
    found = [*members(GOOD), (entry(name, mode), content)]
    return packed(recorded(found) if listed else found)


def twice(name: str) -> bytes:
    with pytest.warns(UserWarning, match="Duplicate"):
        return packed([*members(GOOD), (entry(name), b"{}")])


def lying() -> bytes:
    """A file whose head in the directory says fewer bytes than it has."""
    data = bytearray(added("big.json", b"x" * 1_000))
    place = data.rindex(b"PK\x01\x02", 0, data.rindex(b"big.json"))
    struct.pack_into("<L", data, place + 24, 10)
    return bytes(data)


CASES: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "a changed file": (lambda: changed(GOOD, f"{DATA}/openapi.json", lambda text: text + b" "), f"/{DATA}/openapi.json", "changed"),
    "a file of the same length": (
        lambda: changed(GOOD, f"{DATA}/README.md", lambda text: text[:-1] + b"x"),
        f"/{DATA}/README.md",
        "changed",
    ),
    "an added file": (lambda: added(f"{DATA}/more.json"), f"/{DATA}/more.json", "added"),
    "a missing file": (lambda: without(f"{DATA}/README.md"), f"/{DATA}/README.md", "missing"),
    "a renamed file": (lambda: renamed(f"{DATA}/README.md", f"{DATA}/READ.md"), f"/{DATA}/README.md", "missing"),
    "no RECORD": (lambda: without(RECORD), f"/{RECORD}", "missing"),
    "a RECORD of other things": (lambda: changed(GOOD, RECORD, lambda _: b"a,b\n"), f"/{RECORD}", "record"),
    "a way out": (lambda: added("../../evil.json", listed=True), "/../../evil.json", "path"),
    "a way out in the middle": (lambda: added(f"{DATA}/../../../x.json", listed=True), f"/{DATA}/../../../x.json", "path"),
    "an absolute path": (lambda: added("/etc/x.json", listed=True), "//etc/x.json", "path"),
    "a path of Windows": (lambda: added("C:\\x.json", listed=True), "/C:\\x.json", "path"),
    "a drive": (lambda: added("C:x.json", listed=True), "/C:x.json", "path"),
    "a sign that cannot be shown": (lambda: added("a\x07b.json", listed=True), "/a?b.json", "path"),
    "a link": (lambda: added(f"{DATA}/link", b"/etc/passwd", 0o120777, listed=True), f"/{DATA}/link", "link"),
    "a device": (lambda: added(f"{DATA}/pipe", b"", 0o010644, listed=True), f"/{DATA}/pipe", "link"),
    "a double name": (lambda: twice(f"{DATA}/openapi.json"), f"/{DATA}/openapi.json", "double"),
    "a name in another case": (lambda: added(f"{DATA}/OpenAPI.json", listed=True), f"/{DATA}/OpenAPI.json", "double"),
    "a lie about a size": (lying, "/big.json", "size"),
    "bytes that are no archive": (lambda: b"PK" + b"x" * 100, "/", "zip"),
    "an archive that is cut": (lambda: GOOD[: len(GOOD) // 2], "/", "zip"),
    "another version inside": (
        lambda: changed(GOOD, f"{INFO}/METADATA", lambda text: text.replace(b"Version: 1.0.0", b"Version: 2.0.0"), listed=True),
        f"/{INFO}/METADATA",
        "name",
    ),
    "no connector named": (
        lambda: changed(GOOD, f"{INFO}/entry_points.txt", lambda _: b"", listed=True),
        f"/{INFO}/entry_points.txt",
        "entry",
    ),
    "a place without a manifest": (
        lambda: changed(GOOD, f"{INFO}/entry_points.txt", lambda text: text.replace(b".tides", b".tide"), listed=True),
        f"/{INFO}/entry_points.txt",
        "module",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_spoilt_package_is_refused(case: str) -> None:
    """The first fault names what is wrong, and the message says that nothing was written."""
    make, pointer, rule = CASES[case]
    with pytest.raises(ConnectorPackageError, match="nothing was written") as caught:
        read_wheel(make(), NAME)
    found = {(fault.pointer or "/", fault.rule) for fault in caught.value.faults}
    assert (pointer, rule) in found, found


def test_a_bomb_is_refused_before_it_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the sizes of all files together, by the number of files, by the size of the package."""
    bomb = added("zeros.json", b"\0" * 3_000_000, listed=True)
    monkeypatch.setattr(wheel, "LARGEST_OPEN", 1_000_000)
    with pytest.raises(ConnectorPackageError) as caught:
        read_wheel(bomb, NAME)
    assert [(fault.pointer, fault.rule) for fault in caught.value.faults] == [("/zeros.json", "size")]
    monkeypatch.setattr(wheel, "MOST_FILES", 3)
    with pytest.raises(ConnectorPackageError, match="more than 3 files"):
        read_wheel(GOOD, NAME)
    monkeypatch.setattr(wheel, "LARGEST", 100)
    with pytest.raises(ConnectorPackageError, match="larger than 100 bytes"):
        read_wheel(GOOD, NAME)


def test_a_renamed_package_is_refused() -> None:
    """Its name says what is in it."""
    for name in ("tides.whl", NAME.replace("1.0.0", "1.0.1"), NAME.replace("tides", "waves")):
        with pytest.raises(ConnectorPackageError):
            read_wheel(GOOD, name)


def test_what_is_good_is_read() -> None:
    """The facts of the package, and that it holds no code; a file of code is said."""
    found = read_wheel(GOOD, NAME)
    assert (found.distribution, found.version, found.module, found.folder) == (
        "kosha_connector_tides",
        "1.0.0",
        "kosha_connectors.tides",
        "kosha_connectors/tides",
    )
    assert found.code == ()
    for name in ("run.py", "x.so", "a.pth", "kosha_connector_tides-1.0.0.data/scripts/go"):
        assert read_wheel(added(name, listed=True), NAME).code == (name,)


@pytest.mark.parametrize(
    ("requires", "pointer"),
    [
        (("kosha-connector-openai>=99",), "/Requires-Dist"),
        (("kosha-connector-openai==0.0.1",), "/Requires-Dist"),
        (("surely-not-installed-anywhere>=1",), "/Requires-Dist"),
        (("kosha-connector-openai @ https://x.example/y.whl",), "/Requires-Dist"),
    ],
)
def test_a_host_that_is_too_old_is_told(requires: tuple[str, ...], pointer: str) -> None:
    """What the package asks for is compared with what is here."""
    found = dataclasses.replace(read_wheel(GOOD, NAME), requires=requires)
    with pytest.raises(ConnectorPackageError) as caught:
        check_host(found)
    assert [fault.pointer for fault in caught.value.faults] == [pointer]


def test_a_python_that_does_not_fit_is_told() -> None:
    """And the host itself is no package for the host."""
    found = read_wheel(GOOD, NAME)
    with pytest.raises(ConnectorPackageError, match="Requires-Python"):
        check_host(dataclasses.replace(found, requires_python=">=4"))
    with pytest.raises(ConnectorPackageError, match="pip install"):
        check_host(dataclasses.replace(found, distribution="kosha_connector_openai"))
    check_host(found)


def test_an_encrypted_entry_is_refused() -> None:
    """Its flag is enough."""
    data = bytearray(GOOD)
    place = data.index(b"PK\x01\x02")
    data[place + 8] |= 1
    with pytest.raises(ConnectorPackageError, match="encrypted"):
        read_wheel(bytes(data), NAME)
    assert zipfile.is_zipfile(io.BytesIO(GOOD))
