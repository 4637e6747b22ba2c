"""What a workflow gives, as it is printed: files are saved where the user says, or told by type, size and digest; never base64."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from kosha_connector_openai.cli.files import make_folder
from kosha_connector_openai.connector import Connector
from kosha_connector_openai.flows.workflows import plain
from kosha_connector_openai.outputs import OutputFile, embedded_names, from_bytes, replaced
from kosha_connector_openai.text import tokens


class OutputPrinter:
    """Makes values fit to print; ``saved`` are the files that were written."""

    def __init__(self, connector: Connector, folder: Path | None, outputs: Iterable[str], *, overwrite: bool = False) -> None:
        """Makes the folder, so that one that cannot be used is told before a run, or one with a file by the name of one of the
        ``outputs``; raises InputError."""
        if folder is not None:
            names = () if overwrite else outputs
            make_folder(folder, "files", [rf"{re.escape(_stem((name,)))}(-.*)?\..*" for name in names])
        self._names = embedded_names(connector.outputs.part)
        self._folder = folder
        self._overwrite = overwrite
        self.saved: list[Path] = []

    def of(self, value: Any, pointer: str = "") -> Any:
        """The value without bytes. Raises InputError where a file cannot be written."""
        if isinstance(value, (bytes, bytearray)):
            return self._file(pointer, from_bytes(bytes(value), name="file", declared="application/octet-stream"), "")
        if isinstance(value, Mapping):
            return {str(name): self.of(part, f"{pointer}/{name}") for name, part in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.of(part, f"{pointer}/{number}") for number, part in enumerate(value)]
        return replaced(value, self._names, self._file, pointer, pointer.rpartition("/")[2]) if isinstance(value, str) else plain(value)

    def _file(self, pointer: str, file: OutputFile, _: str) -> dict[str, Any]:
        facts = {"content_type": file.content_type, "size": file.size, "sha256": file.sha256}
        if self._folder is None:
            return facts
        saved = file.save(self._folder / f"{_stem(tokens(pointer))}{Path(file.name).suffix}", overwrite=self._overwrite)
        self.saved.append(saved.path)
        return {"path": str(saved.path), **facts}


def _stem(names: Iterable[str]) -> str:
    """What a file is called for the place of its value among the outputs."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", "-".join(names)).strip(".-")[:80] or "output"
