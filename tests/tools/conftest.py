"""The published document, and the reference description beside the repository where there is one."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

ROOT = Path(__file__).resolve().parents[2]
# `tools` is no part of the installed package, so it is found only from the root of the repository.
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tools.spec.source import Source, read_source  # noqa: E402  (needs the path above)

Node = dict[str, Any]
Faults = Callable[[Node, str, Any], list[str]]


@pytest.fixture(scope="session")
def openapi() -> Node:
    """openapi.json as it is committed."""
    document: Node = json.loads((ROOT / "openapi.json").read_text(encoding="utf-8"))
    return document


@pytest.fixture(scope="session")
def operations(openapi: Node) -> dict[str, Node]:
    """Its operations by id."""
    return {operation["operationId"]: operation for item in openapi["paths"].values() for operation in item.values()}


@pytest.fixture(scope="session")
def reference() -> Path:
    """The vendor's description; the test is skipped where it is not at hand."""
    path = ROOT.parent / "shared" / "specs" / "openai-2.3.0-oas31.json"
    if not path.exists():
        pytest.skip("the reference description is not at hand")
    return path


@pytest.fixture(scope="session")
def source(reference: Path) -> Source:
    """The vendor's description as the generator reads it."""
    return read_source(reference)


@pytest.fixture(scope="session")
def faults() -> Faults:
    """A function: (document, schema pointer or operation id, value) -> the faults of the value."""
    compiled: dict[tuple[int, str], Any] = {}

    def find(document: Node, where: str, value: Any) -> list[str]:
        key = (id(document), where)
        if key not in compiled:
            compiled[key] = jsonschema_rs.Draft202012Validator(_schema(document, where))
        return [fault.message for fault in compiled[key].iter_errors(value)]

    return find


def _schema(document: Node, where: str) -> Node:
    """The schema of a component (`#Name`) or of an operation's request body, JSON where it has that."""
    components = {"schemas": document["components"]["schemas"]}
    if where.startswith("#"):
        return {"$ref": f"#/components/schemas/{where[1:]}", "components": components}
    for item in document["paths"].values():
        for operation in item.values():
            if operation["operationId"] == where:
                content = operation["requestBody"]["content"]
                given = content.get("application/json") or next(iter(content.values()))
                return {**given["schema"], "components": components}
    raise KeyError(where)
