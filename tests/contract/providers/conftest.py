"""Made-up providers: each a folder as Kosha publishes them, opened beside a recorder that stands for its server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from kosha_connector_openai import Connection, Connector
from tests.recorder import Recorder

FOLDERS = Path(__file__).parent
Provider = Callable[..., tuple[Connector, Connection]]


@pytest.fixture
def upstream() -> Iterator[Recorder]:
    with Recorder() as recorder:
        yield recorder


@pytest.fixture
def provider(upstream: Recorder, monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    """Opens a folder, with variables as Kosha sets them and SERVER_URL at the recorder."""
    with ExitStack() as stack:

        def open_provider(name: str, variables: dict[str, str], **options: object) -> tuple[Connector, Connection]:
            for variable, value in {"SERVER_URL": upstream.url, **variables}.items():
                monkeypatch.setenv(variable, value)
            connector = stack.enter_context(Connector(FOLDERS / name))
            return connector, connector.connection(**options)

        yield open_provider
