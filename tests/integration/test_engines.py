"""What must hold on the wire whichever HTTP client sends: one suite over all engines, against a loopback server that records raw bytes."""

from __future__ import annotations

import gzip
import io
import socket
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from kosha_connector_openai.errors import (
    AccessError,
    MalformedReplyError,
    NotSentError,
    OutcomeUnknownError,
    RedirectRefusedError,
    RejectedError,
    ReplyError,
    ReplyTooLargeError,
    TransportError,
    TruncatedReplyError,
    UnavailableError,
)
from tests.integration.conftest import Way
from tests.recorder import Received, Recorder, events, raw, reply, reset, silence

SEED = {"model": "text-davinci-003", "prompt": "Say this is a test", "max_tokens": 7, "temperature": 0}
CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def sse(*data: str) -> bytes:
    return b"".join(b"data: " + item.encode() + b"\n\n" for item in data)


def test_a_long_body_arrives_as_it_was_checked_with_its_length(way: Way, key: str) -> None:
    """Byte for byte, with one Content-Length and not chunked, however it is given to the connection; its last piece is not a full one."""
    text = "0123456789" * 70_001
    with Recorder(reply(body={"id": "c"})) as upstream:
        way.run(way.connection(upstream.url), "createCompletion", {**SEED, "prompt": text})
    sent = upstream.last
    assert sent.json() == {**SEED, "prompt": text}
    assert [value for name, value in sent.headers if name.lower() == "content-length"] == [str(len(sent.body))]
    assert sent.header("transfer-encoding") is None


def test_the_seed_example_is_sent_as_the_seed_has_it(way: Way, key: str) -> None:
    """POST /v1/completions, JSON in the given key order, the bearer credential, each header once, nothing of the client's own."""
    with Recorder(reply(body={"id": "c"})) as upstream:
        result = way.run(way.connection(upstream.url), "createCompletion", SEED)
    sent = upstream.last
    assert (sent.method, sent.target) == ("POST", "/v1/completions")
    assert sent.body == b'{"model":"text-davinci-003","prompt":"Say this is a test","max_tokens":7,"temperature":0}'
    assert (sent.header("Content-Type"), sent.header("Authorization")) == ("application/json", f"Bearer {key}")
    assert sorted(name.lower() for name, _ in sent.headers if name.lower() != "connection") == sorted(
        ["host", "user-agent", "accept-encoding", "accept", "content-type", "authorization", "content-length"]
    )
    assert sent.header("Accept-Encoding") == "identity"
    assert result.value == {"id": "c"}


def test_a_get_has_no_body_and_no_content_type(way: Way) -> None:
    """A GET carries neither a body nor a header about one."""
    with Recorder(reply(body={"data": []})) as upstream:
        way.run(way.connection(upstream.url), "listModels", {})
    assert (upstream.last.body, upstream.last.header("Content-Type"), upstream.last.header("Content-Length")) == (b"", None, None)


@pytest.mark.parametrize("prefix", ["", "/", "/v1", "/v1/"])
def test_v1_is_written_once_however_the_server_is_given(way: Way, prefix: str) -> None:
    """T33: a server URL may end in /v1 or not."""
    with Recorder() as upstream:
        way.run(way.connection(upstream.url + prefix), "listModels", {})
    assert upstream.last.target == "/v1/models"


def test_an_encoded_path_value_arrives_as_it_was_written(way: Way) -> None:
    """P4: no client decodes, folds or re-encodes the path."""
    with Recorder() as upstream:
        way.run(way.connection(upstream.url), "retrieveModel", {"model": "ft:a/b?x=1#~é"})
    assert upstream.last.target == "/v1/models/ft%3Aa%2Fb%3Fx%3D1%23~%C3%A9"


