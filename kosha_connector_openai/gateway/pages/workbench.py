"""What only the studio of this machine's user may do: see and change the connection, and keep a history of runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from starlette.requests import Request

from kosha_connector_openai.core.connection import Connection
from kosha_connector_openai.errors import ConnectorError, Fault, SetupError
from kosha_connector_openai.gateway.pages.kosha_api import LARGEST, JsonResponse, sentence
from kosha_connector_openai.gateway.pages.page_bodies import PageBodies, parsed
from kosha_connector_openai.gateway.pages.run_history import RunHistory
from kosha_connector_openai.gateway.pages.submitted_secrets import SubmittedSecrets
from kosha_connector_openai.gateway.replies import error_shape
from kosha_connector_openai.manifest import ConnectionField

_LARGEST_RUN: Final = 8 * 1024 * 1024
Keep = Callable[[str, Any, Mapping[str, str], Mapping[str, str]], str]
"""Keeps a connection for later under a name: in which store, its values, its secrets. Gives the file. Raises SetupError."""
Replace = Callable[[Mapping[str, str], Mapping[str, str]], str]
"""Tries a connection of values and secrets and takes it for all calls from now on; the test's sentence. Raises ConnectorError."""


class Workbench:
    """The answers of the studio's own paths."""

    def __init__(self, history: RunHistory, *, sandbox: bool, stores: tuple[str, ...] = (), keep: Keep | None = None) -> None:
        """``sandbox``: calls go to an offline server; ``stores`` are those in which ``keep`` can keep secrets."""
        self.history = history
        self._sandbox = sandbox
        self._stores = stores
        self._keep = keep
        self.replace: Replace | None = None
        self.current: Callable[[], Connection] | None = None
        self.fields: tuple[ConnectionField, ...] = ()

    def handlers(self, bodies: PageBodies) -> Mapping[str, Callable[..., Awaitable[JsonResponse]]]:
        """The handlers by operation id of service.yaml."""

        async def read(_: Request, __: Any) -> JsonResponse:
            return JsonResponse(200, self._about())

        async def connect(request: Request, _: Any) -> JsonResponse:
            async with bodies.whole(request, LARGEST) as body:
                return await asyncio.to_thread(self._connect, parsed(body))

        async def runs(_: Request, __: Any) -> JsonResponse:
            return JsonResponse(200, {"runs": await asyncio.to_thread(self.history.newest)})

        async def add(request: Request, _: Any) -> JsonResponse:
            async with bodies.whole(request, _LARGEST_RUN) as body:
                wrong = await asyncio.to_thread(self.history.add, parsed(body))
            return _wrong(wrong) if wrong else JsonResponse(200, {})

        async def clear(_: Request, __: Any) -> JsonResponse:
            await asyncio.to_thread(self.history.clear)
            return JsonResponse(200, {})

        return {"readWorkbench": read, "connectWorkbench": connect, "readRuns": runs, "addRun": add, "clearRuns": clear}

    def _about(self) -> dict[str, Any]:
        assert self.current is not None
        connection = self.current()
        references = [str(each) for held in connection.credentials.values() for each in held.references.values()]
        return {
            "sandbox": self._sandbox,
            "connected": SubmittedSecrets.UNSET not in references,
            "server": str(connection.server.origin),
            "key_from": sorted({each.partition(":")[0] for each in references}),
            "stores": self._stores,
            "contents": self.history.contents,
        }

    def _connect(self, body: Any) -> JsonResponse:
        if not isinstance(body, dict) or not {"values"} <= body.keys() <= {"values", "keep"} or not _texts(body["values"]):
            return _wrong("The body is an object with `values`, texts by the form's names, and maybe `keep`.")
        keep = body.get("keep")
        if keep is not None and (not _texts(keep) or keep.keys() != {"name", "store"} or keep["store"] not in self._stores):
            return _wrong("`keep` is an object with `name` and `store`, one of the stores that are offered.")
        given = {name: text.strip() for name, text in body["values"].items() if text.strip()}
        hidden = {entry.name for entry in self.fields if entry.secret}
        values = {name: text for name, text in given.items() if name not in hidden}
        secrets = {name: text for name, text in given.items() if name in hidden}
        assert self.replace is not None
        try:
            unknown = sorted(given.keys() - {entry.name for entry in self.fields})
            if unknown:
                raise SetupError("The connection is not complete.", [Fault(f"/{name}", "unknown", "is no field.") for name in unknown])
            message = self.replace(values, secrets)
            saved = self._keep(keep["name"], keep["store"], values, secrets) if keep and self._keep else None
        except ConnectorError as error:
            return _wrong(sentence(error, self.fields))
        return JsonResponse(200, {"message": message, "saved": saved})


def _texts(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


def _wrong(message: str) -> JsonResponse:
    return JsonResponse(400, error_shape(message))
