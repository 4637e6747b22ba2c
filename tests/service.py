"""The whole service on loopback, as `kosha-openai serve` puts it together: with its pages, its log and its numbers."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import httpx

from kosha_connector_openai.connector import Connector
from kosha_connector_openai.gateway.access.tokens import hash_token
from kosha_connector_openai.gateway.service import Service, make_service
from kosha_connector_openai.gateway.settings import read_settings
from tests.gateway import KEY, ROOT, TOKEN, Running, _server

DIGEST = hash_token(TOKEN)


class Whole(Running):
    """A service that runs, what it is made of, and its access log."""

    service: Service
    log: Path
    key: Path


@contextlib.contextmanager
def whole(
    upstream: str,
    *,
    settings: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    key: str = KEY,
    tokens: bool = True,
) -> Iterator[Whole]:
    """The service in front of ``upstream`` until the block is left.

    ``settings`` are those of its file, ``options`` those of its connection.
    """
    with tempfile.TemporaryDirectory() as name, Connector(ROOT) as connector:
        folder = Path(name)
        secret = folder / "key"
        secret.touch(mode=0o600)
        secret.write_text(key)
        values = {"server_url": upstream, "api_key": f"file:{secret}"}
        connection = {"values": values, "options": {"engine": "aiohttp", **(options or {})}}
        given = {"connections": {"default": connection}, "access_log": folder / "access.log"}
        given |= {"token_hashes": (DIGEST,)} if tokens else {}
        found = read_settings({**given, **(settings or {})}, environ={})
        service = make_service(connector, found)
        running = Whole("", 0)
        running.service, running.log, running.key = service, folder / "access.log", secret
        try:
            with _server(service.app, found, running, service):
                yield running
        finally:
            service.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Process:
    """`kosha-openai serve` as a process of its own: its URL, its output, and how it ends."""

    def __init__(self, *arguments: str, environ: Mapping[str, str]) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._out = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed at the end of the process
        self._err = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed at the end of the process
        command = [sys.executable, "-m", "kosha_connector_openai.cli", "serve", "--port", str(self.port), *arguments]
        self.popen = subprocess.Popen(command, stdout=self._out, stderr=self._err, stdin=subprocess.DEVNULL, env=dict(environ))

    def __enter__(self) -> Self:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.popen.poll() is None:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{self.url}/livez", trust_env=False).status_code == 200:
                    return self
            time.sleep(0.05)
        self.popen.kill()
        problem = self.err
        self.__exit__()
        raise RuntimeError(f"The service did not start: {problem}")

    def __exit__(self, *exception: object) -> None:
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait()
        self._out.close()
        self._err.close()

    @property
    def out(self) -> str:
        return self._text(self._out)

    @property
    def err(self) -> str:
        return self._text(self._err)

    @staticmethod
    def _text(file: Any) -> str:
        file.flush()
        return Path(f"/proc/self/fd/{file.fileno()}").read_text(encoding="utf-8")