def test_a_streamed_upload_arrives_whole(way: Way, tmp_path: Path) -> None:
    """T01, F6: a file of several chunks is sent with its length known and its bytes unchanged."""
    data = bytes(range(256)) * 4096
    path = tmp_path / "training.jsonl"
    path.write_bytes(data)
    with Recorder(reply(body={"id": "file-1"})) as upstream:
        connection = way.connection(upstream.url, roots=[tmp_path])
        way.run(connection, "createFile", {"purpose": "fine-tune", "file": path})
    sent = upstream.last
    assert int(sent.header("Content-Length") or 0) == len(sent.body)
    assert sent.header("Transfer-Encoding") is None
    assert data in sent.body
    assert b'filename="training.jsonl"' in sent.body


def test_a_file_object_without_a_size_is_sent_in_chunks(way: Way) -> None:
    """An upload of unknown length is chunked, and arrives whole."""

    class Pipe(io.RawIOBase):
        left = 300_000

        def readable(self) -> bool:
            return True

        def seekable(self) -> bool:
            return False

        def readinto(self, buffer: memoryview) -> int:
            count = min(len(buffer), self.left)
            buffer[:count] = b"x" * count
            self.left -= count
            return count

    with Recorder(reply(body={"id": "file-1"})) as upstream:
        way.run(way.connection(upstream.url), "createFile", {"purpose": "batch", "file": io.BufferedReader(Pipe())})
    assert upstream.last.body.count(b"x" * 1000) == 300


def test_key_order_and_big_integers_survive(way: Way) -> None:
    """T06, T07: replies keep their key order, integers beyond 64 bit, and their bytes."""
    body = b'{"z":12345678901234567890123,"a":1.0,"m":[18446744073709551616]}'
    with Recorder(reply(body=body)) as upstream:
        result = way.run(way.connection(upstream.url), "listModels", {})
    assert list(result.value) == ["z", "a", "m"]
    assert (result.value["z"], result.value["m"], result.raw) == (12345678901234567890123, [18446744073709551616], body)


def test_a_transcript_of_42_stays_text(way: Way) -> None:
    """T18: the Content-Type that arrives decides."""
    with Recorder(reply(body=b"42", content_type="text/plain; charset=utf-8")) as upstream:
        result = way.run(
            way.connection(upstream.url),
            "createTranscription",
            {"model": "whisper-1", "file": ("a.wav", b"RIFF"), "response_format": "text"},
        )
    assert (result.kind, result.value) == ("text", "42")


def test_binary_replies_stay_bytes(way: Way) -> None:
    """T19: audio is bytes, with its media type."""
    with Recorder(reply(body=b"\xff\xfb\x90\x00", content_type="audio/mpeg")) as upstream:
        result = way.run(way.connection(upstream.url), "createSpeech", {"model": "tts-1", "input": "hi", "voice": "alloy"})
    assert (result.kind, result.value, result.content_type) == ("bytes", b"\xff\xfb\x90\x00", "audio/mpeg")


def test_a_reply_is_saved_whole_or_not_at_all(way: Way, tmp_path: Path) -> None:
    """F7, F8: a file is put in its place at the end, readable by its owner only; a cut reply leaves nothing behind."""
    with Recorder(reply(body=b"x" * 100_000, content_type="application/octet-stream"), reply(body=b"short", length=99)) as upstream:
        connection = way.connection(upstream.url)
        done = way.run(connection, "downloadFile", {"file_id": "file-1"}, out=tmp_path / "a.bin")
        with pytest.raises(TruncatedReplyError):
            way.run(connection, "downloadFile", {"file_id": "file-1"}, out=tmp_path / "b.bin", attempts=1)
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]
    assert (done.value.size, (tmp_path / "a.bin").stat().st_mode & 0o777) == (100_000, 0o600)


