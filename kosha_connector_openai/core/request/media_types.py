"""A table: media type -> how a body is written. A value goes in, a body that knows its length comes out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain
from typing import Any, Final, Protocol

from kosha_connector_openai.core.request.file_names import OCTETS
from kosha_connector_openai.core.request.files import FileInput, FilePolicy, is_file_record, is_file_value, read_file_input
from kosha_connector_openai.core.request.multipart import FormPart, MultipartBody
from kosha_connector_openai.core.request.parameters import write_query
from kosha_connector_openai.core.request.value_text import MAX_DEPTH, field_name, flatten, item_name, scalar_text
from kosha_connector_openai.errors import Fault, InputError
from kosha_connector_openai.manifest import RequestRules
from kosha_connector_openai.openapi import Encoding, MediaType, Parameter
from kosha_connector_openai.text import JsonLimits, encode, escape, essence, is_json

BODY: Final = "/body"
"""Where a body stands among the inputs when it is not an object."""
_SIZES: Final = frozenset({"size", "string"})
IsFile = Callable[[str], bool]
"""Whether the property of this name takes files."""
Rules = Callable[[str], RequestRules]
"""How lists and objects of the property of this name are written."""
_OPENAPI: Final = RequestRules()


class Sent(Protocol):
    """What is known of a body before it is sent: its Content-Type, its number of bytes where known, whether it can be sent again."""

    @property
    def content_type(self) -> str | None: ...

    @property
    def length(self) -> int | None: ...

    @property
    def replayable(self) -> bool: ...


class Body(Sent, Protocol):
    """A body that is at hand: its bytes anew at each call of ``chunks``."""

    def chunks(self) -> Iterator[bytes]: ...


class LiveBody(Sent, Protocol):
    """A body that arrives while it is sent, and so can be sent once only."""

    @property
    def pieces(self) -> AsyncIterator[bytes]: ...


@dataclass(frozen=True, slots=True)
class BytesBody:
    """A body that is in memory."""

    content: bytes
    content_type: str | None

    @property
    def length(self) -> int:
        """Bytes in all."""
        return len(self.content)

    @property
    def replayable(self) -> bool:
        """Always."""
        return True

    def chunks(self) -> Iterator[bytes]:
        """The content in one piece."""
        yield self.content


@dataclass(frozen=True, slots=True)
class FileBody:
    """A body that is one file, read while it is sent."""

    file: FileInput
    content_type: str | None

    @property
    def length(self) -> int | None:
        """Bytes in all; None where the file cannot tell."""
        return self.file.size

    @property
    def replayable(self) -> bool:
        """Whether the file can be read again."""
        return self.file.replayable

    def chunks(self) -> Iterator[bytes]:
        """The file's bytes, at most 64 KiB at a time."""
        return self.file.chunks()


@dataclass(frozen=True, slots=True)
class BodyContext:
    """What writers know besides the value: which files may be read, which properties are files, how lists and objects are written."""

    policy: FilePolicy
    is_file: IsFile
    rules: Rules


Writer = Callable[[Any, MediaType, BodyContext], Body]


def write_body(
    media_type: MediaType,
    value: Any,
    policy: FilePolicy,
    writers: Mapping[str, Writer] | None = None,
    *,
    is_file: IsFile | None = None,
    rules: Rules = lambda _: _OPENAPI,
) -> Body:
    """``value`` written in ``media_type``; :class:`InputError` where it cannot be.

    ``is_file`` tells which properties take files; without it the media type's own schema does, as far as it
    holds no references.
    """
    table = WRITERS if writers is None else writers
    write = next((table[key] for key in _keys(media_type.name) if key in table), _write_octets)
    return write(value, media_type, BodyContext(policy, is_file or _by_schema(media_type), rules))


@lru_cache(maxsize=256)
def _keys(media_type: str) -> tuple[str, ...]:
    """Under which names a media type's writer is looked up, the best one first."""
    name = "application/json" if is_json(media_type) else essence(media_type)
    kind = name.partition("/")[0]
    return name, "application/*+xml" if name.endswith("+xml") else name, f"{kind}/*", "*/*"


def _sent_type(media_type: MediaType, otherwise: str) -> str:
    """The name of the media type, unless it is a range such as ``image/*``."""
    return otherwise if "*" in media_type.name else media_type.name


