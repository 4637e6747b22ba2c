"""The bar of what is waited for, as a terminal gets it."""

from __future__ import annotations

import re
import sys

import pytest

from kosha_connector_openai.cli.live_bar import LiveBar


@pytest.mark.parametrize(
    ("columns", "text", "lines"),
    [
        ("80", "3 of 9 done", ["0:00:00 3 of 9 done"]),
        ("80", "3 of 9 done · 1 failed · 8 under way · 2 rows/s · 3 s left · about 0.0125 USD", ["0:00:00", "about 0.0125 USD"]),
        ("40", "3 of 9 done · 1 failed · 8 under way · 2 rows/s", ["0:00:00", "8 under way · 2", "rows/s"]),
    ],
)
def test_the_text_is_whole_beside_the_bar_or_below(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: str, text: str, lines: list[str]
) -> None:
    """On a narrow terminal neither the bar nor an end of the text is cut."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    for name, value in {"COLUMNS": columns, "TERM": "xterm", "NO_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    with LiveBar(wanted=True) as bar:
        bar.update(text, 3, 9)
        bar._live.refresh()
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().err).replace("\r", "\n").splitlines()
    assert all(any(line.rstrip().endswith(end) for line in shown) for end in lines), shown
    assert "━" in "".join(shown)
    assert max(map(len, shown)) <= int(columns)
