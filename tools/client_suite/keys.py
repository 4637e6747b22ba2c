"""A pytest plugin for the client's suite: its two keys become the one that our server takes, and a sample is as large as asked for.

Nothing else of the suite changes.
"""

from __future__ import annotations

import os
import random
import sys

import pytest


@pytest.fixture(scope="session", autouse=True)
def _keys() -> None:
    suite = sys.modules["tests.conftest"]
    for name in ("api_key", "admin_api_key"):
        setattr(suite, name, os.environ["CLIENT_SUITE_KEY"])


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keeps so many tests as the environment says, the same ones each time."""
    count = int(os.environ.get("CLIENT_SUITE_SAMPLE", "0"))
    if 0 < count < len(items):
        chosen = set(random.Random(0).sample(sorted(item.nodeid for item in items), count))
        items[:] = [item for item in items if item.nodeid in chosen]
