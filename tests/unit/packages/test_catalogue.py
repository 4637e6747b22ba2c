"""A folder of packages as a static index: built, searched, and read from a folder and from an address."""

from __future__ import annotations

import functools
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kosha_connector_openai.errors import ConnectorPackageError, SetupError
from kosha_connector_openai.packages import SIGNATURE, build_catalogue, build_wheel, new_key, read_catalogue, read_wheel, sign
from tests.unit.packages.tampering import TIDES


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two versions of one connector, the newer one signed, and their index."""
    place = tmp_path_factory.mktemp("catalogue")
    for version in (None, "1.10.0"):
        name, data = build_wheel(TIDES, version=version)
        (place / name).write_bytes(data)
    (place / (name + SIGNATURE)).write_bytes(sign(name, data, new_key()[0]))
    build_catalogue(place)
    return place


@pytest.fixture
def address(folder: Path) -> Iterator[str]:
    """The folder behind an ordinary web server."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_the_index_and_the_pages(folder: Path) -> None:
    """The newest version has the card; every version its digest; building again gives the same bytes; no script is needed."""
    value = json.loads((folder / "index.json").read_text())
    assert [(each["version"], each["signed"], each["code"]) for each in value["packages"]] == [
        ("1.0.0", False, False),
        ("1.10.0", True, False),
    ]
    page = (folder / "tides.html").read_text()
    assert all(each["sha256"] in page for each in value["packages"])
    assert "api.tides.example" in page
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    build_catalogue(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert not any("<script" in (folder / name).read_text() for name in ("index.html", "tides.html"))


@pytest.mark.parametrize("way", ["folder", "address"])
def test_it_is_searched_and_read(way: str, folder: Path, request: pytest.FixtureRequest) -> None:
    """The same from a folder and over HTTP; the package is what the index says, with its signature."""
    place = str(folder) if way == "folder" else request.getfixturevalue("address")
    found = read_catalogue(place)
    assert [(entry.id, entry.version) for entry in found.search("harbour weather")] == [("tides", "1.10.0")]
    assert found.search("nothing of it") == []
    name, data, signature = found.fetch("tides")
    assert read_wheel(data, name).version == "1.10.0"
    assert signature is not None
    assert found.fetch("tides", "1.0.0")[2] is None
    with pytest.raises(ConnectorPackageError, match="It has: tides"):
        found.fetch("waves")


def test_what_is_no_catalogue_is_told(folder: Path, tmp_path: Path, address: str) -> None:
    """Another file, another format, a package that is not the one of the index, an address that is not https."""
    for text, words in (("[]", "no catalogue"), ('{"catalogue": 2, "packages": []}', "another format")):
        (tmp_path / "index.json").write_text(text)
        with pytest.raises(ConnectorPackageError, match=words):
            read_catalogue(str(tmp_path))
    value = json.loads((folder / "index.json").read_text())
    value["packages"][0]["file"] = "../x.whl"
    (tmp_path / "index.json").write_text(json.dumps(value))
    with pytest.raises(ConnectorPackageError, match="no catalogue"):
        read_catalogue(str(tmp_path))
    value["packages"][0]["file"] = "x.whl"
    (tmp_path / "x.whl").write_bytes(b"other bytes")
    (tmp_path / "index.json").write_text(json.dumps(value))
    with pytest.raises(ConnectorPackageError, match="not what the index says"):
        read_catalogue(str(tmp_path)).fetch("tides", "1.0.0")
    with pytest.raises(SetupError, match="https"):
        read_catalogue("http://catalogue.example")
    with pytest.raises(SetupError, match="404"):
        read_catalogue(f"{address}/nowhere")
    with pytest.raises(ConnectorPackageError, match=r"ends in \.whl"):
        build_catalogue(TIDES)
