"""Writes locks/*.txt from pyproject.toml: exact versions with digests, for every system and Python, without any index's address.

Use: ``python -m tools.lock path/to/uv``. The development lock is made first; the others take its versions.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
FOLDER: Final = ROOT / "locks"
LOCKS: Final = {
    "dev": ("dev",),
    "runtime": ("aiohttp", "bulk", "gateway", "httpx2", "keyring", "mcp", "otel", "signing", "studio", "workflows"),
    "gateway": ("gateway",),
    "bulk": ("bulk", "postgres", "temporal"),
}
"""Which extras each lock is for: development, the wheel's list of packages (SBOM), the images. ``build`` is what the build itself needs."""
HEADER: Final = "# Made by `make lock` from pyproject.toml. Exact versions with digests; install with: pip install --require-hashes -r {}\n"


def main(uv: str) -> None:
    """Writes the locks."""
    FOLDER.mkdir(exist_ok=True)
    dev = FOLDER / "dev.txt"
    for name, extras in LOCKS.items():
        _write(uv, name, ["pyproject.toml", *(part for extra in extras for part in ("--extra", extra))], dev if name != "dev" else None)
    needs = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]["requires"]
    _write(uv, "build", ["-"], dev, "\n".join(needs))


def _write(uv: str, name: str, sources: Sequence[str], versions: Path | None, text: str = "") -> None:
    command = [uv, "pip", "compile", "--quiet", "--universal", "--generate-hashes", "--no-emit-index-url", "--no-header", "--no-annotate"]
    command += ["--python-version", "3.11", *sources, *(["--constraint", str(versions)] if versions else ["--upgrade"])]
    made = subprocess.run(command, cwd=ROOT, input=text, text=True, stdout=subprocess.PIPE, check=True).stdout
    file = FOLDER / f"{name}.txt"
    file.write_text(HEADER.format(file.relative_to(ROOT)) + made, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
