"""Runs over a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.running_servers import postgres
from tests.unit.flows.bulk.conftest import bulk, opened, run  # noqa: F401 - fixtures


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    with postgres() as dsn:
        yield dsn


@pytest.fixture
def dsn(server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A reference to the DSN of the database."""
    monkeypatch.setenv("LEDGER_DSN", server)
    return "env:LEDGER_DSN"
