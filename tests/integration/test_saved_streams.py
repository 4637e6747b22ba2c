"""``CallOptions.out`` for an event stream, over every engine: a line of JSON for each event, whole or not at all."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from kosha_connector_openai import CallOptions, Connection
from kosha_connector_openai.errors import ApiError, InputError, ReplyError
from tests.integration.conftest import Way
from tests.recorder import Recorder, events, reply

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True}
DELTAS = [{"choices": [{"delta": {"content": text}}]} for text in ("Hel", "lo\u2028", '"\n')]
PARTS = [f"data: {json.dumps(delta)}\n\n".encode() for delta in DELTAS]
DONE = b"data: [DONE]\n\n"
FAILED = b'data: {"error": {"message": "overloaded", "code": "server_error"}}\n\n'


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A file in a folder of its own."""
    (tmp_path / "out").mkdir()
    return tmp_path / "out" / "events.jsonl"


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]


def test_a_whole_stream_is_saved(way: Way, out: Path) -> None:
    """One line for each event, readable by its owner alone; the events are in the result, too."""
    with Recorder(events(*PARTS, DONE)) as upstream:
        result = way.run(way.connection(upstream.url), "createChatCompletion", CHAT, out=out)
    assert lines(out) == DELTAS
    assert (result.kind, len(result.value), result.incomplete) == ("events", 3, None)
    assert result.saved is not None
    assert (result.saved.path, result.saved.size, out.stat().st_mode & 0o777) == (out, out.stat().st_size, 0o600)


def test_a_cut_stream_is_saved_and_said_to_be_cut(way: Way, out: Path) -> None:
    """What came is kept, as in the result, and the result says that the end is missing."""
    with Recorder(events(*PARTS, end=False)) as upstream:
        result = way.run(way.connection(upstream.url), "createChatCompletion", CHAT, out=out)
    assert lines(out) == DELTAS
    assert result.incomplete


def test_a_failed_stream_leaves_nothing(way: Way, out: Path) -> None:
    """An error event removes what was written."""
    with Recorder(events(*PARTS, FAILED)) as upstream, pytest.raises(ApiError):
        way.run(way.connection(upstream.url), "createChatCompletion", CHAT, out=out, attempts=1)
    assert list(out.parent.iterdir()) == []


def test_an_existing_file_stays(way: Way, out: Path) -> None:
    """It is refused before anything is sent; with leave it is replaced at the end."""
    out.write_text("before")
    with Recorder(events(*PARTS, DONE)) as upstream:
        with pytest.raises(InputError):
            way.run(way.connection(upstream.url), "createChatCompletion", CHAT, out=out)
        assert upstream.silent
        assert out.read_text() == "before"
        way.run(way.connection(upstream.url), "createChatCompletion", CHAT, out=out, overwrite=True)
    assert len(lines(out)) == 3


def _leave(way: Way, connection: Connection, options: CallOptions, *, by_error: bool) -> Any:
    """Reads one event of a stream, then leaves it."""
    if not way.is_async:
        with way.connector.stream("createChatCompletion", CHAT, connection, options) as stream:
            for _ in stream:
                if by_error:
                    raise KeyError
                break
        return stream.result

    async def read() -> Any:
        try:
            async with way.connector.astream("createChatCompletion", CHAT, connection, options) as stream:
                async for _ in stream:
                    if by_error:
                        raise KeyError
                    break
            return stream.result
        finally:
            await way.connector.aclose()

    return asyncio.run(read())


def test_leaving_by_an_error_leaves_nothing(way: Way, out: Path) -> None:
    """An exception of the reader's own removes what was written."""
    with Recorder(events(*PARTS, DONE, pause=0.05)) as upstream, pytest.raises(KeyError):
        _leave(way, way.connection(upstream.url), CallOptions(out=out), by_error=True)
    assert list(out.parent.iterdir()) == []


def test_leaving_early_keeps_what_was_read(way: Way, out: Path) -> None:
    """Who has enough keeps what came so far, and the result says that it is not all."""
    with Recorder(events(*PARTS, DONE, pause=0.1)) as upstream:
        result = _leave(way, way.connection(upstream.url), CallOptions(out=out), by_error=False)
    assert lines(out)[:1] == DELTAS[:1]
    assert result.incomplete


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that takes no more."""

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", refuse)


@pytest.mark.usefixtures("full")
def test_a_full_disk_is_told(way: Way, out: Path) -> None:
    """The answer came, but could not be kept: an error that says so, and no file."""
    with Recorder(events(*PARTS, DONE)) as upstream, pytest.raises(ReplyError):
        way.run(way.connection(upstream.url), "createChatCompletion", CHAT, out=out)
    assert list(out.parent.iterdir()) == []


def test_what_is_no_stream_is_saved_as_ever(way: Way, out: Path) -> None:
    """Another body is the file itself."""
    with Recorder(reply(body={"a": 1})) as upstream:
        result = way.run(way.connection(upstream.url), "createChatCompletion", {**CHAT, "stream": False}, out=out)
    assert (result.kind, result.saved, json.loads(out.read_bytes())) == ("file", None, {"a": 1})
