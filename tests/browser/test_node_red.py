"""The nodes in a real Node-RED, used in a real browser as a person does: uploaded, dragged, wired, deployed, run, and a failure caught.

Needs Node.js, Chromium and the packages of node_red/package.json (``make e2e`` installs these); skipped without them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from kosha_connector_openai import open_connector
from kosha_connector_openai.exports import write_node_red
from kosha_connector_openai.sandbox import Sandbox
from tests.gateway import TOKEN
from tests.service import free_port, whole

HERE = Path(__file__).parent / "node_red"
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome") or ""
SETTINGS = {
    "uiHost": "127.0.0.1",
    "flowFile": "flows.json",
    "credentialSecret": "of this test",
    "telemetry": {"enabled": False},
    "editorTheme": {"tours": False, "palette": {"catalogues": []}},
    "externalModules": {"palette": {"allowInstall": True, "allowUpload": True}},
}
pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture
def node_red(tmp_path: Path) -> Iterator[str]:
    """The address of a Node-RED with nothing in it."""
    program = HERE / "node_modules" / ".bin" / "node-red"
    if not CHROMIUM or not shutil.which("node") or not program.exists():
        pytest.skip("Node.js, Chromium or Node-RED is not here: npm --prefix tests/browser/node_red install")
    user = tmp_path / "user"
    user.mkdir()
    (user / "settings.js").write_text(f"module.exports = {json.dumps(SETTINGS)};\n")
    url = f"http://127.0.0.1:{(port := free_port())}"
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen([program, "--userDir", user, "--port", str(port)], env=environ, stdout=log, stderr=log)
        try:
            for _ in range(300):
                time.sleep(0.2)
                try:
                    if httpx.get(url, trust_env=False).status_code == 200:
                        break
                except httpx.HTTPError:
                    continue
            else:
                pytest.fail((tmp_path / "log").read_text())
            yield url
        finally:
            process.terminate()
            process.wait(20)


def test_a_person_uses_the_nodes(node_red: str, tmp_path: Path) -> None:
    """The answer and the picture come to the debug panel through the gateway; the catch node has the message; an export has no token."""
    with open_connector() as connector:
        name, data = write_node_red(connector)
    (tmp_path / name).write_bytes(data)
    with Sandbox() as sandbox, whole(sandbox.url, key=sandbox.key) as gateway:
        job = {
            "url": node_red,
            "chromium": CHROMIUM,
            "tarball": str(tmp_path / name),
            "gateway": gateway.url,
            "token": TOKEN,
            "prefix": "kosha-openai",
            "shots": str(tmp_path),
        }
        (tmp_path / "job.json").write_text(json.dumps(job))
        done = subprocess.run(
            ["node", HERE / "drive.mjs", tmp_path / "job.json"], cwd=HERE, capture_output=True, text=True, timeout=300, check=False
        )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert "failure" not in found, (found["failure"], found["steps"])
    assert not [text for text in found["problems"] if "kosha" in text]
    assert found["links"] == 5
    assert found["fields"] >= 10
    assert any("This is the sandbox" in text for text in found["messages"])
    assert any("buffer" in text and "137, 80, 78, 71" in text for text in found["messages"])
    caught = "\n".join(found["caught"])
    assert "/messages: must be a list" in caught.replace("a lis...", "a list")
    assert "payload: 1" in caught  # the message as it came
    assert gateway.url in found["exported"]
    assert TOKEN not in found["exported"]
    flows = next((tmp_path / "user").glob("flows.json")).read_text()
    assert TOKEN not in flows
