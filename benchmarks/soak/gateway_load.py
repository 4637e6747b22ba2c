"""The calls of a soak through the gateway: what is sent, and what must come back."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time

import aiohttp

from benchmarks.soak.tally import Failed, Tally, Wrong, said, same, saying, schedule

_UNAVAILABLE = frozenset({500, 502, 503, 504})
_ID = "x-kosha-request-id"
_REFUSED = (
    ("POST", "/v1/chat/completions", {"model": "gpt-4o-mini", "messages": "none"}, 400),
    ("POST", "/v1/embeddings", {"model": "text-embedding-3-small"}, 400),
    ("GET", "/v1/nowhere", None, 404),
    ("DELETE", "/v1/chat/completions/..%2f..%2fmodels", None, 404),
)


class GatewayLoad:
    """Calls at their times until the end; ``sent`` counts requests, ``ids`` are those that replies named."""

    def __init__(self, url: str, token: str) -> None:
        self.tally = Tally()
        self.sent = 0
        self.ids: set[str] = set()
        self.twice = 0
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"}

    async def run(self, rate: float, seconds: float, seed: int) -> None:
        """Sends the schedule, each call at its time whatever the others do, and waits for the last one."""
        start = time.monotonic()
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(
            self._url, connector=connector, timeout=aiohttp.ClientTimeout(60), headers=self._headers
        ) as session:
            tasks: set[asyncio.Task[None]] = set()
            for at, kind, number, chance in schedule(rate, seconds, seed):
                await asyncio.sleep(max(0.0, start + at - time.monotonic()))
                task = asyncio.create_task(self._one(session, kind, f"soak-{seed}-{number}", chance))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            await asyncio.gather(*tasks)

    async def _one(self, session: aiohttp.ClientSession, kind: str, mark: str, chance: random.Random) -> None:
        began = time.monotonic()
        error: BaseException | None = None
        try:
            await getattr(self, f"_{kind}")(session, mark, chance)
        except (TimeoutError, aiohttp.ClientError) as broken:
            error = Failed(type(broken).__name__)
        except Exception as raised:
            error = raised
        self.tally.note(kind, began, error)

    @contextlib.asynccontextmanager
    async def _ask(self, session: aiohttp.ClientSession, method: str, path: str, **options: object) -> object:
        self.sent += 1
        async with session.request(method, path, **options) as answer:
            name = answer.headers.get(_ID, "")
            self.twice += name in self.ids
            self.ids.add(name)
            if answer.status in _UNAVAILABLE:
                raise Failed(f"{answer.status} {(await answer.text())[:160]}")
            yield answer

    async def _json(self, session: aiohttp.ClientSession, mark: str, _: random.Random) -> None:
        async with self._ask(session, "POST", "/v1/chat/completions", json=saying(mark)) as answer:
            same(answer.status, 200, "status")
            same((await answer.json())["choices"][0]["message"]["content"], said(mark), "text")

    async def _events(self, session: aiohttp.ClientSession, mark: str, _: random.Random) -> None:
        async with self._ask(session, "POST", "/v1/chat/completions", json=saying(mark, stream=True)) as answer:
            same(answer.status, 200, "status")
            lines = [line[6:] for line in (await answer.text()).splitlines() if line.startswith("data: ")]
        same(lines[-1:], ["[DONE]"], "end")
        deltas = [json.loads(line)["choices"] for line in lines[:-1]]
        same("".join(choices[0]["delta"].get("content") or "" for choices in deltas if choices), said(mark), "text")

    async def _upload(self, session: aiohttp.ClientSession, mark: str, chance: random.Random) -> None:
        content = chance.randbytes(chance.choice((1_000, 60_000, 200_000)))
        form = aiohttp.FormData()
        form.add_field("purpose", "user_data")
        form.add_field("file", content, filename=f"{mark}.bin", content_type="application/octet-stream")
        async with self._ask(session, "POST", "/v1/files", data=form) as answer:
            same(answer.status, 200, "status")
            made = await answer.json()
        same((made["bytes"], made["filename"]), (len(content), f"{mark}.bin"), "file")
        async with self._ask(session, "GET", f"/v1/files/{made['id']}/content") as answer:
            data = await answer.read()
            if answer.status == 404:
                raise Failed("404, forgotten at a restart")
            same(answer.status, 200, "status of the download")
            if len(data) != len(content) or data != content:
                raise Wrong("the download is not what was uploaded")
        async with self._ask(session, "DELETE", f"/v1/files/{made['id']}") as answer:
            if answer.status == 404:
                raise Failed("404, forgotten at a restart")
            same(answer.status, 200, "status of the deletion")

    async def _refused(self, session: aiohttp.ClientSession, _: str, chance: random.Random) -> None:
        method, path, body, status = chance.choice(_REFUSED)
        async with self._ask(session, method, path, json=body) as answer:
            same(answer.status, status, "status")
            error = (await answer.json())["error"]
            same([name in error for name in ("code", "message", "param", "type")], [True] * 4, "error")

    async def _aborted(self, _: aiohttp.ClientSession, mark: str, chance: random.Random) -> None:
        await self.abort(mark, chance)

    async def abort(self, mark: str, chance: random.Random) -> None:
        """Leaves while it sends, before the reply, or in the middle of it."""
        host, _sep, port = self._url.removeprefix("http://").partition(":")
        body = json.dumps(saying(mark + " and then something longer" * 20, stream=True)).encode()
        head = [f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}:{port}", "Content-Type: application/json"]
        head += [f"Content-Length: {len(body)}", *(f"{name}: {value}" for name, value in self._headers.items())]
        request = "\r\n".join([*head, "", ""]).encode() + body
        whole = chance.random() < 0.7
        self.sent += 1
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(request if whole else request[: -len(body) // 2])
        await writer.drain()
        if whole and chance.random() < 0.5:
            await reader.read(chance.choice((1, 500)))
        else:
            await asyncio.sleep(chance.random() * 0.1)
        writer.transport.abort() if chance.random() < 0.5 else writer.close()
