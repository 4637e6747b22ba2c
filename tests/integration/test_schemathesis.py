"""Schemathesis over the description that the gateway serves: every operation, made-up inputs, and what must never come back."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kosha_connector_openai.sandbox import Sandbox
from tests.gateway import TOKEN
from tests.service import whole

COMMAND = shutil.which("schemathesis", path=str(Path(sys.executable).parent)) or ""
CHECKS = "not_a_server_error,ignored_auth,content_type_conformance,response_schema_conformance,status_code_conformance"

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(not COMMAND, reason="`make e2e` installs schemathesis")]


def test_no_failure_of_ours_no_open_route_and_replies_that_fit(tmp_path: Path):
    """R23: no 5xx, no route without a token, and status, type and schema of every reply as described."""
    with Sandbox() as behind, whole(behind.url, key=behind.key) as gateway:
        arguments = ["--phases", "examples,fuzzing", "--max-examples", "1", "--seed", "1", "--continue-on-failure", "--warnings", "off"]
        arguments += ["--checks", CHECKS, "--header", f"Authorization: Bearer {TOKEN}", "--no-color", "--max-failures", "20"]
        command = [COMMAND, "run", f"{gateway.url}/openapi.json", *arguments]
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=900, check=False)
        lines = [json.loads(line) for line in gateway.log.read_text().splitlines()]
    assert ended.returncode == 0, ended.stdout[-6_000:]
    assert len(lines) > 300
    assert not [line for line in lines if line["status"] >= 500]
