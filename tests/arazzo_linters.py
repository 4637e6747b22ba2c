"""Linters of Arazzo documents that are not ours: Spectral's rule set and Redocly, by the packages of integration/arazzo_linters."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

_BIN = Path(__file__).parent / "integration" / "arazzo_linters" / "node_modules" / ".bin"
HERE = bool(shutil.which("node")) and _BIN.is_dir()


def spectral(documents: Iterable[str | Path], folder: Path) -> str:
    """The errors by the rule set that it ships for Arazzo; nothing where there are none."""
    rules = folder / "rules.yaml"
    rules.write_text("extends: ['spectral:arazzo']\n")
    return _said([_BIN / "spectral", "lint", "-r", rules, "-F", "error", "-D", *documents], folder)


def redocly(documents: Iterable[str | Path], folder: Path) -> str:
    """The errors by its own rules for Arazzo, without a word to anybody; nothing where there are none."""
    return _said([_BIN / "redocly", "lint", *documents], folder)


def _said(command: list[str | Path], folder: Path) -> str:
    quiet = {**os.environ, "REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}
    done = subprocess.run(command, cwd=folder, env=quiet, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr
