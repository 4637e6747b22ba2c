"""An upstream that sends the caller's own key back wherever an answer has room for text, in every form in which software writes it."""

from __future__ import annotations

import base64
import html
import json
import re
import socket
from collections.abc import Callable, Mapping
from typing import Any, Final, Self
from urllib.parse import quote

from tests.recorder import Received, Recorder

_STEP: Final = 7
"""Bytes of a chunk: every form is split over several."""
_NUMBERS: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;", "+": "&#43;"})
PLACES: Final = ("body", "error", "page", "broken", "moved", "events", "failing events", "sound")
"""Where the key stands, beside the status line and the headers of every answer."""


def forms(key: str) -> dict[str, str]:
    """The key as writers of JSON, URLs, HTML and base64 put it, each of them safe inside a text of JSON."""
    escaped, pair = json.dumps(key)[1:-1], base64.b64encode(f"user:{key}".encode()).decode()
    return {
        "JSON": escaped,
        "JSON in JSON": json.dumps(escaped)[1:-1],
        "JSON, all escaped": "".join(f"\\u{ord(each):04x}" for each in key),
        "JSON, slashes escaped": escaped.replace("/", "\\/"),
        "URL component": quote(key, safe=""),
        "URL path": quote(key),
        "HTML": html.escape(key),
        "HTML by numbers": key.translate(_NUMBERS),
        "base64": base64.b64encode(key.encode()).decode(),
        "base64 of a pair": pair,
        "base64 of a pair in a URL": quote(pair, safe=""),
    }


class Echoing(Recorder):
    """``with Echoing(key) as upstream``: answers by the places in turn, or by the one that was ``set``."""

    def __init__(self, key: str) -> None:
        super().__init__(self._answer)
        self._key, self._said = key, " ".join(forms(key).values())
        self._places: list[str] = []
        self._ids: list[str] = []

    def set(self, *places: str) -> Self:
        """The places of the next answers to POST; the last one is that of all that follow."""
        self._places = list(places)
        return self

    def _answer(self, connection: socket.socket, request: Received) -> bool:
        found = re.findall(rb'"custom_id":\s?"([^"]+)"', request.body)
        self._ids = [each.decode() for each in found] or self._ids
        path = request.target.partition("?")[0]
        flow = request.method == "GET" or path.endswith(("/files", "/batches", "/uploads", "/cancel"))
        place = "body" if flow or not self._places else self._places[0] if len(self._places) == 1 else self._places.pop(0)
        status, kind, data = self._lines() if path.endswith("/content") else _WRITERS[place](self)
        head = [
            f"HTTP/1.1 {status} {self._key}",
            f"Content-Type: {kind}",
            "Transfer-Encoding: chunked",
            f"x-request-id: {self._key}",
            f"x-echo: {self._key} {self._said}",
            f"Location: http://127.0.0.1:9/?key={quote(self._key)}",
            "retry-after-ms: 1",
        ]
        connection.sendall("\r\n".join(head).encode("latin-1") + b"\r\n\r\n")
        pieces = (data[at : at + _STEP] for at in range(0, len(data), _STEP))
        connection.sendall(b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n")
        return True

    def _json(self, value: Any) -> bytes:
        return json.dumps(value).replace("ECHO", self._said).encode()

    def body(self) -> tuple[int, str, bytes]:
        """A success of many actions at once."""
        return 200, "application/json", self._json(_ANSWER)

    def error(self) -> tuple[int, str, bytes]:
        error = {"message": "ECHO", "code": "ECHO", "type": "ECHO", "param": "ECHO", "ECHO": "ECHO"}
        return 400, "application/json", self._json({"error": error})

    def page(self) -> tuple[int, str, bytes]:
        return 502, "text/html", f"<title>{html.escape(self._key)}</title><p>{self._key} {self._said}".encode()

    def broken(self) -> tuple[int, str, bytes]:
        return 200, "application/json", f'{{"id": "{self._said}", {self._key}'.encode()

    def moved(self) -> tuple[int, str, bytes]:
        return 302, "text/plain", f"{self._key} {self._said}".encode()

    def events(self) -> tuple[int, str, bytes]:
        choice = {"index": 0, "finish_reason": "stop", "text": "ECHO", "delta": {"role": "assistant", "content": "ECHO"}}
        parts = [{"id": "ECHO", "model": "ECHO", "object": "ECHO", "choices": [choice]},
                 {"type": "response.output_text.delta", "delta": "ECHO", "output_index": 0, "content_index": 0, "item_id": "ECHO"},
                 {"type": "response.completed", "response": {**_ANSWER, "ECHO": "ECHO"}}]  # fmt: skip
        lines = b"".join(
            b"event: " + self._key.encode() + b"\nid: " + self._key.encode() + b"\ndata: " + self._json(each) + b"\n\n" for each in parts
        )
        return 200, "text/event-stream", f": {self._key} {self._said}\n\n".encode() + lines + b"data: [DONE]\n\n"

    def failing_events(self) -> tuple[int, str, bytes]:
        return 200, "text/event-stream", b"event: error\ndata: " + self.error()[2] + b"\n\n"

    def sound(self) -> tuple[int, str, bytes]:
        return 200, "audio/mpeg", b"ID3\x04" + f"{self._key} {self._said}".encode()

    def _lines(self) -> tuple[int, str, bytes]:
        """The answers of a batch to the rows that went up last: the first succeeds, the others fail."""
        sound = {"response": {"status_code": 200, "request_id": "ECHO", "body": _ANSWER}, "error": None}
        failed = {
            "response": {"status_code": 400, "request_id": "ECHO", "body": {"error": {"message": "ECHO", "code": "ECHO"}}},
            "error": None,
        }
        lines = [{"id": "ECHO", "custom_id": name, **(failed if number else sound)} for number, name in enumerate(self._ids)]
        return 200, "application/jsonl", b"".join(self._json(line) + b"\n" for line in lines)


_WRITERS: Final[Mapping[str, Callable[[Echoing], tuple[int, str, bytes]]]] = {
    place: getattr(Echoing, place.replace(" ", "_")) for place in PLACES
}
_TEXT: Final = {"type": "output_text", "text": "ECHO", "annotations": []}
_CHOICE: Final = {
    "index": 0,
    "text": "ECHO",
    "finish_reason": "stop",
    "logprobs": None,
    "message": {"role": "assistant", "content": "ECHO"},
}
_ANSWER: Final[Mapping[str, Any]] = {
    "id": "thing_1",
    "object": "ECHO",
    "status": "completed",
    "created": 1,
    "created_at": 1,
    "model": "ECHO",
    "bytes": 1,
    "filename": "ECHO",
    "purpose": "batch",
    "choices": [_CHOICE],
    "output": [{"type": "message", "id": "ECHO", "role": "assistant", "status": "completed", "content": [_TEXT]}],
    "data": [{"id": "ECHO", "object": "ECHO", "filename": "ECHO", "embedding": [0.5], "index": 0}],
    "results": [{"flagged": False, "categories": {"ECHO": True}, "category_scores": {"ECHO": 1}}],
    "output_file_id": "file-1",
    "input_file_id": "file-2",
    "endpoint": "/v1/completions",
    "request_counts": {"total": 2, "completed": 1, "failed": 1},
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2, "ECHO": 3},
    "metadata": {"ECHO": "ECHO"},
    "ECHO": {"ECHO": ["ECHO"]},
    "has_more": False,
}
