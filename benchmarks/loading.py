"""A whole description as actions in order: the file read, every operation built, the catalog sorted. Imports are not counted."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from functools import partial
from pathlib import Path

from benchmarks.measure import Bar, Effort, Figure, compare, measure

EFFORT = Effort(rounds=9, calls=1)
BAR = Bar(seconds=0.050)
ROOT = Path(__file__).parents[1]
PUBLISHED = ROOT.parent / "shared" / "specs" / "openai-2.3.0-oas31.json"
"""The vendor's whole description, where it is at hand; else the one that is shipped is measured."""

_OURS = """
from pathlib import Path
from time import process_time
from kosha_connector_openai.core.actions.catalog import Catalog
from kosha_connector_openai.openapi.document import read_document
from kosha_connector_openai.manifest.manifest import read_manifest
manifest = read_manifest(Path("connector.yaml"))
start = process_time()
catalog = Catalog(manifest, read_document(Path({path!r}), sha256={digest!r}))
actions = [catalog[key] for key in catalog]
print(process_time() - start)
"""
_PARSE = """
import orjson
from pathlib import Path
from time import process_time
start = process_time()
orjson.loads(Path({path!r}).read_bytes())
print(process_time() - start)
"""


def run(_url: str, effort: Effort, path: Path | None = None) -> list[Figure]:
    """Pinned by its digest, as a manifest pins it, and unpinned; parsing the JSON alone is the floor under both."""
    file = path or (PUBLISHED if PUBLISHED.is_file() else ROOT / "openapi.json")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    codes = {
        "pinned": _OURS.format(path=str(file), digest=digest),
        "not pinned": _OURS.format(path=str(file), digest=None),
        "orjson.loads": _PARSE.format(path=str(file)),
    }
    series = measure({name: partial(_measured, code) for name, code in codes.items()}, effort.rounds)
    name = f"load {operations(file)} operations"
    return [
        compare(name, series, "pinned", "orjson.loads", BAR),
        compare(f"{name}, not pinned", series, "not pinned", "orjson.loads"),
    ]


def operations(file: Path) -> int:
    """How many operations the description has."""
    from kosha_connector_openai.openapi import read_document

    return len(read_document(file, sha256=hashlib.sha256(file.read_bytes()).hexdigest()))


def _measured(code: str) -> float:
    """What a fresh interpreter measured and printed: each process loads a description once, with nothing warm."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return float(done.stdout)