def test_events_arrive_as_they_are_sent(way: Way) -> None:
    """T16: events are typed, their text is added up, the usage of the last one is kept, and [DONE] ends the stream."""
    stream = sse(
        '{"model":"m","choices":[{"delta":{"content":"Hel"}}]}',
        '{"choices":[{"delta":{"content":"lo\u2028"}}]}',
        '{"choices":[],"usage":{"total_tokens":3}}',
        "[DONE]",
    )
    with Recorder(events(*[stream[i : i + 7] for i in range(0, len(stream), 7)])) as upstream:
        seen, result = way.events(way.connection(upstream.url), "createChatCompletion", {**CHAT, "stream": True})
    assert [event.text for event in seen] == ["Hel", "lo\u2028", ""]
    assert result is not None
    assert (result.text, result.usage, result.model, result.incomplete) == ("Hello\u2028", {"total_tokens": 3}, "m", None)
    assert result.request_id == "req_stream"


@pytest.mark.parametrize("clean", [True, False])
def test_a_cut_stream_is_marked_incomplete(way: Way, clean: bool) -> None:
    """U12: without its final event a stream is incomplete, whether it was closed cleanly or broken; what came is kept."""
    with Recorder(events(sse('{"choices":[{"delta":{"content":"Hel"}}]}'), end=clean)) as upstream:
        result = way.run(way.connection(upstream.url), "createChatCompletion", {**CHAT, "stream": True})
    assert (result.text, bool(result.incomplete)) == ("Hel", True)


def test_an_error_event_inside_a_stream_is_an_error(way: Way) -> None:
    """U12: an error that comes after a 200 is raised as the upstream's error."""
    data = sse('{"choices":[{"delta":{"content":"a"}}]}', '{"error":{"message":"boom","code":"insufficient_quota"}}')
    with Recorder(events(data)) as upstream, pytest.raises(AccessError, match="boom") as caught:
        way.run(way.connection(upstream.url), "createChatCompletion", {**CHAT, "stream": True})
    assert (caught.value.category, caught.value.api_code) == ("quota", "insufficient_quota")


def test_leaving_a_stream_closes_the_upstream_connection(way: Way) -> None:
    """T29: who stops reading stops paying: the upstream sees the connection close."""
    with Recorder(events(*[sse('{"a":1}')] * 400, pause=0.01)) as upstream:
        seen, result = way.events(way.connection(upstream.url), "createChatCompletion", {**CHAT, "stream": True}, take=2)
        assert upstream.closed_early.wait(2)
    assert len(seen) == 2
    assert result is not None
    assert result.incomplete


@pytest.mark.parametrize(
    ("status", "body", "error", "category"),
    [
        (400, {"error": {"message": "bad", "param": "n", "code": None, "type": "invalid_request_error"}}, RejectedError, "invalid_input"),
        (401, {"error": {"message": "no", "code": "invalid_api_key"}}, AccessError, "auth"),
        (403, {"error": "forbidden"}, AccessError, "permission"),
        (404, {"error": {"message": "none", "code": "model_not_found"}}, RejectedError, "not_found"),
        (429, {"error": {"message": "pay", "code": "insufficient_quota"}}, AccessError, "quota"),
        (500, {"detail": "oops"}, UnavailableError, "server"),
        (502, b"<html>bad gateway</html>", UnavailableError, "server"),
    ],
)
def test_error_answers_keep_their_meaning(way: Way, status: int, body: object, error: type[Exception], category: str) -> None:
    """T22, T26: the status is kept, the manifest's table gives the category, HTML from a proxy is no crash."""
    with Recorder(reply(status=status, body=body, headers=[("x-request-id", "req_1")])) as upstream, pytest.raises(error) as caught:
        way.run(way.connection(upstream.url), "createCompletion", SEED, attempts=1)
    assert (caught.value.status, caught.value.category, caught.value.request_id) == (status, category, "req_1")  # type: ignore[attr-defined]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_refused_and_carry_nothing_away(way: Way, status: int) -> None:
    """U2: a redirect is an error with the target's host; the target sees nothing."""
    with Recorder() as attacker, Recorder(reply(status=status, headers=[("Location", attacker.url + "/steal")])) as upstream:
        with pytest.raises(RedirectRefusedError, match=r"127\.0\.0\.1"):
            way.run(way.connection(upstream.url), "createCompletion", SEED)
        assert attacker.silent
    assert len(upstream.requests) == 1


