"""One operation object of a description -> Operation. What is missing for a call is refused; what is not is noted and passed over."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, cast
from urllib.parse import parse_qsl, unquote

from kosha_connector_openai.errors import DocumentError, Fault
from kosha_connector_openai.http import is_protected
from kosha_connector_openai.openapi.operation import Encoding, Location, MediaType, Operation, Parameter, RequestBody, Response, Schema
from kosha_connector_openai.text import escape

_PATH: Final = re.compile(r"(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2}|\{[^{}]+\})*)+")
"""Segments of RFC 3986, section 3.3, with variables: what every client sends as it is written."""
_VARIABLE: Final = re.compile(r"\{([^{}]+)\}")
_STYLES: Final[Mapping[Location, tuple[str, ...]]] = {
    "path": ("simple", "label", "matrix"),
    "query": ("form", "spaceDelimited", "pipeDelimited", "deepObject", "tabDelimited"),
    "header": ("simple",),
    "cookie": ("form", "cookie"),
}
"""The styles of each place, its default first (OpenAPI 3.1.1, section 4.8.12.3); tabs are Swagger's."""
_IGNORED: Final = frozenset({"accept", "authorization", "content-type"})
"""Header parameters whose definition is ignored (OpenAPI 3.1.1, section 4.8.12.1)."""

Resolve = Callable[[Any, str], Any]
"""Follows the ``$ref`` of a value at a pointer; raises DocumentError."""
Node = Mapping[str, Any]
Security = tuple[tuple[str, ...], ...]


