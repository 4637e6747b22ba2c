"""The judge: what a request must look like, read from the raw description alone. It shares no line with the connector.

Written from OpenAPI 3.0.4 and 3.1.1 and Swagger 2.0. ``expected`` gives the request for inputs; ``differences`` compares one that was sent.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from email.message import Message
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
RESERVED = ("accept", "content-type", "authorization")
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
Node = dict[str, Any]


@dataclass
class Place:
    """One operation where it stands in a raw description."""

    method: str
    path: str
    item: Node
    raw: Node


@dataclass
class Expected:
    """A request: ``query`` as pairs in any order, ``body`` as a JSON value, as pairs, or as parts by name."""

    method: str
    path: str
    query: list[tuple[str, str]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    kind: str = ""
    body: Any = None


class Judge:
    """Reads one description."""

    def __init__(self, root: Node) -> None:
        self.root = root
        self.swagger = str(root.get("swagger")) == "2.0"
        base = root.get("basePath") if self.swagger else ""
        self.base = base.rstrip("/") if isinstance(base, str) else ""

    def places(self) -> dict[tuple[str, str], Place]:
        """Every operation by method and path key."""
        found = {}
        for path, given in self.root.get("paths", {}).items():
            item = self.follow(given)
            for method in METHODS:
                if isinstance(item, dict) and isinstance(item.get(method), dict):
                    found[method, path] = Place(method, path, item, self.follow(item[method]))
        return found

    def follow(self, value: Any) -> Any:
        """What a local reference leads to."""
        for _ in range(20):
            reference = value.get("$ref") if isinstance(value, dict) else None
            if not isinstance(reference, str) or not reference.startswith("#"):
                return value
            value = self.root
            for token in unquote(reference[1:]).split("/")[1:]:
                key = token.replace("~1", "/").replace("~0", "~")
                value = value[int(key)] if isinstance(value, list) else value.get(key) if isinstance(value, dict) else None
        return value

    def parameters(self, place: Place) -> list[Node]:
        """The parameters that are sent, an operation's own in place of its path's."""
        found: dict[tuple[Any, Any], Node] = {}
        for owner in (place.item, place.raw):
            for value in owner.get("parameters") or ():
                parameter = self.follow(value)
                found[parameter.get("name"), parameter.get("in")] = parameter
        ignored = [key for key in found if key[1] == "header" and str(key[0]).lower() in RESERVED]
        return [parameter for key, parameter in found.items() if key not in ignored]

    def expected(self, place: Place, inputs: Node, sent: str = "") -> Expected:
        """The request for ``inputs``, by input name; ``sent`` is the media type that was chosen, where the description offers several."""
        parameters = self.parameters(place)
        own = [parameter for parameter in parameters if parameter.get("in") in ("path", "query", "header")]
        body = self._body(place, parameters, sent=sent.partition(";")[0])
        fields = self._fields(body[1]) if body and _rank(body[0]) < 2 else set()
        names = [str(parameter["name"]) for parameter in own]
        rest, path = dict(inputs), (self.base + place.path).partition("#")[0]
        path, _, fixed = path.partition("?")
        found = Expected(place.method.upper(), path, parse_qsl(fixed, keep_blank_values=True))
        for parameter in own:
            name = str(parameter["name"])
            key = f"{parameter['in']}.{name}" if names.count(name) > 1 or name in fields else name
            if key in rest:
                self._write(found, parameter, rest.pop(key))
            elif parameter.get("required") and (only := self._only(parameter)) is not None:
                self._write(found, parameter, only[0])
        if body and (rest or self._is_required(place, parameters)):
            self._write_body(found, body, rest)
        return found

    def _only(self, parameter: Node) -> list[Any] | None:
        schema = self._schema(parameter)
        values = [schema["const"]] if "const" in schema else schema.get("enum")
        return values if isinstance(values, list) and len(values) == 1 else None

    def _schema(self, parameter: Node) -> Node:
        content = parameter.get("content")
        if content:
            return self.follow(next(iter(content.values())).get("schema")) or {}
        schema = parameter if self.swagger else parameter.get("schema")
        return schema if isinstance(schema, dict) else {}

    def _write(self, found: Expected, parameter: Node, value: Any) -> None:
        place, name = parameter["in"], str(parameter["name"])
        if parameter.get("content"):
            value, style, explode = (
                json.dumps(value, separators=(",", ":"), ensure_ascii=False),
                "form" if place == "query" else "simple",
                False,
            )
        else:
            style, explode = self._style(parameter)
        if place == "query":
            found.query += pairs(name, value, style, explode)
        elif place == "header":
            found.headers[name.lower()] = simple(value, explode)
        else:
            found.path = found.path.replace("{" + name + "}", in_path(name, value, style, explode))

    def _style(self, parameter: Node) -> tuple[str, bool]:
        if self.swagger:
            kind = parameter.get("collectionFormat", "csv")
            style = {"ssv": "spaceDelimited", "pipes": "pipeDelimited", "tsv": "tabDelimited"}.get(kind, "form")
            return ("simple" if parameter["in"] != "query" else style), kind == "multi"
        style = parameter.get("style") or ("form" if parameter["in"] == "query" else "simple")
        return style, parameter.get("explode", style == "form")

    def _is_required(self, place: Place, parameters: list[Node]) -> bool:
        if not self.swagger:
            return self.follow(place.raw.get("requestBody") or {}).get("required") is True
        return any(parameter.get("required") for parameter in parameters if parameter.get("in") in ("body", "formData"))

    def _body(self, place: Place, parameters: list[Node], *, sent: str) -> tuple[str, Node, Node] | None:
        """Media type, schema and encoding of the body that an object goes into."""
        if self.swagger:
            return self._swagger_body(place, parameters)
        content = self.follow(place.raw.get("requestBody") or {}).get("content") or {}
        ranked = sorted(content, key=lambda name: -1 if name.partition(";")[0] == sent and _rank(name) == 0 else _rank(name))
        if not ranked:
            return None
        media = self.follow(content[ranked[0]])
        return ranked[0], media.get("schema", {}), media.get("encoding") or {}

    def _swagger_body(self, place: Place, parameters: list[Node]) -> tuple[str, Node, Node] | None:
        consumed = place.raw.get("consumes", self.root.get("consumes")) or []
        whole = [parameter for parameter in parameters if parameter.get("in") == "body"]
        form = [parameter for parameter in parameters if parameter.get("in") == "formData"]
        if whole:
            return (sorted(consumed, key=_rank) or [JSON])[0], whole[0].get("schema", {}), {}
        if not form:
            return None
        files = any(parameter.get("type") == "file" for parameter in form)
        kinds = [name for name in consumed if name in (FORM, MULTIPART)]
        encoding = {p["name"]: {"style": self._style({**p, "in": "query"})[0], "explode": p.get("collectionFormat") == "multi"}
                    for p in form if p.get("type") == "array"}  # fmt: skip
        properties = {parameter["name"]: parameter for parameter in form}
        return MULTIPART if files else (kinds or [FORM])[0], {"type": "object", "properties": properties}, encoding

    def _fields(self, schema: Any, depth: int = 0) -> set[str]:
        """The properties of an object, those of its parts too."""
        schema = self.follow(schema)
        if not isinstance(schema, dict) or depth > 12:
            return set()
        properties = schema.get("properties")
        found = {name for name, part in properties.items() if not self._is_read_only(part)} if isinstance(properties, dict) else set()
        for keyword in ("allOf", "anyOf", "oneOf"):
            for part in schema.get(keyword) or ():
                found |= self._fields(part, depth + 1)
        return found

    def _is_read_only(self, schema: Any) -> bool:
        end = self.follow(schema)
        return any(isinstance(each, dict) and each.get("readOnly") is True for each in (schema, end))

    def _write_body(self, found: Expected, body: tuple[str, Node, Node], rest: Node) -> None:
        name, schema, encoding = body
        kind = name.partition(";")[0].strip().lower()
        value = rest if set(rest) != {"body"} or "body" in self._fields(schema) else rest["body"]
        if kind in ("*/*", "application/*") and not isinstance(value, (str, tuple, bytes)):
            kind = JSON
        found.kind, found.body = kind, value
        if kind == FORM:
            found.body = [pair for key, item in value.items() for pair in form_pairs(key, item, encoding.get(key) or {})]
        elif kind == MULTIPART:
            found.body = [part for key, item in value.items() for part in parts(key, item, encoding.get(key) or {})]


def _rank(name: str) -> int:
    """JSON first, then forms, then the rest: an object goes into the first that takes one."""
    kind = name.partition(";")[0].strip().lower()
    return 0 if kind.endswith(("json", "form-data", "urlencoded")) else 1 if "*" in kind or "yaml" in kind else 2


def text(value: Any) -> str:
    """A scalar on the wire."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(int(value)) if isinstance(value, float) and value.is_integer() else repr(value) if isinstance(value, float) else str(value)


