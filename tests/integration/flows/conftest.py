"""The offline upstream with an empty memory for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kosha_connector_openai.sandbox import DEFAULT_KEY
from tests.offline import Offline, offline


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Offline]:
    """A running sandbox whose key is in the environment."""
    monkeypatch.setenv("OPENAI_API_KEY", DEFAULT_KEY)
    with offline(retired=True) as running:
        yield running
