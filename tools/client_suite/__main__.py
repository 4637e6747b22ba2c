"""Runs the client's own suite against the sandbox, directly and through the gateway: ``make client-suite``.

    python -m tools.client_suite [--version 3.57.0] [--sdist FILE] [--way direct|gateway|both] [--sample N] [-k EXPRESSION]

The source distribution comes from the package index, as do the client and its test libraries, in an environment of their own below
``build/``. Exit code 1 where a test fails that ``known.yaml`` does not name, or passes although it does.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tarfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import yaml

from kosha_connector_openai.sandbox import Sandbox

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "client-suite"
LIBRARIES = ("inline-snapshot", "pytest", "pytest-asyncio", "pytest-xdist", "rich", "trio")
_OUTCOME = re.compile(r"^(PASSED|FAILED|ERROR) (\S+)", re.MULTILINE)
_START = 30.0


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.client_suite", description=__doc__.partition("\n")[0])
    parser.add_argument("--version", default="3.57.0")
    parser.add_argument("--sdist", type=Path, help="the client's source distribution, where it is at hand")
    parser.add_argument("--way", choices=("direct", "gateway", "both"), default="both")
    parser.add_argument("--sample", type=int, help="so many tests only, always the same ones")
    parser.add_argument("-k", dest="keyword", default="", help="pytest's expression for the tests that run")
    given = parser.parse_args()
    suite = source(given.version, given.sdist)
    python = environment(given.version)
    known = known_failures()
    failed = 0
    with Sandbox(any_id=True, retired=True) as sandbox, ExitStack() as started:
        urls = {}
        if given.way != "gateway":
            urls["direct"] = sandbox.url
        if given.way != "direct":
            urls["gateway"] = started.enter_context(gateway(sandbox))
        for way, url in urls.items():
            outcomes = run(python, suite, url, sandbox.key, keyword=given.keyword, sample=given.sample)
            failed += report(way, outcomes, known, whole=not (given.sample or given.keyword))
    return 1 if failed else 0


def known_failures() -> list[str]:
    """The beginnings of the ids of tests that cannot pass."""
    return [str(entry["test"]) for entry in yaml.safe_load((Path(__file__).parent / "known.yaml").read_text(encoding="utf-8"))["known"]]


def source(version: str, sdist: Path | None, build: Path = BUILD) -> Path:
    """The folder of the unpacked source distribution."""
    folder = build / f"openai-{version}"
    if not folder.is_dir():
        build.mkdir(parents=True, exist_ok=True)
        if sdist is None:
            fetch = ("download", "--quiet", "--no-deps", "--no-binary", ":all:", "--dest", str(build), f"openai=={version}")
            subprocess.run([sys.executable, "-m", "pip", *fetch], check=True)
            sdist = build / f"openai-{version}.tar.gz"
        with tarfile.open(sdist) as archive:
            archive.extractall(build, filter="data")
    return folder


def environment(version: str) -> Path:
    """The interpreter of an environment with the client and its test libraries."""
    python = BUILD / f"venv-{version}" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(python.parents[1])], check=True)
        wanted = [f"openai[aiohttp,realtime]=={version}", *LIBRARIES]
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted], check=True)
    return python


@contextmanager
def gateway(sandbox: Sandbox) -> Iterator[str]:
    """The address of a gateway in front of the sandbox: validation on, the sandbox's key as its only token."""
    from kosha_connector_openai.gateway.access import hash_token

    settings = BUILD / "gateway.yaml"
    every = ", ".join(_actions())
    connection = f"{{values: {{api_key: env:SUITE_KEY, admin_key: env:SUITE_KEY, server_url: {sandbox.url}}}, retired: true}}"
    token = f'{{name: suite, hash: "{hash_token(sandbox.key)}", connection: sandbox, actions: [{every}]}}'
    settings.write_text(f"port: 0\nconnections:\n  sandbox: {connection}\ntokens:\n  - {token}\n", encoding="utf-8")
    command = [sys.executable, "-m", "kosha_connector_openai.cli", "serve", "--config", str(settings)]
    log = (BUILD / "gateway.log").open("w+", encoding="utf-8")
    process = subprocess.Popen(command, env={**os.environ, "SUITE_KEY": sandbox.key}, stdout=log, stderr=log)
    try:
        yield _listening(process, Path(log.name))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)
        log.close()


def _actions() -> list[str]:
    from kosha_connector_openai import open_connector

    with open_connector() as connector:
        return list(connector.catalog)


def _listening(process: subprocess.Popen[bytes], log: Path) -> str:
    started = time.monotonic()
    while time.monotonic() - started < _START and process.poll() is None:
        if found := re.search(r"http://127\.0\.0\.1:\d+", log.read_text(encoding="utf-8")):
            with suppress(OSError):
                urllib.request.urlopen(f"{found[0]}/livez", timeout=1).close()
                return found[0]
        time.sleep(0.1)
    raise SystemExit(f"The gateway did not start: {log.read_text(encoding='utf-8')[-2000:]}")


def run(
    python: Path, suite: Path, url: str, key: str, *, keyword: str = "", sample: int | None = None, processes: int = 2
) -> dict[str, str]:
    """Each test's outcome by its id; the suite's output is in ``suite.log`` beside it. A sample has the same tests each time."""
    settings = {"TEST_API_BASE_URL": f"{url}/v1", "CLIENT_SUITE_KEY": key, "CLIENT_SUITE_SAMPLE": str(sample or 0)}
    command = [str(python), "-m", "pytest", "-q", "-p", "keys", "-p", "no:cacheprovider", "-o", "addopts=", "--tb=line", "-rap"]
    command += ["-n", str(processes)] if processes > 1 else []
    command += ["-k", keyword] if keyword else []
    environ = {**os.environ, **settings, "PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run([*command, "tests/api_resources"], cwd=suite, env=environ, capture_output=True, text=True, check=False)
    (suite.parent / "suite.log").write_text(done.stdout + done.stderr, encoding="utf-8")
    outcomes = {name: outcome for outcome, name in _OUTCOME.findall(done.stdout)}
    if not outcomes:
        raise SystemExit(f"The suite did not run: {(done.stdout + done.stderr)[-2000:]}")
    return outcomes


def report(way: str, outcomes: dict[str, str], known: list[str], *, whole: bool) -> int:
    """Prints what came of it; returns how many tests went otherwise than told."""
    wrong = sorted(name for name, outcome in outcomes.items() if outcome != "PASSED")
    told = {name for name in wrong if any(name.startswith(prefix) for prefix in known)}
    idle = [prefix for prefix in known if whole and not any(name.startswith(prefix) for name in wrong)]
    sys.stdout.write(f"{way}: {len(outcomes) - len(wrong)} of {len(outcomes)} passed, {len(told)} known not to\n")
    for name in wrong:
        if name not in told:
            sys.stdout.write(f"  failed: {name}\n")
    for prefix in idle:
        sys.stdout.write(f"  passes, and is told not to: {prefix}\n")
    return len(wrong) - len(told) + len(idle)


if __name__ == "__main__":
    sys.exit(main())
