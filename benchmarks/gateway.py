"""The gateway against relays that do nothing else: CPU time of the server's process for one call, and for one event of a stream."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import aiohttp
import orjson

from benchmarks.measure import Bar, Contestant, Effort, Figure, compare, measure
from benchmarks.relays import EVENTS, KEY, PAUSE, TOKEN

EFFORT = Effort(rounds=7, calls=400)
IN_FLIGHT = 16
STREAMS = 20
CALL = Bar(ratio=0.35)
CHUNK = Bar(ratio=1.4)
OTHER_PROXY = Bar(ratio=0.06)
_CALL = orjson.dumps({"model": "m", "prompt": "x" * 900})
_STREAM = orjson.dumps({"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": True})
_HEADERS = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}


def run(url: str, effort: Effort) -> list[Figure]:
    """1 KB JSON calls and paced streams through each relay, in turn."""
    with contextlib.ExitStack() as stack:
        paced = stack.enter_context(_child("paced", f"{EVENTS}x{PAUSE}x0"))
        relays = {name: stack.enter_context(_child(name, url)) for name in ("ours", "httpx", "aiohttp")}
        streams = {name: stack.enter_context(_child(name, paced.url)) for name in ("ours", "httpx", "aiohttp")}
        other = stack.enter_context(_other_proxy(url)) if shutil.which("litellm", path=_path()) else None
        calls = relays | ({"litellm": other} if other else {})
        per_call = measure({name: _calls(child, effort.calls) for name, child in calls.items()}, effort.rounds)
        per_event = measure({name: _events(child) for name, child in streams.items()}, effort.rounds)
    figures = [
        compare("gateway, a call of 1 KB", per_call, "ours", "httpx", CALL),
        compare("gateway, a call of 1 KB", per_call, "ours", "aiohttp"),
        compare("gateway, an event", per_event, "ours", "aiohttp", CHUNK),
        compare("gateway, an event", per_event, "ours", "httpx"),
    ]
    if other:
        figures.append(compare("gateway, a call of 1 KB", per_call, "ours", "litellm", OTHER_PROXY))
    return figures


class _Child:
    """A process that serves."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.pid = process.pid
        self.url = f"http://127.0.0.1:{port}"

    def cpu(self) -> float:
        """Seconds of CPU time so far, all threads."""
        total = 0
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
        return total / 1e9

    def resident(self) -> int:
        """Bytes of memory."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@contextlib.contextmanager
def _child(name: str, argument: str) -> Iterator[_Child]:
    command = [sys.executable, "-m", "benchmarks.relays", name, argument]
    root = Path(__file__).parents[1]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=root) as process:
        try:
            assert process.stdout is not None
            yield _Child(process, int(process.stdout.readline()))
        finally:
            process.terminate()


@contextlib.contextmanager
def _other_proxy(url: str) -> Iterator[_Child]:
    """LiteLLM's proxy as its documentation starts it, one worker, without a database."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    model = {"model_name": "m", "litellm_params": {"model": "text-completion-openai/m", "api_base": f"{url}/v1", "api_key": KEY}}
    config = {"model_list": [model], "general_settings": {"master_key": TOKEN}, "litellm_settings": {"telemetry": False}}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "config.yaml"
        file.write_bytes(orjson.dumps(config))
        program = shutil.which("litellm", path=_path())
        command = [str(program), "--config", str(file), "--port", str(port), "--host", "127.0.0.1"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        offline = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "DISABLE_ADMIN_UI": "True"}
        with subprocess.Popen(command, env=os.environ | offline, text=True, **quiet) as process:
            try:
                _wait(port)
                yield _Child(process, port)
            finally:
                process.terminate()


def _path() -> str:
    """Where programs are looked for: beside this interpreter, and where KOSHA_BENCH_PATH says."""
    return os.pathsep.join([os.environ.get("KOSHA_BENCH_PATH", ""), str(Path(sys.executable).parent)])


def _wait(port: int, seconds: float = 180) -> None:
    """Until something listens at the port."""
    end = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def _calls(child: _Child, calls: int) -> Contestant:
    def work() -> float:
        before = child.cpu()
        asyncio.run(_load(f"{child.url}/v1/completions", calls, IN_FLIGHT, _CALL))
        return (child.cpu() - before) / calls

    return work


def _events(child: _Child) -> Contestant:
    def work() -> float:
        before = child.cpu()
        asyncio.run(_load(f"{child.url}/v1/chat/completions", STREAMS, STREAMS, _STREAM))
        return (child.cpu() - before) / (STREAMS * EVENTS)

    return work


async def _load(url: str, calls: int, in_flight: int, body: bytes, headers: Mapping[str, str] = _HEADERS) -> None:
    left = iter(range(calls))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def one() -> None:
            for _ in left:
                async with session.post(url, data=body, headers=headers) as answer:
                    read = await answer.read()
                    assert answer.status == 200, read

        await asyncio.gather(*(one() for _ in range(in_flight)))
