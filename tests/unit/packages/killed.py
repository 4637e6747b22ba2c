"""Installs, upgrades and rolls back in children that are killed at a chosen step, and says what the store held afterwards.

``python -m tests.unit.packages.killed TIMES SEED`` forks a child for each time; a child sends SIGKILL to itself just before one of its
operations on files. The parent then opens the store as the next command does; it prints how often which version counted, and what is wrong.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path

from kosha_connector_openai import Connector
from kosha_connector_openai.packages import PackageStore, build_wheel, read_wheel
from tests.unit.packages.tampering import TIDES

_STEPS = frozenset({"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "shutil.rmtree", "os.scandir", "os.listdir"})


def main(times: int, seed: int) -> dict[str, object]:
    chance = random.Random(seed)
    old, new = (read_wheel(data, name) for name, data in (build_wheel(TIDES), build_wheel(TIDES, version="1.1.0")))
    counted: Counter[str] = Counter()
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as place:
        store = PackageStore(Path(place))
        store.put(old)
        for number in range(times):
            way = ("install", "upgrade", "rollback")[number % 3]
            if way == "install":
                _reset(store)
            else:
                store.put(old, force=True)
                if way == "rollback":
                    store.put(new)
            _killed(store, way, new, chance.randrange(90))
            try:
                found = store.find("tides")
                if found is None:
                    if way != "install":
                        raise ValueError("nothing is installed")
                    counted[f"{way}: none"] += 1
                    continue
                store.verify("tides")
                with Connector(found.folder) as connector:
                    connector.catalog["listStations"].check({})
                counted[f"{way}: {found.version}"] += 1
            except Exception as error:
                wrong.append(f"{number} {way}: {type(error).__name__}: {error}")
        store.put(new, force=True)
        left = sorted(path.name for path in Path(place).glob(".new-*"))
    return {"counted": counted, "wrong": wrong, "left": left}


def _reset(store: PackageStore) -> None:
    if store.find("tides") is not None:
        store.remove("tides")


def _killed(store: PackageStore, way: str, new: object, step: int) -> None:
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    count = 0

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal count
        if event in _STEPS:
            count += 1
            if count > step:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    store.rollback("tides") if way == "rollback" else store.put(new)  # type: ignore[arg-type]
    os._exit(0)


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]), int(sys.argv[2]))))  # noqa: T201
