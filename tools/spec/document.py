"""Document: the whole OpenAPI description, put together from facts and our own data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml

from kosha_connector_openai.sdk.discriminators import map_discriminators
from kosha_connector_openai.sdk.node import Node, reachable, schema_holders
from tools.spec.components import inputs_of, open_bodies, require_bodies
from tools.spec.corrections import correct
from tools.spec.dialect import clean, drop_bad_defaults
from tools.spec.facts import operation_facts, schema_facts
from tools.spec.replies import responses, shared_responses
from tools.spec.selection import Selection, select
from tools.spec.source import Operation, Source, operations_by_id
from tools.spec.texts import Texts, describe_operation, describe_schema, read_texts
from tools.spec.unions import relax_unions

T = TypeVar("T")
HERE = Path(__file__).parent
OPERATION_ORDER = (
    "tags",
    "summary",
    "description",
    "operationId",
    "deprecated",
    "x-kosha-retired",
    "security",
    "parameters",
    "requestBody",
    "responses",
    "x-kosha-page",
    "x-kosha-source",
)


@dataclass(frozen=True)
class Build:
    """The document, the texts with their account of what is missing or stale, the operations in no group, and stale corrections."""

    document: Node
    texts: Texts
    left_out: list[str]
    stale: list[str] = field(default_factory=list)

    def problems(self) -> list[str]:
        """Why the document must not be published yet; empty when all is well."""
        missing = [f"no group for {operation_id}" for operation_id in self.left_out]
        missing += [f"no text for {name}" for name in self.texts.missing]
        missing += [f"text for nothing: {name}" for name in self.texts.unused()]
        return missing + [f"correction at {pointer} changes nothing; it can go" for pointer in self.stale]


def load(name: str) -> Any:
    """One of our YAML files."""
    return yaml.safe_load((HERE / name).read_text(encoding="utf-8"))


def build(source: Source, *, corrected: bool = True) -> Build:
    """The description made from `source`; without corrections.yaml where that is asked for."""
    available = _joined(source.operations, operations_by_id(load("retired.yaml")["paths"]))
    selection = select(load("selection.yaml"), available)
    chosen = [available[operation_id] for group in selection.groups.values() for operation_id in group]
    stale: list[str] = []
    tree = _facts(source, chosen, load("corrections.yaml") if corrected else [], stale)
    texts = read_texts(HERE / "texts")
    _describe(tree, texts)
    return Build(_assemble(source, selection, available, tree, texts), texts, selection.left_out, stale)


def _facts(source: Source, operations: list[Operation], corrections: list[Node], stale: list[str]) -> Node:
    """Operations by id and schemas by name: clean facts, corrected, with true replies."""
    schemas = {name: clean(schema_facts(schema, name)) for name, schema in source.schemas.items()}
    schemas = _joined(schemas, load("retired.yaml")["schemas"])
    replies = load("replies.yaml")
    facts = {operation.id: _operation_facts(operation, replies) for operation in operations}
    # Relaxed before the corrections, so that their pointers fit the published document; and again after them,
    # since a field that became optional may have been what told two branches apart.
    tree = correct(_relaxed({"operations": facts, "schemas": schemas}), corrections, stale)
    needed = reachable([tree["operations"], shared_responses(replies)], tree["schemas"])
    tree = _relaxed({**tree, "schemas": {name: tree["schemas"][name] for name in needed}})
    components = {"schemas": tree["schemas"]}
    tree = _with_schemas(tree, lambda schema: drop_bad_defaults(schema, components))
    require_bodies(tree["operations"].values(), tree["schemas"])
    open_bodies(tree["operations"].values(), tree["schemas"])
    return _with_schemas(tree, lambda schema: map_discriminators(schema, tree["schemas"]))


def _joined(given: dict[str, T], retired: dict[str, T]) -> dict[str, T]:
    """Both; raises `ValueError` when the source has something of the same name as a retired thing."""
    if given.keys() & retired.keys():
        raise ValueError(f"retired, but in the source: {sorted(given.keys() & retired.keys())}")
    return given | retired


def _relaxed(tree: Node) -> Node:
    schemas = tree["schemas"]
    return _with_schemas(tree, lambda schema: relax_unions(schema, schemas))


def _with_schemas(tree: Node, change: Callable[[Any], Any]) -> Node:
    """`tree` with `change` applied to every schema of its operations and components."""
    for operation in tree["operations"].values():
        _change_schemas(operation, change)
    return {**tree, "schemas": {name: change(schema) for name, schema in tree["schemas"].items()}}


def _operation_facts(operation: Operation, replies: Node) -> Node:
    """Clean facts of one operation with its true replies; a retired one says so itself."""
    facts = operation_facts(operation.object)
    if "x-kosha-retired" in operation.object:
        facts |= {"deprecated": True, "x-kosha-retired": operation.object["x-kosha-retired"]}
    _change_schemas(facts, clean)
    return {**facts, "responses": responses(operation.id, facts["responses"], replies)}


def _change_schemas(operation: Node, change: Callable[[Any], Any]) -> None:
    for holder in schema_holders(operation):
        holder["schema"] = change(holder["schema"])


def _describe(tree: Node, texts: Texts) -> None:
    """Put our texts onto all operations and everything that a caller can fill in, in place."""
    operations, schemas = tree["operations"], tree["schemas"]
    for name in reachable([inputs_of(operation) for operation in operations.values()], schemas):
        describe_schema(name, schemas[name], texts)
    tree["operations"] = {name: describe_operation(operation, texts) for name, operation in operations.items()}


def _assemble(source: Source, selection: Selection, available: dict[str, Operation], tree: Node, texts: Texts) -> Node:
    """The parts in their published order."""
    info, replies = load("info.yaml"), load("replies.yaml")
    paths: Node = {}
    for group, ids in selection.groups.items():
        for operation_id in ids:
            place, operation = available[operation_id], {"tags": [group], **tree["operations"][operation_id]}
            ordered = {key: operation[key] for key in OPERATION_ORDER if key in operation}
            paths.setdefault(place.path, {})[place.method] = ordered
    return {
        "openapi": info["openapi"],
        "info": {"title": info["title"], "version": source.version, "description": info["description"]},
        "x-kosha-source": {
            "title": source.title,
            "version": source.version,
            "sha256": source.sha256,
            "operations": len(source.operations),
            **({"client": source.client} if source.client else {}),
        },
        "servers": info["servers"],
        "security": info["security"],
        "tags": [_tag(group, texts) for group in selection.groups],
        "paths": paths,
        "components": {
            "securitySchemes": info["securitySchemes"],
            "headers": replies["headers"],
            "responses": shared_responses(replies),
            "schemas": tree["schemas"],
        },
    }


def _tag(group: str, texts: Texts) -> Node:
    """A group as OpenAPI's tag object, with its line where we have one."""
    return {"name": group, "description": texts.groups[group]} if group in texts.groups else {"name": group}
