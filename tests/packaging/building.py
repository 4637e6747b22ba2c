"""Wheels built and installed offline, and interpreters that see them and not this checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path


def build(project: Path, out: Path) -> Path:
    """The wheel of a project, built with a fixed time and without the network."""
    environ = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(project)]
    subprocess.run(command, check=True, capture_output=True, env=environ)
    return next(out.glob("*.whl"))


def install(wheel: Path, target: Path) -> Path:
    """``wheel`` unpacked by pip in a folder of its own, without the network."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-index"]
    subprocess.run([*command, "--target", str(target), str(wheel)], check=True, capture_output=True)
    return target


def python(*arguments: str, places: Sequence[Path], folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """A new interpreter that sees ``places``, then the dependencies; no .pth file is read, so this checkout is out of its sight."""
    path = [*map(str, places), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(path), **variables}
    return subprocess.run([sys.executable, "-S", *arguments], capture_output=True, text=True, cwd=folder, env=environ, check=False)
