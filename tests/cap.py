"""CAP: runs a snippet in a child process under a memory cap and a wall clock; what is hostile then ends with an answer, not a kill."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
_CHILD = """
import json, resource, sys, time
given = json.load(sys.stdin)
resource.setrlimit(resource.RLIMIT_AS, (given["memory"], given["memory"]))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
try:
    exec(compile(given["snippet"], "snippet", "exec"), dict(given["values"], __name__="snippet"))
finally:
    sys.stdout.flush()
    with open("/proc/self/status") as status:
        peak = next(line.split()[1] for line in status if line.startswith("VmHWM"))
    print(peak, file=sys.stderr)
"""


@dataclass(frozen=True)
class Capped:
    """How the child ended; ``peak`` is its largest resident size in MiB."""

    code: int
    output: str
    errors: str
    peak: int


def capped(snippet: str, *, memory: int = 1024, seconds: float = 120, environment: dict[str, str] | None = None, **values: Any) -> Capped:
    """Runs ``snippet`` with ``values`` (JSON) as its globals; ``memory`` is address space in MiB.

    Raises AssertionError where the clock ran out or the child was killed.
    """
    given = json.dumps({"snippet": snippet, "values": values, "memory": memory << 20})
    environ = {"PYTHONPATH": str(ROOT), "PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1"} | (environment or {})
    try:
        done = subprocess.run(
            [sys.executable, "-c", _CHILD], input=given, capture_output=True, text=True, timeout=seconds, env=environ, check=False
        )
    except subprocess.TimeoutExpired:
        raise AssertionError(f"The snippet did not end within {seconds:g} s.") from None
    *errors, peak = done.stderr.splitlines() or [""]
    if done.returncode < 0 or not peak.isdecimal():
        raise AssertionError(f"The snippet was ended by the system: {done.returncode}.\n{done.stderr[-2000:]}")
    return Capped(done.returncode, done.stdout, "\n".join(errors), int(peak) // 1024)
