"""What a workflow gives, as it is printed: files are saved where the user says, or told by type, size and digest; never base64."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kosha_connector_openai.cli.files import make_folder
from kosha_connector_openai.connector import Connector
from kosha_connector_openai.flows.workflows import plain
from kosha_connector_openai.outputs import OutputFile, embedded_names, from_bytes, replaced
from kosha_connector_openai.text import tokens


class OutputPrinter:
    """Makes values fit to print; ``saved`` are the files that were written."""

    def __init__(self, connector: Connector, folder: Path | None, *, overwrite: bool = False) -> None:
        """Makes the folder, so that one that cannot be used is told before a run; raises InputError."""
        if folder is not None:
            make_folder(folder, "files")
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
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", "-".join(tokens(pointer))).strip(".-")[:80] or "output"
        saved = file.save(self._folder / f"{stem}{Path(file.name).suffix}", overwrite=self._overwrite)
        self.saved.append(saved.path)
        return {"path": str(saved.path), **facts}
