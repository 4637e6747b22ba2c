"""The shipped workflows, and those that the builder writes, pass linters that are not ours: Spectral's Arazzo rules and Redocly.

Needs Node.js and the packages of arazzo_linters/package.json (``make e2e`` installs these); skipped without them.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kosha_connector_openai import Connector
from kosha_connector_openai.flows import Flow
from tests import arazzo_linters

EXAMPLES = sorted((Path(__file__).parents[2] / "examples" / "workflows").glob("*.yaml"))

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.skipif(not arazzo_linters.HERE, reason="Node.js or the linters are not here"),
]


@pytest.fixture
def documents(tmp_path: Path, connector: Connector) -> list[str]:
    """Copies beside a description of their own name, and one document of the builder's with a task and a job."""
    flow = Flow("built")
    flow.task("ask", {"question": flow.input("question")}, id="ask")
    flow.step("createFineTuningJob", {"model": "gpt-4o-mini", "training_file": "file-1"}, id="train", wait=True)
    files = [Path(shutil.copy(path, tmp_path)) for path in EXAMPLES]
    (tmp_path / "built.yaml").write_text(flow.to_yaml(connector))
    return [str(path) for path in (*files, tmp_path / "built.yaml")]


def test_spectral_finds_no_error(documents: list[str], tmp_path: Path):
    """By the rule set that it ships for Arazzo."""
    assert arazzo_linters.spectral(documents, tmp_path) == ""


def test_redocly_finds_no_error(documents: list[str], tmp_path: Path):
    """By its own rules for Arazzo."""
    assert arazzo_linters.redocly(documents, tmp_path) == ""
