"""Long sounds: cut below the limits at quiet moments, nothing lost and nothing twice; times moved to where each piece stands."""

from __future__ import annotations

import asyncio
import io
import math
import shutil
import struct
import threading
import wave
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pytest_httpx import HTTPXMock

from kosha_connector_openai import Connector
from kosha_connector_openai.core.request.files import FilePolicy, read_file_input
from kosha_connector_openai.errors import InputError, UnavailableError
from kosha_connector_openai.flows.tasks import TaskProgress, arun_task
from kosha_connector_openai.flows.tasks import audio_split as sounds
from kosha_connector_openai.flows.tasks.audio_split import needs_cut, pieces
from kosha_connector_openai.manifest.parts.tasks import Split
from kosha_connector_openai.sandbox.audio import sound as sample
from tests.unit.flows.tasks.conftest import Run

POINTERS = {"text": "/text", "segments": "/segments", "start": "/start", "end": "/end", "words": "/text", "language": "/language"}


def split(**more: Any) -> Split:
    return Split(**{"input": "audio", "form": "format", "bytes": 100_000, "seconds": 3_600, "quiet": 1, **POINTERS, **more})


def tone(seconds: float, *, rate: int = 8_000, channels: int = 1, width: int = 2, silent: tuple[float, float] = (0, 0)) -> bytes:
    """A WAV file with a tone, and silence in one place."""
    frames = bytearray()
    for index in range(int(seconds * rate)):
        quiet = silent[0] <= index / rate < silent[1]
        value = 0 if quiet else int(8_000 * math.sin(index / 3))
        frames += (struct.pack("<h", value) if width == 2 else bytes([value & 255] * width)) * channels
    target = io.BytesIO()
    with wave.open(target, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(frames)
    return target.getvalue()


def opened(content: bytes) -> wave.Wave_read:
    return wave.open(io.BytesIO(content))


def frames(content: bytes) -> bytes:
    with opened(content) as file:
        return file.readframes(file.getnframes())


def cut(content: bytes, rules: Split) -> list[Any]:
    file = read_file_input(content, "/audio", FilePolicy())
    with pieces(file, rules, "/audio") as made:
        return list(made)


@pytest.mark.parametrize(("channels", "width"), [(1, 2), (2, 2), (1, 1), (2, 3), (1, 4)])
def test_the_pieces_are_the_whole(channels: int, width: int) -> None:
    """Joined they hold every frame once; each is below both limits, a WAV file, and starts where the one before ended."""
    content = tone(11.3, channels=channels, width=width)
    rules = split(bytes=60_000, seconds=4)
    found = cut(content, rules)
    assert len(found) > 2
    assert b"".join(frames(piece.content) for piece in found) == frames(content)
    assert all(len(piece.content) <= 60_000 and piece.length <= 4 for piece in found)
    ends = [piece.start + piece.length for piece in found]
    assert [piece.start for piece in found[1:]] == pytest.approx(ends[:-1])
    assert ends[-1] == pytest.approx(11.3, abs=0.001)


def test_it_is_cut_where_it_is_quiet() -> None:
    """A word is not cut in two where there is a pause before the limit."""
    found = cut(tone(8, silent=(4.3, 4.5)), split(seconds=5, quiet=1))
    assert 4.3 <= found[0].length <= 4.5


def test_without_a_pause_it_is_cut_near_the_limit() -> None:
    """The reach before the limit is kept."""
    found = cut(tone(12), split(seconds=5, quiet=1))
    assert all(4 <= piece.length <= 5 for piece in found[:-1])


@pytest.mark.parametrize(
    ("content", "rules", "needed"),
    [
        (tone(2), {}, False),
        (tone(2), {"seconds": 1}, True),
        (tone(2), {"bytes": 10_000}, True),
        (sample("mp3"), {}, False),
        (sample("mp3"), {"bytes": 1_000}, True),
        (b"RIFF\x00\x00\x00\x00WAVE", {}, False),
    ],
    ids=["short", "too long", "too large", "mp3", "large mp3", "broken wav"],
)
def test_what_needs_a_cut(content: bytes, rules: dict[str, Any], needed: bool) -> None:
    """Only what passes a limit; everything else goes as it is."""
    assert needs_cut(read_file_input(content, "/audio", FilePolicy()), split(**rules)) is needed


def test_a_rate_that_no_piece_can_hold() -> None:
    """A second of sound larger than the limit is refused, and not cut into crumbs."""
    with pytest.raises(InputError, match="in a second"):
        cut(tone(2, rate=8_000), split(bytes=10_000))


def test_other_formats_need_ffmpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it the error names the limit and three ways out; nothing is sent."""
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError) as caught:
        cut(sample("mp3"), split(bytes=1_000))
    (fault,) = caught.value.faults
    assert (fault.pointer, fault.rule, fault.allowed) == ("/audio", "size", 1_000)
    assert "1000 bytes" in fault.message
    assert fault.fix == "Send WAV, cut it, or install ffmpeg."


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
@pytest.mark.parametrize("kind", ["mp3", "flac", "aac", "opus"])
def test_ffmpeg_decodes_other_formats(kind: str) -> None:
    """Half a second of each comes back as WAV of 16 kHz, in pieces where it must."""
    found = cut(sample(kind), split(bytes=sounds._HEADER + 2 * 16_000, seconds=1))
    with opened(found[0].content) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
    assert sum(piece.length for piece in found) == pytest.approx(0.5, abs=0.15)


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
@pytest.mark.parametrize(
    "content",
    [
        b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://%s\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile '%s'\n",
        b"no sound at all" * 100,
    ],
    ids=["playlist", "concat", "text"],
)
def test_a_file_cannot_name_other_files(content: bytes, tmp_path: Path) -> None:
    """Playlists are not followed: a user's file never reads another one."""
    (tmp_path / "secret.wav").write_bytes(tone(1))
    filled = content.replace(b"%s", str(tmp_path / "secret.wav").encode())
    with pytest.raises(InputError, match="no sound"):
        cut(filled, split(bytes=10))


def heard(*segments: tuple[float, float, str], text: str = "") -> dict[str, Any]:
    """A transcript with times."""
    listed = [{"start": start, "end": end, "text": words} for start, end, words in segments]
    return {"text": text or " ".join(words for _, _, words in segments), "language": "english", "duration": 1.0, "segments": listed}


@pytest.fixture
def small(connector: Connector, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connector whose limit is five seconds."""
    from kosha_connector_openai.manifest.parts.tasks import Tasks

    part = connector.part("tasks", Tasks)
    tasks = {name: replace(task, split=task.split and replace(task.split, seconds=5, quiet=0.2)) for name, task in part.tasks.items()}
    monkeypatch.setitem(connector._parts, "tasks", replace(part, tasks=tasks))


def pieces_sent(mock: HTTPXMock) -> list[bytes]:
    """The WAV files in all requests."""
    bodies = [request.read() for request in mock.get_requests()]
    return [body[body.index(b"RIFF") : body.index(b"\r\n--", body.index(b"RIFF"))] for body in bodies]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("task", ["transcribe", "translate-audio"])
def test_a_long_sound_is_one_transcript(task: str, run: Run, httpx_mock: HTTPXMock) -> None:
    """Each piece is one call, in order; texts are joined with a blank, usage is summed."""
    content = tone(12)
    for index in range(3):
        usage = {"type": "duration", "seconds": 5}
        httpx_mock.add_response(json={"text": f" part {index}.\n", "usage": usage}, headers={"x-request-id": f"req_{index}"})
    seen: list[TaskProgress] = []
    result = run(task, {"audio": content}, progress=seen.append)
    assert result.value == "part 0. part 1. part 2."
    assert [now.calls for now in seen] == [1, 2, 3]
    assert seen[-1].done == pytest.approx(12, abs=0.001)
    assert (result.calls, result.request_ids) == (3, ("req_0", "req_1", "req_2"))
    assert result.usage == {"type": "duration", "seconds": 15}
    assert b"".join(map(frames, pieces_sent(httpx_mock))) == frames(content)


@pytest.mark.usefixtures("small")
def test_times_are_those_of_the_whole(run: Run, httpx_mock: HTTPXMock) -> None:
    """Segments, SRT and WebVTT tell where each word stands in the file that was given."""
    content = tone(9)
    for form in ("segments", "srt", "vtt"):
        for answer in (heard((0, 1.5, " one"), (1.5, 4, "two")), heard((0.25, 1, "three"))):
            httpx_mock.add_response(json=answer)
        result = run("transcribe", {"audio": content, "format": form})
        first = frames(pieces_sent(httpx_mock)[0])
        start = round(len(first) / 2 / 8_000, 3)
        assert 4.8 <= start <= 5
        clock = [sounds_clock(start + at) for at in (0.25, 1)]
        if form == "segments":
            assert result.value["segments"][2] == {"start": round(start + 0.25, 3), "end": round(start + 1, 3), "text": "three"}
            assert (result.value["text"], result.value["language"], result.value["duration"]) == ("one two three", "english", 9.0)
        elif form == "srt":
            assert result.value == (
                f"1\n00:00:00,000 --> 00:00:01,500\none\n\n2\n00:00:01,500 --> 00:00:04,000\ntwo\n\n3\n{clock[0]} --> {clock[1]}\nthree\n\n"
            )
        else:
            cue = f"{clock[0]} --> {clock[1]}".replace(",", ".")
            assert result.value.startswith("WEBVTT\n\n00:00:00.000 --> 00:00:01.500\none\n\n")
            assert result.value.endswith(f"{cue}\nthree\n\n")
    forms = [b'name="response_format"\r\n\r\nverbose_json' in request.read() for request in httpx_mock.get_requests()]
    assert forms == [True] * 6


def sounds_clock(seconds: float) -> str:
    """A time as SRT writes it."""
    return f"00:00:{int(seconds):02},{round(seconds % 1 * 1000):03}"


def test_a_short_sound_goes_as_it_is(run: Run, httpx_mock: HTTPXMock) -> None:
    """One call with the same bytes under the same name, whatever the format."""
    httpx_mock.add_response(json={"text": "Hello."})
    content = sample("mp3")
    assert run("transcribe", {"audio": ("talk.mp3", content), "language": "en", "prompt": "Kosha"}).value == "Hello."
    body = httpx_mock.get_requests()[0].read()
    assert content in body
    assert b'filename="talk.mp3"' in body
    assert b'name="language"\r\n\r\nen\r\n' in body
    assert b'name="response_format"\r\n\r\njson\r\n' in body


def test_cues_cannot_break_out(run: Run, httpx_mock: HTTPXMock) -> None:
    """Words with blank lines or arrows stay inside their cue."""
    httpx_mock.add_response(json=heard((0, 1, "a\n\n2\n00:00:00,000 --> 99:00:00,000\nb")))
    value = run("transcribe", {"audio": sample("wav"), "format": "srt"}).value
    assert value == "1\n00:00:00,000 --> 00:00:01,000\na\n2\n00:00:00,000 -> 99:00:00,000\nb\n\n"


def test_a_model_without_times(run: Run, httpx_mock: HTTPXMock) -> None:
    """A text without segments is no subtitle file, and not an empty one."""
    httpx_mock.add_response(json={"text": "Hello."})
    result = run("transcribe", {"audio": sample("wav"), "format": "vtt"}, on_incomplete="pass")
    assert (result.outcome, result.value) == ("unfit", None)


def test_silence_is_an_empty_transcript(run: Run, httpx_mock: HTTPXMock) -> None:
    """Nothing said is an answer."""
    httpx_mock.add_response(json={"text": "", "segments": []})
    assert run("transcribe", {"audio": sample("wav"), "format": "srt"}).value == ""


@pytest.mark.usefixtures("small")
async def test_a_run_is_cancelled_while_it_cuts(connector: Connector, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller gets its cancellation at once, nothing is sent, and no file stays open."""
    begun, go_on = threading.Event(), threading.Event()

    def slow(content: bytes, *_: Any) -> int:
        begun.set()
        go_on.wait(10)
        return len(content) // 4

    monkeypatch.setattr(sounds, "_quiet", slow)
    connection = connector.connection({"api_key": "env:OPENAI_API_KEY"})
    running = asyncio.ensure_future(arun_task(connector, "transcribe", {"audio": tone(12)}, connection))
    await asyncio.to_thread(begun.wait, 10)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    go_on.set()
    await connector.aclose()


@pytest.mark.usefixtures("small")
def test_a_piece_that_fails(run: Run, httpx_mock: HTTPXMock) -> None:
    """The error by itself where the policy is to fail; else what came before it, told as incomplete."""
    for _ in range(2):
        httpx_mock.add_response(json={"text": "part 0."})
        httpx_mock.add_response(503, json={"error": {"message": "busy"}})
    with pytest.raises(UnavailableError):
        run("transcribe", {"audio": tone(12)})
    result = run("transcribe", {"audio": tone(12)}, on_incomplete="warn")
    assert (result.outcome, result.value, result.calls) == ("incomplete", "part 0.", 1)
    assert "unavailable" in result.reason
    assert [warning.rule for warning in result.warnings] == ["incomplete"]


def test_a_file_that_can_be_read_once(run: Run, httpx_mock: HTTPXMock) -> None:
    """A stream is sent as it is, since it cannot be looked at before."""

    class Once(io.RawIOBase):
        def __init__(self, content: bytes) -> None:
            self._rest = io.BytesIO(content)

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            return self._rest.read(size)

    httpx_mock.add_response(json={"text": "Hello."})
    assert run("transcribe", {"audio": Once(sample("wav"))}).value == "Hello."
