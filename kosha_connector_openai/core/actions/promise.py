"""What an action promises to answer, by its description and the manifest's carriers, and what a reply lacks of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from kosha_connector_openai.errors import DocumentError
from kosha_connector_openai.manifest import Carrier
from kosha_connector_openai.openapi import Operation
from kosha_connector_openai.schema import a_type, flatten_properties, json_type
from kosha_connector_openai.text import OBJECT, is_json

_NO_CONTENT: Final = frozenset({204, 205})
_CHANGES: Final = frozenset({"DELETE", "PUT", "PATCH"})
"""Methods whose success may be told by a status without content (RFC 9110, section 15.3.5)."""
_BINARY: Final = ("audio/", "image/", "video/", "application/zip")
EVENT_STREAM: Final = "text/event-stream"
_WORDS: Final = frozenset({"application/x-subrip", "application/sdp"})
"""Media types of text under another name."""
_ANY: Final = "application/octet-stream"
"""What a file is sent as; it may hold anything, JSON too."""


@dataclass(frozen=True)
class Promise:
    """The media types of an action's answer, and the properties of which a JSON answer must have all or, of ``some``, one.

    ``carrier`` is the rule of the property that carries the result; where the manifest has none, ``every`` names what is required.
    """

    types: tuple[str, ...] = ()
    is_object: bool = False
    carrier: Carrier | None = None
    every: tuple[str, ...] = ()
    some: frozenset[str] = frozenset()
    may_be_empty: bool = False
    """Whether a status without content is an answer too."""

    @cached_property
    def has_json(self) -> bool:
        """Whether the answer may be JSON."""
        return any(map(is_json, self.types))

    @property
    def has_events(self) -> bool:
        """Whether the answer may be an event stream."""
        return EVENT_STREAM in self.types

    @cached_property
    def only_json(self) -> bool:
        """Whether the answer is JSON or events, and nothing else."""
        return self.has_json and all(is_json(name) or name == EVENT_STREAM for name in self.types)

    @cached_property
    def has_media(self) -> bool:
        """Whether the answer is sound, pictures or a packed file, and never JSON or text."""
        return any(map(_is_media, self.types)) and not self.has_json and "text/plain" not in self.types

    @cached_property
    def only_words(self) -> bool:
        """Whether the answer is JSON, text or events, and nothing else."""
        return bool(self.types) and all(is_json(name) or name == EVENT_STREAM or _is_text(name) for name in self.types)

    def lack(self, kind: str, value: Any, status: int) -> str:
        """What an answer lacks of the promise, as a sentence; "" where it is kept. What the carrier must hold is not looked at."""
        if kind in ("json", "text") and self.has_media:
            return f"The reply is {'JSON' if kind == 'json' else 'text'} and not the {self.types[0]} that the action promises."
        if kind == "empty":
            return "" if not self.types or (status in _NO_CONTENT and self.may_be_empty) else "The answer is empty."
        if kind == "json":
            return self._lack_of_json(value)
        if kind in ("text", "bytes") and self.only_json:
            return "The reply is not the JSON that the action promises."
        if kind == "bytes" and self.only_words:
            return "The reply is neither the JSON nor the text that the action promises."
        return ""

    def _lack_of_json(self, value: Any) -> str:
        if not self.has_json:
            other = self.types and not any(name == _ANY or (_is_text(name) and name not in _WORDS) for name in self.types)
            return f"The reply is JSON and not the {self.types[0]} that the action promises." if other else ""
        if not isinstance(value, OBJECT):
            return f"The reply is {a_type(json_type(value))} and not the object that the action promises." if self.is_object else ""
        if self.carrier is not None:
            return ""
        missing = [name for name in self.every if value.get(name) is None]
        if missing or (self.some and self.some.isdisjoint(value)):
            return f"The answer does not have {_named(missing or sorted(self.some)[:3])}, which the action promises."
        return ""


def promise_of(operation: Operation, root: Mapping[str, Any], version: str, carriers: Sequence[Carrier]) -> Promise:
    """The promise of an operation whose description is ``root``."""
    content = operation.success.content if operation.success else {}
    types, empty = tuple(content), operation.method in _CHANGES
    schema = next((media_type.schema for name, media_type in content.items() if is_json(name)), None)
    try:
        found = flatten_properties(root, schema, version) if schema is not None else None
    except DocumentError:
        found = None
    if found is None:
        return Promise(types, may_be_empty=empty)
    names, required, _ = found
    fitting = (rule for rule in carriers if rule.name in (names if operation.id in rule.actions else () if rule.actions else required))
    # Of a connector that says nothing of carriers, no more is believed than that an answer has something of what is described.
    every = tuple(name for name in required if not _is_nullable(names[name])) if carriers else ()
    return Promise(types, True, next(fitting, None), every, frozenset() if every else frozenset(names), empty)


def _is_media(media_type: str) -> bool:
    return media_type.startswith(_BINARY)


def _is_text(media_type: str) -> bool:
    return media_type != EVENT_STREAM and (media_type.startswith("text/") or media_type in _WORDS)


def _is_nullable(schema: Any) -> bool:
    if not isinstance(schema, Mapping):
        return False
    types, parts = schema.get("type"), [part for word in ("anyOf", "oneOf") for part in schema.get(word, ())]
    null = "null" in types if isinstance(types, list) else types == "null"
    return null or schema.get("nullable") is True or any(map(_is_nullable, parts))


def _named(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
