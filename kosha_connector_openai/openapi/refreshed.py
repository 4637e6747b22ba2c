"""The refreshed description of a connector: one file in the user's folder, pinned by its digest, for the connections that ask for it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from kosha_connector_openai.errors import DocumentError
from kosha_connector_openai.openapi.document import MAX_BYTES
from kosha_connector_openai.trusted_files import home, read_trusted, replace_trusted

REFRESHED: Final = "refreshed"
"""What a connection's option ``spec`` says to use it."""
_PIN_BYTES: Final = 64 * 1024
_POINTER: Final = "/spec"
_AGAIN: Final = "Run `spec refresh` again, or leave the option `spec` out."


def refreshed_pin(connector: str) -> Mapping[str, Any]:
    """``file``, ``sha256``, ``source`` and ``date`` of the refreshed description. Raises DocumentError where there is none."""
    try:
        pin = json.loads(read_trusted(_folder() / f"{connector}.pin", _PIN_BYTES))
    except FileNotFoundError:
        raise DocumentError("There is no refreshed description.", hint="Run `spec refresh` first.", pointer=_POINTER) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no JSON"
        raise DocumentError(f"The pin of the refreshed description cannot be read: {reason}.", hint=_AGAIN, pointer=_POINTER) from None
    if not isinstance(pin, dict) or not all(isinstance(pin.get(name), str) for name in ("file", "sha256")):
        raise DocumentError("The pin of the refreshed description has another form.", hint=_AGAIN, pointer=_POINTER)
    return pin


def read_refreshed(connector: str) -> bytes:
    """The refreshed description as it was written. Raises DocumentError where there is none, or where it was changed since."""
    pin = refreshed_pin(connector)
    path = _folder() / Path(pin["file"]).name
    try:
        data = read_trusted(path, MAX_BYTES)
    except OSError as error:
        raise DocumentError(f"{path.name} cannot be read: {error.strerror}.", hint=_AGAIN, pointer=_POINTER) from None
    if hashlib.sha256(data).hexdigest() != pin["sha256"]:
        raise DocumentError(f"{path.name} was changed since it was written.", hint=_AGAIN, pointer=_POINTER)
    return data


def write_refreshed(connector: str, data: bytes, source: str, date: str) -> Path:
    """Writes the description and then its pin, each whole; a description that was there before goes. Raises DocumentError."""
    folder, digest = _folder(), hashlib.sha256(data).hexdigest()
    path = folder / f"{connector}-{digest[:16]}.json"
    pin = {"file": path.name, "sha256": digest, "source": source, "date": date}
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_trusted(path, data)
        replace_trusted(folder / f"{connector}.pin", json.dumps(pin, indent=1).encode() + b"\n")
        for old in folder.glob(f"{connector}-*.json"):
            if old != path:
                old.unlink(missing_ok=True)
    except OSError as error:
        raise DocumentError(f"The description cannot be written to {folder}: {error.strerror}.") from None
    return path


def _folder() -> Path:
    return home() / "descriptions"
