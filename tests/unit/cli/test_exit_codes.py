"""Each kind of error ends the process with its own documented code."""

from __future__ import annotations

from pathlib import Path

import pytest

from kosha_connector_openai import errors
from kosha_connector_openai.cli.exit_codes import MEANINGS, ExitCode, exit_code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ManifestError("x"), 10),
        (errors.DocumentError("x"), 10),
        (errors.PluginError("x"), 10),
        (errors.InputError("x"), 3),
        (errors.UnknownActionError("x"), 3),
        (errors.SetupError("x"), 4),
        (errors.OriginError("x"), 4),
        (errors.SecretMissingError("x"), 4),
        (errors.SecretStoreError("x"), 4),
        (errors.NotSentError("x", phase="connect"), 7),
        (errors.OutcomeUnknownError("x", phase="read"), 8),
        (errors.MalformedReplyError("x"), 9),
        (errors.TruncatedReplyError("x"), 9),
        (errors.RedirectRefusedError("x"), 9),
        (errors.RejectedError("x", status=400, category="invalid_input"), 5),
        (errors.AccessError("x", status=401, category="auth"), 6),
        (errors.UnavailableError("x", status=503, category="overloaded"), 7),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_code_of_each_error(error: errors.ConnectorError, code: int) -> None:
    """An error's code is that of its nearest class, and never changes."""
    assert exit_code(error) == code


def test_every_code_is_explained() -> None:
    """No code is without its meaning and its advice."""
    assert set(MEANINGS) == set(ExitCode)
    assert all(meaning and advice for meaning, advice in MEANINGS.values())


def test_documented(root: Path) -> None:
    """The table in docs/cli.md has a row for each code."""
    text = (root / "docs" / "cli.md").read_text(encoding="utf-8")
    assert [code for code in ExitCode if f"| {code.value} |" not in text] == []
