"""The pages about plugins, connections and manifests are true: their files are written out, built, installed and run as they stand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import pytest

from kosha_connector_openai.core.connection.options import Options
from tests.packaging.building import build, install, python
from tests.recorder import Recorder, reply

KEY = "acme-key-0123456789"
BLOCK = re.compile(r"^```(\w+)(?: file=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def page(root: Path, name: str) -> str:
    return (root / "docs" / name).read_text(encoding="utf-8")


def files(text: str) -> Mapping[str, str]:
    """The blocks of a page that are files, by name."""
    return {name: content for _, name, content in BLOCK.findall(text) if name}


@pytest.fixture(scope="module")
def project(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project that docs/plugins.md builds up."""
    folder = tmp_path_factory.mktemp("project")
    for name, content in files(page(root, "plugins.md")).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def installed(project: Path) -> Path:
    """That project as its users have it."""
    return install(build(project, project / "dist"), project / "installed")


def test_the_page_has_all_its_files(root: Path) -> None:
    """Nothing below is tested by accident of a misspelt mark."""
    assert list(files(page(root, "plugins.md"))) == [
        "acme_kosha/connector.yaml",
        "acme_kosha/openapi.json",
        "acme_kosha/__init__.py",
        "pyproject.toml",
        "host.py",
        "acme_kosha/store.py",
        "acme_kosha/vault.py",
        "test_store.py",
    ]


def test_the_host_runs_the_connector(root: Path, project: Path, installed: Path) -> None:
    """The page's host finds the page's connector by its entry point, and the page's request is on the wire."""
    with Recorder(reply(body={"echo": "hello"})) as upstream:
        done = python(str(project / "host.py"), places=[installed, root], folder=project.parent, ACME_KEY=KEY, ACME_URL=upstream.url)
    assert (done.stdout, done.stderr) == ("{'echo': 'hello'} 1\n", "")
    assert (upstream.last.method, upstream.last.target, upstream.last.header("X-Acme-Key")) == ("GET", "/echo/hello", KEY)


def test_the_host_tells_of_a_failure(root: Path, project: Path, installed: Path) -> None:
    """The error's values are printed, with the manifest's advice."""
    with Recorder(reply(401, {"error": "no"})) as upstream:
        done = python(str(project / "host.py"), places=[installed, root], folder=project.parent, ACME_KEY=KEY, ACME_URL=upstream.url)
    assert "'hint': 'Check the key.'" in done.stdout


def test_the_command_opens_the_folder(root: Path, project: Path) -> None:
    """A folder of data is a connector before anything is installed."""
    arguments = ("-m", "kosha_connector_openai.cli", "--connector", "./acme_kosha", "actions", "list")
    assert python(*arguments, places=[root], folder=project).stdout.startswith("echo\t")


def test_the_store_passes_the_suite(root: Path, project: Path) -> None:
    """The page's store, by the page's test, as its author would run it."""
    arguments = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "test_store.py")
    done = python(*arguments, places=[project, root], folder=project)
    assert (done.returncode, "6 passed" in done.stdout) == (0, True), done.stdout


def test_the_store_comes_with_a_plugin(root: Path, project: Path) -> None:
    """A host that registers the page's module has the page's store."""
    code = (
        "from acme_kosha import vault\nimport acme_kosha\n"
        "from kosha_connector_openai import create_plugin_manager, load_connectors\n"
        "print(type(load_connectors(create_plugin_manager([vault, acme_kosha]))['acme'].stores['json']).__name__)"
    )
    done = python("-c", code, places=[project, root], folder=project.parent)
    assert (done.stdout, done.stderr) == ("JsonStore\n", "")


def test_the_connection_is_made(root: Path, tmp_path: Path) -> None:
    """The snippet of docs/connections.md runs as it stands, without a key and without a call."""
    (code,) = [content for kind, _, content in BLOCK.findall(page(root, "connections.md")) if kind == "python"]
    done = python("-c", code, places=[root], folder=tmp_path)
    assert (done.stdout, done.stderr) == ("https://api.openai.com 30.0\n", "")


def test_every_option_is_described(root: Path) -> None:
    """The table of docs/connections.md has each option, and none that does not exist."""
    table = page(root, "connections.md").partition("## Options")[2].partition("**TLS**")[0]
    names = {name for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    assert names == {entry.name for entry in fields(Options)}


def test_the_smallest_manifest_is_one(root: Path, tmp_path: Path) -> None:
    """The page's manifest passes the page's command."""
    (tmp_path / "connector.yaml").write_text(files(page(root, "manifest.md"))["connector.yaml"])
    arguments = ("-m", "kosha_connector_openai.cli", "manifest")
    assert python(*arguments, "--check", "connector.yaml", places=[root], folder=tmp_path).returncode == 0
    assert '"title"' in python(*arguments, "--schema", places=[root], folder=tmp_path).stdout
