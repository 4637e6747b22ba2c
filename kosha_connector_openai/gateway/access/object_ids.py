"""Ids in requests and replies: where they stand, and what each place claims. The rules are data, and the description's paths."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from enum import Enum
from fnmatch import fnmatchcase
from functools import cache
from typing import Any, Final
from urllib.parse import unquote

from kosha_connector_openai.core.actions import Action
from kosha_connector_openai.manifest.parts import ObjectRules

SHORTEST: Final = 6
LONGEST: Final = 200
"""Characters of an id; anything shorter could be a number or a word that many use."""
_VARIABLE: Final = re.compile(r"\{([^{}]+)\}")
_ID: Final = "id"
_ALONE: Final = frozenset({"id", "type"})
"""An object of no other fields points at something; one with more holds what it is about."""
_CUT: Final = re.compile(r"[/\\?#]")
_PLAIN: Final = re.compile(r"[A-Za-z0-9_.:/-]+")


class Claim(Enum):
    """What a text in a request asks for."""

    OBJECT = "an object that can be had by its id alone"
    ANY = "an object, or a part of one"
    CURSOR = "where a list goes on: an object, or one of our cursors"
    LABEL = "nothing: the id that an item carries with it"
    TEXT = "nothing: any other text"


class ObjectNames:
    """Which names of fields and variables hold ids: those of the description's paths, and those of the manifest."""

    def __init__(self, actions: Iterable[Action], rules: ObjectRules, apart: Collection[str] = ()) -> None:
        """``apart`` are actions whose paths name what no other action takes, such as people: a caller's own words elsewhere."""
        self.rules = rules
        self._open = frozenset(rules.open)
        firsts: set[str] = set()
        inner: set[str] = set()
        for action in actions:
            if action.id in apart:
                continue
            names = [name for name in _VARIABLE.findall(action.operation.path) if name not in self._open and name != _ID]
            firsts.update(names[:1])
            inner.update(names[1:])
        words = set(rules.words)
        named = {name for name in rules.references if "." not in name}
        self._firsts = (firsts | named) - words
        self._inner = inner - firsts - words
        self._parents = {
            parent for parent, _, _ in (name.partition(".") for name in rules.references) if f"{parent}.{_ID}" in rules.references
        }
        pairs = (name.partition(".") for name in rules.references if "." in name)
        self._inside = {(parent, name) for parent, _, name in pairs if name != _ID}
        self._spread = {name for _, name in self._inside}
        self.claim = cache(self._claim)

    def _claim(self, name: str) -> Claim | None:
        """What a text under this name asks for; None where the name says nothing."""
        for known, claim in ((self._firsts, Claim.OBJECT), (self._inner, Claim.ANY)):
            singular = name.removesuffix("s")
            if name in known or singular in known or any(singular.endswith(f"_{each}") for each in known if each.endswith("_id")):
                return None if name in self.rules.words or singular in self.rules.words else claim
        return None

    def is_reserved(self, text: str) -> bool:
        """Whether a text is an id wherever it stands."""
        return any(fnmatchcase(text, pattern) for pattern in self.rules.reserved) and _PLAIN.fullmatch(text) is not None

    def in_path(self, method: str, values: Mapping[str, str]) -> Iterator[tuple[str, Claim]]:
        """The claims of a path's values, in their order; a name that all may use is no claim, unless something is to be deleted."""
        first = True
        for name, text in values.items():
            value = text
            if name in self._open and method != "DELETE":
                # A server that decodes before it routes could take a part of the name for an id.
                pieces = {value}
                for _ in range(3):
                    value = unquote(value)
                    pieces.update(_CUT.split(value))
                yield from ((piece, Claim.OBJECT if self.is_reserved(piece) else Claim.TEXT) for piece in pieces)
            elif first or len(value) >= SHORTEST:
                yield value, Claim.OBJECT if first else Claim.ANY
            first = first and name in self._open

    def in_fields(self, fields: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Claim]]:
        """The claims of named values: those of a query, or of a form, where an object's fields can stand without the object's name."""
        for name, value in fields:
            if name in self._spread and isinstance(value, str):
                yield value, Claim.OBJECT
            else:
                yield from self.in_value({name.removesuffix("[]"): value})

    def in_value(self, value: Any) -> Iterator[tuple[str, Claim]]:
        """The claims of every text in JSON values."""
        waiting: list[tuple[Any, Claim | None, bool, str]] = [(value, None, False, "")]
        while waiting:
            node, claim, free, at = waiting.pop()
            if isinstance(node, str):
                if claim is not None and not free and node:
                    yield node, claim
                elif fits(node):
                    yield node, Claim.OBJECT if self.is_reserved(node) else Claim.TEXT
            elif isinstance(node, Mapping):
                free_in = self.rules.free
                waiting += [(child, self._of(name, node, claim, at), free or name in free_in, name) for name, child in node.items()]
            elif isinstance(node, (list, tuple)):
                waiting += [(child, claim, free, at) for child in node]

    def _of(self, name: str, node: Mapping[str, Any], parent: Claim | None, at: str = "") -> Claim | None:
        if name == _ID:
            return parent if parent is Claim.OBJECT else Claim.ANY if node.keys() <= _ALONE else Claim.LABEL
        if name in self._parents and isinstance(node[name], Mapping):
            return Claim.OBJECT
        # A schema has a field's name over an object that describes the field.
        if isinstance(node[name], Mapping):
            return None
        return Claim.OBJECT if (at, name) in self._inside else self.claim(name)

    def in_reply(self, value: Any) -> Iterator[tuple[str, Claim]]:
        """The ids in a reply: OBJECT under a name that says so, ANY for the others; none in what callers write freely."""
        waiting: list[tuple[Any, Claim | None]] = [(value, None)]
        while waiting:
            node, claim = waiting.pop()
            if isinstance(node, str):
                if claim is not None and fits(node):
                    yield node, claim
                elif claim is None and fits(node) and self.is_reserved(node):
                    yield node, Claim.OBJECT
            elif isinstance(node, Mapping):
                waiting += [(child, self._found(name, node, claim)) for name, child in node.items() if name not in self.rules.free]
            elif isinstance(node, (list, tuple)):
                waiting += [(child, claim) for child in node]

    def _found(self, name: str, node: Mapping[str, Any], parent: Claim | None) -> Claim | None:
        claim = self._of(name, node, parent)
        return Claim.ANY if claim is Claim.LABEL else claim


