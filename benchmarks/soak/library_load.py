"""The calls of a soak through the library, half from threads and half from an event loop, in a process of its own.

``python -m benchmarks.soak.library_load '{"url": ..., "key": ..., "rate": ..., "seconds": ..., "seed": ...}'`` prints ``ready``, and at the
end one line of JSON; it ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import json
import queue
import random
import sys
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.soak.tally import Failed, Tally, Wrong, said, same, saying, schedule
from kosha_connector_openai import Connection, Connector, ConnectorError
from kosha_connector_openai.errors import InputError
from kosha_connector_openai.plugin import folder
from kosha_connector_openai.secrets.stores import FileStore

_WORKERS = 6
_REFUSED = ({"model": "gpt-4o-mini", "messages": "none"}, {"messages": []}, {"model": 4, "messages": [{"role": "user"}]})


class LibraryLoad:
    """The same kinds of calls twice, written for threads and for asyncio; ``records`` counts audit lines, ``made`` what needs one."""

    def __init__(self, url: str, key: Path) -> None:
        self.tally = Tally()
        self.records = 0
        self.made = 0
        self._lock = threading.Lock()
        self.connector = Connector(folder(), stores=[FileStore([key.parent])], record=self._record)
        self.connection: Connection = self.connector.connection({"server_url": url, "api_key": f"file:{key}"}, environ={})

    def _record(self, _: object) -> None:
        with self._lock:
            self.records += 1

    def _count(self) -> None:
        with self._lock:
            self.made += 1

    def one(self, kind: str, mark: str, chance: random.Random) -> None:
        """A call of a thread."""
        began = time.monotonic()
        error: BaseException | None = None
        try:
            getattr(self, f"_{kind}")(mark, chance)
        except ConnectorError as raised:
            error = Failed(f"{type(raised).__name__}: {raised}")
        except Exception as raised:
            error = raised
        with self._lock:
            self.tally.note(f"threads {kind}", began, error)

    async def one_async(self, kind: str, mark: str, chance: random.Random) -> None:
        """A call of a task."""
        began = time.monotonic()
        error: BaseException | None = None
        try:
            await getattr(self, f"_{kind}_async")(mark, chance)
        except ConnectorError as raised:
            error = Failed(f"{type(raised).__name__}: {raised}")
        except Exception as raised:
            error = raised
        with self._lock:
            self.tally.note(f"asyncio {kind}", began, error)

    def _run(self, action: str, inputs: dict[str, Any]) -> Any:
        self._count()
        return self.connector.run(action, inputs, self.connection).value

    async def _arun(self, action: str, inputs: dict[str, Any]) -> Any:
        self._count()
        return (await self.connector.arun(action, inputs, self.connection)).value

    def _json(self, mark: str, _: random.Random) -> None:
        same(_text(self._run("createChatCompletion", saying(mark))), said(mark), "text")

    async def _json_async(self, mark: str, _: random.Random) -> None:
        same(_text(await self._arun("createChatCompletion", saying(mark))), said(mark), "text")

    def _events(self, mark: str, _: random.Random) -> None:
        same(_text(self._run("createChatCompletion", saying(mark, stream=True))), said(mark), "text")

    async def _events_async(self, mark: str, _: random.Random) -> None:
        same(_text(await self._arun("createChatCompletion", saying(mark, stream=True))), said(mark), "text")

    def _upload(self, mark: str, chance: random.Random) -> None:
        content = chance.randbytes(60_000)
        made = self._run("createFile", _file(mark, content))
        same((made["bytes"], made["filename"]), (len(content), f"{mark}.bin"), "file")
        _same_bytes(self._run("downloadFile", {"file_id": made["id"]}), content)
        self._run("deleteFile", {"file_id": made["id"]})

    async def _upload_async(self, mark: str, chance: random.Random) -> None:
        content = chance.randbytes(60_000)
        made = await self._arun("createFile", _file(mark, content))
        same((made["bytes"], made["filename"]), (len(content), f"{mark}.bin"), "file")
        _same_bytes(await self._arun("downloadFile", {"file_id": made["id"]}), content)
        await self._arun("deleteFile", {"file_id": made["id"]})

    def _refused(self, _: str, chance: random.Random) -> None:
        try:
            self.connector.run("createChatCompletion", chance.choice(_REFUSED), self.connection)
        except InputError:
            return
        raise Wrong("an input with a fault was taken")

    async def _refused_async(self, _: str, chance: random.Random) -> None:
        try:
            await self.connector.arun("createChatCompletion", chance.choice(_REFUSED), self.connection)
        except InputError:
            return
        raise Wrong("an input with a fault was taken")

    def _aborted(self, mark: str, _: random.Random) -> None:
        self._count()
        with self.connector.stream("createChatCompletion", saying(mark, stream=True), self.connection) as stream:
            next(iter(stream))

    async def _aborted_async(self, mark: str, chance: random.Random) -> None:
        self._count()
        task = asyncio.create_task(self.connector.arun("createChatCompletion", saying(mark, stream=True), self.connection))
        await asyncio.sleep(0.001 + chance.random() * 0.02)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            return


def _file(mark: str, content: bytes) -> dict[str, Any]:
    return {"purpose": "user_data", "file": (f"{mark}.bin", content)}


def _text(value: Any) -> Any:
    if isinstance(value, list):  # the events of a stream
        choices = [event.data["choices"] for event in value if isinstance(event.data, dict)]
        return "".join(found[0]["delta"].get("content") or "" for found in choices if found)
    return value["choices"][0]["message"]["content"]


def _same_bytes(value: Any, content: bytes) -> None:
    data = value if isinstance(value, bytes) else getattr(value, "data", None)
    if data != content:
        raise Wrong("the download is not what was uploaded")


def main(given: dict[str, Any]) -> None:
    """Runs the schedule, even numbers in threads, odd ones in the loop."""
    load = LibraryLoad(given["url"], Path(given["key"]))
    load.connector.catalog  # noqa: B018 - read before the clock starts
    waiting: queue.Queue[tuple[str, str, random.Random] | None] = queue.Queue()

    def work() -> None:
        while (job := waiting.get()) is not None:
            load.one(*job)

    async def run() -> dict[str, Any]:
        tasks: set[asyncio.Task[None]] = set()
        start = time.monotonic()
        for at, kind, number, chance in schedule(given["rate"], given["seconds"], given["seed"]):
            await asyncio.sleep(max(0.0, start + at - time.monotonic()))
            mark = f"library-{given['seed']}-{number}"
            if number % 2:
                task = asyncio.create_task(load.one_async(kind, mark, chance))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            else:
                waiting.put((kind, mark, chance))
        await asyncio.gather(*tasks)
        for _ in threads:
            waiting.put(None)
        for thread in threads:
            await asyncio.to_thread(thread.join)
        await asyncio.sleep(1)
        found = {"tally": load.tally.to_dict(), "records": load.records, "made": load.made, "tasks": len(asyncio.all_tasks()) - 1}
        print(json.dumps(found), flush=True)
        await asyncio.to_thread(sys.stdin.read)  # what is left of it can be looked at until then
        await load.connector.aclose()
        return found

    threads = [threading.Thread(target=work, daemon=True) for _ in range(_WORKERS)]
    for thread in threads:
        thread.start()
    print("ready", flush=True)
    asyncio.run(run())


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
