"""A mixed load through the gateway and through the library while keys change and the upstream comes and goes; 1 where anything is broken.

``python -m benchmarks.soak [--minutes 5] [--rate 20] [--seed N] [--overload 15] [--json FILE]``; ``--minutes 120 --overload 60`` is the
long one. Loopback only. Broken is: a reply that is not the one to its request; a failure while the upstream was there; a call without its
line in the log; a place, task, thread or descriptor that is not given back; memory that keeps growing.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import re
import signal
import socket
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from benchmarks.soak.gateway_load import GatewayLoad
from benchmarks.soak.growth import Growth
from benchmarks.soak.hostile_third import CALLERS, hostile_third
from benchmarks.soak.overload import SLOW, overload
from benchmarks.soak.processes import Upstream, Watched, write_key
from benchmarks.soak.tally import Tally
from kosha_connector_openai.gateway.observe import check_audit

_TOKEN = "kosha_soak-token-0123456789abcdefghijklmnop"
_PLACES = 16
_TASKS = 3
_WARM = 0.2
"""The share of the time in which memory may still grow; ten minutes at most."""
_SETTLE = 45.0


def main() -> int:
    """Runs it, prints what was seen, and says by the exit code whether all was well."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--rate", type=float, default=20, help="calls a second, half of them through the library")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument(
        "--overload", type=float, default=15, metavar="SECONDS", help="then five times more calls than fit; 0 leaves it out"
    )
    parser.add_argument(
        "--hostile", type=float, default=15, metavar="SECONDS", help="then calls alone, and as long beside hostile clients; 0 leaves it out"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was seen there too")
    options = parser.parse_args()
    print(f"seed {options.seed}, load average {os.getloadavg()[0]:.1f}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(_Soak(options, Path(folder)).run())
    if options.json:
        options.json.write_text(json.dumps(found, indent=2))
    for name, value in found.items():
        if name != "broken":
            print(f"{name}: {value}")
    for line in found["broken"]:
        print(f"BROKEN: {line}")
    return int(bool(found["broken"]))


class _Soak:
    """One run: its processes, in the order in which they start."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self._options = options
        self._folder = folder
        self._seconds = options.minutes * 60
        self._chance = random.Random(options.seed)
        self._key = folder / "key"
        self._keys = 0
        self._rotate()
        self._state = folder / "tasks"
        self._log = folder / "access.log"
        self._audit = folder / "audit"
        self._port = _free_port()
        self._over = asyncio.Event()

    async def run(self) -> dict[str, Any]:
        """All of it; what must be closed is closed whatever happens."""
        options = self._options
        upstream = Upstream(_free_port(), self._key)
        gateway = self._gateway(upstream.url)
        given = {"url": upstream.url, "key": str(self._key), "rate": options.rate / 2, "seconds": self._seconds, "seed": options.seed}
        library = Watched("benchmarks.soak.library_load", json.dumps(given))
        try:
            await self._until_ready()
            assert library.line() == "ready"
            load = GatewayLoad(f"http://127.0.0.1:{self._port}", _TOKEN)
            warm = min(600.0, self._seconds * _WARM)
            growths = {"gateway": Growth(gateway, warm), "library": Growth(library, warm)}
            watching = [asyncio.create_task(growth.watch()) for growth in growths.values()]
            trouble = asyncio.create_task(self._trouble(upstream))
            await load.run(options.rate / 2, self._seconds, options.seed + 1)
            self._over.set()
            await trouble
            told = json.loads(await asyncio.to_thread(library.line))
            for task in watching:
                task.cancel()
            await self._settled(growths)
            found = self._seen(load, told, growths, upstream, await self._tasks(gateway))
            if options.hostile:
                found["hostile"] = await hostile_third(f"http://127.0.0.1:{self._port}", _TOKEN, options.hostile, options.seed)
                await self._settled(growths)
                found["hostile"]["tasks"] = await self._tasks(gateway)
                found["broken"] += found["hostile"].pop("broken")
                found["broken"] += [
                    f"{name} after hostile clients: {what}" for name, each in growths.items() for what in each.kept_open(CALLERS)
                ]
                if found["hostile"]["tasks"] > _TASKS:
                    found["broken"].append(f"{found['hostile']['tasks']} tasks of the gateway are left after hostile clients")
            if options.overload:
                await asyncio.to_thread(upstream.slow, SLOW)
                found["overload"] = await overload(f"http://127.0.0.1:{self._port}", _TOKEN, _PLACES, options.overload, gateway.resident)
                found["broken"] += found["overload"].pop("broken")
            return found
        finally:
            for process in (library, gateway):
                process.stop()
            upstream.stop()

    def _gateway(self, upstream: str) -> Watched:
        from kosha_connector_openai.gateway.access import hash_token

        connection = {"values": {"server_url": upstream, "api_key": f"file:{self._key}"}, "options": {"engine": "aiohttp"}}
        limits = {"calls": _PLACES, "calls_total": _PLACES, "queue": 4 * _PLACES}
        settings = {
            "token_hashes": [hash_token(_TOKEN)],
            "connections": {"default": connection},
            "access_log": str(self._log),
            "audit": str(self._audit),
            "limits": limits,
        }
        file = self._folder / "gateway.json"
        file.write_text(json.dumps(settings))
        arguments = ("serve", str(self._state), "serve", "--config", str(file), "--port", str(self._port))
        return Watched("benchmarks.soak.processes", *arguments, quiet=True)

    async def _until_ready(self) -> None:
        for _ in range(300):
            try:
                await asyncio.to_thread(self._read, "/livez")
            except OSError:
                await asyncio.sleep(0.1)
            else:
                return
        raise RuntimeError("the gateway did not start")

    def _read(self, path: str) -> str:
        asked = urllib.request.Request(f"http://127.0.0.1:{self._port}{path}", headers={"Authorization": f"Bearer {_TOKEN}"})
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked, timeout=10) as answer:
            return str(answer.read().decode())

    def _rotate(self) -> None:
        self._keys += 1
        write_key(self._key, f"sk-soak-key-number-{self._keys:08d}")

    async def _trouble(self, upstream: Upstream) -> None:
        """A new key every 30 s, a restart every minute, by TERM or KILL; more often where the whole run is short."""
        step = min(30.0, self._seconds / 10)
        turn = 0
        while not await self._wait(step):
            turn += 1
            self._rotate()
            if turn % 2 == 0 and not await self._wait(step / 4):
                await asyncio.to_thread(upstream.restart, self._chance.choice((signal.SIGTERM, signal.SIGKILL)))

    async def _wait(self, seconds: float) -> bool:
        """Whether the load has ended before so many seconds are over."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), seconds)
        return self._over.is_set()

    async def _settled(self, growths: dict[str, Growth]) -> None:
        """Waits until idle connections have been closed, but not for ever."""
        end = time.monotonic() + _SETTLE
        while time.monotonic() < end and not all(growth.back for growth in growths.values()):
            await asyncio.sleep(0.5)

    async def _tasks(self, gateway: Watched) -> int:
        gateway.process.send_signal(signal.SIGUSR1)
        await asyncio.sleep(0.5)
        return int(self._state.read_text())

    def _audited(self) -> set[str]:
        """The requests whose end the audit record tells."""
        entries = map(json.loads, self._audit.read_text().splitlines())
        return {entry["request_id"] for entry in entries if entry["event"] == "end"}

    def _seen(self, load: GatewayLoad, told: dict[str, Any], growths: dict[str, Growth], upstream: Upstream, tasks: int) -> dict[str, Any]:
        library = Tally.of(told["tally"])
        entries = [json.loads(line) for line in self._log.read_text().splitlines()]
        logged = [entry["request_id"] for entry in entries if not entry.get("operation", "").startswith("page:")]
        places = sum(float(value) for value in re.findall(r"^kosha_gateway_places_taken\S* (\S+)$", self._read("/metrics"), re.M))
        unexplained = load.tally.unexplained(upstream.absences) + library.unexplained(upstream.absences)
        checks = {
            f"{len(load.tally.wrong) + told['tally']['wrong_count']} wrong results": load.tally.wrong + library.wrong,
            f"{len(unexplained)} failures while the upstream was there": unexplained[:10],
            f"{load.twice} request ids came twice": load.twice,
            f"{len(load.ids - set(logged))} replies without a line in the log": load.ids - set(logged),
            f"{len(load.ids - self._audited())} replies without a line in the audit record": load.ids - self._audited(),
            f"the audit record: {check_audit(self._audit).fault}": check_audit(self._audit).fault,
            f"{load.sent} requests, {len(logged)} lines in the log": load.sent != len(logged),
            f"{told['made']} calls of the library, {told['records']} records": told["made"] != told["records"],
            f"{places:g} places were not given back": places,
            f"{tasks} tasks of the gateway are left": tasks > _TASKS,
            f"{told['tasks']} tasks of the library are left": told["tasks"] > 1,
        }
        broken = [f"{what}: {detail}" if isinstance(detail, list) else what for what, detail in checks.items() if detail]
        broken += [f"{name}: {line}" for name, growth in growths.items() for line in growth.broken()]
        return {
            "minutes": self._options.minutes,
            "seed": self._options.seed,
            "load_average": [round(load, 1) for load in os.getloadavg()],
            "gateway": {"requests": load.sent, "done": dict(load.tally.done), "failed": len(load.tally.failed)},
            "library": {"calls": told["made"], "done": told["tally"]["done"], "failed": len(library.failed)},
            "wrong": len(load.tally.wrong) + told["tally"]["wrong_count"],
            "keys": self._keys,
            "restarts": len(upstream.absences),
            "away_seconds": round(sum(up - down for down, up in upstream.absences), 1),
            "tasks": tasks,
            "growth": {name: growth.to_dict() for name, growth in growths.items()},
            "broken": broken,
        }


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
