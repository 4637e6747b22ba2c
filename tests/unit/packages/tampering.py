"""A built package, and ways to spoil it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

from kosha_connector_openai.packages import build_wheel
from kosha_connector_openai.packages.wheel import record_digest

TIDES = Path(__file__).parents[3] / "examples" / "tides"
Member = tuple[zipfile.ZipInfo, bytes]
INFO = "kosha_connector_tides-1.0.0.dist-info"
DATA = "kosha_connectors/tides"


def tides() -> tuple[str, bytes]:
    """The example's package: its name and bytes."""
    return build_wheel(TIDES)


def members(data: bytes) -> list[Member]:
    """The files of an archive, in order."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [(entry, archive.read(entry)) for entry in archive.infolist()]


def packed(given: Iterable[Member]) -> bytes:
    """An archive of these files; a name may come twice."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry, content in given:
            archive.writestr(entry, content)
    return out.getvalue()


def entry(name: str, mode: int = 0o100644) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    made.external_attr = mode << 16
    return made


def changed(data: bytes, path: str, change: Callable[[bytes], bytes], *, listed: bool = False) -> bytes:
    """The package with one file changed; ``listed``: and RECORD made to fit."""
    found = [(each, change(content) if each.filename == path else content) for each, content in members(data)]
    return packed(recorded(found) if listed else found)


def recorded(given: Iterable[Member]) -> list[Member]:
    """The files with a RECORD that fits them."""
    kept = [(each, content) for each, content in given if each.filename != f"{INFO}/RECORD"]
    rows = [f"{each.filename},{record_digest(content)},{len(content)}" for each, content in kept]
    return [*kept, (entry(f"{INFO}/RECORD"), "\n".join([*rows, f"{INFO}/RECORD,,", ""]).encode())]


def added_code(data: bytes) -> bytes:
    """The package with Python that offers its folder, and an entry point that names it."""
    text = (
        "from pathlib import Path\nfrom kosha_connector_openai import hookimpl\n\n"
        "@hookimpl\ndef kosha_connectors():\n    return [Path(__file__).parent]\n"
    )
    found = [*members(data), (entry(f"{DATA}/offer_tides.py"), text.encode())]
    ends = f"{INFO}/entry_points.txt"
    named = [(each, content.replace(b".tides\n", b".tides.offer_tides\n") if each.filename == ends else content) for each, content in found]
    return packed(recorded(named))
