"""Reader: a whole client as an OpenAPI 3.1 description of facts, and the faults of what could not be read."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, replace

from tools.spec.client.classes import Scope
from tools.spec.client.fault import Fault
from tools.spec.client.methods import Method, read_methods
from tools.spec.client.modules import Module, Modules
from tools.spec.client.names import OperationIds, component_names, read_ids
from tools.spec.client.operations import Reader
from tools.spec.client.package import Package
from tools.spec.client.schemas import Schemas
from tools.spec.components import reachable
from tools.spec.discriminators import map_discriminators
from tools.spec.node import METHODS, SCHEMA_PREFIX, Node, schema_holders

SOURCE = "x-kosha-source"
TITLE = "openai-python"
PAGE = "x-kosha-page"
WEBHOOKS = ("types.webhooks.unwrap_webhook_event", "UnwrapWebhookEvent")
CRUD = ("create", "list", "retrieve", "update", "delete")
"""Names of methods that are preferred where two methods call the same operation, as `create` and `parse` do."""
BRACKETS = 'array_format="brackets"'


@dataclass(frozen=True)
class Reading:
    """The description, and what was left out of it."""

    document: Node
    faults: list[Fault]


def read_client(package: Package, published: dict[str, str] | None = None, ids: OperationIds | None = None) -> Reading:
    """The client as a description. `published` has the ids of the published description by place (`place`); the others are derived."""
    modules = Modules(package.files)
    faults = [fault for module in modules if (fault := _syntax_fault(module))]
    schemas = Schemas(component_names(_definitions(modules)))
    reader = Reader(schemas, brackets=_has_brackets(package))
    found: dict[str, tuple[Method, Node]] = {}
    for method in _methods(modules, faults):
        try:
            operation = reader.operation(method)
            broken = schemas.fault_in(operation)
        except Fault as fault:
            broken = fault
        if broken:
            faults.append(_about(broken, f"{method.verb.upper()} {method.path}"))
        elif _is_better(method, operation, found.get(place(method.verb, method.path))):
            found[place(method.verb, method.path)] = method, operation
    identified = _identified(found, published or {}, ids or read_ids(), faults)
    hooks = _webhooks(modules, schemas, faults)
    return Reading(_document(package, identified, hooks, schemas), sorted(faults, key=str))


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


def _syntax_fault(module: Module) -> Fault | None:
    if not module.name.startswith(("resources", "types")):
        return None
    try:
        _ = module.tree
    except Fault as fault:
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


def _methods(modules: Modules, faults: list[Fault]) -> list[Method]:
    found: list[Method] = []
    for module in modules:
        if not module.name.startswith("resources") or _syntax_fault(module):
            continue
        try:
            for one in read_methods(module):
                (faults if isinstance(one, Fault) else found).append(one)  # type: ignore[arg-type]
        except Fault as fault:
            faults.append(fault)
    return found


def _about(fault: Fault, operation: str) -> Fault:
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
    found: dict[str, tuple[Method, Node]], published: dict[str, str], ids: OperationIds, faults: list[Fault]
) -> list[tuple[Method, Node]]:
    """Each operation with its id, sorted by path and method; one whose id another has already is a fault."""
    out: list[tuple[Method, Node]] = []
    used: dict[str, str] = {}
    for key in sorted(found, key=lambda key: (key.split(" ")[1], key)):
        method, operation = found[key]
        name = published.get(key) or ids.derive(method.verb.upper(), method.path, method.name)
        if name in used:
            reason = f"its id would be {name}, as of {used[name]}; give it one of its own under `exceptions` in ids.yaml"
            faults.append(_about(method.fault(method.node, reason), key))
        else:
            used[name] = key
            out.append((method, {"operationId": name, **operation}))
    return out


def _webhooks(modules: Modules, schemas: Schemas, faults: list[Fault]) -> Node:
    """Event by its type, from the union that the client unwraps a delivery to."""
    module = modules.get(WEBHOOKS[0])
    if module is None:
        return {}
    hooks: Node = {}
    try:
        whole = schemas.of(ast.copy_location(ast.Name(WEBHOOKS[1]), module.tree), Scope(module, {}))
        if fault := schemas.fault_in(whole):
            raise fault
    except Fault as fault:
        faults.append(_about(fault, "webhooks"))
        return {}
    for branch in schemas.components[whole["$ref"].removeprefix(SCHEMA_PREFIX)].get("anyOf", []):
        event = schemas.components[branch["$ref"].removeprefix(SCHEMA_PREFIX)]["properties"]["type"]["const"]
        hooks[event] = {
            "post": {"requestBody": {"content": {"application/json": {"schema": branch}}}, "responses": {"200": {"description": ""}}}
        }
    return dict(sorted(hooks.items()))


def _document(package: Package, operations: list[tuple[Method, Node]], hooks: Node, schemas: Schemas) -> Node:
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
        "info": {"title": TITLE, "version": package.version},
        SOURCE: {"title": TITLE, "version": package.version, "sha256": package.sha256, "operations": len(operations)},
        "servers": [{"url": "https://api.openai.com/v1"}],
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