def _by_schema(media_type: MediaType) -> IsFile:
    schema = media_type.schema
    found = schema.get("properties") if isinstance(schema, Mapping) else None
    found = found if isinstance(found, Mapping) else {}
    return lambda name: _is_binary(found.get(name))


def _is_binary(schema: Any) -> bool:
    if not isinstance(schema, Mapping):
        return False
    if schema.get("format") == "binary" or schema.get("contentMediaType") == OCTETS:
        return True
    lists = [found for keyword in ("anyOf", "oneOf", "allOf") if isinstance(found := schema.get(keyword), list)]
    return any(_is_binary(part) for part in (*chain.from_iterable(lists), schema.get("items")))


def _refuse(pointer: str, rule: str, message: str, fix: str = "") -> InputError:
    return InputError("The body cannot be written.", [Fault(pointer, rule, message, fix)])


def _fields(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _refuse(BODY, "type", "is not an object, which a form needs.")
    return {field_name(name, ""): item for name, item in value.items()}


def _write_json(value: Any, media_type: MediaType, context: BodyContext) -> Body:
    most = context.policy.max_json
    try:
        content = encode(value, _limits(most))
    except InputError as error:
        fix = " ".join(filter(None, ["Raise `limits.body_json` of the connection.", context.policy.large_body]))
        faults = [replace(fault, fix=fix) if fault.rule in _SIZES else fault for fault in error.faults]
        raise InputError(error.message, faults) from None
    return BytesBody(content, _sent_type(media_type, "application/json"))


@lru_cache(maxsize=16)
def _limits(most: int) -> JsonLimits:
    return JsonLimits(bytes=most, string=most)


def _write_text(value: Any, media_type: MediaType, context: BodyContext) -> Body:
    if not isinstance(value, str):
        return _write_octets(value, media_type, context)
    plain = _sent_type(media_type, "text/plain")
    # Without a charset a text type may be read as ASCII (RFC 6657); application types define their own.
    named = plain if "charset" in plain.lower() or not plain.startswith("text/") else f"{plain}; charset=utf-8"
    try:
        return BytesBody(value.encode(), named)
    except UnicodeEncodeError:
        raise _refuse(BODY, "surrogate", "has half of a surrogate pair.", "Send whole characters.") from None


def _write_lines(value: Any, media_type: MediaType, context: BodyContext) -> Body:
    """Each value of an array on a line of its own; text and files as they are."""
    if isinstance(value, (list, tuple)):
        return BytesBody(b"".join(encode(item) + b"\n" for item in value), media_type.name)
    return _write_text(value, media_type, context)


def _write_value(value: Any, media_type: MediaType, context: BodyContext) -> Body:
    """Files and text as they are; any other value as JSON, which every YAML reader takes."""
    if is_file_value(value) or isinstance(value, tuple) or (isinstance(value, Mapping) and is_file_record(value)):
        return _write_octets(value, media_type, context)
    if isinstance(value, str):
        return _write_octets(value, media_type, context) if value.startswith("data:") else _write_text(value, media_type, context)
    return _write_json(value, media_type, context)


def _write_other(value: Any, media_type: MediaType, context: BodyContext) -> Body:
    """A range takes any value; a type that is not known here takes files."""
    write = _write_value if essence(media_type.name) in ("*/*", "application/*") else _write_octets
    return write(value, media_type, context)


def _write_octets(value: Any, media_type: MediaType, context: BodyContext) -> Body:
    file = read_file_input(value, BODY, context.policy)
    return FileBody(file, _sent_type(media_type, file.content_type))


def _write_form(value: Any, media_type: MediaType, context: BodyContext) -> Body:
    """WHATWG URL section 5.2; in the style that ``encoding`` gives, else as the rules say."""
    fields, encodings = _fields(value), media_type.encoding
    pairs = [_form_pairs(name, item, encodings.get(name, _PLAIN), context.rules(name)) for name, item in fields.items()]
    return BytesBody("&".join(filter(None, pairs)).encode(), media_type.name)


def _form_pairs(name: str, value: Any, encoding: Encoding, rules: RequestRules) -> str:
    """The pairs of one property, joined."""
    if value is None:
        return ""
    as_json = is_json(encoding.content_type or "") or (rules.objects == "json" and isinstance(value, Mapping))
    if encoding.style is not None or as_json:
        style = encoding.style or "form"
        parameter = Parameter(
            name=name,
            location="query",
            schema={},
            style=style,
            explode=style == "form" if encoding.explode is None else encoding.explode,
            allow_reserved=encoding.allow_reserved,
            media_type=None if encoding.style else encoding.content_type or "application/json",
            lists=rules.lists,
        )
        return write_query([parameter], {name: value}, max_bytes=None)
    pointer = f"/{escape(name)}"
    leaves = [(key, scalar_text(leaf, where)) for key, leaf, where in flatten(name, value, pointer, lists=rules.lists)]
    return "&".join(write_query([Parameter(key, "query", {}, style="form")], {key: text}, max_bytes=None) for key, text in leaves)


def _write_multipart(value: Any, media_type: MediaType, context: BodyContext) -> Body:
    """RFC 7578; None is left out, items repeat the name, and objects are parts of JSON, unless the rules say otherwise."""
    parts: list[FormPart] = []
    for name, item in _fields(value).items():
        parts += _parts(name, item, media_type.encoding.get(name, _PLAIN), context)
    return MultipartBody(parts)


def _parts(name: str, value: Any, encoding: Encoding, context: BodyContext) -> Iterator[FormPart]:
    pointer, rules, policy = f"/{escape(name)}", context.rules(name), context.policy
    files = context.is_file(name)
    if value is None:
        return
    if is_json(encoding.content_type or ""):
        yield FormPart(name, encode(value), content_type=encoding.content_type)
    elif files and isinstance(value, list):
        for index, item in enumerate(value):
            key = name if rules.lists in ("name", None) else item_name(name, index, None, rules.lists)
            yield FormPart(key, read_file_input(item, f"{pointer}/{index}", policy))
    elif files or is_file_value(value):
        yield FormPart(name, read_file_input(value, pointer, policy))
    elif rules.objects == "name[key]" or encoding.style == "deepObject":
        for key, leaf, where in flatten(name, value, pointer, lists=rules.lists):
            yield _leaf_part(key, leaf, where, encoding, policy)
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            key = name if rules.lists in ("name", None) else item_name(name, index, None, rules.lists)
            yield from _part(key, item, f"{pointer}/{index}", encoding, policy)
    else:
        yield from _part(name, value, pointer, encoding, policy)


def _part(name: str, value: Any, pointer: str, encoding: Encoding, policy: FilePolicy) -> Iterator[FormPart]:
    """A value as one part: an object or a list as JSON (OpenAPI 3.1.1, section 4.8.15.1, ``contentType``), unless it holds a file."""
    if isinstance(value, (Mapping, list, tuple)) and not _holds_file(value):
        yield FormPart(name, encode(value), content_type=encoding.content_type or "application/json")
        return
    for key, leaf, where in flatten(name, value, pointer):
        yield _leaf_part(key, leaf, where, encoding, policy)


def _holds_file(value: Any, depth: int = 0) -> bool:
    if depth > MAX_DEPTH:
        return False
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
    return is_file_value(value) or any(_holds_file(part, depth + 1) for part in parts)


def _leaf_part(name: str, value: Any, pointer: str, encoding: Encoding, policy: FilePolicy) -> FormPart:
    if is_file_value(value):
        return FormPart(name, read_file_input(value, pointer, policy))
    return FormPart(name, scalar_text(value, pointer).encode(), content_type=encoding.content_type)


_PLAIN: Final = Encoding()
WRITERS: Final[Mapping[str, Writer]] = {
    "application/json": _write_json,
    "multipart/form-data": _write_multipart,
    "application/x-www-form-urlencoded": _write_form,
    "application/jsonl": _write_lines,
    "application/x-ndjson": _write_lines,
    "application/sdp": _write_text,
    "application/graphql": _write_text,
    "application/javascript": _write_text,
    "application/xml": _write_text,
    "application/*+xml": _write_text,
    **dict.fromkeys(("application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"), _write_value),
    "text/*": _write_text,
    OCTETS: _write_octets,
    "application/*": _write_other,
    "*/*": _write_other,
}
