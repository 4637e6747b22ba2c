"""Texts: our own titles, lines and help texts, put onto the operations and fields they belong to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from kosha_connector_openai.sdk.node import LISTS_OF_SCHEMAS, Node
from tools.spec.components import body_schemas

Candidates = list[tuple[str, str | None]]
COMMON = "common.yaml"
SINGLE = ("items", "additionalProperties")


@dataclass
class Texts:
    """What texts/*.yaml say, and which of it found its place."""

    groups: dict[str, str] = field(default_factory=dict)
    operations: dict[str, Node] = field(default_factory=dict)
    schemas: dict[str, dict[str, str]] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)
    constant: str = ""
    twins: dict[str, str] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    missing: list[str] = field(default_factory=list)
    placed: int = 0

    def unused(self) -> list[str]:
        """Texts that name nothing that still exists."""
        return sorted(set(self._keys()) - self.used)

    def _keys(self) -> Iterator[str]:
        for operation_id, text in self.operations.items():
            yield f"operations.{operation_id}"
            for kind in ("parameters", "fields"):
                yield from (f"operations.{operation_id}.{kind}.{name}" for name in text.get(kind, {}))
        for schema, texts in self.schemas.items():
            yield from (f"schemas.{schema}.{path}" for path in texts)
        yield from (f"parameters.{name}" for name in self.parameters)
        yield from (f"fields.{name}" for name in self.fields)

    def pick(self, wanted: str, *candidates: tuple[str, str | None]) -> str | None:
        """The first candidate (key, text) with a text, noted as used; else `wanted` is noted as missing."""
        for key, text in candidates:
            if text:
                self.used.add(key)
                self.placed += 1
                return text
        self.missing.append(wanted)
        return None

    def originals(self, name: str) -> list[str]:
        """`name`, and the names of its twins: what is said of them holds for it."""
        found = [name]
        for one in found:
            found += [other + one.removeprefix(prefix) for prefix, other in self.twins.items() if one.startswith(prefix)]
        return found


def read_texts(folder: Path) -> Texts:
    """All texts of a folder; raises `ValueError` when two files write about the same thing."""
    texts = Texts()
    for file in sorted(folder.glob("*.yaml")):
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
        if file.name == COMMON:
            texts.parameters, texts.fields = data["parameters"], data["fields"]
            texts.constant, texts.twins = data["constant"], data["twins"]
            continue
        _add(texts.groups, {data["group"]: data["line"]}, file)
        _add(texts.operations, data.get("operations", {}), file)
        _add(texts.schemas, data.get("schemas", {}), file)
    return texts


def _add(known: dict[str, Any], new: dict[str, Any], file: Path) -> None:
    repeated = sorted(known.keys() & new.keys())
    if repeated:
        raise ValueError(f"{file.name} repeats {repeated}")
    known.update(new)


def describe_operation(operation: Node, texts: Texts) -> Node:
    """`operation` with title, line and help for its parameters and for the fields of a body that is no component."""
    operation_id = operation["operationId"]
    key = f"operations.{operation_id}"
    text = texts.operations.get(operation_id, {})
    out = {
        "summary": texts.pick(f"{key}.title", (key, text.get("title"))),
        "description": texts.pick(f"{key}.line", (key, text.get("line"))),
        **operation,
    }
    if "parameters" in out:
        out["parameters"] = [_describe_parameter(parameter, operation_id, texts) for parameter in out["parameters"]]
    for schema in body_schemas(out):
        _describe_fields(schema, texts, lambda path: _of_operation(operation_id, "fields", path, texts))
    return {name: value for name, value in out.items() if value is not None}


def _describe_parameter(parameter: Node, operation_id: str, texts: Texts) -> Node:
    name = parameter["name"]
    own = _of_operation(operation_id, "parameters", name, texts)
    constant = ("constant", _constant(parameter["schema"], texts))
    found = texts.pick(own[0][0], *own, constant, (f"parameters.{name}", texts.parameters.get(name)))
    return {"name": name, "in": parameter["in"], "description": found, **parameter} if found else parameter


def _of_operation(operation_id: str, kind: str, name: str, texts: Texts) -> Candidates:
    """What the operation, or the one it is a twin of, says about one of its parameters or fields."""
    return [
        (f"operations.{operation}.{kind}.{name}", texts.operations.get(operation, {}).get(kind, {}).get(name))
        for operation in texts.originals(operation_id)
    ]


def describe_schema(name: str, schema: Node, texts: Texts) -> None:
    """Put help texts on every property inside the component `name`, in place."""

    def own(path: str) -> Candidates:
        return [(f"schemas.{schema}.{path}", texts.schemas.get(schema, {}).get(path)) for schema in texts.originals(name)]

    _describe_fields(schema, texts, own)


def _describe_fields(schema: Node, texts: Texts, own: Callable[[str], Candidates]) -> None:
    for path, holder, leaf in _properties(schema, ""):
        prop, candidates = holder[leaf], own(path)
        found = texts.pick(
            candidates[0][0],
            *candidates,
            ("constant", _constant(prop, texts)),
            (f"fields.{leaf}", texts.fields.get(leaf)),
        )
        if found:
            holder[leaf] = {"description": found, **prop}


def _constant(prop: Node, texts: Texts) -> str | None:
    """The text of a field that can hold one value only."""
    values = [prop["const"]] if "const" in prop else prop.get("enum", [])
    return texts.constant.format(value=values[0]) if len(values) == 1 else None


def _properties(schema: Any, path: str) -> Iterator[tuple[str, Node, str]]:
    """Each property below `schema` as (dotted path, its map, its name); lists and unions add no step."""
    if not isinstance(schema, dict):
        return
    properties = schema.get("properties", {})
    for name in list(properties):
        yield from _properties(properties[name], f"{path}{name}.")
        yield f"{path}{name}", properties, name
    for keyword in SINGLE:
        yield from _properties(schema.get(keyword), path)
    for keyword in LISTS_OF_SCHEMAS:
        for branch in schema.get(keyword, []):
            yield from _properties(branch, path)
