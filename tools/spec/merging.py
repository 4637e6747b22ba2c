"""Merging: a published description and a client as one description of facts, by the sides that sides.yaml takes."""

from __future__ import annotations

import copy
from pathlib import Path

import yaml

from kosha_connector_openai.manifest import read_part
from kosha_connector_openai.manifest.parts import SdkPart
from kosha_connector_openai.sdk.difference import Precedence
from kosha_connector_openai.sdk.merge import Merged
from kosha_connector_openai.sdk.merge import merge as merge_facts
from kosha_connector_openai.sdk.node import METHODS, Node, schema_holders
from tools.spec.dialect import clean
from tools.spec.facts import operation_facts, schema_facts

ROOT = Path(__file__).resolve().parents[2]
SIDES = Path(__file__).parent / "sides.yaml"
RULES: SdkPart = read_part(ROOT, "connector/sdk.yaml", SdkPart, name="sdk")
"""What is known of the vendor's client."""


def read_sides(path: Path = SIDES) -> list[Precedence]:
    """The entries in order; the first that fits a difference decides. Raises `ValueError` where one names no side or no reason."""
    return [Precedence.of(entry, path.name) for entry in yaml.safe_load(path.read_text(encoding="utf-8"))]


def merge(description: Node, client: Node, sides: list[Precedence]) -> Merged:
    """Both descriptions as one. Neither is changed; only facts come over, so that no sentence of either is in the result."""
    return merge_facts(facts_of(description), client, sides)


def facts_of(description: Node) -> Node:
    """The facts of a description in clean JSON Schema, without anything else of it."""
    schemas = {name: clean(schema_facts(schema, name)) for name, schema in description["components"]["schemas"].items()}
    paths: Node = {}
    for path, item in description["paths"].items():
        for method in (method for method in item if method in METHODS):
            operation = _clean(operation_facts(copy.deepcopy(item[method])))
            operation["responses"] = {status: {"description": "", **reply} for status, reply in operation["responses"].items()}
            paths.setdefault(path, {})[method] = operation
    hooks = {
        name: {
            "post": {
                "requestBody": {"content": {kind: {"schema": schema_facts(given["schema"], "")} for kind, given in _hook(item).items()}},
                "responses": {"200": {"description": ""}},
            }
        }
        for name, item in description.get("webhooks", {}).items()
    }
    kept = {name: description[name] for name in ("openapi", "servers", "security") if name in description}
    info = {name: description["info"][name] for name in ("title", "version")}
    return copy.deepcopy({**kept, "info": info, "paths": paths, "webhooks": hooks, "components": {"schemas": schemas}})


def _hook(item: Node) -> Node:
    content: Node = item["post"]["requestBody"]["content"]
    return content


def _clean(operation: Node) -> Node:
    for holder in schema_holders(operation):
        holder["schema"] = clean(holder["schema"])
    return operation
