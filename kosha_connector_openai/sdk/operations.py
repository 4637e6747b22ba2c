"""Operations: a method of the client as an OpenAPI operation of facts."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import Any

from kosha_connector_openai.sdk.answers import responses
from kosha_connector_openai.sdk.classes import ClassField, Scope, shape
from kosha_connector_openai.sdk.methods import MULTIPART, Method, SentTable
from kosha_connector_openai.sdk.node import Node
from kosha_connector_openai.sdk.schemas import ABSENT, Schemas, union

JSON = "application/json"
OCTETS = "application/octet-stream"
SECURITY = {"bearer_auth": "ApiKeyAuth", "admin_api_key_auth": "AdminApiKeyAuth"}
DEFAULT_SECURITY = ["ApiKeyAuth"]
NOT_HEADERS = frozenset({"content-type", "accept"})


@dataclass(frozen=True)
class OperationReading:
    """What an operation is read with: the schemas, and whether arrays in a query have `[]` in their names."""

    schemas: Schemas
    brackets: bool = True

    def operation(self, method: Method) -> Node:
        """Parameters, body, answers and security of one method; raises SourceFault where one of them is not understood."""
        out: Node = {}
        if method.deprecated:
            out["deprecated"] = True
        security = self._security(method)
        if security != DEFAULT_SECURITY:
            out["security"] = [{name: []} for name in security]
        parameters = [*self._path(method), *self._query(method), *self._headers(method)]
        if parameters:
            out["parameters"] = parameters
        body = self._body(method)
        if body:
            out["requestBody"] = body
        return {**out, **responses(method, self.schemas)}

    def _security(self, method: Method) -> list[str]:
        given = method.option("security")
        if given is None:
            return DEFAULT_SECURITY
        names = [key.value for key in given.keys if isinstance(key, ast.Constant)] if isinstance(given, ast.Dict) else [None]
        if not all(name in SECURITY for name in names):
            raise method.fault(given, f"the security {ast.unparse(given)} is not known")
        return [SECURITY[str(name)] for name in names]

    def _path(self, method: Method) -> list[Node]:
        found = []
        for name in re.findall(r"\{([^}]*)\}", method.path):
            value = method.path_arguments.get(name)
            if not isinstance(value, ast.Name):
                raise method.fault(method.call, f"the variable {name} of the path is no argument")
            found.append({"name": name, "in": "path", "required": True, "schema": self._argument(method, value.id)})
        return found

    def _query(self, method: Method) -> list[Node]:
        sent = method.sent(method.option("query"))
        if sent is None:
            return []
        whole = self.object(method, sent)
        return [self._parameter(name, schema, name in whole.get("required", [])) for name, schema in whole["properties"].items()]

    def _parameter(self, name: str, schema: Node, required: bool) -> Node:
        kinds = schema.get("type", [])
        out: Node = {"name": name, "in": "query"}
        if "array" in kinds and self.brackets:
            out |= {"name": f"{name}[]", "style": "form", "explode": True}
        elif "object" in kinds or "$ref" in schema:
            out |= {"style": "deepObject", "explode": True} if self._is_object(schema) else {}
        return {**out, **({"required": True} if required else {}), "schema": schema}

    def _is_object(self, schema: Node) -> bool:
        target = self.schemas.components.get(schema.get("$ref", "").rpartition("/")[2], schema)
        return "object" in target.get("type", [])

    def _headers(self, method: Method) -> list[Node]:
        """Headers with one fixed value, which are sent for the user, and those that have an argument."""
        found: dict[str, Node] = {}
        for name, value, _ in method.headers():
            if name.lower() in NOT_HEADERS or name.lower() in found:
                continue
            if isinstance(value, ast.Constant):
                fixed: Node = {"type": "string", "enum": [value.value], "default": value.value}
                found[name.lower()] = {"name": name, "in": "header", "required": True, "schema": fixed}
                continue
            argument = next((one.id for one in ast.walk(value) if isinstance(one, ast.Name) and one.id in method.arguments), None)
            if argument is None:
                raise method.fault(value, f"the value of the header {name} is neither a constant nor an argument")
            schema = self._argument(method, argument)
            required = {"required": True} if argument in method.without_default else {}
            found[name.lower()] = {"name": name, "in": "header", **required, "schema": schema}
        return list(found.values())

    def _body(self, method: Method) -> Node | None:
        if method.word("body") is None and method.word("content") is not None:
            return {"required": True, "content": {self._content_types(method)[0]: {"schema": {"type": "string", "format": "binary"}}}}
        sent = method.sent(method.word("body"))
        if sent is None:
            return None
        if sent.values is None:
            whole = union([self._plain(method, one) for one in sent.types])
            required = True
        else:
            whole = self.object(method, sent)
            required = bool(whole.get("required")) or bool(whole.get("anyOf"))
        content: Node = {media_type: {"schema": whole} for media_type in self._content_types(method)}
        parts = method.part_types()
        if parts and MULTIPART in content:
            content[MULTIPART]["encoding"] = {name: {"contentType": media_type} for name, media_type in parts.items()}
        return {"required": required, "content": content}

    def _content_types(self, method: Method) -> list[str]:
        """Multipart where the method says so; both where it says so only when there is a file to send."""
        found = [(value, conditional) for name, value, conditional in method.headers() if name.lower() == "content-type"]
        constants = [(str(value.value), conditional) for value, conditional in found if isinstance(value, ast.Constant)]
        if not constants:
            return [JSON] if method.word("content") is None or method.word("body") is not None else [OCTETS]
        media_type, conditional = constants[0]
        return [media_type, JSON] if conditional else [media_type]

    def object(self, method: Method, sent: SentTable) -> Node:
        """The object of the fields that are sent: one, or any of several where the types have alternatives."""
        assert sent.values is not None
        variants = [fields for one in sent.types for fields in self._variants(one, method.scope)]
        if not variants:
            return self._from_signature(method, sent.values)
        known = {name for fields in variants for name in fields}
        strange = {name: value for name, value in sent.values.items() if name not in known}
        objects = [self._of_fields([fields[name] for name in fields if name in (sent.values or {})]) for fields in variants]
        whole = _one_object(objects)
        if strange:
            more = self._from_signature(method, strange)
            whole.setdefault("properties", {}).update(more["properties"])
            whole["required"] = [*whole.get("required", []), *more.get("required", [])]
        return {keyword: value for keyword, value in whole.items() if value != []}

    def _variants(self, node: ast.expr, scope: Scope) -> list[dict[str, ClassField]]:
        """The tables of fields that a type of a body stands for: of a class, or of each class of a union."""
        if isinstance(node, ast.Subscript):
            inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            if scope.module.symbol(node.value).dotted.rpartition(".")[2] in ("Union", "Annotated"):
                union_of = inner if scope.module.symbol(node.value).dotted.endswith("Union") else inner[:1]
                return [fields for one in union_of for fields in self._variants(one, scope)]
        elif isinstance(node, ast.BinOp):
            return [*self._variants(node.left, scope), *self._variants(node.right, scope)]
        elif isinstance(node, ast.Name | ast.Attribute):
            symbol = scope.module.symbol(node)
            if isinstance(symbol.node, ast.ClassDef):
                return [dict(shape(symbol, {}).fields)]
            if isinstance(symbol.node, ast.expr) and symbol.module:
                return self._variants(symbol.node, Scope(symbol.module, {}))
        raise scope.module.fault(node, f"the type {ast.unparse(node)[:80]!r} of a body has no fields")

    def _of_fields(self, fields: list[ClassField]) -> Node:
        out: Node = {"type": "object", "properties": {one.name: self.schemas.of_field(one) for one in fields}}
        return {**out, "required": [one.name for one in fields if one.required]}

    def _from_signature(self, method: Method, values: dict[str, ast.expr]) -> Node:
        properties: Node = {}
        required = []
        for name, value in values.items():
            if isinstance(value, ast.Constant):
                properties[name] = {"const": value.value}
                required.append(name)
            elif isinstance(value, ast.Name) and value.id in method.arguments:
                properties[name] = self._argument(method, value.id)
                required += [name] if value.id in method.without_default else []
            else:
                raise method.fault(value, f"the value of {name} is no argument")
        return {"type": "object", "properties": properties, "required": required}

    def _argument(self, method: Method, name: str) -> Node:
        """The schema of an argument of the method, without what stands for "not given"."""
        annotation = method.arguments[name].annotation if name in method.arguments else None
        if annotation is None:
            raise method.fault(method.node, f"the argument {name} has no type")
        return {keyword: value for keyword, value in self.schemas.of(annotation, method.scope).items() if keyword not in ABSENT}

    def _plain(self, method: Method, node: ast.expr) -> Node:
        """The schema of a body that is one argument, or of the type that it is transformed to."""
        if isinstance(node, ast.Name) and node.id in method.arguments:
            return self._argument(method, node.id)
        return self.schemas.of(node, method.scope)


def _one_object(objects: list[Node]) -> Node:
    """Variants that differ in a switch of true or false alone as one object; others as alternatives."""
    if len(objects) == 1:
        return objects[0]
    names = list(dict.fromkeys(name for one in objects for name in one["properties"]))
    differing = [name for name in names if any(one["properties"].get(name) != objects[0]["properties"].get(name) for one in objects)]
    if all(_is_switch([one["properties"].get(name) for one in objects]) for name in differing):
        properties = {name: union([one["properties"][name] for one in objects if name in one["properties"]]) for name in names}
        required = [name for name in names if all(name in one["required"] for one in objects)]
        return {"type": "object", "properties": properties, "required": required}
    return {"type": "object", "anyOf": [{keyword: value for keyword, value in one.items() if value != []} for one in objects]}


def _is_switch(schemas: list[Any]) -> bool:
    """Whether each schema is true, false, both or absent."""
    return all(schema is None or set(_kinds(schema)) <= {"boolean", "null"} for schema in schemas)


def _kinds(schema: Node) -> list[str]:
    given = schema.get("type", [])
    return [given] if isinstance(given, str) else given or ["?"]
