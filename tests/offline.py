"""The offline upstream in this process, with an empty memory: what ``Sandbox`` serves, without the start of another Python."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kosha_connector_openai.plugin import folder
from kosha_connector_openai.sandbox import DEFAULT_KEY, App, SandboxServer

PASTED = {
    "OPENAI_API_KEY": DEFAULT_KEY,
    "OPENAI_ADMIN_KEY": DEFAULT_KEY,
    "OPENAI_BASE_URL": "http://127.0.0.1:8787",
    "AUTH_TYPE": "BEARER_TOKEN",
}
"""The environment of a reader who has pasted what the command `sandbox` prints; a program of a page has a sandbox of its own even so."""


@dataclass
class Offline:
    """An upstream that runs: where it is, the key that it takes, and what answers."""

    url: str
    key: str
    app: App


@contextmanager
def offline(*, connector: Path | None = None, retired: bool = False, any_id: bool = False) -> Iterator[Offline]:
    """Serves a connector's folder, ours unless said otherwise, until the block is left; the options are those of ``Sandbox``."""
    app = App(connector or folder(), key=DEFAULT_KEY, retired=retired, any_id=any_id)
    with SandboxServer(app) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield Offline(server.url, DEFAULT_KEY, app)
        finally:
            server.shutdown()
            thread.join()