class OperationReader:
    """Reads one operation. ``notes`` are the faults that cost less than the operation."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self._notes: list[Fault] = []

    def read(self, key: str, method: str, path: str, pointers: tuple[str, str], item: Node, raw: Node, security: Security) -> Operation:
        """The operation ``raw`` of the path item ``item``; ``pointers`` are their places, ``security`` is what holds without its own.

        Raises DocumentError.
        """
        pointer = pointers[1]
        plain, _, query = path.partition("#")[0].partition("?")  # a fragment is never sent (RFC 3986, section 3.5)
        body = raw.get("requestBody")
        parameters = self._parameters(item, raw, pointers)
        operation = Operation(
            id=key,
            method=method.upper(),
            path=plain,
            pointer=pointer,
            query=tuple(parse_qsl(query, keep_blank_values=True)),
            summary=self._text(raw, "summary", pointer),
            description=self._text(raw, "description", pointer),
            tags=tuple(tag for tag in self._list(raw, "tags", pointer) if isinstance(tag, str)),
            deprecated=raw.get("deprecated") is True,
            parameters=parameters,
            request_body=None if body is None else self._request_body(body, f"{pointer}/requestBody"),
            responses=self._responses(raw.get("responses"), f"{pointer}/responses"),
            security=self._security(raw, pointer) if "security" in raw else security,
            servers=self._servers(item, raw, pointers),
            extensions={name: value for name, value in raw.items() if name.startswith("x-")},
            notes=tuple(self._notes),
        )
        _check_path(operation)
        return operation

    def _note(self, pointer: str, rule: str, message: str) -> None:
        self._notes.append(Fault(pointer, rule, f"{message}."))

    def _text(self, raw: Node, key: str, pointer: str) -> str:
        value = raw.get(key)
        if value is not None and not isinstance(value, str):
            self._note(f"{pointer}/{key}", "type", "is not a text")
        return value if isinstance(value, str) else ""

    def _list(self, raw: Node, key: str, pointer: str) -> list[Any]:
        value = raw.get(key)
        if value is not None and not isinstance(value, list):
            self._note(f"{pointer}/{key}", "type", "is not a list")
        return value if isinstance(value, list) else []

    def _security(self, raw: Node, pointer: str) -> Security:
        """An empty list of its own takes away what the description asks of all operations (OpenAPI 3.1.1, section 4.8.10.1)."""
        found = security_of(raw)
        if found is None:
            raise refused(f"{pointer}/security", "type", "security is not a list of objects")
        return found or ((),)

    def _servers(self, item: Node, raw: Node, pointers: tuple[str, str]) -> tuple[str, ...]:
        """The URLs of its own servers, else of the path item's, their variables at their defaults."""
        for owner, pointer in ((raw, pointers[1]), (item, pointers[0])):
            if servers := self._list(owner, "servers", pointer):
                return tuple(server_url(server) for server in servers if isinstance(server, Mapping))
        return ()

    def _parameters(self, item: Node, raw: Node, pointers: tuple[str, str]) -> tuple[Parameter, ...]:
        found: dict[tuple[str, str], Parameter] = {}
        for owner, pointer in ((item, pointers[0]), (raw, pointers[1])):
            given = owner.get("parameters")
            if given is not None and not isinstance(given, list):
                raise refused(f"{pointer}/parameters", "type", "the parameters are not a list")
            for index, value in enumerate(given or ()):
                parameter = self._parameter(value, f"{pointer}/parameters/{index}")
                if parameter.location == "header" and is_protected(parameter.name):
                    if parameter.name.lower() not in _IGNORED:
                        where = f"{pointer}/parameters/{index}"
                        self._note(where, "protected", "is a header that only the connection sets, and is no input")
                    continue
                found[parameter.name, parameter.location] = parameter
        return tuple(found.values())

    def _parameter(self, value: Any, pointer: str) -> Parameter:
        raw = as_object(self._resolve(value, pointer), pointer, "the parameter")
        name, location = raw.get("name"), raw.get("in")
        if location == "querystring":
            raise refused(f"{pointer}/in", "parameter", "the place `querystring` of OpenAPI 3.2 is not known here")
        if not isinstance(name, str) or not name or not isinstance(location, str) or location not in _STYLES:
            raise refused(pointer, "parameter", "a parameter needs a name and a known location")
        place = cast("Location", location)
        style, explode = raw.get("style") or _STYLES[place][0], raw.get("explode")
        if not isinstance(style, str) or style not in _STYLES[place]:
            raise refused(f"{pointer}/style", "style", f"this is no style of the place {place}")
        if explode is not None and not isinstance(explode, bool):
            raise refused(f"{pointer}/explode", "type", "explode is neither true nor false")
        media_type, schema, where = self._value(raw, pointer)
        return Parameter(
            name=name,
            location=place,
            schema=schema,
            required=raw.get("required") is True or place == "path",
            style=style,
            explode=style in ("form", "deepObject") if explode is None else explode,
            allow_reserved=raw.get("allowReserved") is True,
            media_type=media_type,
            description=self._text(raw, "description", pointer),
            deprecated=raw.get("deprecated") is True,
            pointer=where,
        )

    def _value(self, raw: Node, pointer: str) -> tuple[str | None, Schema, str]:
        """The media type and the schema of a parameter, and where that stands."""
        content = as_object(raw.get("content") or {}, f"{pointer}/content", "content")
        if not content:
            return None, _schema(raw.get("schema", {}), f"{pointer}/schema"), f"{pointer}/schema"
        name, media = next(iter(content.items()))
        where = f"{pointer}/content/{escape(name)}"
        media = as_object(self._resolve(media, where), where, "the media type")
        return name, _schema(media.get("schema", {}), f"{where}/schema"), f"{where}/schema"

    def _request_body(self, value: Any, pointer: str) -> RequestBody:
        raw = as_object(self._resolve(value, pointer), pointer, "the request body")
        return RequestBody(
            content=dict(self._content(raw.get("content"), f"{pointer}/content")),
            required=raw.get("required") is True,
            description=self._text(raw, "description", pointer),
        )

    def _responses(self, raw: Any, pointer: str) -> tuple[Response, ...]:
        """The answers that can be read; a fault in one is noted, since a call does not need it."""
        if raw is not None and not isinstance(raw, Mapping):
            self._note(pointer, "type", "responses is not an object")
        found = []
        for status, value in (raw if isinstance(raw, Mapping) else {}).items():
            if status.startswith("x-"):
                continue
            where, content, text = f"{pointer}/{escape(status)}", {}, ""
            try:
                response = as_object(self._resolve(value, where), where, "the response")
                text = self._text(response, "description", where)
                content = dict(self._content(response.get("content"), f"{where}/content"))
            except DocumentError as error:
                self._notes += error.faults
            found.append(Response(status, content, text))
        return tuple(found)

    def _content(self, raw: Any, pointer: str) -> Iterator[tuple[str, MediaType]]:
        # ``content`` is no place for a reference in any version, yet some write one.
        for name, value in as_object(self._resolve({} if raw is None else raw, pointer), pointer, "content").items():
            where = f"{pointer}/{escape(name)}"
            media = as_object(self._resolve(value, where), where, "the media type")
            if not (name.isascii() and name.isprintable()):
                raise refused(where, "media-type", "the name is not a media type")
            schema = media.get("schema")
            if "itemSchema" in media:
                self._note(f"{where}/itemSchema", "version", "`itemSchema` of OpenAPI 3.2 is not known here")
            yield (
                name,
                MediaType(
                    name,
                    None if schema is None else _schema(schema, f"{where}/schema"),
                    dict(self._encodings(media.get("encoding"), f"{where}/encoding")),
                    f"{where}/schema",
                ),
            )

    def _encodings(self, raw: Any, pointer: str) -> Iterator[tuple[str, Encoding]]:
        if raw is not None and not isinstance(raw, Mapping):
            self._note(pointer, "type", "encoding is not an object")
        for name, value in (raw if isinstance(raw, Mapping) else {}).items():
            where = f"{pointer}/{escape(name)}"
            if not isinstance(value, Mapping):
                self._note(where, "type", "the encoding is not an object")
                continue
            style, explode = value.get("style"), value.get("explode")
            if style is not None and style not in _STYLES["query"]:
                raise refused(f"{where}/style", "style", "this is no style of a form")
            if explode is not None and not isinstance(explode, bool):
                raise refused(f"{where}/explode", "type", "explode is neither true nor false")
            yield name, Encoding(self._text(value, "contentType", where) or None, style, explode, value.get("allowReserved") is True)


