"""The pages about workflows and triggers are true: their programs are run as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.offline import PASTED

BLOCK = re.compile(r"^```python file=(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PRINTED = {
    ("workflows.md", "workflow.py"): ["Hello (sandbox). [200, 200]", "moderate /workflows/0/steps/0/successCriteria/1"],
    ("triggers.md", "webhook.py"): [
        "batch.completed success retrieveBatch {'batch_id': 'batch_685a3c1d9f0481a2'}",
        "signature 401",
        "replay 200",
    ],
    ("triggers.md", "polling.py"): ["video.completed success GetVideo"],
}


def printed(root: Path, page: str, name: str) -> list[str]:
    program = dict(BLOCK.findall((root / "docs" / page).read_text(encoding="utf-8")))[name]
    command = [sys.executable, "-W", "error", "-c", program]
    environment = {**os.environ, **PASTED, "PYTHONPATH": str(root)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, cwd=root, check=False)
    assert (done.stderr, done.returncode) == ("", 0)
    return done.stdout.splitlines()


@pytest.mark.parametrize(("page", "name"), PRINTED)
def test_a_program_prints_what_it_should(root: Path, page: str, name: str) -> None:
    """Each program of the pages, run alone with warnings as errors, prints exactly the lines of the table."""
    assert printed(root, page, name) == PRINTED[page, name]


def test_the_exported_flow_of_the_page_can_be_run(root: Path) -> None:
    """The flow that the page exports is read as a document, and the literal text in it stays a literal."""
    from kosha_connector_openai import open_connector
    from kosha_connector_openai.flows.workflows import read_workflows

    text = "\n".join(printed(root, "workflows.md", "flow.py"))
    with open_connector() as connector:
        document = read_workflows(text, connector)
    assert document.workflows["answer"].inputs.defaults == {"literal1": "Answer in French, and keep {$placeholders}."}
