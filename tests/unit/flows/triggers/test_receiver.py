"""The receiver in examples/webhooks: over real HTTP it takes each event once and tells the sender what to do."""

from __future__ import annotations

import http.client
import importlib.util
import json
import queue
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest

from kosha_connector_openai import Connector
from kosha_connector_openai.flows.triggers import sample, sign

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def receiver(root: Path, connector: Connector) -> Iterator[tuple[Any, int]]:
    spec = importlib.util.spec_from_file_location("receiver", root / "examples" / "webhooks" / "receiver.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    app = module.Receiver(connector, SECRET, queue.Queue(2))
    with make_server("127.0.0.1", 0, app, handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield app, server.server_port
        server.shutdown()
        thread.join(5)


def post(port: int, body: bytes, headers: Mapping[str, str]) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("POST", "/", body, dict(headers))
        return connection.getresponse().status
    finally:
        connection.close()


def test_each_event_is_taken_once(receiver: tuple[Any, int], connector: Connector) -> None:
    """A delivery that comes again is answered with 200 and queued once; a forged or stale one gets 401, a body that is no event 400."""
    app, port = receiver
    body = json.dumps(sample(connector, "batch.completed")).encode()
    now = int(time.time())
    headers = sign("wh_1", now, body, SECRET)
    assert post(port, body + b" ", headers) == 401
    assert [post(port, body, headers) for _ in range(2)] == [200, 200]
    assert app.events.qsize() == 1
    assert app.events.get().type == "batch.completed"
    assert post(port, body, sign("wh_2", now - 900, body, SECRET)) == 401
    assert post(port, b"{}", sign("wh_3", now, b"{}", SECRET)) == 400


@pytest.mark.parametrize(("length", "status"), [("-1", 411), ("x", 411), ("9" * 30, 413)])
def test_a_length_that_cannot_be_is_refused_at_once(receiver: tuple[Any, int], length: str, status: int) -> None:
    """Nothing is read that could keep the receiver waiting."""
    assert post(receiver[1], b"", {"Content-Length": length}) == status


def test_a_full_queue_makes_the_sender_come_again(receiver: tuple[Any, int], connector: Connector) -> None:
    """While the queue is full a delivery gets 503 and is not marked as taken: sent again, it is queued."""
    app, port = receiver
    body = json.dumps(sample(connector, "response.failed")).encode()
    deliveries = [sign(f"wh_{number}", int(time.time()), body, SECRET) for number in range(3)]
    assert [post(port, body, headers) for headers in deliveries] == [200, 200, 503]
    app.events.get()
    assert post(port, body, deliveries[2]) == 200
