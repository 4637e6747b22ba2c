"""The page about secrets is true: its commands and its programs run as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.canary import Canary
from tests.packaging.building import python
from tests.recorder import Recorder, reply

BLOCK = re.compile(r"^```(\w+)(?: file=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MISSING = reply(404, {"errors": []})
ENTRY = reply(200, {"data": {"data": {"key": "value-of-vault"}, "metadata": {"version": 1}}})


@pytest.fixture(scope="module")
def blocks(root: Path) -> list[tuple[str, str, str]]:
    """Kind, file name and text of each block of the page."""
    return BLOCK.findall((root / "docs" / "secrets.md").read_text(encoding="utf-8"))


def _file(blocks: list[tuple[str, str, str]], wanted: str) -> str:
    return next(text for _, name, text in blocks if name == wanted)


def test_the_commands_work(blocks: list[tuple[str, str, str]], root: Path, tmp_path: Path) -> None:
    """The key goes from a variable to a file of its owner, and is found healthy there; no output shows it."""
    canary = Canary()
    (script,) = [text for kind, _, text in blocks if kind == "sh"]
    shims = tmp_path / "bin"
    shims.mkdir()
    (shims / "kosha-openai").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m kosha_connector_openai.cli "$@"\n')
    (shims / "kosha-openai").chmod(0o700)
    environ = {"HOME": str(tmp_path), "PATH": f"{shims}:{os.environ['PATH']}", "PYTHONPATH": str(root), "NEW_KEY": canary.key}
    done = subprocess.run(["sh", "-ec", script], env=environ, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"secret file:{tmp_path}/.config/kosha/secrets/work.api_key\tcan be read." in done.stdout
    canary.scan(done.stdout, done.stderr, tmp_path / ".config" / "kosha" / "connections")


def test_the_host_works(blocks: list[tuple[str, str, str]], root: Path, tmp_path: Path) -> None:
    """The page's host asks the secret server for both places of its chain, and calls with the key of the second."""
    (tmp_path / "host.py").write_text(_file(blocks, "host.py"))
    with Recorder(MISSING, ENTRY) as vault, Recorder(reply(200, {"data": []})) as upstream:
        environ = {"VAULT_ADDR": vault.url, "VAULT_TOKEN": "token-of-vault", "OPENAI_BASE_URL": upstream.url}
        done = python(str(tmp_path / "host.py"), places=[root], folder=tmp_path, **environ)
    assert (done.stdout.startswith("OpenAI answered 200"), done.stderr) == (True, "")
    assert [request.target for request in vault.requests] == ["/v1/secret/data/blue/new", "/v1/secret/data/blue/openai"]
    assert upstream.last.header("Authorization") == "Bearer value-of-vault"


def test_the_stores_can_be_made(blocks: list[tuple[str, str, str]], root: Path, tmp_path: Path) -> None:
    """Each store that the page writes out is accepted, without asking anybody; the computed one gives its token."""
    (stores,) = [text for kind, name, text in blocks if kind == "python" and not name]
    read = (
        "from kosha_connector_openai.secrets.secret import SecretReference\n"
        "from kosha_connector_openai.secrets.store import SecretContext\n"
        "print(store.read(SecretReference.parse('identity:workload'), SecretContext('blue')).reveal())"
    )
    done = python("-c", f"{stores}\n{_file(blocks, 'identity.py')}\n{read}", places=[root], folder=tmp_path)
    assert (done.stdout, done.stderr) == ("token-for-blue\n", "")
