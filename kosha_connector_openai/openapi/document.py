"""A parsed OpenAPI description: ``openapi.json`` -> Document -> Operation, each operation built when it is first asked for.

A fault of one operation does not take the others down: it is raised when that operation is asked for, and listed by ``faults``.
Nothing outside the document is ever opened or fetched.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qsl, unquote, urlsplit

import orjson

from kosha_connector_openai.errors import DocumentError, Fault, InputError
from kosha_connector_openai.openapi.operation import Encoding, Location, MediaType, Operation, Parameter, RequestBody, Response
from kosha_connector_openai.openapi.swagger import from_swagger
from kosha_connector_openai.text import JsonLimits, escape, loads_strict, resolve

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
MAX_OPERATIONS = 5_000
MAX_BYTES = 16 * 1024 * 1024
_LIMITS = JsonLimits(bytes=MAX_BYTES, depth=100, nodes=2_000_000, string=MAX_BYTES)
_PATH = re.compile(r"(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2}|\{[^{}]+\})*)+")
"""Segments of RFC 3986, section 3.3, with variables: what every client sends as it is written."""
_VARIABLE = re.compile(r"\{([^{}]+)\}")
_SERVER_PATH = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~@:-]+)*")
_DEFAULT_STYLE: Mapping[Location, str] = {"path": "simple", "query": "form", "header": "simple", "cookie": "form"}


def read_document(path: Path, *, sha256: str | None = None) -> Document:
    """The description in a JSON or YAML file.

    With ``sha256`` (lower-case hex) the file must have that digest: then its text was checked when it was pinned, and the scan for
    duplicate keys and depth is not repeated. Raises DocumentError.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DocumentError(f"{path.name} is larger than {MAX_BYTES} bytes.")
        data = path.read_bytes()
    except OSError as error:
        raise DocumentError(f"{path.name} cannot be read: {error.strerror}.") from None
    digest = hashlib.sha256(data).hexdigest()
    if sha256 is not None and digest != sha256:
        raise DocumentError(
            f"{path.name} is not the file that the manifest names: its SHA-256 is {digest}.",
            hint="Review the change, then write the new digest under spec.sha256.",
        )
    return parse_document(data, name=path.name, digest=digest, checked=sha256 is not None)


