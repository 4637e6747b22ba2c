"""Two versions of one operation -> every difference in what is sent and in what comes back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Final

from kosha_connector_openai.openapi.dialect import to_json_schema
from kosha_connector_openai.openapi.diff.branch import Schema
from kosha_connector_openai.openapi.diff.change import Direction, OperationChanges
from kosha_connector_openai.openapi.diff.schemas import Note, SchemaComparison
from kosha_connector_openai.openapi.diff.shape import Shapes
from kosha_connector_openai.openapi.document import Document
from kosha_connector_openai.openapi.operation import MediaType, Operation, Parameter, Response
from kosha_connector_openai.text import escape, essence

Content = Mapping[str, MediaType]
_WRITTEN_PLAIN: Final = frozenset({"string", "number", "boolean", "null"})


class Side:
    """One of the two descriptions: its operations' schemas, each translated once for each direction."""

    def __init__(self, document: Document) -> None:
        """The schemas are those of ``document``."""
        self.document = document
        self._shapes: dict[tuple[int, Direction], tuple[Schema, Shapes]] = {}

    def shapes(self, schema: Schema | None, direction: Direction) -> Shapes:
        """The shapes of a schema of the document; without one, anything is accepted."""
        given: Schema = True if schema is None else schema
        key = (id(given), direction)
        if key not in self._shapes:
            root, version = self.document.root, self.document.version
            translated = to_json_schema(root, given, version=version, request=direction == "request")
            self._shapes[key] = (given, Shapes(translated, direction))
        return self._shapes[key][1]


