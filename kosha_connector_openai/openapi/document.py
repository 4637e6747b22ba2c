"""A parsed OpenAPI description: ``openapi.json`` -> Document -> Operation, each operation built when it is first asked for.

A fault of one operation does not take the others down: it is raised when that operation is asked for, and listed by ``faults``.
Nothing outside the document is ever opened or fetched.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import orjson

from kosha_connector_openai.errors import DocumentError, Fault, InputError
from kosha_connector_openai.openapi.dialect import Definitions, to_json_schema
from kosha_connector_openai.openapi.operation import Operation
from kosha_connector_openai.openapi.operation_reader import OperationReader, as_object, refused, security_of, server_url
from kosha_connector_openai.openapi.swagger import from_swagger
from kosha_connector_openai.schema import flatten_properties, outside
from kosha_connector_openai.text import JsonLimits, escape, loads_strict, resolve

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
MAX_OPERATIONS = 5_000
MAX_BYTES = 16 * 1024 * 1024
_LIMITS = JsonLimits(bytes=MAX_BYTES, depth=100, nodes=2_000_000, string=MAX_BYTES)
_SERVER_PATH = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~@:-]+)*")
_NEWER = ("additionalOperations", "query")
"""What a path item has from OpenAPI 3.2 on."""


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
        raise DocumentError(f"{path.name} cannot be read: {error.strerror}.", hint="Name a file that you may read.") from None
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
    """An OpenAPI 3 description as an ordered, read-only mapping from operation id to Operation."""

    def __init__(self, root: Any, *, name: str = "description", digest: str = "", foreign: bool = False) -> None:
        if not isinstance(root, Mapping):
            raise DocumentError(f"{name} is no OpenAPI description.", [Fault("", "type", "must be an object.")])
        self.root: Mapping[str, Any] = from_swagger(root)
        self.name = name
        self.digest = digest
        self.version = str(self.root.get("openapi", ""))
        if not self.version.startswith(("3.0", "3.1", "3.2")):
            raise DocumentError(f"{name} is not an OpenAPI 3.0, 3.1 or 3.2 or a Swagger 2.0 description.", pointer="/openapi")
        self._prefix = _server_path(self.root) if foreign else ""
        self._places: dict[str, _Place] = {}
        self._clashes: dict[str, list[str]] = {}
        self._built: dict[str, Operation] = {}
        self._lost: list[Fault] = []
        self._notes: list[Fault] = []
        for place, operation_id in self._index():
            if operation_id in self._places:
                self._clashes.setdefault(operation_id, [self._places[operation_id].pointer]).append(place.pointer)
            else:
                self._places[operation_id] = place
        if len(self._places) > MAX_OPERATIONS:
            raise DocumentError(f"{name} has more than {MAX_OPERATIONS} operations.", pointer="/paths")

    def _index(self) -> Iterator[tuple[_Place, str]]:
        for path in as_object(self.root.get("paths", {}), "/paths", "paths"):
            if path.startswith("x-"):
                continue
            try:
                item = self._item(path)
            except DocumentError as error:
                self._lost += error.faults
                continue
            if self.version.startswith("3.2"):
                self._notes += [
                    Fault(f"/paths/{escape(path)}/{name}", "version", f"{name} of OpenAPI 3.2 is not known here.")
                    for name in _NEWER
                    if name in item
                ]
            for method in METHODS:
                if method in item and item[method] is not None:
                    yield from self._entry(_Place(path, method), item[method])

    def _entry(self, place: _Place, operation: Any) -> Iterator[tuple[_Place, str]]:
        """The operation with its id; one that is a reference has the id of what it leads to, if it leads anywhere."""
        if not isinstance(operation, Mapping):
            self._lost.append(Fault(place.pointer, "type", "The operation is not an object."))
            return
        given = operation.get("operationId")
        if "$ref" in operation and given is None:
            target = self._try(lambda: self.resolve(operation, place.pointer))
            given = target.get("operationId") if isinstance(target, Mapping) else None
        if given is not None and not isinstance(given, str):
            self._notes.append(Fault(f"{place.pointer}/operationId", "type", "The id is not a text."))
        yield place, given if isinstance(given, str) and given else derive_id(place.method, place.path)

    def _try(self, read: Callable[[], Any]) -> Any:
        """What ``read`` gives; None where it raises."""
        try:
            return read()
        except DocumentError:
            return None

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
        """Every fault that takes an operation away; builds all of them."""
        found = list(self._lost)
        for key in self:
            try:
                self[key]
            except DocumentError as error:
                found += error.faults or [Fault(error.pointer, "description", error.message)]
        return tuple(found)

    def notes(self) -> tuple[Fault, ...]:
        """Every other fault: of what is passed over while the operations work. Builds them all and translates all their schemas."""
        found = list(self._notes)
        if security_of(self.root) is None:
            found.append(Fault("/security", "type", "is not a list of objects, and is passed over."))
        schemas = Definitions(self.root, self.version)
        for key in self:
            operation = self._try(lambda key=key: self[key])  # type: ignore[misc]
            if operation is None:
                continue
            found += operation.notes
            for schema, pointer in operation.schemas():
                schemas.schema(schema, pointer)
        schemas.complete()
        return (*found, *{fault.pointer: fault for fault in schemas.faults}.values())

    @property
    def security_schemes(self) -> Mapping[str, Mapping[str, Any]]:
        """The security schemes by name, those that are objects (Swagger 2.0: ``securityDefinitions``)."""
        components = self.root.get("components")
        found = components.get("securitySchemes") if isinstance(components, Mapping) else self.root.get("securityDefinitions")
        return {name: value for name, value in found.items() if isinstance(value, Mapping)} if isinstance(found, Mapping) else {}

    def schema(self, schema: Any, *, request: bool, files: bool = True) -> dict[str, Any]:
        """A schema of the document in JSON Schema 2020-12, self-contained; what cannot be translated takes any value."""
        return to_json_schema(self.root, schema, version=self.version, request=request, faults=[], files=files)

    def properties(self, schema: Any) -> tuple[dict[str, Any], tuple[str, ...], bool] | None:
        """``flatten_properties`` of a schema of the document, as far as its references lead."""
        return flatten_properties(self.root, schema, self.version, tolerant=True)

    def resolve(self, value: Any, pointer: str) -> Any:
        """``value`` with its own ``$ref`` followed, to any depth; raises DocumentError on cycles and outside references."""
        chain: list[str] = []
        while isinstance(value, Mapping) and isinstance(reference := value.get("$ref"), str):
            if not reference.startswith("#"):
                raise refused(pointer, "reference", outside(reference))
            if reference in chain:
                raise refused(pointer, "reference", "the references form a circle: " + " -> ".join([*chain, reference]))
            chain.append(reference)
            value = self.at(unquote(reference[1:]), pointer)
        return value

    def at(self, target: str, pointer: str = "") -> Any:
        """The value at a JSON Pointer; raises DocumentError, naming ``pointer``, where nothing is there."""
        try:
            return resolve(self.root, target)
        except LookupError:
            raise refused(pointer, "reference", "the reference points at nothing") from None

    def _build(self, key: str, place: _Place) -> Operation:
        item = self._item(place.path)
        raw = as_object(self.resolve(item[place.method], place.pointer), place.pointer, "the operation")
        pointers = (f"/paths/{escape(place.path)}", place.pointer)
        path = f"{self._prefix}{place.path}"
        return OperationReader(self.resolve).read(key, place.method, path, pointers, item, raw, security_of(self.root) or ())

    def _item(self, path: str) -> Mapping[str, Any]:
        """A path item; what stands beside its ``$ref`` comes on top (OpenAPI 3.1.1, section 4.8.9.1, leaves that open)."""
        item, pointer = self.root["paths"][path], f"/paths/{escape(path)}"
        if isinstance(item, Mapping) and "$ref" in item:
            beside = {key: value for key, value in item.items() if key != "$ref"}
            return {**as_object(self.resolve(item, pointer), pointer, "the path item"), **beside}
        return as_object(item, pointer, "the path item")


def derive_id(method: str, path: str) -> str:
    """The id of an operation that has none: method and path in camel case, ``get /a/{b}/c`` -> ``getAByBC``."""
    words = [method.lower()]
    plain, _, fragment = path.partition("#")
    for segment in [*plain.partition("?")[0].split("/"), fragment]:
        for variable, literal in re.findall(r"\{([^{}]*)\}|([^{}]+)", segment):
            words += (["by"] if variable else []) + re.findall(r"[A-Za-z0-9]+", variable or literal)
    return words[0] + "".join(word[:1].upper() + word[1:] for word in words[1:])


def _server_path(root: Mapping[str, Any]) -> str:
    """The path of the first server, all that is taken of the servers, since a description does not say where a key goes.

    Empty, or ``/a/b``, its variables at their defaults; raises DocumentError for one that is no plain path.
    """
    servers = root.get("servers")
    first = servers[0] if isinstance(servers, list) and servers and isinstance(servers[0], Mapping) else {}
    try:
        path = urlsplit(server_url(first)).path.rstrip("/")
    except ValueError:
        path = "?"
    if not _SERVER_PATH.fullmatch(path):
        message = "The description's first server has no plain path."
        raise DocumentError(message, [Fault("/servers/0/url", "path", "is no plain path.", "Correct it, or remove the servers.")])
    return path
