"""From the start of a process to the answer of its first call, with everything that is loaded and checked on the way."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.clients import ENVIRONMENT, INPUTS
from benchmarks.measure import Bar, Effort, Figure, compare, measure

EFFORT = Effort(rounds=11, calls=1)
BAR = Bar(ratio=0.30)
ROOT = Path(__file__).parents[1]

OURS = f"""
from kosha_connector_openai import open_connector
with open_connector() as connector:
    result = connector.run("createCompletion", {INPUTS!r}, connector.connection())
assert result.status == 200
"""
# A loopback server speaks no TLS, and the connector loads the CA list for TLS only; most real calls need it.
WITH_CA_LIST = f"""
import ssl, certifi
ssl.create_default_context(cafile=certifi.where())
{OURS}"""
SDK = f"""
import os, openai
client = openai.OpenAI(base_url=os.environ["OPENAI_BASE_URL"], api_key=os.environ["OPENAI_API_KEY"])
assert client.completions.create(**{INPUTS!r}).choices
"""
BARE = "pass"


def run(url: str, effort: Effort) -> list[Figure]:
    """Ours against the vendor's client; the interpreter alone, which both pay for, for comparison."""
    codes = {"ours": OURS, "ours with CA list": WITH_CA_LIST, "openai": SDK, "python -c pass": BARE}
    with TemporaryDirectory() as cache:
        # Both sides find their bytecode compiled, as an installed package has it; the round that warms up writes it.
        environment = {**os.environ, **ENVIRONMENT, "OPENAI_BASE_URL": f"{url}/v1", "PYTHONPYCACHEPREFIX": cache}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        series = measure({name: partial(child_cpu, code, environment) for name, code in codes.items()}, effort.rounds)
    return [
        compare("cold start", series, "ours", "openai", BAR),
        compare("cold start, CA list loaded", series, "ours with CA list", "openai", BAR),
        compare("cold start", series, "ours", "python -c pass"),
    ]


def child_cpu(code: str, environment: Mapping[str, str]) -> float:
    """Seconds of CPU time, user and system, of a fresh interpreter that runs ``code``."""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, env=environment, cwd=ROOT) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command[:2])
    return usage.ru_utime + usage.ru_stime
