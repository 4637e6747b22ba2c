"""Update: a connector's own description with what the provider's client has besides; texts, and what we say otherwise, stay."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from kosha_connector_openai.manifest.parts import SdkPart
from kosha_connector_openai.sdk.difference import CLIENT, DESCRIPTION, Precedence
from kosha_connector_openai.sdk.discriminators import map_discriminators
from kosha_connector_openai.sdk.merge import Merged, merge
from kosha_connector_openai.sdk.node import METHODS, Node, schema_holders
from kosha_connector_openai.sdk.package import Package
from kosha_connector_openai.sdk.reader import SOURCE, Reading, ids_by_place, read_client

NEWER: Final = (
    Precedence(CLIENT, "It came since.", ("parameter-only-client", "field-only-client", "value-only-client", "branch-only-client", "path")),
    Precedence(CLIENT, "It came since.", ("deprecated",), values=("None | True", "False | True")),
    Precedence(DESCRIPTION, "The client leaves it out, or says it otherwise.", ("*",)),
)
"""Only what is added is taken: a client says less of bounds and of what is required than a description does."""


def read_for(package: Package, rules: SdkPart, document: Mapping[str, Any]) -> Reading:
    """A client's facts, with the ids that ``document`` has for its operations."""
    return read_client(package, rules, ids_by_place(dict(document), _prefix(rules)))


def updated(document: Mapping[str, Any], reading: Reading, rules: SdkPart) -> Merged:
    """``document``, which stays as it is, with the operations, fields and values that the client alone has.

    A new operation has the tag of the operation whose path is nearest to its own. What ``rules.kept`` names is not taken.
    """
    prefix, whole = _prefix(rules), copy.deepcopy(dict(document))
    has_hooks = bool(whole.get("webhooks"))
    newer = reading.document if has_hooks else {**reading.document, "webhooks": {}}
    before = {**whole, "webhooks": whole.get("webhooks", {}), "paths": _without(whole["paths"], prefix)}
    kept = [Precedence(DESCRIPTION, each.reason, each.kinds, each.operations, each.where) for each in rules.kept]
    merged = merge(before, newer, [*kept, *NEWER])
    after = merged.document
    _restore_sources(after["paths"], before["paths"])
    _tag(after["paths"], set(merged.added))
    schemas = {name: map_discriminators(schema, after["components"]["schemas"]) for name, schema in after["components"]["schemas"].items()}
    after["components"]["schemas"] = schemas
    for item in after["paths"].values():
        for holder in (holder for method in METHODS if method in item for holder in schema_holders(item[method]) if "schema" in holder):
            holder["schema"] = map_discriminators(holder["schema"], schemas)
    after["paths"] = {f"{prefix}{path}": item for path, item in after["paths"].items()}
    after[SOURCE] = {**whole.get(SOURCE, {}), "client": reading.document[SOURCE]}
    if not has_hooks:
        del after["webhooks"]
    return merged


def _prefix(rules: SdkPart) -> str:
    """The path that the description's paths begin with, and those of the client leave to its server."""
    return urlsplit(rules.server).path.rstrip("/")


def _without(paths: Node, prefix: str) -> Node:
    return {path.removeprefix(prefix) if path.startswith(f"{prefix}/") else path: item for path, item in paths.items()}


def _restore_sources(paths: Node, before: Node) -> None:
    """What an operation of the description said of its sources: a merge says it of all."""
    said = {one["operationId"]: one.get(SOURCE) for item in before.values() for method, one in item.items() if method in METHODS}
    for item in paths.values():
        for operation in (item[method] for method in METHODS if method in item and item[method]["operationId"] in said):
            operation.pop(SOURCE, None)
            operation.update({SOURCE: said[operation["operationId"]]} if said[operation["operationId"]] else {})


def _tag(paths: Node, added: set[str]) -> None:
    """Gives each new operation the tags of the one whose path has most segments in common with its own, if any has."""
    known = {path: one["tags"] for path, item in paths.items() for method, one in item.items() if method in METHODS and one.get("tags")}
    for path, item in paths.items():
        for operation in (item[method] for method in METHODS if method in item and item[method]["operationId"] in added):
            nearest = max(known, key=lambda one: _in_common(path, one), default="")
            if _in_common(path, nearest):
                operation["tags"] = list(known[nearest])


def _in_common(path: str, other: str) -> int:
    pairs = zip(path.strip("/").split("/"), other.strip("/").split("/"), strict=False)
    return next((i for i, (one, two) in enumerate(pairs) if one != two), min(path.count("/"), other.count("/")))
