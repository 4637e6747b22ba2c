"""The whole service in this process, without a socket of its own: for tests that ask thousands of times."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from kosha_connector_openai.connector import Connector
from kosha_connector_openai.gateway.access.tokens import hash_token
from kosha_connector_openai.gateway.service import Service, make_service
from kosha_connector_openai.gateway.settings import read_settings
from tests.gateway import KEY, ROOT

TOKENS = {name: f"kosha_token-of-tenant-{name}-0123456789" for name in "abc"}
DIGESTS = {name: hash_token(token) for name, token in TOKENS.items()}


def entry(name: str, **more: Any) -> dict[str, Any]:
    """A static token as the settings have it."""
    return {"name": name, "hash": DIGESTS[name], **more}


@dataclass
class InProcess:
    """The service, the folder with its log, and a client."""

    service: Service
    client: httpx.AsyncClient
    folder: Path

    async def call(self, method: str, path: str, token: str | None = "a", **options: Any) -> httpx.Response:
        """The answer to one request of a tenant's."""
        headers = {**options.pop("headers", {}), **({"Authorization": f"Bearer {TOKENS[token]}"} if token else {})}
        return await self.client.request(method, path, headers=headers, **options)

    async def run(self, action: str, inputs: Mapping[str, Any], token: str = "a", **more: Any) -> httpx.Response:
        """The answer to a run of an action."""
        return await self.call("POST", f"/kosha/v1/actions/{action}/run", token, json={"inputs": inputs, **more})


@contextlib.asynccontextmanager
async def in_process(
    upstream: str, *, key: str = KEY, admin: bool = False, connection: Mapping[str, Any] | None = None, **settings: Any
) -> AsyncIterator[InProcess]:
    """The service in front of ``upstream`` until the block is left; two tenants, ``a`` and ``b``, share its connection unless told."""
    with tempfile.TemporaryDirectory() as name, Connector(ROOT) as connector:
        folder = Path(name)
        secret = folder / "key"
        secret.touch(mode=0o600)
        secret.write_text(key)
        default: dict[str, Any] = {"values": {"server_url": upstream, "api_key": f"file:{secret}"}, **(connection or {})}
        if admin:
            default["values"]["admin_key"] = f"file:{secret}"
        given: dict[str, Any] = {"connections": {"default": default}, "tokens": [entry("a"), entry("b")]}
        given["access_log"] = folder / "access.log"
        service = make_service(connector, read_settings({**given, **settings}, environ={}))
        transport = httpx.ASGITransport(app=service.app)
        try:
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", trust_env=False) as client:
                yield InProcess(service, client, folder)
        finally:
            await service.aclose()
            service.close()
