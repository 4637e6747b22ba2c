"""What is shipped: exactly the listed files, the same bytes at every build, and a wheel that works alone and beside other people's."""

from __future__ import annotations

import configparser
import hashlib
import json
import shutil
import zipfile
from pathlib import Path

import pytest

from kosha_connector_openai.manifest.folder import shipped
from kosha_connector_openai.manifest.parts import PARTS
from tests.packaging.building import build, install, python
from tests.recorder import Recorder, reply

LIST = Path(__file__).parent / "wheel.txt"
TINY = Path(__file__).parents[1] / "tiny_provider"
SOURCES = ("pyproject.toml", "README.md", "LICENSE", ".gitignore", "hatch_build.py", "connector.yaml", "openapi.json")
STUDIO = tuple(f"kosha_connector_openai/gateway/pages/studio/{name}" for name in ("index.html", "assets/page-1a2b3c.js"))
KEY = "test-key-0123456789abcdef"
KEYS = {"OPENAI_API_KEY": KEY, "TINY_KEY": KEY}

HOST = """
import json, sys
from kosha_connector_openai import create_plugin_manager, load_connectors
from kosha_connector_openai import plugins

name, action, inputs, values = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), json.loads(sys.argv[4])
with load_connectors(create_plugin_manager(names=[name]))[name] as connector:
    result = connector.run(action, inputs, connector.connection(values))
    print(json.dumps({
        "code": plugins.__file__,
        "folder": str(connector.folder),
        "icon": (connector.icon() or b"")[:4].decode(),
        "value": result.value,
        "imported": sorted(name for name in sys.modules if name.startswith(("acme_", "rogue_"))),
    }))
"""
ACME_PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "acme-kosha"
version = "2.0.0"

[project.entry-points."kosha.connectors"]
tiny = "acme_kosha"

[tool.hatch.build.targets.wheel]
packages = ["acme_kosha"]
"""
ACME_MODULE = '''
"""Acme's connector: the data in this folder."""

from pathlib import Path

from kosha_connector_openai.hookspecs import hookimpl


@hookimpl
def kosha_connectors():
    return [Path(__file__).parent]
