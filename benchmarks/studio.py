"""The studio's page in Chromium against the sandbox, by the clock: how soon it can be searched, how soon a form is there, its longest task.

Needs Node.js, Chromium, the packages of tests/browser and the built page, as ``make e2e`` does; without them nothing is measured.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from benchmarks.measure import Bar, Effort, Figure

EFFORT = Effort(rounds=1, calls=1)
FORMS: Final = 40
"""The largest ones: a form of a few fields is no question."""
STEPS: Final = 100
TEXTS: Final = 170
"""Embeddings of 3,072 numbers each: 11 MB in the sandbox's answer."""
_HERE = Path(__file__).parents[1] / "tests" / "browser"


def run(_url: str, effort: Effort) -> list[Figure]:
    """The page, the largest forms from the key press to the form, and a flow of 100 steps with a result of 10 MB."""
    from kosha_connector_openai.gateway.pages import studio_assets

    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    assets = studio_assets()
    if not (chromium and assets and shutil.which("node") and (_HERE / "node_modules" / "playwright-core").is_dir()):
        print("  no Node.js, Chromium, packages of tests/browser or built page: the studio is not measured", file=sys.stderr)
        return []
    seen = min((_driven(chromium) for _ in range(effort.rounds)), key=lambda each: max(each["forms"].values()))
    forms = sorted(seen["forms"].items(), key=lambda each: each[1])
    size = sum(len(asset.packed or asset.plain) for name, asset in assets.items() if name.endswith(".js"))
    task = max(seen["long"], key=seen["long"].get)
    return [
        Figure("studio: all actions can be searched", seen["ready"] / 1000, bar=Bar(seconds=1)),
        Figure(f"studio: the slowest form, {forms[-1][0]}", forms[-1][1] / 1000, bar=Bar(seconds=0.150)),
        Figure(
            f"studio: the first form of a page, {next(iter(seen['forms']))}",
            next(iter(seen["forms"].values())) / 1000,
            bar=Bar(seconds=0.150),
        ),
        Figure(f"studio: longest task, {STEPS} steps and 11 MB: {task}", seen["long"][task] / 1000, bar=Bar(seconds=0.2)),
        Figure(f"studio: {size / 1000:.0f} kB of JavaScript, fetched at 10 Mbit/s", size * 8 / 10e6, bar=Bar(seconds=350_000 * 8 / 10e6)),
    ]


def _driven(chromium: str) -> dict[str, Any]:
    with TemporaryDirectory() as folder:
        large, job = Path(folder, "large.json"), Path(folder, "job.json")
        large.write_text(json.dumps(_flow()), encoding="utf-8")
        command = [sys.executable, "-m", "kosha_connector_openai.cli", "studio", "--sandbox", "--port", "0"]
        environ = {**os.environ, "XDG_CONFIG_HOME": folder}
        with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as service:
            assert service.stdout is not None
            url = service.stdout.readline().strip()
            assert re.match(r"http://127\.0\.0\.1:\d+/studio#code=", url)
            job.write_text(
                json.dumps({"chromium": chromium, "folder": folder, "runs": {"speed": url}, "large": str(large), "forms": _largest()})
            )
            done = subprocess.run(["node", "studio.mjs", str(job)], cwd=_HERE, capture_output=True, text=True, timeout=900, check=True)
            service.terminate()
    seen: dict[str, Any] = json.loads(done.stdout)["speed"]
    if "failed" in seen:
        raise RuntimeError(seen["failed"])
    return seen


def _largest() -> list[str]:
    from kosha_connector_openai import open_connector

    with open_connector() as connector:
        sizes = sorted(((len(json.dumps(connector.forms[action].to_dict())), action) for action in connector.forms), reverse=True)
    return [action for _, action in sizes[:FORMS]]


def _flow() -> dict[str, Any]:
    steps: list[dict[str, Any]] = []
    for number in range(STEPS):
        name = {STEPS // 2: "large", STEPS // 2 + 1: "after"}.get(number, f"s{number}")
        texts = [f"text {place}" for place in range(TEXTS)] if name == "large" else "x"
        payload = {"model": "text-embedding-3-large", "dimensions": 3072, "input": texts}
        steps.append({"stepId": name, "operationId": "createEmbedding", "requestBody": {"payload": payload}})
    source = {"name": "openai", "url": "./openapi.json", "type": "openapi"}
    return {
        "arazzo": "1.0.1",
        "info": {"title": "Large", "version": "1"},
        "sourceDescriptions": [source],
        "workflows": [{"workflowId": "w", "steps": steps}],
    }