def simple(value: Any, explode: bool) -> str:
    """Style simple (RFC 6570, section 3.2.2)."""
    if isinstance(value, list):
        return ",".join(map(text, value))
    if isinstance(value, dict):
        return ",".join(f"{key}={text(item)}" if explode else f"{key},{text(item)}" for key, item in value.items())
    return text(value)


def in_path(name: str, value: Any, style: str, explode: bool) -> str:
    """A value in the path: simple, label or matrix (RFC 6570)."""
    items = (
        [(None, item) for item in value] if isinstance(value, list) else list(value.items()) if isinstance(value, dict) else [(None, value)]
    )
    wire = [(key and quote(key, safe=""), quote(text(item), safe="")) for key, item in items]
    if style == "simple":
        return ",".join(f"{key}={item}" if key and explode else f"{key},{item}" if key else item for key, item in wire)
    mark = "." if style == "label" else ";"
    if explode:
        return mark + mark.join(f"{key}={item}" if key else f"{name}={item}" if style == "matrix" else item for key, item in wire)
    joined = ",".join(f"{key},{item}" if key else item for key, item in wire)
    return f"{mark}{name}={joined}" if style == "matrix" else mark + joined


def pairs(name: str, value: Any, style: str, explode: bool) -> list[tuple[str, str]]:
    """A value in the query."""
    if style == "deepObject" and isinstance(value, (dict, list)):
        return list(deep(name, value))
    if isinstance(value, dict):
        flat = [part for key, item in value.items() for part in (key, text(item))]
        return [(key, text(item)) for key, item in value.items()] if explode else [(name, ",".join(flat))]
    if isinstance(value, list):
        between = {"spaceDelimited": " ", "pipeDelimited": "|"}.get(style, ",")
        if explode:
            return [(name, text(item)) for item in value]
        return [(name, between.join(map(text, value)))] if value else []
    return [(name, text(value))]


