"""Source: a published description on disk, its digest and its operations by id."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from kosha_connector_openai.sdk.node import METHODS, Node

PATH_PREFIX = "/v1"


@dataclass(frozen=True)
class Operation:
    """One operation: where it lives and its OpenAPI object."""

    id: str
    method: str
    path: str
    object: Node


@dataclass(frozen=True)
class Source:
    """A description as read: identity, operations by id, schemas by name."""

    title: str
    version: str
    sha256: str
    operations: dict[str, Operation]
    schemas: dict[str, Node]
    client: Node | None = None


def read_source(path: Path) -> Source:
    """The description at `path`; raises `ValueError` when two operations share an id."""
    raw = path.read_bytes()
    return source_of(json.loads(raw), hashlib.sha256(raw).hexdigest())


def source_of(document: Node, sha256: str, client: Node | None = None) -> Source:
    """A description that is at hand; `client` where one was merged into it. `sha256` is of the published one."""
    return Source(
        title=document["info"]["title"],
        version=document["info"]["version"],
        sha256=sha256,
        operations=operations_by_id(document["paths"], PATH_PREFIX),
        schemas=document["components"]["schemas"],
        client=client,
    )


def operations_by_id(paths: Node, prefix: str = "") -> dict[str, Operation]:
    """Operations of a paths object by id, in document order, each path with `prefix` before it."""
    found: dict[str, Operation] = {}
    for path, item in paths.items():
        for method in (m for m in item if m in METHODS):
            operation = Operation(item[method]["operationId"], method, prefix + path, item[method])
            if operation.id in found:
                raise ValueError(f"operationId {operation.id} occurs twice")
            found[operation.id] = operation
    return found
