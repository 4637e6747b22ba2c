"""The harness itself: AUDIT and CAP notice what they are there for."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.audit import ForbiddenError, audit
from tests.cap import capped


@pytest.mark.parametrize(
    "act",
    [
        lambda folder: (folder / "a").read_bytes(),
        lambda folder: os.open(folder / "a", os.O_RDONLY),
        lambda folder: (folder / "new").write_bytes(b""),
        lambda _: socket.create_connection(("127.0.0.1", 9), 1),
        lambda _: socket.getaddrinfo("localhost", 80),
        lambda _: subprocess.run([sys.executable, "-V"], check=False),
        lambda _: os.system("true"),
    ],
    ids=["read", "descriptor", "write", "connect", "name", "process", "shell"],
)
@pytest.mark.parametrize("swallowed", [True, False])
def test_what_is_not_listed_fails(tmp_path: Path, act: Callable[[Path], object], swallowed: bool) -> None:
    """Files, addresses, names and processes fail the test, also where the code under test swallows the failure."""
    (tmp_path / "a").write_bytes(b"x")
    with pytest.raises(ForbiddenError), audit(), suppress(*[Exception] * swallowed):
        act(tmp_path)


def test_what_is_listed_passes(tmp_path: Path) -> None:
    """Listed folders and hosts may be used, and the watch ends with its block."""
    (tmp_path / "a").write_bytes(b"x")
    with audit(files=[tmp_path], hosts=["localhost"]) as watch:
        (tmp_path / "a").read_bytes()
        socket.getaddrinfo("localhost", 80)
    (tmp_path / "a").read_bytes()
    assert watch.files == [str(tmp_path / "a")]


def test_memory_and_time_are_capped() -> None:
    """A snippet that takes too much ends with a MemoryError of its own; one that hangs is told."""
    hungry = "try: bytearray(900 << 20)\nexcept MemoryError: print('full')"
    assert capped(hungry, memory=512).output == "full\n"
    assert capped("x = bytearray(100 << 20)").peak >= 100
    with pytest.raises(AssertionError, match="did not end"):
        capped("import time; time.sleep(9)", seconds=0.5)
