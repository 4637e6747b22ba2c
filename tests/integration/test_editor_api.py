"""What an editor uses over HTTP, on the whole service over real sockets: events as they come, leaving, signing in by a form."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.gateway import TOKEN
from tests.recorder import Recorder, events, reply
from tests.service import Whole, whole

CHAT = "/kosha/v1/actions/createChatCompletion/run"
HI = {"inputs": {"model": "m", "messages": [{"role": "user", "content": "hi"}]}}
ASK = {"accept": "text/event-stream"}


def chunk(text: str) -> bytes:
    delta = {"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [{"index": 0, "delta": {"content": text}}]}
    return f"data: {json.dumps(delta)}\n\n".encode()


@pytest.fixture
def upstream() -> Iterator[Recorder]:
    with Recorder() as found:
        yield found


@pytest.fixture
def service(upstream: Recorder) -> Iterator[Whole]:
    with whole(upstream.url) as found:
        yield found


def test_events_come_while_the_upstream_still_sends(service: Whole, upstream: Recorder):
    """The first event is there before the last was made; who leaves then ends the call upstream, and the log says so."""
    upstream.scripts = [events(*[chunk("x")] * 400, pause=0.05)]
    with service.client() as client, client.stream("POST", CHAT, json=HI, headers=ASK) as answer:
        assert next(line for line in answer.iter_lines() if line.startswith("data:"))
    assert upstream.closed_early.wait(10)
    waiting = time.monotonic() + 10
    while "left" not in service.log.read_text() and time.monotonic() < waiting:
        time.sleep(0.05)
    assert '"outcome":"left"' in service.log.read_text().replace(" ", "")


def test_a_person_signs_in_and_another_page_cannot(service: Whole):
    """A browser is led to the form and back; the cookie counts for this origin's own pages alone; a program is told what it lacks."""
    own, html = {"sec-fetch-site": "same-origin", "origin": service.url}, {"accept": "text/html,*/*", "sec-fetch-site": "none"}
    with httpx.Client(base_url=service.url, trust_env=False) as browser:
        assert browser.get("/docs").status_code == 401
        led = browser.get("/docs", headers=html)
        assert (led.status_code, led.headers["location"]) == (303, "/sign-in?next=/docs")
        foreign = {"sec-fetch-site": "cross-site", "origin": "https://evil.example"}
        assert browser.post("/sign-in", data={"token": TOKEN}, headers=foreign).status_code == 403
        assert browser.post("/sign-in", data={"token": TOKEN}, headers={"sec-fetch-site": "cross-site"}).status_code == 403
        assert not browser.cookies
        done = browser.post("/sign-in", data={"token": TOKEN, "next": "/docs"}, headers=own)
        assert (done.status_code, done.headers["location"]) == (303, "/docs")
        assert {"HttpOnly", "SameSite=Strict"} <= set(done.headers["set-cookie"].split("; "))
        assert TOKEN not in done.headers["set-cookie"] + done.text
        assert "createChatCompletion" in browser.get("/docs", headers=html).text
        for site in ("cross-site", "same-site"):
            assert browser.get("/kosha/v1/actions", headers={"sec-fetch-site": site}).status_code == 401
        assert browser.get("/kosha/v1/actions", headers=own).status_code == 200


def test_a_workflow_tells_of_each_step_over_real_sockets(service: Whole, upstream: Recorder):
    """Begun, answer, ended, result; the caller's own list of actions holds for its steps."""
    upstream.scripts = [reply(body={"object": "list", "data": []})]
    source = {"name": "openai", "url": "openapi.json", "type": "openapi"}
    workflow = {"workflowId": "w", "steps": [{"stepId": "s", "operationId": "listModels"}]}
    document = {"arazzo": "1.0.1", "info": {"title": "T", "version": "1"}, "sourceDescriptions": [source], "workflows": [workflow]}
    answer = service.call("POST", "/kosha/v1/workflows/run", json={"document": document}, headers=ASK)
    assert [line for line in answer.text.splitlines() if line.startswith("event:")] == [
        f"event: {name}" for name in ("run", "begun", "answer", "ended", "result")
    ]
