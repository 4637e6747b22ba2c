"""A sandbox in this process, and a plain HTTP caller for it."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kosha_connector_openai.sandbox import DEFAULT_KEY
from kosha_connector_openai.sandbox.app import App
from kosha_connector_openai.sandbox.server import SandboxServer

BOUNDARY = "test-boundary"


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> Any:
        return self.json["error"]

    @property
    def events(self) -> list[Any]:
        """The data of each event, JSON where it is."""
        lines = [line.removeprefix("data: ") for line in self.body.decode().split("\n") if line.startswith("data: ")]
        return [line if line.startswith("[") else json.loads(line) for line in lines]


@dataclass(frozen=True)
class Caller:
    """Sends one request, each on a connection of its own."""

    port: int

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        given = {"authorization": f"Bearer {DEFAULT_KEY}", **({"content-type": "application/json"} if data else {})}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, data, {name: value for name, value in given.items() if value})
            reply = connection.getresponse()
            return Answer(reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read())
        finally:
            connection.close()

    def form(self, path: str, fields: Mapping[str, str], files: Mapping[str, tuple[str, bytes]], **headers: str) -> Answer:
        """Sends multipart/form-data."""
        texts = [
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode() for key, value in fields.items()
        ]
        parts = [
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{key}"; filename="{name}"\r\n\r\n'.encode() + data + b"\r\n"
            for key, (name, data) in files.items()
        ]
        body = b"".join([*texts, *parts, f"--{BOUNDARY}--\r\n".encode()])
        return self("POST", path, body, content_type=f"multipart/form-data; boundary={BOUNDARY}", **headers)

    def upload(self, data: bytes, purpose: str = "batch", name: str = "data.jsonl") -> str:
        """The id of a new file."""
        return str(self.form("/v1/files", {"purpose": purpose}, {"file": (name, data)}).json["id"])


@pytest.fixture(scope="session")
def app_of(root: Path) -> Callable[..., App]:
    """A new app for the bundled connector."""
    return lambda **options: App(root, key=DEFAULT_KEY, **options)


@pytest.fixture(scope="module")
def app(app_of: Callable[..., App]) -> App:
    """The app that a module's tests share."""
    return app_of()


@pytest.fixture(scope="module")
def server(app: App) -> Iterator[SandboxServer]:
    """The app behind a loopback port."""
    with SandboxServer(app) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def call(server: SandboxServer) -> Caller:
    """Sends requests with the right key."""
    return Caller(server.server_address[1])
