"""``python -m tools.sweep DIR``: sweeps every folder and description below DIR and prints a table; ends with 1 where it finds something."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from tools.sweep.sweep import Row, sweep

_FORM = {
    "version": "2.0.0",
    "fields": [{"field": "SERVER_URL", "type": "String"}, {"field": "AUTH_TYPE", "type": "String", "default": "NONE"}],
}
_HEADINGS = ("folder", "operations", "faulty", "no sample", "refused", "wrong", "crashed", "right")


def folders(root: Path, scratch: Path) -> dict[str, Path]:
    """Folders to run by name: those with ``openapi.json``, and one made around each description that stands alone."""
    found = {str(file.parent.relative_to(root)): file.parent for file in sorted(root.rglob("openapi.json"))}
    for file in sorted([*root.rglob("*.json"), *root.rglob("*.yaml")]):
        if file.name in ("openapi.json", "connector_spec.json") or file.parent in found.values():
            continue
        head = file.read_bytes()[:4_096]
        if b'"openapi"' in head or b'"swagger"' in head or head.startswith((b"openapi:", b"swagger:")):
            folder = scratch / f"d{len(found)}"
            folder.mkdir()
            (folder / "connector_spec.json").write_text(json.dumps(_FORM))
            (folder / "openapi.json").write_bytes(file.read_bytes())
            found[str(file.relative_to(root))] = folder
    return found


def main(arguments: list[str]) -> int:
    """The exit code."""
    if len(arguments) != 1 or not Path(arguments[0]).is_dir():
        sys.stderr.write("Say which folder: make sweep DIR=path/to/descriptions\n")
        return 2
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as scratch:
        for name, folder in folders(Path(arguments[0]), Path(scratch)).items():
            rows.append(sweep(name, folder))
            for finding in rows[-1].findings:
                sys.stdout.write(f"{name}: {finding}\n")
    width = max([len(row.name) for row in rows] + [len(_HEADINGS[0])])
    sys.stdout.write(f"{_HEADINGS[0]:{width}} " + " ".join(f"{heading:>10}" for heading in _HEADINGS[1:]) + "\n")
    for row in rows:
        numbers = (row.operations, row.faulty, row.unsampled, row.refused, row.wrong, row.crashed, row.right)
        sys.stdout.write(f"{row.name:{width}} " + " ".join(f"{number:>10}" for number in numbers) + "\n")
    return int(any(row.findings for row in rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