def test_environment_proxies_see_nothing(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """U5: proxies and netrc of the environment are ignored."""
    with Recorder() as proxy, Recorder() as upstream:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        way.run(way.connection(upstream.url), "listModels", {})
        assert proxy.silent
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("encoding", ["gzip, gzip", "br", "zstd", "gzip, deflate"])
def test_codings_that_are_not_read_are_refused(way: Way, encoding: str) -> None:
    """U8: what is in a coding, or in several, that is not known here is not decompressed."""
    body = gzip.compress(b"{}")
    with (
        Recorder(reply(body=body, headers=[("Content-Encoding", encoding)])) as upstream,
        pytest.raises(MalformedReplyError, match="compressed"),
    ):
        way.run(way.connection(upstream.url), "listModels", {})


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip", gzip.compress),
        ("X-GZIP", lambda body: gzip.compress(body[:5]) + gzip.compress(body[5:]) + b"\0\0"),
        ("deflate", zlib.compress),
        ("deflate", lambda body: zlib.compress(body, wbits=-15)),
    ],
    ids=["gzip", "gzip in two members", "deflate", "deflate without its frame"],
)
def test_what_is_compressed_unasked_is_read(way: Way, encoding: str, pack: Any) -> None:
    """Answers, errors and streams are read like others; the result says nothing of the coding."""
    body = b'{"data": [{"id": "m"}], "note": "' + b"x" * 200_000 + b'"}'
    packed = [("Content-Encoding", encoding)]
    with Recorder(reply(body=pack(body), headers=packed)) as upstream:
        result = way.run(way.connection(upstream.url), "listModels", {})
    assert (result.raw, result.value["data"]) == (body, [{"id": "m"}])
    events = b'data: {"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    with Recorder(reply(body=pack(events), content_type="text/event-stream", headers=packed)) as upstream:
        result = way.run(way.connection(upstream.url), "createChatCompletion", {**CHAT, "stream": True})
    assert (result.text, result.incomplete) == ("a", None)
    error = b'{"error": {"message": "No such model", "code": "model_not_found"}}'
    with Recorder(reply(404, body=pack(error), headers=packed)) as upstream, pytest.raises(RejectedError, match="No such model"):
        way.run(way.connection(upstream.url), "retrieveModel", {"model": "x"})


def test_a_small_reply_cannot_become_a_large_one(way: Way) -> None:
    """The limit is that of what is read, and reading ends there: 50 MB of zeros are 50 kB on the wire."""
    bomb = gzip.compress(b"[" + b" " * 50_000_000 + b"]")
    with Recorder(reply(body=bomb, headers=[("Content-Encoding", "gzip")])) as upstream, pytest.raises(ReplyTooLargeError):
        way.run(way.connection(upstream.url, limits={"reply_json": 100_000}), "listModels", {})


@pytest.mark.parametrize("spoil", [lambda packed: packed[:-20], lambda packed: b"\x1f\x8b" + b"\0" * 100], ids=["cut", "broken"])
def test_a_compressed_reply_that_is_not_whole(way: Way, spoil: Any) -> None:
    """What is cut or no such coding is no answer."""
    packed = spoil(gzip.compress(b'{"data": ["' + bytes(range(65, 91)) * 50 + b'"]}'))
    with (
        Recorder(reply(body=packed, headers=[("Content-Encoding", "gzip")])) as upstream,
        pytest.raises((TruncatedReplyError, MalformedReplyError)),
    ):
        way.run(way.connection(upstream.url), "listModels", {}, attempts=1)


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (reply(body=b"<html>", content_type="application/json"), MalformedReplyError),
        (reply(body=b"", content_type="application/json"), MalformedReplyError),
        (reply(body=b"{" * 5000, content_type="application/json"), MalformedReplyError),
        (reply(body=b'{"a": "\xff\xfe"}'), MalformedReplyError),
        (reply(body=b'{"a":1}', length=100), TruncatedReplyError),
        (raw(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"a"'), TruncatedReplyError),
        (raw(b"garbage\r\n\r\n"), ReplyError),
    ],
)
def test_bodies_that_break_their_promise_are_typed_errors(way: Way, script: object, error: type[Exception]) -> None:
    """U13, T24: HTML, nothing, depth, broken text, too few bytes and broken HTTP each end in a typed error."""
    with Recorder(script) as upstream, pytest.raises(error):  # type: ignore[arg-type]
        way.run(way.connection(upstream.url), "createCompletion", SEED, attempts=1)