class OperationComparison:
    """Compares operations of two documents, one pair after the other."""

    def __init__(self, before: Document, after: Document, *, texts: bool = False) -> None:
        """``texts``: also say where a summary or a description changed."""
        self._before = Side(before)
        self._after = Side(after)
        self._texts = texts

    def run(self, before: Operation, after: Operation, findings: OperationChanges) -> None:
        """Adds the differences of the two operations, but for their ids and paths; raises DocumentError."""
        request: Note = partial(findings.add, "request")
        response: Note = partial(findings.add, "response")
        self._marks(before, after, request)
        self._parameters(before, after, request)
        self._body(before, after, request)
        self._responses(before.responses, after.responses, response)

    def _marks(self, before: Operation, after: Operation, note: Note) -> None:
        if before.deprecated != after.deprecated:
            note("deprecated" if after.deprecated else "not-deprecated", "operation", None, None)
        if self._texts and (before.summary, before.description) != (after.summary, after.description):
            note("text-changed", "operation", None, None)
        old, new = ({tuple(sorted(names)) for names in operation.security} or {()} for operation in (before, after))
        if old != new and () not in old & new:
            gone = () not in new and old - new
            words = [[" and ".join(names) or "none" for names in sorted(found)] for found in (old, new)]
            note("credential-changed" if gone else "credential-added", "request.security", *words)

    def _parameters(self, before: Operation, after: Operation, note: Note) -> None:
        old, new = _by_place(before.parameters), _by_place(after.parameters)
        gone = {key: old[key] for key in old if key not in new}
        come = {key: new[key] for key in new if key not in old}
        for (location, name), parameter in gone.items():
            moved = next((place for place, other in come if other == name), None)
            where = f"request.{location}/{escape(name)}"
            if moved:
                del come[moved, name]
                note("field-moved", where, location, moved)
                self._parameter(parameter, new[moved, name], f"request.{moved}/{escape(name)}", note)
            else:
                note("field-removed", where, self._words(self._before, parameter), None)
        for (location, name), parameter in come.items():
            kind = "required-field-added" if parameter.required else "field-added"
            note(kind, f"request.{location}/{escape(name)}", None, self._words(self._after, parameter))
        for key in old:
            if key in new:
                self._parameter(old[key], new[key], f"request.{key[0]}/{escape(key[1])}", note)

    def _parameter(self, before: Parameter, after: Parameter, where: str, note: Note) -> None:
        if before.required != after.required:
            note("now-required" if after.required else "now-optional", where, None, None)
        if before.deprecated != after.deprecated:
            note("deprecated" if after.deprecated else "not-deprecated", where, None, None)
        if self._texts and before.description != after.description:
            note("text-changed", where, None, None)
        old, new = self._style(self._before, before), self._style(self._after, after)
        if before.location == after.location and old != new:
            note("style-changed", where, old, new)
        self._schemas(before.schema, after.schema, where, "request", note)

    @staticmethod
    def _style(side: Side, parameter: Parameter) -> str:
        """How the value is written; a single value is written the same whether exploded or not (OpenAPI 3.1, 4.8.12.2)."""
        if parameter.media_type:
            return parameter.media_type
        shapes = side.shapes(parameter.schema, "request")
        exploded = parameter.explode and not shapes.shape(shapes.root).keys() <= _WRITTEN_PLAIN
        return f"{parameter.style}{', exploded' if exploded else ''}{', reserved allowed' if parameter.allow_reserved else ''}"

    @staticmethod
    def _words(side: Side, parameter: Parameter) -> str:
        shapes = side.shapes(parameter.schema, "request")
        return shapes.words(shapes.root)

    def _body(self, before: Operation, after: Operation, note: Note) -> None:
        old, new, where = before.request_body, after.request_body, "request.body"
        if old and not new:
            note("field-removed", where, sorted(old.content), None)
        elif new and not old:
            note("required-field-added" if new.required else "field-added", where, None, sorted(new.content))
        elif old and new:
            if old.required != new.required:
                note("now-required" if new.required else "now-optional", where, None, None)
            self._content(old.content, new.content, where, "request", note)

    def _responses(self, before: Iterable[Response], after: Iterable[Response], note: Note) -> None:
        old, new = ({response.status.upper(): response for response in found} for found in (before, after))
        for status in sorted(old.keys() | new.keys()):
            kind = "answer" if status.startswith("2") else "error-answer"
            where = f"response.{status if status != 'DEFAULT' else 'default'}"
            if status not in new:
                note(f"{kind}-removed", where, sorted(old[status].content), None)
            elif status not in old:
                note(f"{kind}-added", where, None, sorted(new[status].content))
            else:
                self._content(old[status].content, new[status].content, where, "response", note)

    def _content(self, before: Content, after: Content, where: str, direction: Direction, note: Note) -> None:
        old, new = _by_media_type(before), _by_media_type(after)
        for name in sorted(old.keys() - new.keys()):
            note("media-type-removed", f"{where}.{name}", name, None)
        for name in sorted(new.keys() - old.keys()):
            note("media-type-added", f"{where}.{name}", None, name)
        for name in sorted(old.keys() & new.keys()):
            place = f"{where}.{name}"
            self._encodings(old[name], new[name], place, note)
            self._schemas(old[name].schema, new[name].schema, place, direction, note)

    @staticmethod
    def _encodings(before: MediaType, after: MediaType, where: str, note: Note) -> None:
        for name in sorted(before.encoding.keys() | after.encoding.keys()):
            if before.encoding.get(name) != after.encoding.get(name):
                note("style-changed", f"{where}/{escape(name)}", None, None)

    def _schemas(self, before: Schema | None, after: Schema | None, where: str, direction: Direction, note: Note) -> None:
        old, new = self._before.shapes(before, direction), self._after.shapes(after, direction)
        if old.root != new.root:
            SchemaComparison(old, new, note, texts=self._texts).run(where)


def _by_place(parameters: Iterable[Parameter]) -> dict[tuple[str, str], Parameter]:
    """By location and name; names of headers know no case (RFC 9110, section 5.1)."""
    return {(p.location, p.name.lower() if p.location == "header" else p.name): p for p in parameters}


def _by_media_type(content: Content) -> dict[str, MediaType]:
    """By type without parameters, which know no case either (RFC 9110, section 8.3.1)."""
    return {essence(name): media for name, media in content.items()}
