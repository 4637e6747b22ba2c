"""What frameworks send is taken: LangChain, LlamaIndex, Instructor, Pydantic AI, OpenAI's agents and Vercel's AI SDK, unmodified.

Their calls go through the gateway with its checks on.

They are not part of the development environment: ``make e2e`` installs them into one of their own and into tests/integration/node.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kosha_connector_openai.sandbox import Sandbox
from tests.gateway import ROOT, TOKEN
from tests.service import Whole, whole

HERE = Path(__file__).parent
PYTHON = Path(os.environ.get("KOSHA_FRAMEWORKS_PYTHON") or ROOT / ".venv" / "frameworks" / "bin" / "python")
pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture
def gateway() -> Iterator[Whole]:
    """A gateway in front of the sandbox, whose key nobody here has."""
    with Sandbox() as sandbox, whole(sandbox.url, key=sandbox.key) as running:
        yield running


def answers(gateway: Whole, *command: Path | str, home: Path) -> dict[str, str]:
    """What each call of a program came to."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), "OPENAI_BASE_URL": f"{gateway.url}/v1", "OPENAI_API_KEY": TOKEN}
    done = subprocess.run(command, env=environ, cwd=home, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_frameworks_of_python_call_it(gateway: Whole, tmp_path: Path) -> None:
    """Whatever is installed of them: every call gets an answer, and none is refused."""
    if not PYTHON.exists():
        pytest.skip("the frameworks are not installed; `make e2e` does it")
    found = answers(gateway, PYTHON, HERE / "frameworks" / "calls.py", home=tmp_path)
    assert len(found) >= 20
    assert {name: text for name, text in found.items() if text.startswith("!") or not text} == {}


def test_the_ai_sdk_calls_it(gateway: Whole, tmp_path: Path) -> None:
    """Text, objects, tools, pictures and files over both interfaces; embeddings, images, speech, transcription."""
    if not shutil.which("node") or not (HERE / "node" / "node_modules" / "@ai-sdk").is_dir():
        pytest.skip("Node.js or the AI SDK is not here; `make e2e` installs the SDK")
    found = answers(gateway, "node", HERE / "node" / "ai_sdk.mjs", home=tmp_path)
    assert len(found) == 15
    assert {name: text for name, text in found.items() if text.startswith("!") or text in ("", '""')} == {}
