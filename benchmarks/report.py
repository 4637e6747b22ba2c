"""The figures as a table for people, and as JSON for machines; both say what was measured on what."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from benchmarks.measure import Bar, Figure

_PACKAGES = ("kosha-connector-openai", "httpx", "aiohttp", "openai", "jsonschema-rs", "orjson", "pydantic")
_HEAD = ("name", "ours", "peer", "ratio", "bar", "met?")
_WORDS = {True: "yes", False: "NO", None: "-"}


def machine() -> dict[str, Any]:
    """Versions, processors and how busy they are now; nothing that names the machine."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "versions": {name: _version(name) for name in _PACKAGES},
    }


def as_text(facts: dict[str, Any], figures: Iterable[Figure]) -> str:
    """The table, its facts above it."""
    load = " ".join(map(str, facts["load_average"]))
    head = (
        f"Python {facts['python']}, {facts['system']}, {facts['cpus']} CPUs, load average {load}",
        ", ".join(f"{name} {found}" for name, found in facts["versions"].items()),
        "Costs are CPU time; ratio is ours / peer, the median over the rounds.",
        "",
    )
    rows = [_HEAD, *map(_row, figures)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*head, *lines])


def as_json(facts: dict[str, Any], figures: Iterable[Figure]) -> dict[str, Any]:
    """The same as JSON-ready values; costs in seconds."""
    return {"machine": facts, "figures": [asdict(figure) | {"met": figure.met} for figure in figures]}


def seconds(value: float) -> str:
    """A duration with three digits that matter."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value / 1e-6:.3g} us"


def _row(figure: Figure) -> tuple[str, ...]:
    peer = "-" if figure.peer is None else f"{seconds(figure.peer)} {figure.peer_name}"
    ratio = "-" if figure.ratio is None else f"{figure.ratio:.2f}"
    shown = seconds if figure.bar.least is None and figure.bar.most is None else "{:.3f}".format
    return figure.name, shown(figure.ours), peer, ratio, _bar(figure.bar), _WORDS[figure.met]


def _bar(bar: Bar) -> str:
    if bar.least is not None:
        return f">= {bar.least:.2f}"
    if bar.most is not None:
        return f"<= {bar.most:.2f}"
    if bar.seconds is not None:
        return f"<= {seconds(bar.seconds)}"
    return "-" if bar.ratio is None else f"<= {bar.ratio:.2f}"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"
