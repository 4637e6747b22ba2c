"""The parts of an OpenAPI description, as frozen records named with OpenAPI's own words (OpenAPI 3.1, section 4.8)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from kosha_connector_openai.errors import Fault

Location = Literal["path", "query", "header", "cookie"]
Schema = Mapping[str, Any] | bool


@dataclass(frozen=True, slots=True)
class Parameter:
    """One path, query, header or cookie parameter, its style and explode resolved to OpenAPI's defaults."""

    name: str
    location: Location
    schema: Schema
    required: bool = False
    style: str = "simple"
    explode: bool = False
    allow_reserved: bool = False
    media_type: str | None = None
    """Set where the parameter is described by ``content``: its value is written in this media type."""
    description: str = ""
    deprecated: bool = False
    pointer: str = field(default="", compare=False)
    """Where its schema stands."""
    alias: str = ""
    """What it is called among an action's inputs, where another input has its name."""
    lists: str | None = None
    """What items of a list are called in a style that does not say it: ``name``, ``name[]`` or ``name[0]``."""

    @property
    def input_name(self) -> str:
        """What it is called among an action's inputs."""
        return self.alias or self.name


@dataclass(frozen=True, slots=True)
class Encoding:
    """How one property of a form or multipart body is written."""

    content_type: str | None = None
    style: str | None = None
    explode: bool | None = None
    allow_reserved: bool = False


@dataclass(frozen=True, slots=True)
class MediaType:
    """One media type of a body and the schema of its value (None where the description gives none)."""

    name: str
    schema: Schema | None = None
    encoding: Mapping[str, Encoding] = field(default_factory=dict)
    pointer: str = field(default="", compare=False)
    """Where its schema stands."""


@dataclass(frozen=True, slots=True)
class RequestBody:
    """The media types that an operation takes, in the description's order."""

    content: Mapping[str, MediaType]
    required: bool = False
    description: str = ""


@dataclass(frozen=True, slots=True)
class Response:
    """One answer of an operation: ``status`` is "200", "4XX" or "default"."""

    status: str
    content: Mapping[str, MediaType]
    description: str = ""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. ``path`` has no query; a path key's own query is in ``query``; ``pointer`` is where it stands."""

    id: str
    method: str
    path: str
    pointer: str
    query: tuple[tuple[str, str], ...] = ()
    summary: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    deprecated: bool = False
    parameters: tuple[Parameter, ...] = ()
    request_body: RequestBody | None = None
    responses: tuple[Response, ...] = ()
    security: tuple[tuple[str, ...], ...] = ()
    """Alternatives of scheme names; an empty alternative means that no credential is needed."""
    servers: tuple[str, ...] = field(default=(), repr=False)
    """URLs of servers of its own, or of its path, in place of the description's: used where the connection's credential may go there."""
    extensions: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[Fault, ...] = field(default=(), compare=False)
    """Faults of what is passed over: the operation works without it."""

    def schemas(self) -> Iterator[tuple[Schema, str]]:
        """Every schema of its own, each with its place."""
        for parameter in self.parameters:
            yield parameter.schema, parameter.pointer
        bodies = [self.request_body.content] if self.request_body else []
        for content in (*bodies, *(response.content for response in self.responses)):
            yield from ((media_type.schema, media_type.pointer) for media_type in content.values() if media_type.schema is not None)

    @property
    def success(self) -> Response | None:
        """The first declared 2XX answer, else ``default``."""
        found = [response for response in self.responses if response.status.startswith("2")]
        return found[0] if found else next((r for r in self.responses if r.status == "default"), None)