'''


@pytest.fixture(scope="session")
def sources(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what a wheel is made from: a build sees no file that was left lying about, and leaves none."""
    copy = tmp_path_factory.mktemp("sources")
    for name in SOURCES:
        shutil.copy(root / name, copy)
    for name in ("kosha_connector_openai", "connector", "images", "locks"):
        shutil.copytree(root / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "studio"))
    for name in STUDIO:  # as `make studio` leaves it, which needs Node
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text("built")
    return copy


@pytest.fixture(scope="session")
def wheel(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(sources, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(wheel, tmp_path_factory.mktemp("installed"))


@pytest.fixture(scope="session")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another project's connector, built and installed as its author would."""
    project = tmp_path_factory.mktemp("acme")
    shutil.copytree(TINY, project / "acme_kosha")
    (project / "pyproject.toml").write_text(ACME_PROJECT)
    (project / "acme_kosha" / "__init__.py").write_text(ACME_MODULE)
    return install(build(project, project / "dist"), project / "installed")


def test_the_wheel_holds_exactly_the_package_and_the_listed_files(wheel: Path, root: Path) -> None:
    """X4: no file slips in or out: every module of the package, and beside them the data and metadata of wheel.txt,
    the shipped records, and the studio's page, which no commit holds."""
    modules = [str(path.relative_to(root)) for path in (root / "kosha_connector_openai").rglob("*.py")]
    modules += STUDIO
    modules += [f"kosha_connector_openai/manifest/shipped/{name}" for name in shipped(root)]
    with zipfile.ZipFile(wheel) as archive:
        assert sorted(archive.namelist()) == sorted([*modules, *LIST.read_text().splitlines()])


def test_what_is_shipped_is_sane(wheel: Path) -> None:
    """X4: the package, its data and its metadata; nothing that runs at the interpreter's start, no tests, nothing at the top."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.partition("/")[0] for name in names} == {"kosha_connector_openai", "kosha_connector_openai-0.1.0.dist-info"}
    assert not [name for name in names if name.endswith((".pth", ".pyc")) or "test_" in name]
    data = {"connector.yaml", "openapi.json", "images/logo.svg", "py.typed"}
    assert {f"kosha_connector_openai/{name}" for name in data} < set(names)


def test_the_first_start_of_an_installed_connector_checks_nothing(installed: Path, tmp_path: Path) -> None:
    """Its manifest and parts come as records: neither YAML nor pydantic is imported, and nothing is written to the user's cache."""
    code = (
        "import sys; from kosha_connector_openai import open_connector; from kosha_connector_openai.manifest.parts import PARTS\n"
        "with open_connector() as connector: parts = [connector.part(name, model) for name, model in PARTS.items()]\n"
        "print(sorted({'yaml', 'pydantic'} & sys.modules.keys()), len(parts))"
    )
    done = python("-c", code, places=[installed], folder=tmp_path, XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert done.stdout == f"[] {len(PARTS)}\n", done.stderr
    assert not (tmp_path / "cache").exists()


def test_the_entry_points_are_these(wheel: Path) -> None:
    """X4: one command, one plugin."""
    parser = configparser.ConfigParser()
    with zipfile.ZipFile(wheel) as archive:
        parser.read_string(archive.read("kosha_connector_openai-0.1.0.dist-info/entry_points.txt").decode())
    assert {section: dict(parser[section]) for section in parser.sections()} == {
        "console_scripts": {"kosha-openai": "kosha_connector_openai.cli:main"},
        "kosha.connectors": {"openai": "kosha_connector_openai.plugin"},
    }


def test_two_builds_are_the_same_to_the_byte(wheel: Path, sources: Path, tmp_path: Path) -> None:
    """R27: another place, another time, the same digest."""
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(sources, elsewhere, copy_function=shutil.copyfile)
    again = build(elsewhere, tmp_path / "dist")
    assert again.name == wheel.name == "kosha_connector_openai-0.1.0-py3-none-any.whl"
    assert hashlib.sha256(again.read_bytes()).hexdigest() == hashlib.sha256(wheel.read_bytes()).hexdigest()


def test_the_installed_wheel_runs_an_action(installed: Path, tmp_path: Path) -> None:
    """Alone with its dependencies, far from this checkout, found through the plugin hooks: the seed's request is on the wire."""
    inputs = {"model": "text-davinci-003", "prompt": "Say this is a test", "max_tokens": 7, "temperature": 0}
    with Recorder(reply(body={"id": "c"})) as upstream:
        values = {"server_url": upstream.url, "api_key": "env:OPENAI_API_KEY"}
        arguments = ("openai", "createCompletion", json.dumps(inputs), json.dumps(values))
        done = python("-c", HOST, *arguments, places=[installed], folder=tmp_path, **KEYS)
    assert done.stderr == ""
    package = installed / "kosha_connector_openai"
    assert json.loads(done.stdout) == {
        "code": str(package / "plugins.py"),
        "folder": str(package),
        "icon": "<svg",
        "value": {"id": "c"},
        "imported": [],
    }
    assert (upstream.last.method, upstream.last.target) == ("POST", "/v1/completions")
    assert upstream.last.json() == inputs
    assert upstream.last.header("Authorization") == f"Bearer {KEY}"


def test_the_installed_command_runs(installed: Path, tmp_path: Path) -> None:
    """The command of the wheel knows its version and its actions."""
    assert (
        python("-m", "kosha_connector_openai.cli", "--version", places=[installed], folder=tmp_path, **KEYS)
        .stdout.strip()
        .endswith("0.1.0")
    )
    listed = python("-m", "kosha_connector_openai.cli", "actions", "search", "speech", places=[installed], folder=tmp_path, **KEYS)
    assert "createSpeech" in listed.stdout


def test_another_projects_connector_runs(installed: Path, acme: Path, tmp_path: Path) -> None:
    """A second provider is a wheel with its own data and a hook of three lines; a host that knows only the hooks runs it."""
    with Recorder(reply(body={"ok": True})) as upstream:
        arguments = ("tiny", "search", json.dumps({"q": "a b"}), json.dumps({"server_url": upstream.url, "api_key": "env:TINY_KEY"}))
        done = python("-c", HOST, *arguments, places=[installed, acme], folder=tmp_path, **KEYS)
    assert done.stderr == ""
    answer = json.loads(done.stdout)
    assert (answer["folder"], answer["value"]) == (str(acme / "acme_kosha"), {"ok": True})
    assert (upstream.last.target, upstream.last.header("X-Tiny-Key")) == ("/search?mode=full&empty=&q=a%20b", KEY)


def test_a_plugin_that_is_not_listed_is_not_imported(installed: Path, acme: Path, tmp_path: Path) -> None:
    """X1: installed beside us, by whatever way, and yet never imported."""
    rogue = tmp_path / "rogue"
    marker = rogue / "imported"
    (rogue / "rogue-1.0.dist-info").mkdir(parents=True)
    (rogue / "rogue-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: rogue\nVersion: 1.0\n")
    (rogue / "rogue-1.0.dist-info" / "entry_points.txt").write_text("[kosha.connectors]\nrogue = rogue_plugin\n")
    (rogue / "rogue_plugin.py").write_text(f"open({str(marker)!r}, 'w').close()\n")
    with Recorder(reply(body={})) as upstream:
        arguments = ("openai", "listModels", "{}", json.dumps({"server_url": upstream.url, "api_key": "env:OPENAI_API_KEY"}))
        done = python("-c", HOST, *arguments, places=[rogue, installed, acme], folder=tmp_path, **KEYS)
    assert (done.stderr, json.loads(done.stdout)["imported"]) == ("", [])
    assert not marker.exists()
    shown = python("-m", "kosha_connector_openai.cli", "doctor", "--json", places=[rogue, installed, acme], folder=tmp_path, **KEYS)
    assert {f["part"]: f["text"].partition(" (")[0] for f in json.loads(shown.stdout) if f["part"].startswith("plugin")} == {
        "plugin openai": "loaded",
        "plugin rogue": "installed, not listed: not loaded",
        "plugin tiny": "installed, not listed: not loaded",
    }
    assert not marker.exists()


def test_metadata_in_the_working_folder_is_no_plugin(installed: Path, tmp_path: Path) -> None:
    """X2: Python puts the current folder on the path for -c and -m; a plugin dropped there is not found even when its name is listed."""
    (tmp_path / "rogue-1.0.dist-info").mkdir()
    (tmp_path / "rogue-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: rogue\nVersion: 1.0\n")
    (tmp_path / "rogue-1.0.dist-info" / "entry_points.txt").write_text("[kosha.connectors]\nrogue = rogue_plugin\n")
    (tmp_path / "rogue_plugin.py").write_text("open('imported', 'w').close()\n")
    done = python("-c", HOST, "rogue", "x", "{}", "{}", places=[installed], folder=tmp_path, **KEYS)
    assert "No installed plugin is named 'rogue'" in done.stderr
    assert not (tmp_path / "imported").exists()
