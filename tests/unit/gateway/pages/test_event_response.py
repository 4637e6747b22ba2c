"""A run as server-sent events: what is written when, and what becomes of it when nobody reads."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from kosha_connector_openai.gateway.exchange import ClientLeft
from kosha_connector_openai.gateway.pages.event_response import EventResponse, EventSender, wants_events
from kosha_connector_openai.gateway.pages.kosha_api import JsonResponse
from tests.recorder import events, reply
from tests.unit.gateway.pages.test_pages import House, house  # noqa: F401 - a fixture

ASK = {"accept": "text/event-stream"}
CHAT = "/kosha/v1/actions/createChatCompletion/run"
HI = {"inputs": {"model": "m", "messages": [{"role": "user", "content": "hi"}]}}
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(60)).decode()


def read(text: str) -> list[tuple[str, Any]]:
    """The events of a reply: name and data."""
    found = []
    for block in text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if lines:
            found.append((lines["event"], json.loads(lines["data"])))
    return found


def chunk(text: str) -> bytes:
    delta = {"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [{"index": 0, "delta": {"content": text}}]}
    return f"data: {json.dumps(delta)}\n\n".encode()


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("text/event-stream", True),
        ("application/json, text/event-stream;q=0.9", True),
        ("text/event-stream; q=0", False),
        ("application/json", False),
        ("*/*", False),
        ("", False),
    ],
)
def test_events_are_asked_for_by_name(accept: str, wanted: bool):
    """RFC 9110, section 12.5.1; what takes anything gets JSON."""
    assert wants_events(accept) is wanted


async def test_events_come_as_they_are_and_the_envelope_last(house: House):  # noqa: F811
    """The action is asked to stream; the text of each event stands beside its data."""
    house.upstream.scripts = [events(chunk("Hel"), chunk("lo"), b"data: [DONE]\n\n")]
    answer = await house.client.post(CHAT, json={**HI, "result": True}, headers=ASK)
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    got = read(answer.text)
    assert [name for name, _ in got] == ["event", "event", "result"]
    assert [data["text"] for _, data in got[:2]] == ["Hel", "lo"]
    assert got[-1][1]["result"]["result"]["text"] == "Hello"
    assert house.upstream.last.json()["stream"] is True


async def test_who_says_no_to_streaming_gets_the_result_alone(house: House):  # noqa: F811
    """And so does an action that cannot stream."""
    house.upstream.scripts = [reply(body={"object": "list", "data": []})]
    whole = await house.client.post(CHAT, json={"inputs": {**HI["inputs"], "stream": False}}, headers=ASK)
    assert house.upstream.last.json()["stream"] is False
    listed = await house.client.post("/kosha/v1/actions/listModels/run", json={"inputs": {}}, headers=ASK)
    assert [[name for name, _ in read(answer.text)] for answer in (whole, listed)] == [["result"], ["result"]]


async def test_what_is_wrong_before_the_first_event_has_its_status(house: House):  # noqa: F811
    """Bad inputs, an action that is not there, a refusal of the upstream: plain JSON, as without events."""
    assert (await house.client.post(CHAT, json={"inputs": {}}, headers=ASK)).status_code == 400
    assert (await house.client.post("/kosha/v1/actions/nope/run", json={"inputs": {}}, headers=ASK)).status_code == 404
    assert house.upstream.silent
    house.upstream.scripts = [reply(429, {"error": {"message": "slow down", "type": "x", "code": None}}, [("retry-after", "999")])]
    assert (await house.client.post(CHAT, json=HI, headers=ASK)).status_code == 429


async def test_what_goes_wrong_later_is_an_event(house: House):  # noqa: F811
    """In the shape of every error."""
    house.upstream.scripts = [events(chunk("Hel"), b'data: {"error": {"message": "overloaded", "type": "server_error"}}\n\n')]
    got = read((await house.client.post(CHAT, json=HI, headers=ASK)).text)
    assert [name for name, _ in got] == ["event", "event", "error"]
    assert "overloaded" in got[-1][1]["error"]["message"]


async def test_every_file_has_an_address_and_with_links_no_base64_is_left(house: House):  # noqa: F811
    """Inside JSON, in the short result and in events; the same bytes have one address."""
    house.upstream.scripts = [reply(body={"created": 1, "data": [{"b64_json": PNG}, {"b64_json": PNG}]})]
    path = "/kosha/v1/actions/createImage/run"
    plain = (await house.client.post(path, json={"inputs": {"prompt": "x"}, "result": True})).json()
    assert plain["value"]["data"][0]["b64_json"] == PNG
    hrefs = {file["href"] for file in plain["files"]} | {entry["image"]["href"] for entry in plain["result"]["result"]["images"]}
    assert [file["pointer"] for file in plain["files"]] == ["/data/0/b64_json", "/data/1/b64_json"]
    assert len(hrefs) == 1
    got = await house.client.get(hrefs.pop())
    assert (base64.b64encode(got.content).decode(), got.headers["content-type"]) == (PNG, "image/png")
    assert "sandbox" in got.headers["content-security-policy"]
    linked = await house.client.post(path, json={"inputs": {"prompt": "x"}, "result": True, "file": "link"})
    assert PNG not in linked.text
    assert linked.json()["value"]["data"][0]["b64_json"]["href"].startswith("/kosha/v1/files/")
    partial = {"type": "image_generation.partial_image", "b64_json": PNG, "partial_image_index": 0}
    house.upstream.scripts = [events(f"data: {json.dumps(partial)}\n\n".encode(), b"data: [DONE]\n\n")]
    run = {"inputs": {"prompt": "x", "stream": True}, "file": "link"}
    streamed = await house.client.post(path, json=run, headers=ASK)
    assert PNG not in streamed.text
    assert read(streamed.text)[0][1]["data"]["b64_json"]["content_type"] == "image/png"


async def test_pieces_of_a_sound_are_one_file_at_the_end(house: House):  # noqa: F811
    """They go on as they come, so that they can be played; the result has the whole behind one address."""
    pieces = [base64.b64encode(b"ID3" + bytes(range(40))).decode(), base64.b64encode(bytes(range(40))).decode()]
    lines = [f'data: {{"type": "speech.audio.delta", "audio": "{piece}"}}\n\n'.encode() for piece in pieces]
    house.upstream.scripts = [events(*lines, b'data: {"type": "speech.audio.done", "usage": {}}\n\n')]
    inputs = {"model": "m", "input": "hi", "voice": "alloy", "stream_format": "sse"}
    answer = await house.client.post("/kosha/v1/actions/createSpeech/run", json={"inputs": inputs, "file": "link"}, headers=ASK)
    got = read(answer.text)
    assert [data["data"].get("audio") for name, data in got if name == "event"] == [*pieces, None]
    envelope = got[-1][1]
    assert not any(piece in json.dumps(envelope) for piece in pieces)
    assert [file["content_type"] for file in envelope["files"]] == ["audio/mpeg"]
    sound = await house.client.get(envelope["files"][0]["href"])
    assert sound.content == b"".join(map(base64.b64decode, pieces))


async def test_a_caller_who_leaves_ends_the_call(house: House):  # noqa: F811
    """The upstream's connection is closed while it still sends; ClientLeft says so to the gateway."""
    house.upstream.scripts = [events(*[chunk("x")] * 100, pause=0.05)]
    sent: list[Any] = []
    gone = asyncio.Event()
    body = [{"type": "http.request", "body": json.dumps(HI).encode(), "more_body": False}]

    async def receive() -> Any:
        if body:
            return body.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)
        if message.get("body", b"").startswith(b"event:"):
            gone.set()

    page = house.pages.find(CHAT)
    scope = {"type": "http", "method": "POST", "path": CHAT, "query_string": b"", "headers": [(b"accept", b"text/event-stream")]}
    with pytest.raises(ClientLeft):
        await page.methods["POST"](scope, receive, send, house.caller)
    assert await asyncio.to_thread(house.upstream.closed_early.wait, 10)
    assert not any(b"event: result" in message.get("body", b"") for message in sent)


