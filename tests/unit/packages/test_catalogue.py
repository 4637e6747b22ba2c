"""A folder of packages as a static index: built, searched, and read from a folder and from an address."""

from __future__ import annotations

import functools
import http.server
import json
import os
import shutil
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
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
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


WRONG: dict[str, list[object]] = {
    "id": [["x"], 5, "../x", "A"],
    "title": [9, "t" * 5_000],
    "keywords": [[1], "words"],
    "version": [7, "../1", "x"],
    "file": ["../x.whl", "x\0.whl", "", "index.json", ".x.whl", "a/b.whl", "a\\b.whl", "x" * 5_000 + ".whl", 3],
    "sha256": [1, "0" * 63, "G" * 64],
    "more": [1],
}


def test_b7_an_index_is_held_to_its_form(folder: Path, tmp_path: Path) -> None:
    """B7: an index comes from a server that nobody vouched for. Each wrong value, too deep a text, a name twice: one error of ours."""
    good = json.loads((folder / "index.json").read_text())["packages"][0]
    texts = [json.dumps({"catalogue": 1, "packages": [{**good, name: value}]}) for name, values in WRONG.items() for value in values]
    texts += [
        '{"catalogue":1,"packages":' + "[" * 200_000 + "]" * 200_000 + "}",
        '{"catalogue":1,"catalogue":1,"packages":[]}',
        '{"catalogue":NaN}',
    ]
    for text in texts:
        (tmp_path / "index.json").write_text(text)
        with pytest.raises(ConnectorPackageError, match=r"no catalogue|cannot be read"):
            read_catalogue(str(tmp_path))


def test_b7_an_address_has_a_host_and_a_path_alone(tmp_path: Path) -> None:
    """B7: nothing is asked of any other; a pipe in a folder is not waited for."""
    for place in ("http://[", "ftp://127.0.0.1/x", "file:///etc", "http://localhost@catalogue.example/", "https://u:secret@127.0.0.1:9/",
                  "https://127.0.0.1:9/?token=secret", "https://127.0.0.1:9/#secret"):  # fmt: skip
        with pytest.raises(SetupError, match="not asked") as caught:
            read_catalogue(place)
        assert "secret" not in f"{caught.value} {caught.value.faults}"
    os.mkfifo(tmp_path / "index.json")
    with pytest.raises(SetupError, match="no plain file"):
        read_catalogue(str(tmp_path))


def test_no_package_takes_the_place_of_our_page(tmp_path: Path) -> None:
    """One whose id is that of the list's page."""
    source = tmp_path / "source"
    shutil.copytree(TIDES, source)
    text = (source / "connector.yaml").read_text()
    (source / "connector.yaml").write_text(text.replace("id: tides", "id: index", 1))
    name, data = build_wheel(source)
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ConnectorPackageError, match="our own page"):
        build_catalogue(tmp_path)