def deep(name: str, value: Any) -> Any:
    """Names in brackets; a list repeats its name, with an index where items have parts."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from deep(f"{name}[{key}]", item)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            inner = name if name.endswith("[]") or not isinstance(item, (dict, list)) else f"{name}[{index}]"
            yield from deep(inner, item)
    elif value is not None:
        yield name, text(value)


def form_pairs(name: str, value: Any, encoding: Node) -> list[tuple[str, str]]:
    """A property of a form."""
    if value is None:
        return []
    if encoding.get("style"):
        return pairs(name, value, encoding["style"], encoding.get("explode", encoding["style"] == "form"))
    if str(encoding.get("contentType", "")).endswith("json"):
        return [(name, json.dumps(value, separators=(",", ":"), ensure_ascii=False))]
    return list(deep(name, value))


def parts(name: str, value: Any, encoding: Node) -> list[tuple[str, Any]]:
    """A property of multipart: text, JSON as its value, bytes of a file."""
    if value is None:
        return []
    if str(encoding.get("contentType", "")).endswith("json"):
        return [(name, value)]
    if encoding.get("style") == "deepObject":
        return list(deep(name, value))
    items = value if isinstance(value, list) else [value]
    made = [
        item[1] if isinstance(item, tuple) else item if isinstance(item, (dict, list)) else text(item) for item in items if item is not None
    ]
    return [(name, item) for item in made]


def differences(expected: Expected, method: str, target: str, headers: dict[str, str], body: bytes) -> list[str]:
    """What is otherwise in a request that was sent; nothing where it is as expected."""
    path, _, query = target.partition("?")
    wrong = []
    if method != expected.method:
        wrong.append(f"method {method}, not {expected.method}")
    if unquote(path) != unquote(expected.path):
        wrong.append(f"path {path}, not {expected.path}")
    if sorted(parse_qsl(query, keep_blank_values=True)) != sorted(expected.query):
        wrong.append(f"query {query[:200]}, not {expected.query!r:.200}")
    wrong += [f"header {name}" for name, value in expected.headers.items() if headers.get(name) != value]
    return wrong + _body_differences(expected, headers.get("content-type", ""), body)


def _body_differences(expected: Expected, content_type: str, body: bytes) -> list[str]:
    try:
        return _compared(expected, content_type, body)
    except (ValueError, TypeError):
        return [f"a body that cannot be read, {body!r:.100}"]


def _compared(expected: Expected, content_type: str, body: bytes) -> list[str]:
    kind = content_type.partition(";")[0].strip().lower()
    if not expected.kind:
        return [f"a body of {len(body)} bytes where none is expected"] if body else []
    if "*" not in expected.kind and kind != expected.kind:
        return [f"content type {kind}, not {expected.kind}"]
    if kind == FORM:
        found: Any = sorted(parse_qsl(body.decode(), keep_blank_values=True))
        wanted: Any = sorted(expected.body)
    elif kind == MULTIPART:
        found, wanted = _parts_of(content_type, body), expected.body
        found = [(name, _as(value, other[1])) for (name, value), other in zip(found, wanted, strict=False)] + found[len(wanted) :]
    elif kind.endswith("json") or (kind.endswith("yaml") and not isinstance(expected.body, (str, tuple, bytes))):
        found, wanted = json.loads(body), json.loads(json.dumps(expected.body))
    else:
        found, wanted = body, expected.body[1] if isinstance(expected.body, tuple) else expected.body
        wanted = wanted.encode() if isinstance(wanted, str) else wanted
    return [] if found == wanted else [f"body {found!r:.200}, not {wanted!r:.200}"]


def _as(value: bytes, like: Any) -> Any:
    if isinstance(like, bytes):
        return value
    return value.decode() if isinstance(like, str) else json.loads(value)


def _parts_of(content_type: str, body: bytes) -> list[tuple[str, bytes]]:
    message = Message()
    message["content-type"] = content_type
    mark = b"--" + str(message.get_param("boundary")).encode()
    found = []
    for piece in body.split(mark)[1:-1]:
        head, _, value = piece.partition(b"\r\n\r\n")
        part = Message()
        part["content-disposition"] = head.decode().partition("Content-Disposition: ")[2].partition("\r\n")[0]
        found.append((str(part.get_param("name", header="content-disposition")), value.removesuffix(b"\r\n")))
    return found
