"""The gateway's address, which most files for other tools hold."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from kosha_connector_openai.errors import Fault, InputError


def address_parts(server: str) -> SplitResult:
    """The parts of an http or https address with a host; raises InputError for any other text."""
    parts = urlsplit(server)
    if parts.scheme not in ("https", "http") or not parts.netloc:
        raise InputError("The address is wrong.", [Fault("/server", "format", "is no address.", "Write https://gateway.example.")])
    return parts
