"""The wheel's own step: the shipped manifest and its parts, checked when it is built, are in it as records that need no check."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CheckedRecords(BuildHookInterface[Any]):
    """Writes what ``manifest/checked.py`` would keep of the shipped connector; an editable install keeps it when it first starts."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        sys.dont_write_bytecode = True
        sys.path.insert(0, self.root)
        from kosha_connector_openai.manifest.folder import shipped

        self.folder = TemporaryDirectory()
        for name, data in shipped(Path(self.root)).items():
            path = Path(self.folder.name, name)
            path.write_bytes(data)
            build_data["force_include"][str(path)] = f"kosha_connector_openai/manifest/shipped/{name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if version != "editable":
            self.folder.cleanup()
