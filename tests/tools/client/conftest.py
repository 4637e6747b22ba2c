"""Published clients and what is said of them, where they are at hand; nothing is downloaded in a test.

`KOSHA_CLIENTS` names a folder with archives such as `openai-3.57.0.tar.gz`; without it `build/` is looked at, and then the client that is
installed for the tests, which is read as a folder like any other.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import pytest

from kosha_connector_openai.sdk.merge import Merged
from kosha_connector_openai.sdk.node import Node
from kosha_connector_openai.sdk.package import read_package
from kosha_connector_openai.sdk.reader import Reading, ids_by_place, read_client
from tools.spec.merging import RULES, merge, read_sides

ROOT = Path(__file__).resolve().parents[3]
CURRENT = "3.57.0"
ARCHIVES = Path(os.environ.get("KOSHA_CLIENTS", ROOT / "build"))  # read here: a test has none of our variables


@pytest.fixture(scope="session")
def client() -> Callable[[str], Reading]:
    """A function: version -> what the reader makes of that client, with the ids of openapi.json."""
    ids = ids_by_place(json.loads((ROOT / "openapi.json").read_text(encoding="utf-8")), "/v1")
    kept: dict[str, Reading] = {}

    def find(version: str) -> Reading:
        if version not in kept:
            source = next(_places(version), None)
            if source is None:
                pytest.skip(f"the client {version} is not at hand")
            kept[version] = read_client(read_package(str(source), RULES.package), RULES, ids)
        return kept[version]

    return find


def _places(version: str) -> Iterator[Path]:
    yield from (path for path in sorted(ARCHIVES.glob(f"openai-{version}*")) if path.name.endswith((".tar.gz", ".whl")))
    with contextlib.suppress(metadata.PackageNotFoundError):
        if metadata.version("openai") == version:
            yield Path(str(metadata.distribution("openai").locate_file("openai")))


@pytest.fixture(scope="session")
def current(client: Callable[[str], Reading]) -> Reading:
    """The client that the data files speak of."""
    return client(CURRENT)


@pytest.fixture(scope="session")
def merged(current: Reading, reference: Path) -> Merged:
    """The published description and the current client as one."""
    return merge(json.loads(reference.read_text(encoding="utf-8")), current.document, read_sides())


@pytest.fixture(scope="session")
def named_operations() -> Node:
    """Operation by operation the names that the current client uses, found by another reader."""
    path = ROOT.parent / "shared" / "specs" / f"client-{CURRENT}-operations.json"
    if not path.exists():
        pytest.skip("the list of the client's operations is not at hand")
    operations: Node = json.loads(path.read_text(encoding="utf-8"))["operations"]
    return operations