async def test_silence_is_filled_and_a_client_that_reads_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch):
    """Comments keep proxies from closing; the work of who does not read ends."""
    monkeypatch.setattr("kosha_connector_openai.gateway.pages.event_response._ALIVE", 0.01)
    sent: list[bytes] = []

    async def send(message: Any) -> None:
        sent.append(message.get("body", b""))

    async def work(writer: EventSender) -> JsonResponse:
        await writer.open()
        while b": still at work\n\n" not in sent:
            await asyncio.sleep(0.01)
        return JsonResponse(200, {})

    await EventResponse(work)({}, send, send)  # type: ignore[arg-type]
    assert sent[-2].startswith(b"event: result")

    monkeypatch.setattr("kosha_connector_openai.gateway.pages.event_response._STALLED", 0.01)

    async def stuck(_: Any) -> None:
        await asyncio.Event().wait()

    with pytest.raises(ClientLeft):
        await EventResponse(work)({}, send, stuck)  # type: ignore[arg-type]


async def test_httpx_reads_it_line_by_line(house: House):  # noqa: F811
    """As a client would: lines, no parsing library."""
    house.upstream.scripts = [events(chunk("a"), chunk("b"), b"data: [DONE]\n\n")]

    async def lines() -> AsyncIterator[str]:
        async with house.client.stream("POST", CHAT, json=HI, headers=ASK) as answer:
            assert isinstance(answer, httpx.Response)
            async for line in answer.aiter_lines():
                yield line

    assert [line async for line in lines() if line.startswith("event:")] == ["event: event", "event: event", "event: result"]
