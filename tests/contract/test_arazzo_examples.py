"""The specification's own examples, each against its own API description: it loads, or is refused for what is wrong with it.

They are read from a clone of the specification's repository that ``ARAZZO_REPOSITORY`` names.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import orjson
import pytest

from kosha_connector_openai import Connector
from kosha_connector_openai.errors import WorkflowDocumentError
from kosha_connector_openai.flows.workflows import read_workflows
from kosha_connector_openai.text.yaml_text import load_yaml

REPOSITORY = os.environ.get("ARAZZO_REPOSITORY", "")
EXPECTED: dict[str, tuple[str, dict[str, str]]] = {
    "oauth.arazzo.yaml": ("oauth.openapi.yaml", {}),
    # the description calls these parameters `tags` and `petId`
    "pet-coupons.arazzo.yaml": (
        "pet-coupons.openapi.yaml",
        {"/workflows/0/steps/0/parameters/0": "unknown", "/workflows/0/steps/1/parameters/0": "unknown"},
    ),
    # outputs are used that no step has, and the word `outputs` is left out once
    "bnpl-arazzo.yaml": (
        "bnpl-openapi.yaml",
        {
            "/workflows/0/outputs/finalizedPaymentPlan": "expression",
            "/workflows/0/steps/4/parameters/0": "unknown",
            "/workflows/0/steps/4/parameters/0/value": "unknown",
            "/workflows/0/steps/5/parameters/0/value": "unknown",
            "/workflows/0/steps/6/parameters/0/value": "unknown",
        },
    ),
    # the description writes `Par`; ids are case-sensitive
    "FAPI-PAR.arazzo.yaml": ("FAPI-PAR.openapi.yaml", {"/workflows/0/steps/0/operationId": "unknown"}),
    # their descriptions are on other servers, and nothing is fetched
    "LoginAndRetrievePets.arazzo.yaml": ("pet-coupons.openapi.yaml", {"/sourceDescriptions/0": "source"}),
    "ExtendedParametersExample.arazzo.yaml": ("pet-coupons.openapi.yaml", {"/sourceDescriptions/0": "source"}),
}
MANIFEST = """schema_version: 1
id: example
title: Example
version: 1.0.0
tagline: An example.
publisher: {{name: Example}}
license: Apache-2.0
spec: {{file: openapi.json, sha256: {digest}}}
servers: {{default: "https://api.example"}}
result: {{headers: ["*"]}}
"""


def text(name: str) -> bytes:
    if not REPOSITORY or not Path(REPOSITORY).exists():
        pytest.skip("ARAZZO_REPOSITORY names no clone of the specification's repository")
    command = ["git", "-C", REPOSITORY, "show", f"HEAD:examples/1.0.0/{name}"]
    return subprocess.run(command, check=True, capture_output=True).stdout


@pytest.mark.parametrize("name", EXPECTED)
def test_an_official_example_loads_or_is_refused_with_a_reason(name: str, tmp_path: Path) -> None:
    """Each example of the specification is read, or has just the faults that are known."""
    description, faults = EXPECTED[name]
    data = orjson.dumps(load_yaml(text(description)))
    (tmp_path / "openapi.json").write_bytes(data)
    (tmp_path / "connector.yaml").write_text(MANIFEST.format(digest=hashlib.sha256(data).hexdigest()))
    document = text(name)
    sources = [] if "/sourceDescriptions/0" in faults else [entry["name"] for entry in load_yaml(document)["sourceDescriptions"]]
    with Connector(tmp_path) as connector:
        if not faults:
            assert read_workflows(document, connector, sources=sources).workflows
            return
        with pytest.raises(WorkflowDocumentError) as refusal:
            read_workflows(document, connector, sources=sources)
    found = {fault.pointer: fault.rule for fault in refusal.value.faults}
    assert faults.items() <= found.items()
    assert all(fault.message for fault in refusal.value.faults)
    assert "/sourceDescriptions/0" in faults or found == faults
