"""The pages about outputs, pickers and models are true: their programs and commands run as they stand, against the sandbox."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.offline import offline

PAGES = ("outputs.md", "pickers.md", "models.md")
BLOCK = re.compile(r"^```(\w+)(?: file=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DOCS = Path(__file__).parents[2] / "docs"
BLOCKS = [(page, kind, name, text) for page in PAGES for kind, name, text in BLOCK.findall((DOCS / page).read_text(encoding="utf-8"))]
PROGRAMS = [(page, text) for page, kind, _, text in BLOCKS if kind == "python"]
COMMANDS = [(page, line) for page, kind, _, text in BLOCKS if kind == "sh" for line in text.splitlines()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the pages write."""
    made = tmp_path_factory.mktemp("pages")
    for _, _, name, text in BLOCKS:
        if name:
            (made / name).write_text(text, encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def environ() -> Iterator[dict[str, str]]:
    """The sandbox in the environment."""
    with offline() as sandbox:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "KOSHA_"))}
        yield {**kept, "OPENAI_BASE_URL": sandbox.url, "OPENAI_API_KEY": sandbox.key}


def run(command: list[str], folder: Path, environ: dict[str, str]) -> str:
    """What a command prints; it must succeed."""
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("page", "text"), PROGRAMS, ids=[f"{page}-{number}" for number, (page, _) in enumerate(PROGRAMS)])
def test_programs_run(folder: Path, environ: dict[str, str], page: str, text: str) -> None:
    """Each program ends well and prints something."""
    assert run([sys.executable, "-c", text], folder, environ).strip()


@pytest.mark.parametrize(("page", "line"), COMMANDS, ids=[f"{page}-{number}" for number, (page, _) in enumerate(COMMANDS)])
def test_commands_run(folder: Path, environ: dict[str, str], page: str, line: str) -> None:
    """Each command ends well and prints something."""
    name, *arguments = shlex.split(line)
    assert name == "kosha-openai"
    assert run([sys.executable, "-m", "kosha_connector_openai.cli", *arguments], folder, environ).strip()


def test_the_pages_have_programs() -> None:
    """Nothing above is tested by accident of a misspelt mark."""
    assert (len(PROGRAMS), len(COMMANDS)) == (6, 4)
