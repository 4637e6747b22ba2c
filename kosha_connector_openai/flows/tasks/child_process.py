"""A program run on a file: found by its absolute path, given no environment of ours, bounded in time, memory and what it writes."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_KEPT: Final = ("SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""What a program needs to start at all."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Seconds, bytes of address space, and bytes of one file that it writes; the last two hold on Linux."""

    seconds: float
    memory: int
    file: int


def find_program(name: str) -> str | None:
    """The absolute path of a program; folders of ``PATH`` that depend on the working folder are passed over."""
    places = [place for place in os.environ.get("PATH", os.defpath).split(os.pathsep) if Path(place).is_absolute()]
    found = shutil.which(name, path=os.pathsep.join(places)) if places else None
    return found if found and Path(found).is_absolute() else None


def run_program(command: Sequence[str], folder: Path, bounds: Bounds) -> int:
    """The exit code; nothing is read from it but the files that it leaves in ``folder``, where it runs.

    Raises OSError where it cannot start, subprocess.TimeoutExpired where it does not end in time; it has ended then, too.
    """
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ} | {"PATH": os.path.dirname(command[0]), "LC_ALL": "C"}  # noqa: PTH120
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, cwd=folder, env=environment, stdin=quiet, stdout=quiet, stderr=quiet) as child:  # noqa: S603 - an absolute path and words of ours # nosec B603
        _bind(child.pid, bounds)
        try:
            return child.wait(bounds.seconds)
        except BaseException:
            child.kill()
            raise


def _bind(process: int, bounds: Bounds) -> None:
    with contextlib.suppress(ImportError, AttributeError, OSError, ValueError):
        import resource

        limits = {resource.RLIMIT_AS: bounds.memory, resource.RLIMIT_FSIZE: bounds.file, resource.RLIMIT_CORE: 0}
        for kind, limit in limits.items():
            resource.prlimit(process, kind, (limit, limit))
