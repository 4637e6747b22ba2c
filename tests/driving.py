"""The sandbox's own endpoints: how its objects go on, what was sent to it."""

from __future__ import annotations

import json
from typing import Any
from urllib.request import Request, urlopen

from tests.offline import Offline


def control(sandbox: Offline, method: str, place: str, body: Any = None) -> Any:
    """One request to the sandbox's own endpoints."""
    data = None if body is None else json.dumps(body).encode()
    request = Request(f"{sandbox.url}/__sandbox__{place}", data=data, method=method, headers={"Authorization": f"Bearer {sandbox.key}"})
    with urlopen(request, timeout=30) as reply:
        return json.load(reply)


def drive(sandbox: Offline, path: str, **wanted: Any) -> None:
    """Says how the objects of a collection go on: ``steps`` of those created next, ``add`` for finished ones."""
    control(sandbox, "POST", "/collections", {"path": path, **wanted})


def sent(sandbox: Offline, method: str, path: str) -> list[dict[str, Any]]:
    """The requests that the sandbox got with this method and path, oldest first."""
    return [
        entry for entry in control(sandbox, "GET", "/requests") if entry["method"] == method and entry["target"].partition("?")[0] == path
    ]
