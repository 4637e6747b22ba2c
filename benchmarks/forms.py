"""Forms: those of all actions with every nested definition, and the first one that a process asks for. Imports are not counted."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.measure import NO_BAR, Bar, Effort, Figure, measure

EFFORT = Effort(rounds=9, calls=1)
ALL = Bar(seconds=0.150)
ONE = Bar(seconds=0.005)
ROOT = Path(__file__).parents[1]
_HEAD = """
from time import process_time
from kosha_connector_openai import open_connector
import kosha_connector_openai.forms.form, kosha_connector_openai.manifest.parts.forms
connector = open_connector()
names = list(connector.catalog)
"""
_READ = """
start = process_time()
connector.forms
print(process_time() - start)
"""
_ALL = """
forms = connector.forms
start = process_time()
for name in names:
    forms[name].to_dict()
print(process_time() - start)
"""
_FIRST = """
forms = connector.forms
start = process_time()
forms[{name!r}].fields
print(process_time() - start)
"""
_WHOLE = """
forms = connector.forms
start = process_time()
forms[{name!r}].to_dict()
print(process_time() - start)
"""


def run(_url: str, effort: Effort) -> list[Figure]:
    """Start-up is the connector opened, its catalog listed and the part of the manifest read, whose cost stands in a line of its own."""
    deepest, usual = _extremes()
    codes = {
        "forms.yaml read": _READ,
        "all forms, whole": _ALL,
        "first form of a process, typical": _FIRST.format(name=usual),
        "first form of a process, largest": _FIRST.format(name=deepest),
        "first form, typical, with all its definitions": _WHOLE.format(name=usual),
        "first form, largest, with all its definitions": _WHOLE.format(name=deepest),
    }
    bars = dict(zip(codes, (NO_BAR, ALL, ONE, ONE, NO_BAR, NO_BAR), strict=True))
    series = measure({name: partial(_measured, _HEAD + code) for name, code in codes.items()}, effort.rounds)
    return [Figure(name, median(series[name]), bar=bars[name]) for name in codes]


def _extremes() -> tuple[str, str]:
    """The action whose form has the most definitions, and the one in the middle of those that have any."""
    from kosha_connector_openai import open_connector

    with open_connector() as connector:
        sizes = sorted((len(connector.forms[name].definitions), name) for name in connector.catalog)
    nested = [name for count, name in sizes if count]
    return nested[-1], nested[len(nested) // 2]


def _measured(code: str) -> float:
    """What a fresh interpreter measured and printed: nothing is warm."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return float(done.stdout)
