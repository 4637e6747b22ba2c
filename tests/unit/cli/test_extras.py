"""What needs an extra says which, with a command that can be pasted; nothing fails with a traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FLOW = """
arazzo: 1.0.1
info: {title: Models, version: 1.0.0}
sourceDescriptions: [{name: openai, url: ./openapi.json, type: openapi}]
workflows:
  - workflowId: models
    steps:
      - stepId: list
        operationId: listModels
        successCriteria:
          - {context: $response.body, type: jsonpath, condition: '$.data[0]'}
"""
CASES = [
    ("gateway", ("starlette", "uvicorn"), ("serve",), 4),
    ("mcp", ("mcp", "mcp_types"), ("mcp",), 4),
    ("httpx2", ("httpx2",), ("run", "listModels", "--engine", "httpx2"), 4),
    ("keyring", ("keyring",), ("run", "listModels", "--set", "api_key=keyring:kosha/work"), 4),
    ("keyring", ("keyring",), ("connect", "work", "--secret-stdin", "--store", "keyring"), 4),
    ("temporal", ("temporalio",), ("workflow", "worker", "--ledger", "env:LEDGER"), 4),
    ("temporal", ("temporalio",), ("bulk", "worker", "--ledger", "env:LEDGER"), 4),
    ("bulk", ("pyrate_limiter",), ("bulk", "run", "ask", "rows.csv", "--out", "out.csv"), 4),
    ("bulk", ("pyrate_limiter",), ("bulk", "resume", "out.csv"), 4),
    ("parquet", ("pyarrow",), ("bulk", "run", "ask", "rows.parquet", "--out", "out.csv"), 3),
    ("parquet", ("pyarrow",), ("bulk", "run", "ask", "rows.csv", "--out", "out.parquet"), 4),
    ("workflows", ("jsonpath_rfc9535",), ("workflow", "check", "flow.yaml"), 10),
]


def without(folder: Path, hidden: tuple[str, ...], code: str) -> subprocess.CompletedProcess[str]:
    """Runs Python where these packages cannot be found, as where they are not installed."""
    hide = f"""
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {hidden!r}: raise ModuleNotFoundError(name)
import importlib.util as util
found = util.find_spec
util.find_spec = lambda name, package=None: None if name in {hidden!r} else found(name, package)
sys.meta_path.insert(0, Hidden())
"""
    command = [sys.executable, "-c", hide + code]
    environ = {"OPENAI_API_KEY": "test-key-0123456789abcdef", "OPENAI_BASE_URL": "http://127.0.0.1:9", "HOME": str(folder)}
    return subprocess.run(
        command, cwd=folder, env=environ, input="test-key-0123456789abcdef", capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    ("extra", "hidden", "arguments", "code"), CASES, ids=lambda value: "-".join(value) if isinstance(value, tuple) else None
)
def test_a_command_without_its_extra(tmp_path: Path, extra: str, hidden: tuple[str, ...], arguments: tuple[str, ...], code: int) -> None:
    """The message names the extra and how to install it; it is the set-up that is wrong, not the program. Nothing is left behind."""
    files = {"flow.yaml": FLOW, "rows.csv": "question\nWhy?\n", "rows.parquet": "PAR1"}
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    done = without(tmp_path, hidden, f"from kosha_connector_openai.cli.app import make_app\nmake_app()({list(arguments)!r})")
    assert done.returncode == code, done.stderr
    assert f"pip install 'kosha-connector-openai[{extra}]'" in done.stderr
    assert "Traceback" not in done.stderr
    assert {path.name for path in tmp_path.iterdir() if not path.name.startswith(".")} == {*files}


def test_an_engine_for_event_loops_without_its_extra(tmp_path: Path) -> None:
    """In Python it is a SetupError: nothing was sent."""
    code = """
import asyncio
from kosha_connector_openai import open_connector
from kosha_connector_openai.errors import SetupError
async def main():
    async with open_connector() as connector:
        try:
            await connector.arun("listModels", {}, connector.connection(engine="aiohttp"))
        except SetupError as error:
            print(error.message, error.hint)
asyncio.run(main())
"""
    done = without(tmp_path, ("aiohttp",), code)
    assert done.stdout == "The engine aiohttp is not installed. Install it: pip install 'kosha-connector-openai[aiohttp]'.\n", done.stderr


def test_the_gateway_does_without_the_extra_of_its_page(tmp_path: Path) -> None:
    """Without ``mcp`` it serves all but that page."""
    code = "from kosha_connector_openai.cli.app import make_app\nmake_app()(['serve', '--check', '--no-token'])"
    done = without(tmp_path, ("mcp", "mcp_types"), code)
    assert (done.returncode, "The settings are fine" in done.stdout) == (0, True), done.stderr
