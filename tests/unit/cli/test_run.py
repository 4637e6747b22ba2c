"""``run``: what is sent, what is shown, where it is saved, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pytest_httpx import HTTPXMock, IteratorStream

from tests.canary import Canary
from tests.unit.cli.conftest import Cli

URL = "https://api.openai.com/v1/completions"
ANSWER = {"id": "cmpl-1", "model": "m-1", "choices": [{"text": "\u0007This is a test"}], "usage": {"total_tokens": 12}}
SEED = ("run", "createCompletion", "model=text-davinci-003", "prompt=Say this is a test", "max_tokens=7", "temperature=0")
CHAT = ("run", "createChatCompletion", "model=m", 'messages=[{"role":"user","content":"hi"}]', "stream=true")
EVENTS = [
    b'data: {"choices":[{"delta":{"content":"Hel"}}]}\n\n',
    b'data: {"choices":[{"delta":{"content":"lo\\u001b[31m\\u202e!"}}]}\n\n',
    b"data: [DONE]\n\n",
]


def events(*chunks: bytes) -> dict[str, object]:
    """A streamed reply."""
    return {"stream": IteratorStream(chunks), "headers": {"content-type": "text/event-stream", "x-request-id": "req_s"}}


def test_the_request(cli: Cli, httpx_mock: HTTPXMock, canary: Canary) -> None:
    """One POST with exactly the JSON that was typed, under the key that the environment holds."""
    httpx_mock.add_response(json=ANSWER)
    assert cli(*SEED).exit_code == 0
    (request,) = httpx_mock.get_requests()
    assert (request.method, str(request.url)) == ("POST", URL)
    assert request.content == b'{"model":"text-davinci-003","prompt":"Say this is a test","max_tokens":7,"temperature":0}'
    assert request.headers["authorization"] == f"Bearer {canary.key}"
    assert request.headers["content-type"] == "application/json"


def test_json_answer(cli: Cli, httpx_mock: HTTPXMock, canary: Canary) -> None:
    """The answer's text is on standard output, cleaned, what there is to know about it on standard error, the key nowhere."""
    httpx_mock.add_response(json=ANSWER, headers={"x-request-id": "req_7"})
    done = cli(*SEED)
    assert done.stdout == "This is a test\n"
    assert "total_tokens 12" in done.stderr
    assert "req_7" in done.stderr
    canary.scan(done.stdout, done.stderr)


def test_envelope(cli: Cli, httpx_mock: HTTPXMock, canary: Canary) -> None:
    """``--json`` prints the envelope and nothing else."""
    httpx_mock.add_response(json=ANSWER, headers={"x-request-id": "req_7"})
    done = cli(*SEED, "--json")
    envelope = json.loads(done.stdout)
    assert done.stderr == ""
    assert (envelope["action"], envelope["status"], envelope["kind"], envelope["request_id"]) == ("createCompletion", 200, "json", "req_7")
    assert (envelope["value"], envelope["model"], envelope["attempts"], envelope["incomplete"]) == (ANSWER, "m-1", 1, None)
    canary.scan(done.stdout)


def test_raw(cli: Cli, httpx_mock: HTTPXMock, canary: Canary) -> None:
    """``--raw`` prints the body to the byte; ``--quiet`` says nothing else."""
    body = b'{ "id":1.0,"z":"\xc3\xbc","a":12345678901234567890 }\n'
    httpx_mock.add_response(content=body, headers={"content-type": "application/json"})
    done = cli(*SEED, "--raw", "--quiet")
    assert done.stdout_bytes == body
    assert done.stderr == ""


def test_json_and_raw(cli: Cli) -> None:
    """One of them."""
    assert cli(*SEED, "--json", "--raw").exit_code == 2


def test_text_answer(cli: Cli, httpx_mock: HTTPXMock, canary: Canary, tmp_path: Path) -> None:
    """A text is printed as text, without what a terminal could act on."""
    (tmp_path / "a.wav").write_bytes(b"RIFF....WAVE")
    httpx_mock.add_response(content=b"1\n\x1b[2JHello\x07\xe2\x80\xae\n", headers={"content-type": "text/vtt"})
    done = cli("run", "createTranscription", f"file=@{tmp_path}/a.wav", "model=whisper-1", "response_format=vtt")
    assert done.stdout == "1\nHello\n"
    (request,) = httpx_mock.get_requests()
    assert b'name="file"; filename="a.wav"' in request.content
    assert b"RIFF....WAVE" in request.content


def test_binary_answer(cli: Cli, httpx_mock: HTTPXMock, canary: Canary) -> None:
    """Bytes go to a pipe as they are."""
    httpx_mock.add_response(content=b"\xff\xfb\x00\x1b", headers={"content-type": "audio/mpeg"})
    assert cli("run", "createSpeech", "model=tts-1", "input=hi", "voice=alloy").stdout_bytes == b"\xff\xfb\x00\x1b"