def test_a_body_over_its_limit_is_cut_off(way: Way) -> None:
    """U9: what can grow has a cap, and the connection is closed at it."""
    with Recorder(reply(body=b'"' + b"x" * 200_000 + b'"')) as upstream, pytest.raises(ReplyTooLargeError):
        way.run(way.connection(upstream.url, limits={"reply_json": 10_000}), "listModels", {})


def test_a_drip_fed_body_ends_with_the_call(way: Way) -> None:
    """U9, R15: one byte after another does not stretch the call past its total time."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    with Recorder(raw(head + b" " * 1000, pause=0.05, size=1)) as upstream:
        started = time.monotonic()
        with pytest.raises(OutcomeUnknownError) as caught:
            way.run(way.connection(upstream.url), "createCompletion", SEED, timeout=1.0)
    assert time.monotonic() - started < 10
    assert (caught.value.phase, caught.value.retryable) == ("deadline", None)


def test_drip_fed_headers_end_with_the_call(way: Way) -> None:
    """U9, R15: the same for a reply whose headers never end."""
    with Recorder(raw(b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 1000, pause=0.05, size=1)) as upstream:
        started = time.monotonic()
        with pytest.raises(OutcomeUnknownError):
            way.run(way.connection(upstream.url), "createCompletion", SEED, timeout=1.0)
    assert time.monotonic() - started < 10


def test_an_idle_body_ends_by_the_idle_time(way: Way) -> None:
    """Between two pieces of a body no more than the read timeout passes."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{"

    def stall(connection, request) -> bool:
        connection.sendall(head)
        return silence(5)(connection, request)

    with Recorder(stall) as upstream:
        started = time.monotonic()
        with pytest.raises(TransportError):
            way.run(way.connection(upstream.url, timeouts={"read": 0.4}), "createCompletion", SEED)
    assert time.monotonic() - started < 10


def test_a_header_without_end_is_refused(way: Way) -> None:
    """U9: headers have a size limit."""
    with Recorder(raw(b"HTTP/1.1 200 OK\r\nX-Big: " + b"a" * 1_000_000)) as upstream, pytest.raises((ReplyError, TransportError)):
        way.run(way.connection(upstream.url), "createCompletion", SEED, timeout=5)


def test_a_paid_post_that_may_have_run_is_not_sent_twice(way: Way) -> None:
    """R-1: a reset after the request was read leaves the outcome unknown; the user decides."""
    with Recorder(reset) as upstream:
        with pytest.raises(OutcomeUnknownError) as caught:
            way.run(way.connection(upstream.url), "createCompletion", SEED)
        assert len(upstream.requests) == 1
    assert (caught.value.retryable, caught.value.attempts) == (None, 1)


def test_a_paid_post_is_sent_again_where_the_user_allows_it(way: Way) -> None:
    """With ``unsafe_retries`` the same bytes are sent again."""
    with Recorder(reset, reply(body={"ok": True})) as upstream:
        result = way.run(way.connection(upstream.url, retries={"base": 0.01}), "createCompletion", SEED, unsafe_retries=True)
    assert (result.attempts, upstream.requests[0].body) == (2, upstream.requests[1].body)


