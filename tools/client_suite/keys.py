"""A pytest plugin for the client's suite: its two keys become the one that our server takes. Nothing else of the suite changes."""

from __future__ import annotations

import os
import sys

import pytest


@pytest.fixture(scope="session", autouse=True)
def _keys() -> None:
    suite = sys.modules["tests.conftest"]
    for name in ("api_key", "admin_api_key"):
        setattr(suite, name, os.environ["CLIENT_SUITE_KEY"])
