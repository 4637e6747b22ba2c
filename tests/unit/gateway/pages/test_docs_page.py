"""The pages about the gateway are true: their settings are settings, their variables and flags exist, their programs are programs."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import yaml

from kosha_connector_openai.gateway.access.tokens import hash_token
from kosha_connector_openai.gateway.settings import _VARIABLES, _VARIABLES_AS_KOSHA, PREFIX, Settings
from kosha_connector_openai.manifest import validated
from tests.unit.cli.conftest import make_app

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = ("gateway.md", "gateway-security.md", "gateway-clients.md")


@pytest.fixture(scope="module")
def pages(root: Path) -> dict[str, str]:
    return {name: (root / "docs" / name).read_text(encoding="utf-8") for name in PAGES}


def blocks(text: str, language: str) -> list[str]:
    return [content for name, content in BLOCK.findall(text) if name == language]


def test_every_file_of_settings_is_one(pages: dict[str, str]):
    """With digests in place of the dots."""
    found = blocks(pages["gateway.md"], "yaml")
    assert len(found) >= 2
    for number, block in enumerate(found):
        text = block
        while '"kosha1:..."' in text:
            text = text.replace('"kosha1:..."', hash_token(f"token-{number}-{text.count('...')}-0123456789"), 1)
        validated(yaml.safe_load(text), Settings)


def test_every_variable_is_read(pages: dict[str, str]):
    """No page names one that nothing reads."""
    named = set(re.findall(r"KOSHA_GATEWAY_[A-Z_]+", " ".join(pages.values())))
    short = re.search(r"`KOSHA_GATEWAY_HOST`, (.*?), and", pages["gateway.md"], re.DOTALL)
    assert short is not None
    named |= {f"{PREFIX}{name.lstrip('_')}" for name in re.findall(r"`(_[A-Z_]+)`", short[1])}
    assert named <= {*_VARIABLES, f"{PREFIX}CONFIG"}
    assert set(_VARIABLES) <= named
    assert set(_VARIABLES_AS_KOSHA) <= set(re.findall(r"[A-Z_]+", pages["gateway.md"]))


def test_every_flag_exists(pages: dict[str, str]):
    """In the text and in the examples."""
    import typer

    command = typer.main.get_command(make_app())
    options = {option for parameter in command.commands["serve"].load().params for option in parameter.opts}  # type: ignore[attr-defined]
    used = set()
    for text in pages.values():
        for line in re.findall(r"kosha-openai serve([^\n`]*)", text):
            used |= set(re.findall(r"--[a-z-]+", line))
    assert used
    assert used <= options


def test_the_python_parses(pages: dict[str, str]):
    """As it stands."""
    found = blocks(pages["gateway-clients.md"], "python")
    assert found
    for text in found:
        ast.parse(text)
