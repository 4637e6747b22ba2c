"""Runs the unit tests with the lowest versions that pyproject.toml allows, in an environment of its own.

Use: ``python -m tools.floors FOLDER``. What the tests themselves need comes in the newest versions that go with those.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
TOOLS: Final = (
    "build",
    "hatchling",
    "editables",
    "hypothesis",
    "openapi-spec-validator",
    "opentelemetry-sdk",
    "pytest",
    "pytest-asyncio",
    "pytest-httpx",
    "pytest-xdist",
)
_FLOOR: Final = re.compile(r"([A-Za-z0-9._-]+)((?:\[[^]]*\])?)>=([^,;\s]+)")
_EXACT: Final = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?(==.+)")


def pins() -> list[str]:
    """``name[extra]==version`` for each lower bound of the package and of its extras but ``dev``."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].items()
    lines = [*project["dependencies"], *(line for name, extra in extras if name != "dev" for line in extra)]
    return sorted({f"{match[1]}{match[2]}=={match[3]}" for line in lines if (match := _FLOOR.match(line))})


def floors() -> list[str]:
    """The same without the names of extras."""
    return [_EXACT.sub(r"\1\2", pin) for pin in pins()]


def main(folder: str) -> int:
    """Makes the environment anew and runs the tests; the exit code is theirs."""
    python = Path(folder) / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, *pins(), *TOOLS], check=True)
    subprocess.run([*install, "--no-deps", "--no-build-isolation", "-e", str(ROOT)], check=True)
    print("\n".join(pins()))
    return subprocess.run(
        [str(python), "-m", "pytest", "-q", "-n", "2", "--dist", "worksteal", "tests/unit"], cwd=ROOT, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
