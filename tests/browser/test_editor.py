"""The editor of examples/editor in a real browser: another origin's page, a gateway that lets it call, and the API alone between them.

Needs Node.js, Chromium and the packages of package.json (``make e2e`` installs these); skipped without them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from kosha_connector_openai.sandbox import Sandbox
from tests.gateway import TOKEN
from tests.service import whole

HERE = Path(__file__).parent
EXAMPLE = HERE.parents[1] / "examples" / "editor"
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome") or ""

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def test_an_editor_of_sixty_lines_builds_and_runs_a_step(tmp_path: Path) -> None:
    """It lists the actions, draws a form, runs it, and shows its text as it comes; it has no more than sixty lines."""
    if not shutil.which("node") or not (HERE / "node_modules" / "@xyflow").is_dir() or not CHROMIUM:
        pytest.skip("Node.js, Chromium or the packages of tests/browser/package.json are not here; `make e2e` installs the packages")
    source = EXAMPLE / "editor.jsx"
    assert len(source.read_text(encoding="utf-8").splitlines()) <= 60
    build = ["npx", "esbuild", str(source), "--bundle", "--format=esm", "--jsx=automatic", f"--outfile={tmp_path / 'editor.js'}"]
    environ = {**os.environ, "NODE_PATH": str(HERE / "node_modules")}
    subprocess.run(build, cwd=HERE, env=environ, check=True, capture_output=True, timeout=120)
    shutil.copy(EXAMPLE / "index.html", tmp_path)
    with Sandbox() as sandbox, ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(tmp_path))) as pages:
        thread = threading.Thread(target=pages.serve_forever, daemon=True)
        thread.start()
        origin = f"http://127.0.0.1:{pages.server_port}"
        with whole(sandbox.url, settings={"cors_origins": [origin]}, key=sandbox.key) as service:
            job = tmp_path / "job.json"
            url = f"{origin}/index.html#gateway={service.url}&token={TOKEN}"
            job.write_text(json.dumps({"chromium": CHROMIUM, "url": url, "folder": os.environ.get("KOSHA_SHOTS") or str(tmp_path)}))
            done = subprocess.run(["node", "editor.mjs", str(job)], cwd=HERE, capture_output=True, text=True, timeout=180, check=False)
        pages.shutdown()
        thread.join()
    seen = json.loads(done.stdout)
    assert seen.get("failed") is None, str(seen)
    assert seen == {"text": "This is a test (sandbox).", "edges": 1, "problems": []}


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Says nothing."""
