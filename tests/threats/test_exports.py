"""Row S16 for files that other tools open: what a description or a manifest says acts nowhere, neither in a page nor in a shell."""

from __future__ import annotations

import html.parser
import io
import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from kosha_connector_openai import Connector
from kosha_connector_openai.cli.app import make_app
from kosha_connector_openai.errors import ManifestError
from kosha_connector_openai.exports import write_node_red
from tests.unit.packages.tampering import TIDES

HOSTILE = "\"'><img src=x onerror=alert(1)></script><script>alert(2)</script>\ntouch made\n`touch made` $(touch made) */ --> \\"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A connector whose description and manifest have such texts wherever one may stand."""
    place = tmp_path / "hostile"
    shutil.copytree(TIDES, place)
    document = json.loads((place / "openapi.json").read_text())
    operations = [each for item in document["paths"].values() for each in item.values() if isinstance(each, dict)]
    for each in operations:
        each |= {"summary": HOSTILE, "description": HOSTILE}
        query = {"name": f"x{HOSTILE}", "in": "query", "required": True, "schema": {"type": "string", "enum": [HOSTILE]}}
        each["parameters"] = [*({**found, "description": HOSTILE} for found in each.get("parameters", [])), query]
    operations[0]["operationId"] = f"read{HOSTILE}"
    (place / "openapi.json").write_text(json.dumps(document))
    manifest = yaml.safe_load((place / "connector.yaml").read_text())
    manifest |= {"title": HOSTILE, "tagline": HOSTILE}
    manifest["actions"] = {operations[1]["operationId"]: {"title": HOSTILE}}
    (place / "connector.yaml").write_text(yaml.safe_dump(manifest))
    return place


class Markup(html.parser.HTMLParser):
    """The elements and attributes of a page, those inside templates among them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, list[str]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, [name for name, _ in attrs]))

    def handle_data(self, data: str) -> None:
        if self.lasttag == "script" and "RED.nodes" not in data and data.strip():
            self.found += Markup(data).found


def test_s16_the_nodes_editor_shows_texts(folder: Path) -> None:
    """No text ends an attribute, an element or a script; a name that could be no element's id has no field."""
    with Connector(folder) as connector:
        _, data = write_node_red(connector, tuple(connector.catalog))
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        page = archive.extractfile("package/kosha.html")
        assert page is not None
        found = Markup(page.read().decode()).found
    assert {tag for tag, _ in found} <= {"script", "div", "label", "input", "p", "h3", "dl", "dt", "dd", "span", "code"}
    assert not [names for _, names in found if any(name.startswith("on") or name == "src" for name in names)]


def test_s16_a_script_of_curl_runs_curl_alone(folder: Path, tmp_path: Path) -> None:
    """Run in a shell in which curl says what it was given: no title and no sample is a command."""
    done = CliRunner().invoke(make_app(), ["--connector", str(folder), "export", "curl", "--all"])
    assert done.exit_code == 0, done.output
    assert done.stdout.count("curl -X") == 3
    (tmp_path / "curl").write_text("#!/bin/sh\necho asked\n")
    (tmp_path / "curl").chmod(0o755)
    environ = {"PATH": f"{tmp_path}:/usr/bin:/bin", "TOKEN": "t"}
    ran = subprocess.run(["/bin/sh"], input=done.stdout, capture_output=True, text=True, cwd=tmp_path, env=environ, check=False)
    assert (ran.stdout.split(), ran.stderr) == (["asked"] * 3, "")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("version", ["1.0.0/../../x", "1.0.0\r\nx: y", "1.0.0\n", "1.0.0 x", "1.0.0\\x"])
def test_s16_a_version_is_no_path_and_no_header(folder: Path, version: str) -> None:
    """It names files and stands in a header of each request."""
    manifest = yaml.safe_load((folder / "connector.yaml").read_text())
    (folder / "connector.yaml").write_text(yaml.safe_dump({**manifest, "version": version}))
    with pytest.raises(ManifestError) as caught:
        Connector(folder)
    assert [fault.pointer for fault in caught.value.faults] == ["/version"]
