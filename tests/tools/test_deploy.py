"""The manifests in deploy/: each can be read, and its commands have options that there are."""

from __future__ import annotations

import re
from pathlib import Path

import typer
import yaml

from kosha_connector_openai.cli.bulk import run
from kosha_connector_openai.cli.bulk_worker import worker

FOLDER = Path(__file__).parent.parent.parent / "deploy"


def options_of(command: object) -> set[str]:
    app = typer.Typer()
    app.command()(command)  # type: ignore[type-var]
    return {name for each in typer.main.get_command(app).params for name in each.opts}


def test_launchers_give_options_that_there_are() -> None:
    known, seen = {"run": options_of(run), "worker": options_of(worker)}, set()
    for path in sorted(FOLDER.glob("bulk*")):
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".yaml":
            assert list(yaml.safe_load_all(text))
        for found in re.finditer(r"bulk,? (run|worker)\b(.*?)(?:\n\s*(?:env|secrets|services):|\n\"\"\"|\n\))", text, re.DOTALL):
            given = set(re.findall(r"(?<![\w-])--[a-z-]+", found[2]))
            seen |= given
            assert given - known[found[1]] == set(), path.name
    assert {"--share", "--ledger", "--go-on", "--temporal", "--on"} <= seen
