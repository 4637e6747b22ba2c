"""``make demo`` shows what it promises, offline, and fails where a step fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

STEPS = ["connector", "server", "completion", "a slip", "image", "transcript", "chat", "task", "list", "long job"]
STEPS += ["workflow", "workflow", "rows", "rows", "gateway", "gateway"]


def demo(root: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "KOSHA_", "SERVER_"))}
    command = [sys.executable, "-m", "tools.demo"]
    return subprocess.run(command, cwd=root, env={**kept, **variables}, capture_output=True, text=True, timeout=120, check=False)


def test_each_step_is_shown_on_a_line(root: Path) -> None:
    """Actions, a slip, a task, a list, a job, a workflow that goes through and one that is stopped, the gateway; no noise beside them."""
    done = demo(root)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.partition("\n\n")[0].splitlines()
    assert [line[:13].strip() for line in lines] == STEPS
    assert max(map(len, lines)) <= 120
    assert "5 files in 3 pages, to its end" in done.stdout
    assert "stopped at 'moderate'" in done.stdout
    assert "-> 401, and nothing is sent" in done.stdout


def test_a_server_that_is_not_there_fails_it(root: Path) -> None:
    """With a key it goes to the configured server; what fails there is one line and exit code 1, without the key."""
    done = demo(root, OPENAI_API_KEY="sk-demo-0123456789", OPENAI_BASE_URL="http://127.0.0.1:9/v1")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.splitlines()[-1].startswith("failed       ")
    assert "sk-demo" not in done.stdout
