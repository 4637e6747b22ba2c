"""The pages about lists, jobs and the sandbox are true: their programs are run as they stand, and print what the pages say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.offline import PASTED

BLOCK = re.compile(r"^```python(?: file=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PRINTED = {
    "paging.py": ["4.jsonl", "3.jsonl", "2.jsonl", "1.jsonl", "0.jsonl", "3 False items", "2 True"],
    "jobs.py": ["It took a while (sandbox).", "completed True It took a while (sandbox)."],
    "upload.py": ["big.jsonl success"],
    "": ["It works (sandbox)."],
    "batch.py": ["0 True One (sandbox).", "1 True Two (sandbox)."],
}


PROGRAMS = [("paging.md", "paging.py"), ("jobs.md", "jobs.py"), ("jobs.md", "batch.py"), ("jobs.md", "upload.py"), ("sandbox.md", "")]


@pytest.mark.parametrize(("page", "name"), PROGRAMS)
def test_the_programs_of_the_pages(root: Path, page: str, name: str) -> None:
    """Each ends well, says nothing on standard error, and prints what the page promises, in a reader's shell too."""
    text = (root / "docs" / page).read_text(encoding="utf-8")
    program = dict(BLOCK.findall(text))[name]
    environment = {**os.environ, **PASTED, "PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=60, env=environment, check=False
    )
    assert (done.stdout.splitlines(), done.stderr) == (PRINTED[name], "")
    known = {line for lines in PRINTED.values() for line in lines}
    promised = re.findall(r"`([^`\n]+)`", " ".join(re.findall(r"^prints .*?\n\n", text, re.MULTILINE | re.DOTALL)))
    assert promised
    assert [line for line in promised if line not in known] == []