def parse_document(data: bytes, *, name: str = "description", digest: str = "", checked: bool = False, foreign: bool = False) -> Document:
    """The description in JSON or YAML text; ``checked`` text is trusted to have no duplicate keys and no hostile depth.

    A ``foreign`` one was not made for its connector: its paths begin with the path of its own first server.
    """
    is_json = data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{"
    try:
        if is_json:
            root = orjson.loads(data) if checked else loads_strict(data, _LIMITS, what=name)
        else:
            from kosha_connector_openai.text import load_yaml

            root = load_yaml(data, what=name)
    except InputError as error:
        raise DocumentError(f"{name} cannot be loaded: {error.message}", error.faults) from None
    except orjson.JSONDecodeError as error:
        raise DocumentError(f"{name} is not valid JSON: line {error.lineno}, column {error.colno}.") from None
    return Document(root, name=name, digest=digest or hashlib.sha256(data).hexdigest(), foreign=foreign)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an operation stands in the document."""

    path: str
    method: str

    @property
    def pointer(self) -> str:
        return f"/paths/{escape(self.path)}/{self.method}"


class Document(Mapping[str, Operation]):
    """An OpenAPI 3.0 or 3.1 description as an ordered, read-only mapping from operation id to Operation."""

    def __init__(self, root: Any, *, name: str = "description", digest: str = "", foreign: bool = False) -> None:
        self.root: Mapping[str, Any] = from_swagger(_object(root, "", name))
        self.name = name
        self.digest = digest
        self.version = str(self.root.get("openapi", ""))
        if not self.version.startswith(("3.0", "3.1")):
            raise DocumentError(f"{name} is not an OpenAPI 3.0 or 3.1 or a Swagger 2.0 description.", pointer="/openapi")
        self._prefix = _server_path(self.root) if foreign else ""
        self._places: dict[str, _Place] = {}
        self._clashes: dict[str, list[str]] = {}
        self._built: dict[str, Operation] = {}
        self._shape_faults: list[Fault] = []
        for place, operation_id in self._index():
            if operation_id in self._places:
                self._clashes.setdefault(operation_id, [self._places[operation_id].pointer]).append(place.pointer)
            else:
                self._places[operation_id] = place
        if len(self._places) > MAX_OPERATIONS:
            raise DocumentError(f"{name} has more than {MAX_OPERATIONS} operations.", pointer="/paths")

    def _index(self) -> Iterator[tuple[_Place, str]]:
        for path, item in _object(self.root.get("paths", {}), "/paths", self.name).items():
            if not isinstance(item, Mapping):
                self._shape_faults.append(Fault(f"/paths/{escape(path)}", "type", "The path item is not an object."))
                continue
            for method in METHODS:
                operation = item.get(method)
                if operation is None:
                    continue
                place = _Place(path, method)
                if not isinstance(operation, Mapping):
                    self._shape_faults.append(Fault(place.pointer, "type", "The operation is not an object."))
                    continue
                yield place, str(operation.get("operationId") or derive_id(method, path))

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, key: object) -> bool:
        return key in self._places

    def __getitem__(self, key: str) -> Operation:
        """The operation with this id. Raises KeyError, or DocumentError where the description of it is faulty."""
        if key not in self._built:
            place = self._places[key]
            if key in self._clashes:
                raise DocumentError(
                    "Two operations have the same id.",
                    [Fault(pointer, "operationId", "This id is used twice.") for pointer in self._clashes[key]],
                )
            self._built[key] = self._build(key, place)
        return self._built[key]

    def faults(self) -> tuple[Fault, ...]:
        """Every fault of every operation; builds all of them."""
        found = list(self._shape_faults)
        for key in self:
            try:
                self[key]
            except DocumentError as error:
                found += error.faults or [Fault(error.pointer, "description", error.message)]
        return tuple(found)

    def resolve(self, value: Any, pointer: str) -> Any:
        """``value`` with its own ``$ref`` followed, to any depth; raises DocumentError on cycles and outside references."""
        chain: list[str] = []
        while isinstance(value, Mapping) and isinstance(reference := value.get("$ref"), str):
            if not reference.startswith("#"):
                raise _refused(pointer, "reference", "external reference not allowed")
            if reference in chain:
                raise _refused(pointer, "reference", "the references form a circle: " + " -> ".join([*chain, reference]))
            chain.append(reference)
            value = self.at(unquote(reference[1:]), pointer)
        return value

    def at(self, target: str, pointer: str = "") -> Any:
        """The value at a JSON Pointer; raises DocumentError, naming ``pointer``, where nothing is there."""
        try:
            return resolve(self.root, target)
        except LookupError:
            raise _refused(pointer, "reference", "the reference points at nothing") from None

    def _build(self, key: str, place: _Place) -> Operation:
        item = self.root["paths"][place.path]
        raw = item[place.method]
        path, _, query = f"{self._prefix}{place.path}".partition("?")
        body = raw.get("requestBody")
        # An empty list of its own takes away what the description asks of all operations (OpenAPI 3.1, section 4.8.10).
        security = raw["security"] or [{}] if "security" in raw else self.root.get("security", [])
        operation = Operation(
            id=key,
            method=place.method.upper(),
            path=path,
            pointer=place.pointer,
            query=tuple(parse_qsl(query, keep_blank_values=True)),
            summary=_text(raw.get("summary")),
            description=_text(raw.get("description")),
            tags=tuple(str(tag) for tag in raw.get("tags") or ()),
            deprecated=raw.get("deprecated") is True,
            parameters=self._parameters(item, raw, place),
            request_body=None if body is None else self._request_body(body, f"{place.pointer}/requestBody"),
            responses=self._responses(raw.get("responses") or {}, f"{place.pointer}/responses"),
            security=tuple(tuple(alternative) for alternative in security if isinstance(alternative, Mapping)),
            extensions={name: value for name, value in raw.items() if name.startswith("x-")},
        )
        _check_path(operation)
        return operation

    def _parameters(self, item: Mapping[str, Any], raw: Mapping[str, Any], place: _Place) -> tuple[Parameter, ...]:
        found: dict[tuple[str, str], Parameter] = {}
        for owner, pointer in ((item, f"/paths/{escape(place.path)}"), (raw, place.pointer)):
            for index, value in enumerate(owner.get("parameters") or ()):
                parameter = self._parameter(value, f"{pointer}/parameters/{index}")
                found[parameter.name, parameter.location] = parameter
        return tuple(found.values())

    def _parameter(self, value: Any, pointer: str) -> Parameter:
        raw = _object(self.resolve(value, pointer), pointer, "the parameter")
        name, location = raw.get("name"), raw.get("in")
        if not isinstance(name, str) or not name or location not in _DEFAULT_STYLE:
            raise _refused(pointer, "parameter", "a parameter needs a name and a known location")
        place = cast("Location", location)
        style = raw.get("style") or _DEFAULT_STYLE[place]
        content = raw.get("content") or {}
        media_type = next(iter(content), None)
        schema = content[media_type].get("schema", {}) if media_type else raw.get("schema", {})
        return Parameter(
            name=name,
            location=place,
            schema=schema,
            required=raw.get("required") is True or location == "path",
            style=style,
            explode=raw.get("explode", style == "form"),
            allow_reserved=raw.get("allowReserved") is True,
            media_type=media_type,
            description=_text(raw.get("description")),
            deprecated=raw.get("deprecated") is True,
        )

    def _request_body(self, value: Any, pointer: str) -> RequestBody:
        raw = _object(self.resolve(value, pointer), pointer, "the request body")
        return RequestBody(
            content=self._content(raw.get("content"), f"{pointer}/content"),
            required=raw.get("required") is True,
            description=_text(raw.get("description")),
        )

    def _responses(self, raw: Any, pointer: str) -> tuple[Response, ...]:
        found = []
        for status, value in _object(raw, pointer, "responses").items():
            where = f"{pointer}/{escape(str(status))}"
            response = _object(self.resolve(value, where), where, "the response")
            content = self._content(response.get("content"), f"{where}/content")
            found.append(Response(str(status), content, _text(response.get("description"))))
        return tuple(found)

    def _content(self, raw: Any, pointer: str) -> Mapping[str, MediaType]:
        found = {}
        for name, value in _object(raw or {}, pointer, "content").items():
            where = f"{pointer}/{escape(name)}"
            media = _object(self.resolve(value, where), where, "the media type")
            if not (name.isascii() and name.isprintable()):
                raise _refused(where, "media-type", "the name is not a media type")
            encoding = {key: _encoding(entry) for key, entry in (media.get("encoding") or {}).items()}
            found[name] = MediaType(name, media.get("schema"), encoding)
        return found


def derive_id(method: str, path: str) -> str:
    """The id of an operation that has none: method and path in camel case, ``get /a/{b}/c`` -> ``getAByBC``."""
    words = [method.lower()]
    for segment in path.partition("?")[0].split("/"):
        for variable, literal in re.findall(r"\{([^{}]*)\}|([^{}]+)", segment):
            words += (["by"] if variable else []) + re.findall(r"[A-Za-z0-9]+", variable or literal)
    return words[0] + "".join(word[:1].upper() + word[1:] for word in words[1:])


def _check_path(operation: Operation) -> None:
    """The path stays below the server, whatever the client makes of it; each of its variables has a parameter, and each name one place."""
    if not _PATH.fullmatch(operation.path) or {".", ".."} & set(unquote(operation.path).split("/")):
        raise _refused(operation.pointer, "path", "the path is not one that begins with a slash and stays below the server")
    variables = set(re.findall(r"\{([^{}]+)\}", operation.path))
    declared = {parameter.name for parameter in operation.parameters if parameter.location == "path"}
    if missing := sorted(variables - declared):
        raise _refused(operation.pointer, "path", f"no parameter is declared for {{{missing[0]}}}")
    names = sorted(parameter.name for parameter in operation.parameters if parameter.location != "cookie")
    if twice := [name for name, following in pairwise(names) if name == following]:
        raise _refused(operation.pointer, "name", f"{twice[0]!r} is a parameter in two places")


def _encoding(raw: Mapping[str, Any]) -> Encoding:
    base = Encoding(content_type=raw.get("contentType"), style=raw.get("style"), explode=raw.get("explode"))
    return replace(base, allow_reserved=raw.get("allowReserved") is True)


def _object(value: Any, pointer: str, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _refused(pointer, "type", f"{what} is not an object")
    return value


def _refused(pointer: str, rule: str, message: str) -> DocumentError:
    return DocumentError(f"{message[:1].upper()}{message[1:]}.", [Fault(pointer, rule, f"{message}.")], pointer=pointer)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _server_path(root: Mapping[str, Any]) -> str:
    """The path of the first server, all that is taken of the servers, since a description does not say where a key goes.

    Empty, or ``/a/b``, its variables at their defaults; raises DocumentError for one that is no plain path.
    """
    servers = root.get("servers")
    first = servers[0] if isinstance(servers, list) and servers and isinstance(servers[0], Mapping) else {}
    variables = first.get("variables")
    url = _VARIABLE.sub(lambda match: _default_of(variables, match[1]), str(first.get("url", "")))
    try:
        path = urlsplit(url).path.rstrip("/")
    except ValueError:
        path = "?"
    if not _SERVER_PATH.fullmatch(path):
        message = "The description's first server has no plain path."
        raise DocumentError(message, [Fault("/servers/0/url", "path", "is no plain path.", "Correct it, or remove the servers.")])
    return path


def _default_of(variables: Any, name: str) -> str:
    found = variables.get(name) if isinstance(variables, Mapping) else None
    return str(found.get("default", "")) if isinstance(found, Mapping) else ""
