"""``python -m benchmarks [NAME ...] [--json FILE] [--strict]``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import orjson

from benchmarks import (
    bulk,
    cold_start,
    command_line,
    concurrent,
    forms,
    gateway,
    loading,
    pace,
    report,
    sequential,
    streaming,
    studio,
    validation,
)
from benchmarks.clients import ENVIRONMENT
from benchmarks.measure import Effort, Figure
from benchmarks.upstream import upstream


@dataclass(frozen=True, slots=True)
class Promise:
    """A benchmark by name, and how much of it is run."""

    run: Callable[[str, Effort], list[Figure]]
    effort: Effort


PROMISES = {
    "cold-start": Promise(cold_start.run, cold_start.EFFORT),
    "command-line": Promise(command_line.run, command_line.EFFORT),
    "loading": Promise(loading.run, loading.EFFORT),
    "forms": Promise(forms.run, forms.EFFORT),
    "sequential": Promise(sequential.run, sequential.EFFORT),
    "concurrent": Promise(concurrent.run, concurrent.EFFORT),
    "validation": Promise(validation.run, validation.EFFORT),
    "streaming": Promise(streaming.run, streaming.EFFORT),
    "bulk": Promise(bulk.run, bulk.EFFORT),
    "pace": Promise(pace.run, pace.EFFORT),
    "gateway": Promise(gateway.run, gateway.EFFORT),
    "studio": Promise(studio.run, studio.EFFORT),
}


def main(arguments: list[str] | None = None) -> int:
    """Runs the named benchmarks, or all; 1 where ``--strict`` is given and a promise is not kept."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[*PROMISES, []], help=", ".join(PROMISES))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--strict", action="store_true", help="fail where a promise is not kept")
    options = parser.parse_args(arguments)
    os.environ.update(ENVIRONMENT)
    facts = report.machine()
    figures: list[Figure] = []
    with upstream() as url:
        for name in options.names or PROMISES:
            print(f"measuring {name} ...", file=sys.stderr, flush=True)
            figures += PROMISES[name].run(url, PROMISES[name].effort)
    print(report.as_text(facts, figures))
    if options.json:
        options.json.write_bytes(orjson.dumps(report.as_json(facts, figures), option=orjson.OPT_INDENT_2))
    return int(options.strict and any(figure.met is False for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
