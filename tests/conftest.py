"""Fixtures that many tests share; each is named after the situation it sets up."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from kosha_connector_openai import Connector
    from kosha_connector_openai.core.actions import Catalog
    from kosha_connector_openai.openapi import Document

settings.register_profile("untimed", deadline=None)  # a busy machine is no fault of the code
settings.load_profile("untimed")

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "NETRC")
_OURS = ("OPENAI_", "KOSHA_", "BEARER_TOKEN", "API_KEY", "SERVER_URL", "AUTH_TYPE")


def pytest_collection_finish() -> None:
    """What was collected stays to the end: without it in sight of the collector each full collection costs a tenth as much."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the keys, servers or proxies of whoever runs it."""
    for name in list(os.environ):
        if name.upper() in _PROXIES or name.startswith(_OURS):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What the tests keep is not kept in the home of whoever runs them."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


@pytest.fixture(scope="session", autouse=True)
def one_reading() -> Iterator[None]:
    """Our description is read and its schemas are compiled once in a process, since thousands of tests open the connector.

    Nothing may change what was read.
    """
    from kosha_connector_openai.connector import Connector
    from kosha_connector_openai.core import catalog_cache

    read, laid, ours = catalog_cache.read_document, Connector._overlaid, Path(__file__).parent.parent
    documents: dict[str, Document] = {}
    catalogs: dict[str, Catalog] = {}

    def remember(path: Path, *, sha256: str | None = None) -> Document:
        if path != ours / "openapi.json" or sha256 is None:
            return read(path, sha256=sha256)
        if sha256 not in documents:
            documents[sha256] = read(path, sha256=sha256)
        return documents[sha256]

    def overlaid(connector: Connector, document: Document) -> Catalog:
        if connector.folder != ours or not any(document is each for each in documents.values()):
            return laid(connector, document)
        if document.digest not in catalogs:
            catalogs[document.digest] = laid(connector, document)
        return catalogs[document.digest]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalog_cache, "read_document", remember)
        patch.setattr(Connector, "_overlaid", overlaid)
        yield


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's top folder."""
    return Path(__file__).parent.parent


@pytest.fixture(scope="session")
def specs(root: Path) -> Path:
    """The published descriptions, where they are at hand."""
    folder = root.parent / "shared" / "specs"
    if not folder.is_dir():
        pytest.skip("the published descriptions are not here")
    return folder


@pytest.fixture
def connector() -> Iterator[Connector]:
    """The OpenAI connector with its built-in secret stores."""
    from kosha_connector_openai import open_connector

    with open_connector() as opened:
        yield opened


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    """A key in the environment, where the connection's default reference looks for it."""
    value = "test-key-0123456789abcdef"
    monkeypatch.setenv("OPENAI_API_KEY", value)
    return value