def test_a_get_is_tried_again_after_a_reset(way: Way) -> None:
    """Reading again changes nothing, so it is done."""
    with Recorder(reset, reply(status=503), reply(body={"data": []})) as upstream:
        result = way.run(way.connection(upstream.url, retries={"base": 0.01}), "listModels", {})
    assert result.attempts == 3


def test_a_rate_limit_is_waited_for_as_asked(way: Way) -> None:
    """R-3: never earlier than Retry-After says."""
    limited = reply(status=429, body={"error": {"message": "slow"}}, headers=[("retry-after-ms", "300")])
    with Recorder(limited, reply(body={"ok": 1})) as upstream:
        started = time.monotonic()
        result = way.run(way.connection(upstream.url, retries={"base": 0.01}), "createCompletion", SEED)
    assert result.attempts == 2
    assert time.monotonic() - started >= 0.3


def test_an_empty_balance_is_never_tried_again(way: Way) -> None:
    """``insufficient_quota`` is no rate limit."""
    with Recorder(reply(status=429, body={"error": {"message": "pay", "code": "insufficient_quota"}})) as upstream:
        with pytest.raises(AccessError, match="credit"):
            way.run(way.connection(upstream.url), "createCompletion", SEED)
        assert len(upstream.requests) == 1


def test_nobody_listening_means_not_sent(way: Way) -> None:
    """T27: an unreachable server is known not to have run anything; the message has no internals."""
    with Recorder() as gone:
        url = gone.url
    with pytest.raises(NotSentError) as caught:
        way.run(way.connection(url, retries={"attempts": 1}), "createCompletion", SEED)
    assert (caught.value.retryable, caught.value.phase) == (True, "connect")
    assert "127.0.0.1" not in str(caught.value)


def test_a_connection_is_used_again(way: Way) -> None:
    """Calls one after the other share a socket."""
    with Recorder() as upstream:
        way.run_all(way.connection(upstream.url), *[("listModels", {})] * 3)
    assert upstream.connections == 1


def test_extra_bytes_after_a_reply_do_not_reach_the_next_call(way: Way) -> None:
    """U15: a poisoned connection is dropped."""
    whole = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{"a":1}'
    poison = whole + b'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"evil":1'

    def script(connection, _) -> bool:
        connection.sendall(poison)
        return True

    with Recorder(script, reply(body={"b": 2})) as upstream:
        first, second = way.run_all(way.connection(upstream.url), ("listModels", {}), ("listModels", {}))
    assert (first.value, second.value) == ({"a": 1}, {"b": 2})


def test_more_calls_than_connections_wait_their_turn(way: Way) -> None:
    """Twelve calls over three connections all get their answers, and never more than three are open."""
    open_now, most, lock = [0], [0], threading.Lock()

    def slow(connection: socket.socket, request: Received) -> bool:
        with lock:
            open_now[0] += 1
            most[0] = max(most[0], open_now[0])
        time.sleep(0.05)
        with lock:
            open_now[0] -= 1
        return reply(body={"data": []})(connection, request)

    with Recorder(slow) as upstream:
        connection = way.connection(upstream.url, limits={"connections": 3}, retries={"attempts": 1})
        results = way.run_together(connection, 12, "listModels", {})
    assert [result.status for result in results] == [200] * 12
    assert most == [3]


@pytest.mark.parametrize("limit", [{"pool": 0.05}, {"total": 0.2}])
def test_a_full_pool_is_told_as_one(way: Way, limit: dict[str, float]) -> None:
    """The error names the pool and the setting, and never sends anybody to check the server's address; the call surely did not run."""
    with Recorder(silence(2)) as upstream:
        first = way.connection(upstream.url, limits={"connections": 1}, retries={"attempts": 1}, timeouts={"total": 1})
        second = way.connection(upstream.url, limits={"connections": 1}, retries={"attempts": 1}, timeouts=limit)
        error = way.fails_while(upstream, first, second, "createChatCompletion", CHAT)
    assert isinstance(error, NotSentError)
    assert (error.phase, error.retryable) == ("pool", True)
    assert "pool" in error.message
    assert "limits.connections" in error.hint
    assert "URL" not in str(error)
    assert len(upstream.requests) == 1


