"""A model of the provider: one account that keeps objects for every path of the description, and notes who made and who touches each.

It is as open as a server can be: it decodes a path before it routes it, reads ids in whatever a request holds, and shows lists whole. Who
acts is told beside the wire, since the account does not know: whatever one tenant sees, uses, changes or deletes of another's is noted.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

NOBODY: Final = "nobody"
"""Who made what was there before."""
_NUMBERS: Final = count(10_000)
_UNICODE: Final = re.compile(r"\\u([0-9a-fA-F]{4})")


@dataclass
class Thing:
    """One object: the list it is in, who made it, and the ids of what came with it."""

    id: str
    home: str
    maker: str
    parts: dict[str, str] = field(default_factory=dict)

    @property
    def mark(self) -> str:
        """A text that only those may read who made it."""
        return f"SECRET-OF-{self.maker}-{self.id}"

    def shown(self) -> dict[str, Any]:
        """The object as the account tells of it; its parts where real ones have them: at its top, in lists and deep inside."""
        nested = [{"type": "code_interpreter_call", "id": self.parts["item"], "container_id": self.parts["container"]}]
        return {
            "id": self.id,
            "object": "thing",
            "status": "completed",
            "note": self.mark,
            "output_file_id": self.parts["file"],
            "output": nested,
            "metadata": {"file_id": "file-of-somebody-else"},
        }


@dataclass
class Reply:
    """What the gateway's engine is given in place of a socket's answer."""

    status: int
    headers: list[tuple[str, str]]
    body: list[bytes]

    def ready(self) -> None:
        """The body has to be waited for."""

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body in its pieces."""
        for piece in self.body:
            yield piece

    async def close(self) -> None:
        """Nothing is open."""


class Account:
    """The objects of one account. ``acting`` is whose call comes next; ``touched`` are those that it reached and had not made."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.things: dict[str, Thing] = {}
        self.acting = NOBODY
        self.touched: list[str] = []
        self.asked = 0
        self._paths = sorted(
            ((re.compile(re.sub(r"\{[^{}]+\}", "([^/]+)", path.partition("?")[0]) + "/?"), path.partition("?")[0], set(item))
             for path, item in document["paths"].items()), key=lambda each: each[1].count("{"),
        )  # fmt: skip
        self._lists = {path for _, path, methods in self._paths if "get" in methods}

    def clear(self) -> None:
        """An empty account."""
        self.things.clear()
        self.touched.clear()

    def add(self, home: str, maker: str) -> Thing:
        """A new object in a list, with a file, a container and an item that the provider makes beside it."""
        thing = self._new(home, maker)
        for word, place in (("file", "/v1/files"), ("container", "/v1/containers"), ("item", f"{home}/items")):
            part = self._new(place, maker)
            part.parts = {"file": part.id, "container": part.id, "item": part.id}
            thing.parts[word] = part.id
        return thing

    def _new(self, home: str, maker: str) -> Thing:
        word = re.sub(r"[^a-z]", "", home.rpartition("/")[2])[:8]
        thing = Thing(f"{word}-{next(_NUMBERS)}{maker[0]}", home, maker)
        self.things[thing.id] = thing
        return thing

    def answer(self, method: str, target: str, content_type: str, body: bytes) -> Reply:
        """The answer to a request, as the engine's reply."""
        self.asked += 1
        parts = urlsplit(target)
        path = parts.path
        for _ in range(2):
            path = unquote(path)
        path, query = path.partition("?")[0], dict(parse_qsl(parts.query))
        known = next(
            (
                (found, template)
                for pattern, template, methods in self._paths
                if method.lower() in methods and (found := pattern.fullmatch(path))
            ),
            None,
        )
        reached = self._reached(*known) if known else []
        named = [self.things[name] for name in set(query.values()) | _texts(content_type, body) if name in self.things]
        self.touched += [f"{self.acting} {method} {target} -> {each.id}" for each in reached + named if each.maker != self.acting]
        if known is None:
            return _json({"error": {"message": "no such path"}}, 404)
        found, template = known
        thing = reached[-1] if reached else None
        if found.groups() and thing is None:
            return _json({"error": {"message": "no such thing"}}, 404)
        return self._answer(method, template, thing, query, stream=b'"stream":true' in body.replace(b" ", b""))

    def _reached(self, found: re.Match[str], template: str) -> list[Thing]:
        """What a path leads to: a thing of the list that the path begins with, and whatever is named below it."""
        things = [self.things.get(name) for name in found.groups()]
        if not things or things[0] is None or things[0].home != template.partition("/{")[0]:
            return []
        return [each for each in things if each is not None]

    def _answer(self, method: str, template: str, thing: Thing | None, query: Mapping[str, str], *, stream: bool) -> Reply:
        if method == "GET" and thing is None:
            return _json(self._page([each for each in self.things.values() if each.home == template], query))
        if method == "GET" and thing is not None:
            return self._read(template, thing, query)
        if method == "DELETE" and thing is not None:
            self.things.pop(thing.id, None)
            return _json({"id": thing.id, "deleted": True})
        made = self.add(template, self.acting).shown()
        if not stream:
            return _json(made)
        events = ({"type": "created", "response": made}, {"type": "done", "item": {"id": made["output"][0]["id"]}})
        data = b"".join(f"data: {json.dumps(each)}\n\n".encode() for each in events)
        return Reply(200, [("content-type", "text/event-stream")], [data[at : at + 50] for at in range(0, len(data), 50)])

    def _read(self, template: str, thing: Thing, query: Mapping[str, str]) -> Reply:
        if template.endswith("}"):
            return _json(thing.shown())
        if template.endswith("content"):
            return Reply(200, [("content-type", "application/octet-stream")], [thing.mark.encode()])
        return _json(self._page([self.things[key] for key in thing.parts.values() if key in self.things], query))

    def _page(self, things: list[Thing], query: Mapping[str, str]) -> dict[str, Any]:
        ids = [each.id for each in things]
        start = ids.index(query["after"]) + 1 if query.get("after") in ids else 0
        page = things[start : start + int(query.get("limit") or 2)]
        ends = (page[0].id, page[-1].id) if page else (None, None)
        more = start + len(page) < len(things)
        return {"object": "list", "data": [each.shown() for each in page], "first_id": ends[0], "last_id": ends[1],
                "next": ends[1], "has_more": more}  # fmt: skip


def _json(value: Any, status: int = 200) -> Reply:
    body = json.dumps(value).encode()
    return Reply(status, [("content-type", "application/json"), ("content-length", str(len(body)))], [body])


def _texts(content_type: str, body: bytes) -> set[str]:
    """Every quoted text and every line of a body, however it is written: escaped, or in UTF-16."""
    found: set[str] = set()
    for text in (body.decode("latin-1"), body.replace(b"\0", b"").decode("latin-1")):
        plain = _UNICODE.sub(lambda match: chr(int(match[1], 16)), text)
        found |= set(re.findall(r'"([^"\\]*)"', plain)) | {line.strip() for line in plain.splitlines()}
    return found