def server_url(server: Node) -> str:
    """The URL of a server object, its variables at their defaults; "" where it has none."""
    variables, url = server.get("variables"), server.get("url")

    def default(match: re.Match[str]) -> str:
        found = variables.get(match[1]) if isinstance(variables, Mapping) else None
        return str(found.get("default", "")) if isinstance(found, Mapping) else ""

    return _VARIABLE.sub(default, url) if isinstance(url, str) else ""


def security_of(owner: Node) -> Security | None:
    """The alternatives that an operation or a description asks for; None where they are none."""
    raw = owner.get("security", [])
    usable = isinstance(raw, list) and all(isinstance(alternative, Mapping) for alternative in raw)
    return tuple(tuple(alternative) for alternative in raw) if usable else None


def as_object(value: Any, pointer: str, what: str) -> Node:
    """``value`` if it is an object; raises DocumentError."""
    if not isinstance(value, Mapping):
        raise refused(pointer, "type", f"{what} is not an object")
    return value


def refused(pointer: str, rule: str, message: str) -> DocumentError:
    """The error of one fault."""
    return DocumentError(f"{message[:1].upper()}{message[1:]}.", [Fault(pointer, rule, f"{message}.")], pointer=pointer)


def _schema(value: Any, pointer: str) -> Schema:
    if not isinstance(value, (bool, Mapping)):
        raise refused(pointer, "type", "the schema is not an object")
    return value


def _check_path(operation: Operation) -> None:
    """The path stays below the server, whatever the client makes of it; each of its variables has a parameter."""
    if not _PATH.fullmatch(operation.path) or {".", ".."} & set(unquote(operation.path).split("/")):
        raise refused(operation.pointer, "path", "the path is not one that begins with a slash and stays below the server")
    declared = {parameter.name for parameter in operation.parameters if parameter.location == "path"}
    if missing := sorted(set(_VARIABLE.findall(operation.path)) - declared):
        raise refused(operation.pointer, "path", f"no parameter is declared for {{{missing[0]}}}")
