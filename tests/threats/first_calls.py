"""A program: the first calls of a fresh service, and which of our modules, and of the protocol's for MCP, they import on the event loop."""

from __future__ import annotations

import asyncio
import sys
import threading
from importlib.abc import MetaPathFinder
from typing import Any

from kosha_connector_openai._face import load
from kosha_connector_openai.gateway.server import LOADED
from tests.recorder import Recorder
from tests.threats.in_process import in_process

_ACTIONS, _CHAT = "/kosha/v1/actions", {"model": "m", "messages": [{"role": "user", "content": "x"}]}
_HELLO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
_CALLS: tuple[tuple[str, Any], ...] = (
    (f"{_ACTIONS}/createChatCompletion/run", {"inputs": _CHAT}),
    (f"{_ACTIONS}/createBatch/options/input_file_id", {}),
    ("/kosha/v1/tasks/ask/run", {"inputs": {"question": "x"}}),
    ("/kosha/v1/jobs/status", {"handle": {}}),
    ("/kosha/v1/workflows/check", {"document": {"arazzo": "1.0.1"}}),
    ("/mcp", {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": _HELLO}),
)


class _Imports(MetaPathFinder):
    """Notes what is imported on the main thread, and finds nothing."""

    def __init__(self) -> None:
        self.names = list[str]()

    def find_spec(self, name: str, *_: Any) -> None:
        if threading.current_thread() is threading.main_thread() and name.startswith(("mcp.", "kosha_connector_openai.flows.")):
            self.names.append(name)


async def main() -> None:
    """Writes each status, and the imports."""
    with Recorder() as upstream:
        async with in_process(upstream.url) as gateway:
            for wing in LOADED:
                load(f"kosha_connector_openai.{wing}")
            imports = _Imports()
            sys.meta_path.insert(0, imports)
            for path, body in _CALLS:
                answer = await gateway.call("POST", path, json=body, headers={"Accept": "application/json, text/event-stream"})
                sys.stdout.write(f"{answer.status_code}\n")
            sys.stdout.write(" ".join(imports.names) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
