"""The pages about lists and jobs are true: their programs are run as they stand, and print what the pages say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

BLOCK = re.compile(r"^```python file=(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PRINTED = {
    "paging.py": ["4.jsonl", "3.jsonl", "2.jsonl", "1.jsonl", "0.jsonl", "3 False items", "2 True"],
    "jobs.py": ["It took a while (sandbox).", "completed True It took a while (sandbox)."],
    "batch.py": ["0 True One (sandbox).", "1 True Two (sandbox)."],
}


@pytest.mark.parametrize(("page", "name"), [("paging.md", "paging.py"), ("jobs.md", "jobs.py"), ("jobs.md", "batch.py")])
def test_the_programs_of_the_pages(root: Path, page: str, name: str) -> None:
    """Each ends well, says nothing on standard error, and prints what the page promises."""
    text = (root / "docs" / page).read_text(encoding="utf-8")
    program = dict(BLOCK.findall(text))[name]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=60, env=environment, check=False
    )
    assert (done.stdout.splitlines(), done.stderr) == (PRINTED[name], "")
    known = {line for lines in PRINTED.values() for line in lines}
    promised = re.findall(r"`([^`\n]+)`", " ".join(re.findall(r"^prints .*?\n\n", text, re.MULTILINE | re.DOTALL)))
    assert promised
    assert [line for line in promised if line not in known] == []
