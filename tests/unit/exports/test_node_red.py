"""The tarball for Node-RED: the same bytes each time, a node for each task and featured action, texts that are no markup."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import subprocess
import tarfile
from html.parser import HTMLParser
from pathlib import Path

import pytest

from kosha_connector_openai import Connector
from kosha_connector_openai.exports import write_node_red
from kosha_connector_openai.flows.tasks import list_tasks


def files(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(data))) as archive:
        return {entry.name: archive.extractfile(entry).read() for entry in archive}  # type: ignore[union-attr]


class Templates(HTMLParser):
    """The templates and help texts by the type of their node."""

    def __init__(self) -> None:
        super().__init__()
        self.names: dict[str, list[str]] = {"data-template-name": [], "data-help-name": []}
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        for name, value in attrs:
            if name in self.names and value:
                self.names[name].append(value)


def test_what_is_in_the_tarball(connector: Connector) -> None:
    """Every node has a type of its own, a template and a help text; a required field of a new node has something in it."""
    name, data = write_node_red(connector)
    assert (name, data) == write_node_red(connector)
    found = files(data)
    assert next(iter(found)) == "package/package.json"
    package, nodes = json.loads(found["package/package.json"]), json.loads(found["package/nodes.json"])["nodes"]
    assert package["node-red"]["nodes"] == {"kosha-openai": "kosha.js"}
    types = [node["type"] for node in nodes]
    assert len(set(types)) == len(types)
    assert {node["target"] for node in nodes if node["kind"] == "task"} == {info.name for info in list_tasks(connector)}
    assert {"kosha-openai-createChatCompletion", "kosha-openai-createImage", "kosha-openai-action"} <= set(types)
    page = Templates()
    page.feed(found["package/kosha.html"].decode())
    assert sorted(page.names["data-help-name"]) == sorted(types)
    assert sorted(page.names["data-template-name"]) == sorted([*types, "kosha-openai-gateway"])
    assert page.scripts == 2 * len(types) + 2
    empty = [
        (node["type"], field["name"])
        for node in nodes
        for field in node["fields"]
        if field["required"] and field["value"] == "" and not field.get("file")
    ]
    assert empty == []
    flow = json.loads(found["package/examples/Ask and see.json"])
    assert {each["type"] for each in flow} >= {"inject", "debug", types[0], "kosha-openai-gateway"}
    assert all("credentials" not in each and "token" not in each for each in flow)


def test_another_connector_has_its_own_nodes(root: Path) -> None:
    """By its own id, so that both can be in one palette."""
    with Connector(root / "examples" / "tides") as tides:
        name, data = write_node_red(tides)
    assert name == "node-red-contrib-kosha-tides-1.0.0.tgz"
    assert {node["type"] for node in json.loads(files(data)["package/nodes.json"])["nodes"]} >= {
        "kosha-tides-listStations",
        "kosha-tides-action",
    }


def test_the_scripts_are_whole(connector: Connector, tmp_path: Path) -> None:
    """Node reads them; skipped where there is none."""
    if not shutil.which("node"):
        pytest.skip("Node.js is not here")
    found = files(write_node_red(connector)[1])
    page = found["package/kosha.html"].decode()
    (tmp_path / "editor.js").write_text(page[page.rindex('<script type="text/javascript">') + 31 : page.rindex("</script>")])
    (tmp_path / "runtime.js").write_bytes(found["package/kosha.js"])
    for file in ("editor.js", "runtime.js"):
        assert subprocess.run(["node", "--check", tmp_path / file], check=False).returncode == 0, file
