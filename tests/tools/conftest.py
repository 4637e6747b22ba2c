"""The published document, and the reference description beside the repository where there is one."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

ROOT = Path(__file__).resolve().parents[2]
# `tools` is no part of the installed package, so it is found only from the root of the repository.
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from kosha_connector_openai.sdk.node import reachable  # noqa: E402  (the path above is set first)
from kosha_connector_openai.sdk.package import read_package  # noqa: E402  (the same)
from kosha_connector_openai.sdk.reader import ids_by_place, read_client  # noqa: E402  (the same)
from tools.spec.merging import (  # noqa: E402  (the same)
    RULES,
    merge,
    read_sides,
)
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
def client_folder(openapi: Node) -> Path:
    """The vendor's client that openapi.json is made with, where it is the one that is installed for the tests; else they are skipped."""
    version = openapi["x-kosha-source"]["client"]["version"]
    with contextlib.suppress(metadata.PackageNotFoundError):
        if metadata.version("openai") == version:
            return Path(str(metadata.distribution("openai").locate_file("openai")))
    pytest.skip(f"the client {version} is not at hand")


@pytest.fixture(scope="session")
def source(reference: Path) -> Source:
    """The vendor's description as the generator reads it."""
    return read_source(reference)


@pytest.fixture(scope="session")
def merged_facts(reference: Path, client_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The description and the client as one description of facts."""
    document = json.loads(reference.read_text(encoding="utf-8"))
    reading = read_client(read_package(str(client_folder), RULES.package), RULES, ids_by_place(document))
    path = tmp_path_factory.mktemp("merged") / "merged.json"
    path.write_text(json.dumps(merge(document, reading.document, read_sides()).document), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def merged_source(merged_facts: Path) -> Source:
    """Both as the generator reads them."""
    return read_source(merged_facts)


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
    """The schema of a component (`#Name`) or of an operation's request body, JSON where it has that; with what it refers to."""
    schemas = document["components"]["schemas"]
    found = {"$ref": f"#/components/schemas/{where[1:]}"} if where.startswith("#") else _body(document, where)
    return {**found, "components": {"schemas": {name: schemas[name] for name in reachable([found], schemas)}}}


def _body(document: Node, operation_id: str) -> Node:
    operations = (operation for item in document["paths"].values() for operation in item.values())
    content = next(operation for operation in operations if operation["operationId"] == operation_id)["requestBody"]["content"]
    schema: Node = (content.get("application/json") or next(iter(content.values())))["schema"]
    return schema
