"""A receiver of webhooks in plain WSGI: it takes each event once, and answers before it works on it.

Run it with ``WEBHOOK_SECRET=whsec_... python examples/webhooks/receiver.py`` and send it a sample:
``kosha-openai trigger sample batch.completed --signed-by env:WEBHOOK_SECRET`` prints a curl command, whose URL is http://127.0.0.1:8808.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.simple_server import make_server

from kosha_connector_openai import Connector, ConnectorError, open_connector
from kosha_connector_openai.errors import TriggerError
from kosha_connector_openai.flows.triggers import MemoryGuard, TriggerEvent, verify

LARGEST = 1024 * 1024
_WORDS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 411: "Length Required", 413: "Content Too Large", 503: "Service Unavailable"}


class Receiver:
    """A WSGI application. ``events`` is the queue that a worker takes from; a full one makes the sender come again."""

    def __init__(self, connector: Connector, secret: str, events: queue.Queue[TriggerEvent]) -> None:
        self.connector = connector
        self.secret = secret
        self.events = events
        self.guard = MemoryGuard()

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        status = self.take(environ)
        start(f"{status} {_WORDS.get(status, 'Error')}", [("Content-Length", "0")])
        return []

    def take(self, environ: dict[str, Any]) -> int:
        """Verifies one delivery and hands it on; the status to answer with."""
        length = environ.get("CONTENT_LENGTH", "")
        if not (length.isascii() and length.isdecimal()):
            return 411
        size = int(length[:20])
        if size > LARGEST:
            return 413
        headers = {name[5:].replace("_", "-"): value for name, value in environ.items() if name.startswith("HTTP_")}
        try:
            event = verify(self.connector, headers, environ["wsgi.input"].read(size), self.secret, guard=self.guard)
        except TriggerError as error:
            return error.status
        try:
            self.events.put_nowait(event)
        except queue.Full:
            self.guard.forget(event.key)
            return 503
        return 200


def work(connector: Connector, events: queue.Queue[TriggerEvent]) -> None:
    """Goes on with each event: fetches the object that it is about."""
    connection = connector.connection()
    while True:
        event = events.get()
        print(event.type, event.event_id)
        if event.fetch and not event.fetch.needs:
            try:
                print(connector.run(event.fetch.action, event.fetch.inputs, connection).value)
            except ConnectorError as error:
                print(error)


def main() -> None:
    """Serves on the loopback interface until it is stopped."""
    secret = os.environ.get("WEBHOOK_SECRET")
    if not secret:
        sys.exit("Set WEBHOOK_SECRET to the signing secret of your endpoint: whsec_...")
    events: queue.Queue[TriggerEvent] = queue.Queue(1_000)
    with open_connector() as connector, make_server("127.0.0.1", 8808, Receiver(connector, secret, events)) as server:
        print("Listening at http://127.0.0.1:8808")
        threading.Thread(target=work, args=(connector, events), daemon=True).start()
        server.serve_forever()


if __name__ == "__main__":
    main()
