"""docs/forms.md is true: its code prints what it says, its commands run, its manifest loads, its schema is the format's."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from kosha_connector_openai.cli.app import make_app
from kosha_connector_openai.forms.format import format_schema
from kosha_connector_openai.manifest.part import parse_part
from kosha_connector_openai.manifest.parts.forms import FormsPart
from tests.packaging.building import python

BLOCK = re.compile(r"^```(\w+)(?: file=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = BLOCK.findall((Path(__file__).parents[2] / "docs" / "forms.md").read_text(encoding="utf-8"))
LINES = [line for kind, _, text in BLOCKS if kind == "sh" for line in text.splitlines()]


def test_the_code_prints_what_the_page_says(root: Path, tmp_path: Path) -> None:
    """As it stands there, in an interpreter of its own."""
    (code,) = [text for kind, _, text in BLOCKS if kind == "python"]
    (expected,) = [text for kind, _, text in BLOCKS if kind == "text"]
    done = python("-c", code, places=[root], folder=tmp_path)
    assert (done.stdout, done.stderr) == (expected, "")


@pytest.mark.parametrize("line", LINES)
def test_each_command_runs(line: str) -> None:
    """As it stands there."""
    shown = CliRunner().invoke(make_app(), shlex.split(line.partition(" #")[0])[1:], prog_name="kosha-openai")
    assert (shown.exit_code, bool(shown.stdout)) == (0, True)


def test_the_page_has_its_commands() -> None:
    """Nothing above is tested by accident of a changed page."""
    assert len(LINES) == 5


def test_the_manifest_part_loads() -> None:
    """With every key that it shows."""
    (text,) = [text for _, name, text in BLOCKS if name == "forms.yaml"]
    part = parse_part(text.encode(), FormsPart, name="forms.yaml")
    assert part.actions["createSpeech"].main == ("input", "voice")


def test_the_schema_is_the_formats(root: Path) -> None:
    """docs/form.schema.json is fresh, valid JSON Schema, and closed: a form with a key that it does not know is refused."""
    schema = json.loads((root / "docs" / "form.schema.json").read_text(encoding="utf-8"))
    assert schema == format_schema()
    Draft202012Validator.check_schema(schema)
    form = {"form_version": 1, "action": "a", "title": "A", "summary": "s", "groups": [], "raw": {"scope": "inputs", "type": "object"}}
    assert Draft202012Validator(schema).is_valid({**form, "fields": [], "$defs": {}})
    assert not Draft202012Validator(schema).is_valid({**form, "fields": [], "$defs": {}, "colour": "red"})
    assert not Draft202012Validator(schema).is_valid({**form, "fields": [{"name": "x"}], "$defs": {}})