def fits(text: str) -> bool:
    """Whether a text is as long as an id."""
    return SHORTEST <= len(text) <= LONGEST


def made_ids(value: Any, free: Iterable[str]) -> Iterator[str]:
    """The id of an object, and those of the objects right in it: what the call that replies so has made."""
    if not isinstance(value, Mapping):
        return
    for part in (value, *(part for name, part in value.items() if name not in free and isinstance(part, Mapping))):
        key = part.get(_ID)
        if isinstance(key, str) and 0 < len(key) <= LONGEST:
            yield key


_ESCAPE: Final = re.compile(rb"\\u00([2-7][0-9A-Fa-f])")
_BLANKS: Final = re.compile(rb"[ \t\r\n]{3,}")
_TOKEN: Final = re.compile(rb"(?<=[\"\n])[A-Za-z0-9_.:-]{%d,%d}(?=[\"\r])" % (SHORTEST, LONGEST))
_W: Final = rb"[ \t\r\n]{0,2}"
_NAMED: Final = re.compile(rb'"([A-Za-z_]{2,64})"%s:%s"([^"\\]{1,%d})"' % (_W, _W, LONGEST))
_LIST: Final = re.compile(rb'"([A-Za-z_]{2,64})"%s:%s\[' % (_W, _W))
_TYPE: Final = rb'"type"%s:%s"[^"\\]{0,64}"' % (_W, _W)
_LONE: Final = re.compile(
    rb'\{%s(?:%s%s,%s)?"id"%s:%s"([^"\\]{1,%d})"%s(?:,%s%s%s)?\}' % (_W, _TYPE, _W, _W, _W, _W, LONGEST, _W, _W, _TYPE, _W)
)
_QUOTED: Final = re.compile(rb'"([^"\\]{1,%d})"' % LONGEST)
_KEPT: Final = 17 * 1024
"""Bytes of the piece before that are looked at again: a name with its list, or an object that is an id alone."""
_REMEMBERED: Final = 4_096


class UploadScan:
    """Finds the ids in an upload, piece by piece: quoted ones, those under a name that says so, and the plain ones in a form's fields.

    A file's bytes are read as UTF-8, and again without their NULs, which makes UTF-16 and UTF-32 the same text.
    """

    def __init__(self, names: ObjectNames, permits: Callable[[Iterable[tuple[str, Claim]]], bool]) -> None:
        """``permits`` tells whether the caller may make these claims."""
        self._names = names
        self._permits = permits
        self._held = b""
        self._open: Claim | None = None
        self._seen: set[bytes] = set()

    def feed(self, piece: bytes) -> bool:
        """Whether the piece, with what came before it, names something that the caller may not."""
        if b"\0" in piece:
            piece = piece.replace(b"\0", b"")
        data = self._held + piece
        if b"\\u00" in data:
            data = _ESCAPE.sub(lambda found: bytes.fromhex(found[1].decode()), data)
        data = _BLANKS.sub(b"\n", data)
        self._held = data[-_KEPT:]
        return not self._permits(self._claims(data))

    def _claims(self, data: bytes) -> Iterator[tuple[str, Claim]]:
        new = set(_TOKEN.findall(data)) - self._seen
        if len(self._seen) < _REMEMBERED:
            self._seen |= new
        yield from ((text := token.decode("ascii"), Claim.OBJECT if self._names.is_reserved(text) else Claim.TEXT) for token in new)
        yield from ((each.decode("utf-8", "replace"), Claim.ANY) for each in _LONE.findall(data))
        if self._open is not None:
            content, closed, _ = data.partition(b"]")
            yield from self._listed(content, self._open)
            self._open = None if closed else self._open
        for name, text in _NAMED.findall(data):
            claim = self._names.claim(name.decode("ascii"))
            if claim is not None:
                yield text.decode("utf-8", "replace"), claim
        for found in _LIST.finditer(data):
            claim = self._names.claim(found[1].decode("ascii"))
            if claim is not None:
                content, closed, _ = data[found.end() :].partition(b"]")
                self._open = None if closed else claim
                yield from self._listed(content, claim)

    def _listed(self, content: bytes, claim: Claim) -> Iterator[tuple[str, Claim]]:
        return ((each.decode("utf-8", "replace"), claim) for each in _QUOTED.findall(content))
