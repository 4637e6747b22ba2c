"""The command line, run in this process, and a key that leaves traces nowhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from kosha_connector_openai.cli.app import make_app
from tests.canary import Canary

Cli = Callable[..., Result]


@pytest.fixture
def cli() -> Cli:
    """Runs ``kosha-openai`` with arguments; ``input`` is standard input."""

    def run(*arguments: str, **options: Any) -> Result:
        return CliRunner().invoke(make_app(), list(arguments), prog_name="kosha-openai", **options)

    return run


@pytest.fixture
def canary(monkeypatch: pytest.MonkeyPatch) -> Canary:
    """A key in the environment that no output may show."""
    found = Canary()
    monkeypatch.setenv("OPENAI_API_KEY", found.key)
    return found
