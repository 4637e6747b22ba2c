"""The `openai` library for Node, unmodified: through the gateway it gives what it gives without one."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from kosha_connector_openai.sandbox import Sandbox
from tests.gateway import TOKEN
from tests.service import whole

HERE = Path(__file__).parent / "node"

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        shutil.which("node") is None or not (HERE / "node_modules" / "openai").is_dir(), reason="`make e2e` installs the library for Node"
    ),
]


def calls(url: str, key: str) -> dict[str, Any]:
    """What came of each call, by its name."""
    command = ["node", str(HERE / "calls.mjs"), f"{url}/v1", key]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, encoding="utf-8")
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def test_every_call_gives_what_it_gives_without_a_gateway():
    """Two equal sandboxes, one behind the gateway; the same calls in the same order."""
    with Sandbox() as direct:
        expected = calls(direct.url, direct.key)
    with Sandbox() as behind, whole(behind.url, key=behind.key) as gateway:
        found = calls(gateway.url, TOKEN)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == value, name
    assert found["files"][1] is True
    assert found["missing"][:2] == ["NotFoundError", 404]
