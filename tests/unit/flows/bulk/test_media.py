"""Pictures and sound as rows: files in, files out, and what a cut row of several calls leaves."""

from __future__ import annotations

import base64
import io
import json
import wave
from pathlib import Path
from typing import Any

import orjson
import pytest

from kosha_connector_openai import Connector
from kosha_connector_openai.flows.bulk import Bulk, RowOptions, SendOptions, open_run
from kosha_connector_openai.sandbox.media import png
from tests.batch_process import BatchProcess
from tests.unit.flows.bulk.conftest import SandboxUpstream

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def bulk(sandbox: SandboxUpstream, opened: Connector) -> Bulk:
    return Bulk(opened, opened.connection({"server_url": f"{sandbox.url}/v1", "api_key": "env:OPENAI_API_KEY"}))


def answers(out: Path) -> list[Any]:
    return [orjson.loads(line)["answer"] for line in out.read_bytes().splitlines()]


def tone() -> bytes:
    """A second of silence."""
    target = io.BytesIO()
    with wave.open(target, "wb") as file:
        file.setparams((1, 2, 8_000, 0, "NONE", ""))
        file.writeframes(bytes(16_000))
    return target.getvalue()


def test_pictures_come_out_as_answers(bulk: Bulk, tmp_path: Path) -> None:
    """Each row's answer holds a whole picture of the size that it asked for."""
    rows = [{"prompt": "A boat", "size": "256x256"}, {"prompt": "A tree", "size": "512x512"}]
    result = bulk.run("createImage", rows, tmp_path / "out.jsonl", RowOptions(fixed={"model": "gpt-image-1"}))
    assert (result.done, result.failed) == (2, 0)
    files = [base64.b64decode(answer["data"][0]["b64_json"]) for answer in answers(tmp_path / "out.jsonl")]
    assert [(file[:8], int.from_bytes(file[16:20], "big")) for file in files] == [(PNG, 256), (PNG, 512)]


def test_a_folder_of_pictures_goes_in(bulk: Bulk, sandbox: SandboxUpstream, tmp_path: Path) -> None:
    """Each file is a part of its own request; the bytes that arrive are the file's."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, size in (("a.png", 8), ("b.png", 16)):
        (folder / name).write_bytes(png(size, size))
    options = RowOptions(map=("image=@path",), fixed={"prompt": "Brighter", "model": "gpt-image-1"})
    result = bulk.run("createImageEdit", folder, tmp_path / "out.jsonl", options)
    assert (result.done, result.failed) == (2, 0)
    sizes = sorted(entry["size"] for entry in sandbox.app._log if entry["target"] == "/v1/images/edits")
    assert sizes[1] - sizes[0] == len(png(16, 16)) - len(png(8, 8))


def test_sound_comes_out_as_files_and_goes_in(bulk: Bulk, tmp_path: Path) -> None:
    """Speech is a file beside the ledger, for its owner alone; a folder of such files is an input of transcripts."""
    out = tmp_path / "speech.jsonl"
    fixed = {"model": "tts-1", "voice": "alloy", "response_format": "wav"}
    result = bulk.run("createSpeech", [{"input": "one"}, {"input": "two"}], out, RowOptions(fixed=fixed))
    assert (result.done, result.failed) == (2, 0)
    told = answers(out)
    folder = result.files
    for answer in told:
        path = folder / answer["file"]
        assert (path.read_bytes()[:4], path.stat().st_size, path.stat().st_mode & 0o777) == (b"RIFF", answer["size"], 0o600)
    assert {answer["content_type"] for answer in told} == {"audio/wav"}
    heard = tmp_path / "heard.jsonl"
    again = bulk.run("createTranscription", folder, heard, RowOptions(map=("file=@path",), fixed={"model": "whisper-1"}))
    assert (again.done, again.failed) == (2, 0)
    assert [answer["text"] for answer in answers(heard)] == ["This is a test (sandbox)."] * 2


def test_a_task_of_two_calls_that_is_killed_between_them(bulk: Bulk, sandbox: SandboxUpstream, tmp_path: Path) -> None:
    """The first call was answered, the second never left: the row is unknown, the ledger has the first, nothing is sent by itself."""
    rows, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    rows.write_bytes(orjson.dumps({"query": "x", "texts": [f"text {number}" for number in range(1_100)]}) + b"\n")
    with BatchProcess(sandbox.url, rows, out, 1, "semantic-search", "calls") as process:
        assert process("createEmbedding:before:2") == -9
        assert process() == 8
    sent = [entry for entry in sandbox.app._log if entry["target"] == "/v1/embeddings"]
    assert len(sent) == 1
    with open_run(out) as ledger:
        calls = ledger.calls(1)
    assert [(call["action"], call["usage"] is not None) for call in calls] == [("createEmbedding", True)]
    result = bulk.resume(out, SendOptions(unknown="retry"))
    assert (result.done, result.unknown) == (1, 0)
    assert len(json.loads(out.read_bytes())["answer"]) > 0
