"""One media type of a request body: its fields, which of them are files, how it is checked and in which type it is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from itertools import chain
from typing import Any

from kosha_connector_openai.errors import DocumentError
from kosha_connector_openai.openapi import Document, MediaType, Schema
from kosha_connector_openai.schema import CheckReport, SchemaValidator, is_flagged
from kosha_connector_openai.text import essence, is_json

BODY = "body"
"""The input that holds a body which is not an object."""
MULTIPART = "multipart/form-data"
FORMS = frozenset({MULTIPART, "application/x-www-form-urlencoded"})
RANGES = frozenset({"*/*", "application/*"})
YAML = frozenset({"application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"})
"""Every JSON text is one of YAML 1.2 (section 1.3)."""
TEXTS = frozenset({"application/sdp", "application/jsonl", "application/x-ndjson", "application/graphql", "application/javascript"})
_BYTES: Mapping[str, Any] = {"type": "string", "format": "binary"}
_PLACEHOLDER = "file"


class BodyForm:
    """One media type of a request body: its fields, which of them are files, and its validator."""

    def __init__(self, document: Document, media_type: MediaType) -> None:
        self._document = document
        self.media_type = media_type
        self.schema: Schema = {} if media_type.schema is None else media_type.schema

    @cached_property
    def _kind(self) -> str:
        return essence(self.media_type.name)

    @property
    def takes_json(self) -> bool:
        """Whether objects and lists are written as JSON."""
        return is_json(self._kind) or self._kind in RANGES or self._kind in YAML

    @cached_property
    def _flat(self) -> tuple[Mapping[str, Schema], tuple[str, ...]] | None:
        if not (self.takes_json or self._kind in FORMS):
            return None
        flat = self._document.properties(self.schema)
        return None if flat is None else (flat[0], flat[1])

    @property
    def is_flat(self) -> bool:
        """Whether the body is an object whose fields stand among the inputs."""
        return self._flat is not None

    @property
    def rank(self) -> int:
        """Where the form stands among others of one operation: the ones with fields first, and of each kind JSON and forms."""
        plain = is_json(self._kind) or self._kind in FORMS
        return (0 if self.is_flat else 2) + (0 if plain else 1)

    @cached_property
    def properties(self) -> Mapping[str, Schema]:
        """Field name -> schema; for a body that is not an object, the one field ``body``. Read-only fields are no inputs."""
        if self._flat is None:
            return {BODY: self.schema if self._is_text else {**_described(self.schema), **_BYTES}}
        return {name: schema for name, schema in self._flat[0].items() if not is_flagged(self._document.root, schema, "readOnly")}

    @property
    def _is_text(self) -> bool:
        """Whether a text or a JSON value can be the body; else it is a file."""
        text = self._kind.startswith("text/") or self._kind.endswith(("+xml", "/xml")) or self._kind in TEXTS
        return self.takes_json or text or self._kind in FORMS or self._kind == "*/*"

    @cached_property
    def written(self) -> MediaType:
        """The media type that is written: JSON, where an object goes to a range of types."""
        return replace(self.media_type, name="application/json") if self.is_flat and self._kind in RANGES else self.media_type

    @property
    def required(self) -> tuple[str, ...]:
        """The fields that must be given."""
        return self._flat[1] if self._flat else (BODY,)

    @cached_property
    def file_fields(self) -> frozenset[str]:
        """The fields of a multipart body that take files."""
        if not self.media_type.name.startswith("multipart/"):
            return frozenset()
        return frozenset(name for name, schema in self.properties.items() if self._takes_file(schema, 0))

    def _takes_file(self, schema: Any, depth: int) -> bool:
        if depth > 4 or not isinstance(schema, Mapping):  # noqa: PLR2004 - deeper unions are not files
            return False
        if "$ref" in schema:
            try:
                schema = self._document.resolve(schema, "")
            except DocumentError:
                return False
            return self._takes_file(schema, depth + 1)
        if schema.get("format") == "binary" or schema.get("contentMediaType") == "application/octet-stream":
            return True
        lists = [found for keyword in ("anyOf", "oneOf", "allOf") if isinstance(found := schema.get(keyword), list)]
        parts = [*chain.from_iterable(lists), schema.get("items")]
        return any(self._takes_file(part, depth + 1) for part in parts if part)

    @cached_property
    def json_schema(self) -> Mapping[str, Any]:
        """The body's schema, JSON Schema 2020-12, self-contained."""
        return self._document.schema(self.schema, request=True, files=not self.takes_json)

    @cached_property
    def validator(self) -> SchemaValidator:
        """Checks the body without the fields that stand beside it. A read-only field may be sent back as it came."""
        return SchemaValidator(self.json_schema, known=frozenset(self._flat[0]) if self._flat else None)

    def check(self, body: Any) -> CheckReport:
        """The faults and warnings of a body; files are checked when they are read."""
        if self.file_fields and isinstance(body, Mapping):
            body = {name: _stand_in(value) if name in self.file_fields else value for name, value in body.items()}
        return self.validator.check(body)


def _described(schema: Schema) -> Mapping[str, Any]:
    """The words of a schema."""
    return {key: schema[key] for key in ("title", "description") if key in schema} if isinstance(schema, Mapping) else {}


def _stand_in(value: Any) -> Any:
    if isinstance(value, list):
        return [_stand_in(item) for item in value]
    return None if value is None else _PLACEHOLDER
