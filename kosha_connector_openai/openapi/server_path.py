"""The path of a description's first server: all that is taken of its servers, since a description does not say where a key goes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from kosha_connector_openai.errors import DocumentError, Fault

_VARIABLE: Final = re.compile(r"\{([^{}]+)\}")
_PATH: Final = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~@:-]+)*")


def server_path(root: Mapping[str, Any]) -> str:
    """Empty, or ``/a/b``, its variables at their defaults; raises DocumentError for one that is no plain path."""
    servers = root.get("servers")
    first = servers[0] if isinstance(servers, list) and servers and isinstance(servers[0], Mapping) else {}
    variables = first.get("variables")
    url = _VARIABLE.sub(lambda match: _default(variables, match[1]), str(first.get("url", "")))
    try:
        path = urlsplit(url).path.rstrip("/")
    except ValueError:
        path = "?"
    if not _PATH.fullmatch(path):
        message = "The description's first server has no plain path."
        raise DocumentError(message, [Fault("/servers/0/url", "path", "is no plain path.", "Correct it, or remove the servers.")])
    return path


def _default(variables: Any, name: str) -> str:
    found = variables.get(name) if isinstance(variables, Mapping) else None
    return str(found.get("default", "")) if isinstance(found, Mapping) else ""
