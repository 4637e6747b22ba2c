"""Bodies that the service and an upstream could read in two ways: what was checked is what counts, or nothing is sent."""

from __future__ import annotations

import codecs
import gzip
import json
import zlib

import pytest

from tests.gateway import KEY
from tests.recorder import Recorder, reply
from tests.threats.in_process import entry, in_process

CHAT = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]}
PLAIN = json.dumps(CHAT)
TOLD: dict[str, tuple[bytes, str, int]] = {
    # the body, its Content-Type, the status
    "a name twice": (PLAIN.replace('"m"', '"m", "model": "dear"', 1).encode(), "application/json", 400),
    "twice, once escaped": (PLAIN.replace('"m"', '"m", "mod\\u0065l": "dear"', 1).encode(), "application/json", 400),
    "another case": (json.dumps({**CHAT, "Model": "dear"}).encode(), "application/json", 400),
    "another case of a limit": (json.dumps({**CHAT, "MAX_TOKENS": 500_000}).encode(), "application/json", 400),
    "another case with a letter of its own": (json.dumps({**CHAT, "max_to\u212aens": 500_000}).encode(), "application/json", 400),
    "another case, large": (json.dumps({**CHAT, "Model": "dear", "user": "u" * 100_000}).encode(), "application/json", 400),
    "not a number": (PLAIN.replace("5", "NaN", 1).encode(), "application/json", 400),
    "beyond a double": (PLAIN.replace("5", "1e999", 1).encode(), "application/json", 400),
    "half a pair": (PLAIN.replace('"m"', '"\\ud800"', 1).encode(), "application/json", 400),
    "two values": (PLAIN.encode() * 2, "application/json", 400),
    "a zero byte behind": (PLAIN.encode() + b"\0", "application/json", 400),
    "a comment": (b"/*" + PLAIN.encode() + b"*/" + PLAIN.encode(), "application/json", 400),
    "UTF-16": (PLAIN.encode("utf-16"), "application/json", 400),
    "UTF-32": (PLAIN.encode("utf-32-le"), "application/json", 400),
    "UTF-7 by name": (PLAIN.encode(), "application/json; charset=utf-7", 415),
    "UTF-16 by name": (PLAIN.encode(), 'application/json; x=y; CharSet="UTF-16"', 415),
    "two charsets": (PLAIN.encode(), "application/json; charset=utf-8; charset=ibm037", 415),
    "JSON as text": (PLAIN.encode(), "text/plain", 415),
    "JSON as lines": (PLAIN.encode(), "application/x-ndjson", 415),
    "JSON as a form": (PLAIN.encode(), "application/x-www-form-urlencoded", 415),
    "two types": (PLAIN.encode(), "application/json, text/plain", 415),
}
SENT: dict[str, tuple[bytes, str]] = {
    "as it is": (PLAIN.encode(), "application/json"),
    "with its charset": (PLAIN.encode(), 'application/json;charset="UTF-8"'),
    "with a byte order mark": (codecs.BOM_UTF8 + PLAIN.encode(), "application/json"),
    "with a field of another server": (json.dumps({**CHAT, "top_k": 5}).encode(), "application/json"),
}


@pytest.mark.parametrize("budget", [False, True])
async def test_g7_no_body_is_read_in_two_ways(*, budget: bool) -> None:
    """G7, B37: repeated names, names in another case, other encodings and types are refused, with a budget and without; others go."""
    token = entry("a", **({"budget": {"minute": {"tokens": 10**9}}} if budget else {}))
    wrong = []
    with Recorder() as upstream:
        async with in_process(upstream.url, tokens=[token]) as house:
            for name, (body, kind, status) in TOLD.items():
                answer = await house.call("POST", "/v1/chat/completions", content=body, headers={"Content-Type": kind})
                wrong += [(name, answer.status_code, answer.text)] if answer.status_code != status else []
            assert upstream.silent
            for name, (body, kind) in SENT.items():
                answer = await house.call("POST", "/v1/chat/completions", content=body, headers={"Content-Type": kind})
                wrong += [(name, answer.status_code, answer.text)] if (answer.status_code, upstream.last.body) != (200, body) else []
    assert wrong == []


def _escaped(text: str, digits: str) -> bytes:
    return "".join(f"\\u{ord(each):{digits}}" for each in text).encode()


ECHOES: dict[str, tuple[bytes, str | None]] = {
    "gzip": (gzip.compress(b'{"object": "list", "data": [], "echo": "' + KEY.encode() + b'"}'), "gzip"),
    "deflate": (zlib.compress(b'{"object": "list", "data": [], "echo": "' + KEY.encode() + b'"}'), "deflate"),
    "escapes": (b'{"object": "list", "data": [], "echo": "' + _escaped(KEY, "04x") + b'"}', None),
    "escapes in capitals": (b'{"object": "list", "data": [], "echo": "' + _escaped(KEY, "04X") + b'"}', None),
}


@pytest.mark.parametrize("name", sorted(ECHOES))
async def test_u14_an_echo_is_found_in_a_coding_that_nobody_asked_for(name: str) -> None:
    """U14, B9: a reply in gzip or deflate, and a key written in JSON's escapes, show it neither through `/v1` nor in a run."""
    body, coding = ECHOES[name]
    with Recorder(reply(200, body, headers=[("Content-Encoding", coding)] if coding else ())) as upstream:
        async with in_process(upstream.url, tokens=[entry("a")]) as house:
            for answer in (await house.call("GET", "/v1/models"), await house.run("listModels", {})):
                assert (answer.status_code, KEY in answer.text, KEY in str(answer.json())) == (200, False, False)
                assert "*" * len(KEY) in str(answer.json())
                assert "content-encoding" not in answer.headers


async def test_u14_a_coding_that_is_not_known_here_is_not_passed_on() -> None:
    """U14: nobody asked for it, and the key could not be seen in it."""
    with Recorder(reply(200, b"\x1b\x00", headers=[("Content-Encoding", "br")])) as upstream:
        async with in_process(upstream.url) as house:
            answer = await house.call("GET", "/v1/models")
            assert (answer.status_code, answer.json()["error"]["type"]) == (502, "upstream_error")
