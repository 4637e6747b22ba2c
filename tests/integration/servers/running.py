"""Three servers with the same API and nothing else in common, each started on this machine with a tiny model of random weights."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kosha_connector_openai import Connection, Connector

HERE = Path(__file__).parent
HOME = Path(sys.prefix) / "servers"
"""The virtual environment of the servers, inside the one of the tests; the Makefile makes it."""
KEY = "sk-servers-test-key-0123456789"
_SECONDS = 90
_GATEWAY = {
    "general_settings": {"master_key": KEY},
    "litellm_settings": {"telemetry": False, "num_retries": 0, "cache": False},
}


def installed() -> bool:
    """Whether the servers were installed."""
    return (HOME / "bin" / "litellm").exists()


@dataclass(frozen=True)
class Served:
    """One server: where it is, what its models for text, for vectors and for speech are called, and whether it asks for a key."""

    name: str
    url: str
    model: str
    vector_url: str
    vector_model: str
    keyed: bool = True
    ears: str = ""

    def connection(self, connector: Connector, *, vectors: bool = False) -> Connection:
        """A connection with the key of the environment, or without one; a server may have another port for vectors."""
        values = {"server_url": self.vector_url if vectors else self.url}
        values |= {"api_key": "env:OPENAI_API_KEY"} if self.keyed else {"auth_type": "NONE"}
        return connector.connection(values, retries={"attempts": 1})


@contextmanager
def all_of_them(folder: Path) -> Iterator[tuple[Served, ...]]:
    """The three, running; what they write goes into ``folder``."""
    model = folder / "tiny.gguf"
    subprocess.run([HOME / "bin" / "python", HERE / "tiny_model.py", model], check=True, timeout=60)
    with llama_cpp(model) as first, dasllama(model) as other, litellm(first, folder) as gateway:
        yield first, gateway, other


@contextmanager
def llama_cpp(model: Path) -> Iterator[Served]:
    """llama.cpp: one process for text, one for vectors, since it serves one of them."""
    text, vectors = _port(), _port()
    script = [str(HOME / "bin" / "python"), str(HERE / "llama_cpp.py"), str(model)]
    with (
        _running([*script, str(text), KEY], text, model.parent),
        _running([*script, str(vectors), KEY, "embeddings"], vectors, model.parent),
    ):
        yield Served("llama.cpp", _url(text), "tiny", _url(vectors), "tiny")


@contextmanager
def dasllama(model: Path) -> Iterator[Served]:
    """dasLLAMA: another engine, one process for text, vectors and speech, no key."""
    port, ears = _port(), model.parent / "ears.bin"
    subprocess.run([HOME / "bin" / "python", HERE / "tiny_ears.py", ears], check=True, timeout=60)
    command = [str(HOME / "bin" / "dasllama-server"), "-m", str(model), "-p", str(port), "--gpu", "off", "-t", "2", "-s", "2", "-q", "fp32"]
    command += ["--asr", str(ears)]
    with _running(command, port, model.parent):
        yield Served("dasLLAMA", _url(port), model.name, _url(port), model.name, keyed=False, ears="ears")


@contextmanager
def litellm(upstream: Served, folder: Path) -> Iterator[Served]:
    """The LiteLLM proxy, a gateway; behind it is the first server, and nothing else."""
    port = _port()
    places = {"small": (upstream.url, upstream.model), "vectors": (upstream.vector_url, upstream.vector_model)}
    models = [
        {"model_name": name, "litellm_params": {"model": f"openai/{model}", "api_base": f"{url}/v1", "api_key": KEY}}
        for name, (url, model) in places.items()
    ]
    config = folder / "litellm.yaml"
    config.write_text(json.dumps({"model_list": models, **_GATEWAY}), encoding="utf-8")
    command = [str(HOME / "bin" / "litellm"), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    with _running(command, port, folder):
        yield Served("LiteLLM", _url(port), "small", _url(port), "vectors")


@contextmanager
def _running(command: Sequence[str], port: int, folder: Path) -> Iterator[None]:
    """The process, once it answers; its home is ``folder``, and it is ended by its id."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "LD_LIBRARY_PATH")}
    environment = kept | {"HOME": str(folder), "LITELLM_LOCAL_MODEL_COST_MAP": "True", "PYTHONWARNINGS": "ignore"}
    log = folder / f"{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=output, stderr=output, cwd=folder, env=environment, start_new_session=True
        )
        try:
            _await(process, port, log)
            yield
        finally:
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            if process.poll() is None:
                process.kill()
                process.wait()


def _await(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    request = urllib.request.Request(f"{_url(port)}/v1/models", headers={"Authorization": f"Bearer {KEY}"})
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(request, timeout=2) as answer:
            if answer.status == 200:
                return
        time.sleep(0.1)
    raise AssertionError(f"The server did not start: {log.read_text(errors='replace')[-1000:]}")


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])