def test_binary_to_a_terminal(cli: Cli, canary: Canary, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal an action that answers with a file needs ``--out``; nothing is sent before that is clear."""
    monkeypatch.setattr("kosha_connector_openai.cli.run.is_terminal", lambda: True)
    done = cli("run", "createSpeech", "model=tts-1", "input=hi", "voice=alloy")
    assert done.exit_code == 2
    assert "--out" in done.stderr


def test_out(cli: Cli, httpx_mock: HTTPXMock, canary: Canary, tmp_path: Path) -> None:
    """``--out`` saves the body for its owner only, and says how much it is."""
    target = tmp_path / "speech.mp3"
    httpx_mock.add_response(content=b"\xff\xfb\x00", headers={"content-type": "audio/mpeg"})
    done = cli("run", "createSpeech", "model=tts-1", "input=hi", "voice=alloy", "--out", str(target))
    assert target.read_bytes() == b"\xff\xfb\x00"
    assert target.stat().st_mode & 0o777 == 0o600
    assert "3 bytes, audio/mpeg" in done.stdout


def test_out_does_not_overwrite(cli: Cli, httpx_mock: HTTPXMock, canary: Canary, tmp_path: Path) -> None:
    """A file is replaced only with ``--force``; without it nothing is sent."""
    target = tmp_path / "speech.mp3"
    target.write_bytes(b"old")
    arguments = ("run", "createSpeech", "model=tts-1", "input=hi", "voice=alloy", "--out", str(target))
    assert cli(*arguments).exit_code == 3
    assert target.read_bytes() == b"old"
    httpx_mock.add_response(content=b"new", headers={"content-type": "audio/mpeg"})
    assert cli(*arguments, "--force").exit_code == 0
    assert target.read_bytes() == b"new"


def test_stream(cli: Cli, httpx_mock: HTTPXMock, canary: Canary) -> None:
    """The text of a stream is printed, cleaned, and ends with a line break."""
    httpx_mock.add_response(**events(*EVENTS))
    done = cli(*CHAT)
    assert done.exit_code == 0
    assert done.stdout == "Hello!\n"


def test_stream_raw(cli: Cli, httpx_mock: HTTPXMock, canary: Canary) -> None:
    """``--raw`` prints one line of JSON for each event."""
    httpx_mock.add_response(**events(*EVENTS))
    lines = cli(*CHAT, "--raw", "-q").stdout.splitlines()
    assert [json.loads(line)["choices"][0]["delta"]["content"] for line in lines] == ["Hel", "lo\x1b[31m\u202e!"]


def test_stream_saved(cli: Cli, httpx_mock: HTTPXMock, canary: Canary, tmp_path: Path) -> None:
    """``--out`` saves the events in place of printing their text."""
    httpx_mock.add_response(**events(*EVENTS))
    done = cli(*CHAT, "--out", str(tmp_path / "events.jsonl"))
    assert "Hel" not in done.stdout
    assert len((tmp_path / "events.jsonl").read_bytes().splitlines()) == 2


def test_cut_stream(cli: Cli, httpx_mock: HTTPXMock, canary: Canary) -> None:
    """A stream without its end shows what came, warns and ends with 9."""
    httpx_mock.add_response(**events(EVENTS[0]))
    done = cli(*CHAT)
    assert (done.exit_code, done.stdout) == (9, "Hel\n")
    assert "incomplete" in done.stderr


def test_error_in_a_stream(cli: Cli, httpx_mock: HTTPXMock, canary: Canary, tmp_path: Path) -> None:
    """An error that comes as an event is an error, and no file is left behind."""
    httpx_mock.add_response(**events(EVENTS[0], b'data: {"error":{"message":"overloaded","code":"server_error"}}\n\n'))
    done = cli(*CHAT, "--out", str(tmp_path / "events.jsonl"))
    assert done.exit_code in (5, 7)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (400, {"error": {"message": "No such model \u001b[31m", "code": "bad"}}, 5),
        (401, {"error": {"message": "Wrong key", "code": "invalid_api_key"}}, 6),
        (403, {"error": {"message": "No"}}, 6),
        (404, {"error": {"message": "Nothing"}}, 5),
        (429, {"error": {"message": "No credit", "code": "insufficient_quota"}}, 6),
        (503, {"error": {"message": "Busy"}}, 7),
        (302, {}, 9),
    ],
)
def test_refusals(cli: Cli, httpx_mock: HTTPXMock, canary: Canary, status: int, body: dict[str, object], code: int) -> None:
    """Each answer that is no success ends with its own code and says what to do; the key is in no word of it."""
    httpx_mock.add_response(status_code=status, json=body, headers={"x-request-id": "req_bad", "location": "https://example.com/"})
    done = cli(*SEED, "--attempts", "1")
    assert (done.exit_code, done.stdout) == (code, "")
    assert "req_bad" in done.stderr
    assert "\x1b" not in done.stderr
    canary.scan(done.stderr)


def test_an_error_for_programs(cli: Cli, httpx_mock: HTTPXMock, canary: Canary) -> None:
    """``--json`` prints the error as an object on standard output."""
    httpx_mock.add_response(status_code=400, json={"error": {"message": f"Bad {canary.key}", "param": "model"}})
    done = cli(*SEED, "--json")
    error = json.loads(done.stdout)["error"]
    assert (done.exit_code, error["code"], error["status"], error["param"], error["retryable"]) == (5, "rejected", 400, "model", False)
    canary.scan(done.stdout, done.stderr)


def test_not_json(cli: Cli, httpx_mock: HTTPXMock, canary: Canary) -> None:
    """A reply that is not what it says it is ends with 9."""
    httpx_mock.add_response(content=b"<html>", headers={"content-type": "application/json"})
    assert cli(*SEED).exit_code == 9


def test_faulty_inputs(cli: Cli, canary: Canary) -> None:
    """Every fault has its line with its pointer; nothing is sent, and no value is repeated."""
    done = cli("run", "createCompletion", "model=m", "prompt=secret words", "max_tokens=-5000", "logprobs=999")
    assert done.exit_code == 3
    assert "/max_tokens: " in done.stderr
    assert "/logprobs: " in done.stderr
    assert "5000" not in done.stderr
    assert "secret words" not in done.stderr


def test_unknown_action(cli: Cli) -> None:
    """A misspelt action gets the nearest one."""
    done = cli("run", "createCompletoin", "prompt=x")
    assert done.exit_code == 3
    assert "createCompletion" in done.stderr


def test_no_key(cli: Cli) -> None:
    """Without a key nothing is sent, and the message names the variables."""
    done = cli(*SEED)
    assert done.exit_code == 4
    assert "OPENAI_API_KEY" in done.stderr


def test_a_bug(cli: Cli, monkeypatch: pytest.MonkeyPatch, canary: Canary) -> None:
    """What nobody foresaw is one line with its type; its text, which could hold anything, is not shown, debugging or not."""

    def fail(*_: object, **__: object) -> None:
        raise LookupError(canary.key)

    monkeypatch.setattr("kosha_connector_openai.Connector.stream", fail)
    done = cli(*SEED)
    assert (done.exit_code, len(done.stderr.splitlines())) == (1, 1)
    assert "LookupError" in done.stderr
    monkeypatch.setenv("KOSHA_DEBUG", "1")
    loud = cli(*SEED)
    assert "test_run.py" in loud.stderr
    canary.scan(done.stderr, loud.stderr)


def test_standard_input(cli: Cli, httpx_mock: HTTPXMock, canary: Canary) -> None:
    """``--input -`` reads the inputs from standard input."""
    httpx_mock.add_response(json=ANSWER)
    assert cli("run", "createCompletion", "--input", "-", input='{"model":"m","prompt":"p"}').exit_code == 0
    assert httpx_mock.get_requests()[0].content == b'{"model":"m","prompt":"p"}'


def test_file_from_standard_input(cli: Cli, httpx_mock: HTTPXMock, canary: Canary) -> None:
    """``@-`` gives a file field the bytes of standard input."""
    httpx_mock.add_response(json={"text": "hi"})
    assert cli("run", "createTranscription", "file=@-", "model=whisper-1", input=b"RIFF\x00\xff").exit_code == 0
    assert b"RIFF\x00\xff" in httpx_mock.get_requests()[0].content


def test_list_on_a_terminal(cli: Cli, httpx_mock: HTTPXMock, canary: Canary, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal a list is a table, its cells cleaned; what stands beside the list is told."""
    monkeypatch.setattr("kosha_connector_openai.cli.output.is_terminal", lambda: True)
    monkeypatch.setattr("kosha_connector_openai.cli.terminal.is_terminal", lambda: True)
    httpx_mock.add_response(json={"has_more": True, "data": [{"id": "m-1\x1b[31m", "owned_by": "[red]me", "deep": {}}]})
    done = cli("run", "listModels")
    assert "m-1 " in done.stdout
    assert "[red]me" in done.stdout
    assert "has_more True" in done.stderr


def test_a_batch_of_files_of_which_some_failed_ends_with_12(
    cli: Cli, canary: Canary, httpx_mock: HTTPXMock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The job has ended and its files can be had, and the exit code says that it is not whole."""
    monkeypatch.setenv("HOME", str(tmp_path))
    batch = {"id": "vsfb", "object": "vector_store.files_batch", "created_at": 1, "vector_store_id": "vs"}
    for failed, code in ((0, 0), (1, 12)):
        counts = {"in_progress": 0, "completed": 1, "failed": failed, "cancelled": 0, "total": 1 + failed}
        httpx_mock.add_response(json={**batch, "status": "in_progress", "file_counts": {**counts, "completed": 0, "failed": 0}})
        httpx_mock.add_response(json={**batch, "status": "completed", "file_counts": counts})
        httpx_mock.add_response(json={"object": "list", "data": [], "has_more": False})
        done = cli("run", "createVectorStoreFileBatch", "vector_store_id=vs", 'file_ids:=["file-1", "file-2"]', "--wait")
        assert done.exit_code == code, done.stderr
    assert "Some of the files could not be taken in" in done.stderr