def test_a_head_that_does_not_come_is_told_by_its_limit(way: Way) -> None:
    """timeouts.head ends the wait before the total does; timeouts.read counts between the pieces of a reply alone."""
    with Recorder(silence(2)) as upstream:
        connection = way.connection(upstream.url, timeouts={"head": 0.5, "read": 9})
        with pytest.raises(OutcomeUnknownError) as caught:
            way.run(connection, "createChatCompletion", CHAT)
    assert (caught.value.phase, caught.value.retryable, len(upstream.requests)) == ("head", None, 1)
    assert "timeouts.head" in caught.value.message

    def late(socket_: socket.socket, request: Received) -> bool:
        time.sleep(0.6)
        return reply(body={"data": []})(socket_, request)

    with Recorder(late) as upstream:
        assert way.run(way.connection(upstream.url, timeouts={"read": 0.4}), "listModels", {}).status == 200


@pytest.mark.parametrize(("action", "inputs"), [("listModels", {}), ("createChatCompletion", CHAT)])
def test_the_operators_total_bounds_every_action(way: Way, action: str, inputs: dict[str, object]) -> None:
    """The manifest's own limit of an action takes the place of the standard one, not of the operator's."""
    with Recorder(silence(2)) as upstream:
        connection = way.connection(upstream.url, timeouts={"total": 0.3}, retries={"attempts": 1})
        with pytest.raises(OutcomeUnknownError) as caught:
            way.run(connection, action, inputs)
    assert caught.value.phase == "deadline"


