"""The example that docs/publishing.md builds on is a whole connector, and what both pages say to type works."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kosha_connector_openai import Connector
from kosha_connector_openai.cli.app import make_app
from tests.offline import Offline, offline

PAGES = ("docs/publishing.md", "examples/tides/README.md")
TYPED = re.compile(r"^ *kosha-openai (.*examples/tides.*)$", re.MULTILINE)
ROOT = Path(__file__).parents[2]
LINES = [line for page in PAGES for line in TYPED.findall((ROOT / page).read_text(encoding="utf-8")) if not line.endswith("sandbox")]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Offline]:
    """The server that both pages start first."""
    with offline(connector=ROOT / "examples" / "tides") as running:
        yield running


def test_the_folder_is_whole(root: Path) -> None:
    """Manifest, description and logo fit together, and no fault is left."""
    with Connector(root / "examples" / "tides") as tides:
        assert tides.catalog.faults() == ()
        assert list(tides.catalog) == ["listStations", "getStation", "addReport"]
        assert (tides.icon() or b"").startswith(b"<svg")
        assert tides.catalog["addReport"].title == "Report a water level"


@pytest.mark.parametrize("line", dict.fromkeys(LINES))
def test_each_line_of_the_pages_runs(line: str, root: Path, sandbox: Offline, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it stands there, against the sandbox that the page starts."""
    monkeypatch.chdir(root)
    monkeypatch.setenv("TIDES_KEY", sandbox.key)
    monkeypatch.setenv("TIDES_URL", sandbox.url)
    shown = CliRunner().invoke(make_app(), shlex.split(line.partition(" #")[0].partition(" > ")[0]), prog_name="kosha-openai")
    assert (shown.exit_code, shown.stderr.startswith("Error")) == (0, False)


def test_the_pages_have_lines(root: Path) -> None:
    """Nothing above is tested by accident of a changed page."""
    assert len(set(LINES)) >= 7
