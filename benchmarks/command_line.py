"""What the command line costs before it does anything: version, help, and a request that is shown and not sent."""

from __future__ import annotations

import os
from functools import partial
from tempfile import TemporaryDirectory

from benchmarks.clients import ENVIRONMENT
from benchmarks.cold_start import BARE, child_cpu
from benchmarks.measure import Bar, Effort, Figure, compare, measure

EFFORT = Effort(rounds=11, calls=1)
_RUN = """
import sys
from kosha_connector_openai.cli import main
sys.argv, sys.stdout = ["kosha-openai", *{!r}], open("/dev/null", "w")
main()
"""
_CALLS = {
    "--version": ("--version",),
    "--help": ("--help",),
    "dry-run": ("dry-run", "createCompletion", "model=gpt-3.5-turbo-instruct", "prompt=hi"),
}
CODES = {name: _RUN.format(arguments) for name, arguments in _CALLS.items()}
PEERS = {"python -c pass": BARE, "import typer": "import typer", "import openai": "import openai"}


def run(_url: str, effort: Effort) -> list[Figure]:
    """Against the interpreter alone, the library that parses the arguments, and the import of the vendor's client."""
    with TemporaryDirectory() as cache:
        environment = {**os.environ, **ENVIRONMENT, "PYTHONPYCACHEPREFIX": cache}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        codes = CODES | PEERS
        series = measure({name: partial(child_cpu, code, environment) for name, code in codes.items()}, effort.rounds)
    bare = min(series["python -c pass"])
    return [
        compare("kosha-openai --version", series, "--version", "python -c pass", Bar(seconds=3 * bare + 0.030)),
        compare("kosha-openai --help", series, "--help", "import typer", Bar(seconds=bare + 0.100)),
        compare("kosha-openai dry-run", series, "dry-run", "import openai", Bar(ratio=0.30)),
    ]
