"""The shell blocks of docs/bulk.md and of the gateway's catalog do what they say when they are pasted one after the other; examples ask for
what they need."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.gateway import TOKEN
from tests.offline import offline
from tests.service import whole

BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ELSEWHERE = re.compile(r"^(?:pip|temporal|export TEMPORAL_ADDRESS) |--ledger env:")
"""What needs the network, a cluster or a database."""
LATER = re.compile(r"/cancel\b|/resume\b")
"""What is for a run that goes on, or did not end well."""


def blocks(page: str) -> list[tuple[str, str]]:
    """The blocks of a text that run here, in order, each with its kind."""
    folded = page.replace("\\\n", "")
    return [(kind, block) for kind, block in BLOCK.findall(folded) if not ELSEWHERE.search(block)]


def pasted(script: str, folder: Path, environ: dict[str, str]) -> str:
    """What a shell prints that ends at the first line that fails; it must come to the end."""
    tools = folder / "bin"
    if not tools.exists():
        tools.mkdir()
        command = f'#!/bin/sh\nexec {sys.executable} -W error::DeprecationWarning -m kosha_connector_openai.cli "$@"\n'
        for name, text in {"kosha-openai": command, "python": f'#!/bin/sh\nexec {sys.executable} "$@"\n'}.items():
            (tools / name).write_text(text)
            (tools / name).chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "KOSHA_"))}
    given = {**kept, **environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "HOME": str(folder), "no_proxy": "*"}
    command = ["bash", "-eo", "pipefail", "-c", script]
    done = subprocess.run(command, cwd=folder, env=given, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


def test_the_page_of_rows(root: Path, tmp_path: Path) -> None:
    """A table, its dry run, its run and its resume; the programs; a batch and its status: each finds what the ones before it made."""
    with offline() as sandbox:
        environ = {"OPENAI_API_KEY": sandbox.key, "OPENAI_BASE_URL": sandbox.url, "PYTHONPATH": str(root)}
        script = "".join(
            block if kind == "sh" else f"python <<'END'\n{block}END\n"
            for kind, block in blocks((root / "docs" / "bulk.md").read_text(encoding="utf-8"))
        )
        printed = pasted(script, tmp_path, environ)
    assert printed.count("labels.csv: 3 rows: 3 done") == 2
    assert "\n3 0 0\n" in printed
    assert "\n2 0 0 0 2 \n" in printed
    assert printed.count("replies.jsonl: 3 rows: 3 done") == 2
    assert len((tmp_path / "labels.csv").read_text().splitlines()) == 4


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("jq")), reason="curl or jq is not on this machine")
def test_the_catalog_of_the_gateway(root: Path, tmp_path: Path) -> None:
    """Every call of the section, with a token: none is refused, and the rows come out as a table."""
    text = (root / "docs" / "gateway.md").read_text(encoding="utf-8")
    section = text.partition("\n## The catalog for builders\n")[2].partition("\n## ")[0]
    shutil.copytree(root / "examples", tmp_path / "examples")
    lines = [line for _, block in blocks(section) for line in block.splitlines() if not LATER.search(line)]
    assert sum("curl " in line for line in lines) > 15
    with offline() as sandbox, whole(sandbox.url, settings={"bulk": {"folder": tmp_path / "runs"}}, key=sandbox.key) as service:
        script = "\n".join(['curl() { command curl -sS --fail-with-body "$@"; }', *lines])
        printed = pasted(script.replace("http://127.0.0.1:8010", service.url), tmp_path, {"TOKEN": TOKEN})
    assert "event: result" in printed
    assert "Done (sandbox)." in printed
    assert (tmp_path / "output.csv").read_text().splitlines() == ["row,id,answer", "1,1,praise", "2,2,praise"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("bulk/label_tickets.py",), "Name a database that is there: label_tickets.py tickets.db\n"),
        (("bulk/label_tickets.py", "tickets.db"), "Name a database that is there: label_tickets.py tickets.db\n"),
        (("webhooks/receiver.py",), "Set WEBHOOK_SECRET to the signing secret of your endpoint: whsec_...\n"),
    ],
)
def test_an_example_asks_for_what_it_needs(root: Path, tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    """Without it the program ends with a sentence, and makes no file."""
    command = [sys.executable, str(root / "examples" / words[0]), *words[1:]]
    done = subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(root)}, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr, list(tmp_path.iterdir())) == (1, told, [])
