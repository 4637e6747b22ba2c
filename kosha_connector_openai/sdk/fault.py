"""SourceFault: what the reader cannot read, with the file and the line."""

from __future__ import annotations

from dataclasses import dataclass

from kosha_connector_openai.errors import DocumentError


@dataclass(eq=False)
class SourceFault(Exception):
    """A place in the client's source that the reader does not understand; the operation that needs it is left out."""

    file: str
    line: int
    reason: str
    operation: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.reason}" + (f"; {self.operation} is left out" if self.operation else "")


class PackageError(DocumentError):
    """A package that does not exist or is no client."""