def test_a_call_that_ends_while_it_connects_was_not_sent(way: Way) -> None:
    """A server that takes no connection: the call ends with its total time, and may safely be made again."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, ExitStack() as waiting:
        for _ in range(4):  # what the queue of connections takes, and more
            other = waiting.enter_context(socket.socket())
            other.setblocking(False)
            other.connect_ex(full.getsockname())
        connection = way.connection(f"http://127.0.0.1:{full.getsockname()[1]}", timeouts={"total": 0.3}, retries={"attempts": 1})
        with pytest.raises(NotSentError) as caught:
            way.run(connection, "createChatCompletion", CHAT)
    assert (caught.value.phase, caught.value.retryable, "URL" in str(caught.value)) == ("deadline", True, False)


def drop(connection: socket.socket) -> None:
    """Reads a request and keeps nothing of it."""
    head = b""
    while b"\r\n\r\n" not in head:
        piece = connection.recv(1)
        if not piece:  # the caller has gone
            return
        head += piece
    left = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    buffer = bytearray(65_536)
    while left:
        left -= connection.recv_into(buffer, min(left, len(buffer)))


def serve(answer: Callable[[socket.socket], None]) -> socket.socket:
    """A server that answers each connection by ``answer``, until it is closed."""
    server = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=one, args=(server.accept()[0],), daemon=True).start()

    def one(connection: socket.socket) -> None:
        with connection, suppress(OSError, StopIteration):
            answer(connection)

    threading.Thread(target=accept, daemon=True).start()
    return server


TOO_LARGE = b'{"error":{"message":"too large","type":"invalid_request_error","param":null,"code":null}}'


@pytest.mark.parametrize("closes", [True, False])
@pytest.mark.parametrize("size", [1_000, 300_000, 20_000_000])
def test_413_before_the_body_was_read_is_413(way: Way, size: int, closes: bool) -> None:
    """A server may answer a large upload at its head and read no more of it, and may or may not close: the reply is what is told."""
    over = threading.Event()

    def refuse(connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(4_096)
        lines = [b"HTTP/1.1 413 Too Large", b"Content-Type: application/json", b"Content-Length: %d" % len(TOO_LARGE)]
        connection.sendall(b"\r\n".join([*lines, b"", TOO_LARGE]))
        if not closes:
            over.wait(20)

    with serve(refuse) as server:
        connection = way.connection(f"http://127.0.0.1:{server.getsockname()[1]}", timeouts={"write": 1})
        with pytest.raises(RejectedError) as caught:
            way.run(connection, "createFile", {"purpose": "batch", "file": ("a.jsonl", b"x" * size)})
        over.set()
    assert (caught.value.status, caught.value.retryable, caught.value.message) == (413, False, "too large")


def test_an_interim_reply_does_not_end_an_upload(way: Way) -> None:
    """100 Continue, which some servers send unasked, is no answer: the body goes on."""

    def interim(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        drop(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")

    with serve(interim) as server:
        connection = way.connection(f"http://127.0.0.1:{server.getsockname()[1]}")
        assert way.run(connection, "createFile", {"purpose": "batch", "file": ("a.jsonl", b"x" * 5_000_000)}).status == 200


def test_413_after_interim_replies_is_413(way: Way) -> None:
    """Interim replies in pieces, several of them, and the refusal while the body is still being sent, by a server that reads no more of it:
    the call and its client end before the server does."""
    over, ended = threading.Event(), list[bool]()

    def refuse(connection: socket.socket) -> None:
        for piece in (b"HTTP/1.1 10", b"0 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", b"HTTP/1.1 413 Too Large\r\n"):
            connection.sendall(piece)
            connection.recv(4_096)
            time.sleep(0.05)
        connection.sendall(b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(TOO_LARGE) + TOO_LARGE)
        ended.append(over.wait(20))

    with serve(refuse) as server:
        connection = way.connection(f"http://127.0.0.1:{server.getsockname()[1]}", timeouts={"write": 1})
        with pytest.raises(RejectedError) as caught:
            way.run(connection, "createFile", {"purpose": "batch", "file": ("a.jsonl", b"x" * 20_000_000)})
        assert not ended
        over.set()
    assert (caught.value.status, caught.value.message) == (413, "too large")


MEMORY = """
import asyncio, sys
from kosha_connector_openai import open_connector
url, engine, is_async, size = sys.argv[1], sys.argv[2], sys.argv[3] == "True", int(sys.argv[4])
def peak():  # of this program alone: ru_maxrss begins with what the parent had
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
def call(connector, connection, data):
    chat = {"model": "m", "messages": [{"role": "user", "content": [{"type": "file", "file": {"filename": "a.pdf", "file_data": data}}]}]}
    if not is_async:
        return connector.run("createChatCompletion", chat, connection)
    async def go():
        try:
            return await connector.arun("createChatCompletion", chat, connection)
        finally:
            await connector.aclose()
    return asyncio.run(go())
with open_connector() as connector:
    connection = connector.connection({"server_url": url, "api_key": "env:OPENAI_API_KEY"}, engine=engine)
    call(connector, connection, "data:,A" * 300_000)  # what is loaded and reserved once
    before = peak()
    call(connector, connection, "data:application/pdf;base64," + "A" * size)
    print((peak() - before) * 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="VmHWM is Linux's")
def test_a_large_body_takes_no_more_than_three_times_its_size(way: Way) -> None:
    """A file as base64 within a body: its text, the body, and no more than once again while it is checked and sent."""

    def take(connection: socket.socket) -> None:
        while True:
            drop(connection)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n" + b'{"id":"c"}')

    size = 30_000_000
    with serve(take) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        script = [sys.executable, "-c", MEMORY, url, way.engine, str(way.is_async), str(size)]
        done = subprocess.run(script, capture_output=True, text=True, timeout=120, check=True)
    assert size < int(done.stdout) < 3 * size
