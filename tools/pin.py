"""Writes the digest of openapi.json into connector.yaml, so that the description is exactly the one that was reviewed."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path


def pin(folder: Path) -> str:
    """The digest that was written."""
    digest = hashlib.sha256((folder / "openapi.json").read_bytes()).hexdigest()
    manifest = folder / "connector.yaml"
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(re.sub(r"(?m)^  sha256: .*$", f"  sha256: {digest}", text), encoding="utf-8")
    return digest


if __name__ == "__main__":
    print(pin(Path(__file__).parent.parent))
