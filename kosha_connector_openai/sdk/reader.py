"""OperationReading: a whole client as an OpenAPI 3.1 description of facts, and the faults of what could not be read."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from kosha_connector_openai.manifest.parts import SdkPart
from kosha_connector_openai.sdk.classes import Scope
from kosha_connector_openai.sdk.discriminators import map_discriminators
from kosha_connector_openai.sdk.fault import SourceFault
from kosha_connector_openai.sdk.methods import Method, read_methods
from kosha_connector_openai.sdk.modules import Module, Modules
from kosha_connector_openai.sdk.names import OperationIds, component_names
from kosha_connector_openai.sdk.node import METHODS, SCHEMA_PREFIX, Node, reachable, schema_holders
from kosha_connector_openai.sdk.operations import OperationReading
from kosha_connector_openai.sdk.package import Package
from kosha_connector_openai.sdk.schemas import Schemas

SOURCE = "x-kosha-source"
PAGE = "x-kosha-page"
WEBHOOKS = ("types.webhooks.unwrap_webhook_event", "UnwrapWebhookEvent")
CRUD = ("create", "list", "retrieve", "update", "delete")
"""Names of methods that are preferred where two methods call the same operation, as `create` and `parse` do."""
BRACKETS = 'array_format="brackets"'


@dataclass(frozen=True)
class Reading:
    """The description, and what was left out of it."""

    document: Node
    faults: list[SourceFault]


def read_client(package: Package, rules: SdkPart, published: Mapping[str, str] | None = None) -> Reading:
    """The client as a description, by the rules of its vendor. `published` has the ids of a description by place; others are derived."""
    modules = Modules(package.files)
    faults = [fault for module in modules if (fault := _syntax_fault(module))]
    schemas = Schemas(component_names(_definitions(modules)))
    reader = OperationReading(schemas, brackets=_has_brackets(package))
    found: dict[str, tuple[Method, Node]] = {}
    for method in _methods(modules, faults):
        try:
            operation = reader.operation(method)
            broken = schemas.fault_in(operation)
        except SourceFault as fault:
            broken = fault
        if broken:
            faults.append(_about(broken, f"{method.verb.upper()} {method.path}"))
        elif _is_better(method, operation, found.get(place(method.verb, method.path))):
            found[place(method.verb, method.path)] = method, operation
    identified = _identified(found, published or {}, OperationIds(rules.ids), faults)
    hooks = _webhooks(modules, schemas, faults)
    return Reading(_document(package, rules, identified, hooks, schemas), sorted(faults, key=str))


def place(method: str, path: str) -> str:
    """Method and path without the names of variables: what counts on the wire."""
    return f"{method.upper()} {re.sub(r'{[^}]*}', '{}', path)}"


def ids_by_place(document: Node, prefix: str = "") -> dict[str, str]:
    """The ids of a description's operations by place, paths without `prefix`."""
    return {
        place(method, path.removeprefix(prefix)): operation["operationId"]
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


def _syntax_fault(module: Module) -> SourceFault | None:
    if not module.name.startswith(("resources", "types")):
        return None
    try:
        _ = module.tree
    except SourceFault as fault:
        return fault
    return None


def _definitions(modules: Modules) -> list[str]:
    """The dotted names of all classes and aliases of `types`."""
    return [
        f"{module.name}.{name}"
        for module in modules
        if module.name.startswith("types") and not _syntax_fault(module)
        for name, statement in module.names.items()
        if isinstance(statement, ast.ClassDef | ast.Assign | ast.AnnAssign) and not name.startswith("__")
    ]


def _methods(modules: Modules, faults: list[SourceFault]) -> list[Method]:
    found: list[Method] = []
    for module in modules:
        if not module.name.startswith("resources") or _syntax_fault(module):
            continue
        try:
            for one in read_methods(module):
                (faults if isinstance(one, SourceFault) else found).append(one)  # type: ignore[arg-type]
        except SourceFault as fault:
            faults.append(fault)
    return found


def _about(fault: SourceFault, operation: str) -> SourceFault:
    return replace(fault, operation=operation)


def _is_better(method: Method, operation: Node, before: tuple[Method, Node] | None) -> bool:
    """Of two methods for one operation: one that is not deprecated, one with an ordinary name, the one that sends more."""
    return before is None or _rank(method, operation) > _rank(*before)


def _rank(method: Method, operation: Node) -> tuple[bool, bool, int]:
    return not method.deprecated, method.name in CRUD, _size(operation)


def _size(operation: Node) -> int:
    bodies = [given["schema"] for given in operation.get("requestBody", {}).get("content", {}).values()]
    return len(operation.get("parameters", [])) + sum(len(body.get("properties", {})) for body in bodies)


def _has_brackets(package: Package) -> bool:
    return BRACKETS.encode() in package.files.get("_client.py", b"")


def _identified(
    found: dict[str, tuple[Method, Node]], published: Mapping[str, str], ids: OperationIds, faults: list[SourceFault]
) -> list[tuple[Method, Node]]:
    """Each operation with its id, sorted by path and method; one whose id another has already is a fault."""
    out: list[tuple[Method, Node]] = []
    used: dict[str, str] = {}
    for key in sorted(found, key=lambda key: (key.split(" ")[1], key)):
        method, operation = found[key]
        name = published.get(key) or ids.derive(method.verb.upper(), method.path, method.name)
        if name in used:
            reason = f"its id would be {name}, as of {used[name]}; give it one of its own under `ids.exceptions` in the part `sdk`"
            faults.append(_about(method.fault(method.node, reason), key))
        else:
            used[name] = key
            out.append((method, {"operationId": name, **operation}))
    return out


def _webhooks(modules: Modules, schemas: Schemas, faults: list[SourceFault]) -> Node:
    """Event by its type, from the union that the client unwraps a delivery to."""
    module = modules.get(WEBHOOKS[0])
    if module is None:
        return {}
    hooks: Node = {}
    try:
        whole = schemas.of(ast.copy_location(ast.Name(WEBHOOKS[1]), module.tree), Scope(module, {}))
        if fault := schemas.fault_in(whole):
            raise fault
    except SourceFault as fault:
        faults.append(_about(fault, "webhooks"))
        return {}
    for branch in schemas.components[whole["$ref"].removeprefix(SCHEMA_PREFIX)].get("anyOf", []):
        event = schemas.components[branch["$ref"].removeprefix(SCHEMA_PREFIX)]["properties"]["type"]["const"]
        hooks[event] = {
            "post": {"requestBody": {"content": {"application/json": {"schema": branch}}}, "responses": {"200": {"description": ""}}}
        }
    return dict(sorted(hooks.items()))


def _document(package: Package, rules: SdkPart, operations: list[tuple[Method, Node]], hooks: Node, schemas: Schemas) -> Node:
    paths: Node = {}
    for method, operation in operations:
        paths.setdefault(_spelling(paths, method.path), {})[method.verb] = renamed(operation, method.path, _spelling(paths, method.path))
    tree = {"paths": paths, "webhooks": hooks}
    names = reachable([tree], schemas.components)
    components = {name: map_discriminators(schemas.components[name], schemas.components) for name in names}
    for item in paths.values():
        for operation in item.values():
            for holder in schema_holders(operation):
                holder["schema"] = map_discriminators(holder["schema"], components)
    return {
        "openapi": "3.1.0",
        "info": {"title": rules.title, "version": package.version},
        SOURCE: {"title": rules.title, "version": package.version, "sha256": package.sha256, "operations": len(operations)},
        "servers": [{"url": rules.server}],
        "security": [{"ApiKeyAuth": []}],
        **tree,
        "components": {
            "securitySchemes": {name: {"type": "http", "scheme": "bearer"} for name in ("ApiKeyAuth", "AdminApiKeyAuth")},
            "schemas": components,
        },
    }


def _spelling(paths: Node, path: str) -> str:
    """A path with the names of variables that it already has under another method."""
    return next((known for known in paths if place("", known) == place("", path)), path)


def renamed(operation: Node, path: str, spelling: str) -> Node:
    """`operation` with the names of path variables as `spelling` has them."""
    names = dict(zip(re.findall(r"\{([^}]*)\}", path), re.findall(r"\{([^}]*)\}", spelling), strict=True))
    parameters = [{**one, "name": names[one["name"]]} if one["in"] == "path" else one for one in operation.get("parameters", [])]
    return {**operation, **({"parameters": parameters} if parameters else {})}
