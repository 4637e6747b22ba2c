"""Runs over rows on the whole service over real sockets, before the sandbox: two tenants, a budget, a cancel, a service that is killed."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kosha_connector_openai.gateway.access.tokens import hash_token
from tests.offline import Offline, offline
from tests.service import Process

ANNE, BOB = "kosha_test-token-of-anne-0123456789", "kosha_test-token-of-bob-0123456789"
RUNS = "/kosha/v1/bulk/runs"
ASKED = {"target": "createCompletion", "map": ["prompt=text"], "inputs": {"model": "gpt-3.5-turbo-instruct"}}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Offline]:
    with offline() as found:
        yield found


class Clients(Process):
    """The service as a process, and its callers."""

    def ask(self, method: str, path: str, token: str = ANNE, **options: Any) -> Any:
        import httpx

        with httpx.Client(base_url=self.url, trust_env=False, timeout=60) as client:
            answer = client.request(method, path, headers={"Authorization": f"Bearer {token}", **options.pop("headers", {})}, **options)
        return answer if method == "GET" and "/files/" in path else {**answer.json(), "status": answer.status_code}

    def send(self, count: int, token: str = ANNE) -> str:
        text = "text\n" + "".join(f"row {number}\n" for number in range(count))
        sent = self.ask("POST", RUNS, token, content=text, headers={"Content-Type": "text/csv"})
        assert sent["status"] == 201, sent
        return f"{RUNS}/{sent['run']}"


def service(sandbox: Offline, folder: Path) -> Clients:
    """A service with two tenants, of whom one has a budget."""
    settings = {
        "connections": {"default": {"values": {"server_url": f"{sandbox.url}/v1", "api_key": "env:OPENAI_API_KEY"}}},
        "tokens": [
            {"name": "anne", "tenant": "a", "hash": hash_token(ANNE)},
            {"name": "bob", "tenant": "b", "hash": hash_token(BOB), "budget": {"day": {"calls": 12}}},
        ],
        "bulk": {"folder": str(folder / "bulk"), "in_flight": 4},
        "budgets": {"file": str(folder / "spent.sqlite")},
        "audit": str(folder / "audit.log"),
    }
    file = folder / "gateway.json"
    file.write_text(json.dumps(settings))
    file.chmod(0o600)
    return Clients("--config", str(file), environ={**os.environ, "OPENAI_API_KEY": sandbox.key})


def test_two_tenants_a_budget_and_a_killed_service(sandbox: Offline, tmp_path: Path):
    """Neither sees the other's run; a budget stops one; what a killed service had sent is told, one that is told to stop leaves nothing
    unknown, and nothing done is sent again."""
    with service(sandbox, tmp_path) as first:
        theirs = first.send(20, BOB)
        mine = first.send(240)
        for method, path in (("GET", mine), ("DELETE", mine), ("POST", f"{mine}/start"), ("POST", f"{mine}/cancel")):
            assert first.ask(method, path, BOB, **({"json": ASKED} if path.endswith("start") else {}))["status"] == 404
        assert [run["run"] for run in first.ask("GET", RUNS, BOB)["runs"]] == [theirs.rsplit("/", 1)[1]]
        assert first.ask("POST", f"{theirs}/start", BOB, json=ASKED)["status"] == 200
        spent = first.ask("POST", f"{theirs}/wait", BOB, json={"timeout": 30})
        assert (spent["state"], spent["stop"], spent["waiting"] > 0) == ("stopped", "budget", True), spent
        assert first.ask("POST", f"{mine}/start", json=ASKED)["status"] == 200
        deadline = time.monotonic() + 30
        while (stands := first.ask("GET", mine))["done"] < 20 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert stands["state"] == "running", stands
        first.popen.kill()
        first.popen.wait()
    with service(sandbox, tmp_path) as second:
        broken = second.ask("GET", mine)
        assert (broken["state"], broken["stop"]) == ("stopped", "interrupted"), broken
        assert broken["done"] + broken["waiting"] + broken["unknown"] == 240
        assert broken["unknown"] <= 4
        assert second.ask("POST", f"{mine}/resume", json={"unknown": "retry"})["state"] == "running"
        second.popen.terminate()
        assert second.popen.wait(30) == 0
    with service(sandbox, tmp_path) as third:
        stopped = third.ask("GET", mine)
        assert (stopped["state"], stopped["stop"], stopped["unknown"]) == ("stopped", "service", broken["unknown"]), stopped
        third.ask("POST", f"{mine}/resume", json={"unknown": "retry"})
        ended = third.ask("POST", f"{mine}/wait", json={"timeout": 60})
        assert (ended["state"], ended["done"], ended["unknown"]) == ("ended", 240, 0), ended
        lines = third.ask("GET", ended["files"][1]["href"]).text.splitlines()
        assert [json.loads(line)["row"] for line in lines] == list(range(1, 241))
        steps = [line for line in (tmp_path / "audit.log").read_text().splitlines() if '"step:createCompletion"' in line]
        assert 240 + spent["done"] <= len(steps) <= 240 + spent["done"] + 12
    assert not any(part.stat().st_mode & 0o077 for part in (tmp_path / "bulk").rglob("*") if not part.name.endswith(("-wal", "-shm")))
