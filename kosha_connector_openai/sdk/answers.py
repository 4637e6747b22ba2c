"""Answers: the replies of a method: its model, its pages, its stream of events, or bytes."""

from __future__ import annotations

import ast
from typing import Any

from kosha_connector_openai.sdk.classes import Scope
from kosha_connector_openai.sdk.methods import Method
from kosha_connector_openai.sdk.node import Node
from kosha_connector_openai.sdk.schemas import BINARY, Schemas, union

JSON = "application/json"
EVENTS = "text/event-stream"
BYTES = "application/octet-stream"
VAGUE = frozenset({"*/*", "application/binary"})
"""What the client asks for where it takes any bytes; no media type of an answer."""
TEXT: Node = {"type": "string"}
PAGE = "x-kosha-page"
STREAMS = ("Stream",)


def responses(method: Method, schemas: Schemas) -> Node:
    """`responses` of an operation, and the class of its pages where the answer is one."""
    page = method.word("page")
    if page is not None:
        name = ast.unparse(page.value if isinstance(page, ast.Subscript) else page).rpartition(".")[2].removeprefix("Sync")
        return {"responses": _reply({JSON: schemas.of(page, method.scope)}), PAGE: name}
    content: Node = {}
    only_events = _is_true(method.word("stream"))
    if not only_events:
        content |= _content(method, schemas)
    events = method.word("stream_cls")
    if events is not None and (only_events or method.word("stream") is not None):
        content[EVENTS] = _event(events, method.scope, schemas)
    return {"responses": _reply(content)}


def _reply(content: Node) -> Node:
    """The answer of a call that went well; one without content has none. A client does not tell 200 from 201."""
    return {"200": {"description": "", **({"content": {kind: {"schema": schema} for kind, schema in content.items()}} if content else {})}}


def _content(method: Method, schemas: Schemas) -> Node:
    """Schema by media type, of the model that the answer is cast to, or of what the method returns."""
    given = method.word("cast_to")
    if isinstance(given, ast.Call):
        match given:
            case ast.Call(func=ast.Name(id="cast"), args=[_, target]):
                given = target
            case _:
                given = None
    parts = _alternatives(given if given is not None else method.node.returns, method)
    out: dict[str, list[Node]] = {}
    for part in parts:
        if _stream_item(part, method.scope) is not None:
            continue
        schema = schemas.of(part, method.scope)
        if schema == {"type": "null"}:
            continue
        out.setdefault(_media_type(schema, method), []).append(schema)
    return {kind: union(found) for kind, found in out.items()}


def _media_type(schema: Node, method: Method) -> str:
    accepted = next((text for name, value, _ in method.headers() if name.lower() == "accept" and (text := _text(value))), "")
    if schema == BINARY:
        return BYTES if not accepted or accepted in VAGUE else accepted
    return "text/plain" if schema == TEXT else JSON


def _alternatives(node: ast.expr | None, method: Method) -> list[ast.expr]:
    """The branches of a return annotation."""
    if node is None:
        raise method.fault(method.call, "the answer has no type")
    if isinstance(node, ast.BinOp):
        return [*_alternatives(node.left, method), *_alternatives(node.right, method)]
    if isinstance(node, ast.Subscript) and method.scope.module.symbol(node.value).dotted.endswith(".Union"):
        return [part for one in _arguments(node) for part in _alternatives(one, method)]
    return [node]


def _event(node: ast.expr, scope: Scope, schemas: Schemas) -> Node:
    found = _stream_item(node, scope)
    if found is None:
        raise scope.module.fault(node, f"{ast.unparse(node)} is no stream of events")
    return schemas.of(*found)


def _stream_item(node: ast.expr, scope: Scope) -> tuple[ast.expr, Scope] | None:
    """What a stream gives: of `Stream[T]`, or of a class that is one."""
    head = node.value if isinstance(node, ast.Subscript) else node
    if not isinstance(head, ast.Name | ast.Attribute):
        return None
    symbol = scope.module.symbol(head)
    if symbol.dotted.rpartition(".")[2] in STREAMS and isinstance(node, ast.Subscript):
        return _arguments(node)[0], scope
    if isinstance(symbol.node, ast.ClassDef) and symbol.module:
        inner = Scope(symbol.module, {})
        return next((found for base in symbol.node.bases if (found := _stream_item(base, inner)) is not None), None)
    return None


def _arguments(node: ast.Subscript) -> list[ast.expr]:
    return node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]


def _is_true(node: Any) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


def _text(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
