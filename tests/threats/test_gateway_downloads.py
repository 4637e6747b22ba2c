"""Row B10's kind at the files that runs leave: what one caller keeps takes no other's room."""

from __future__ import annotations

import pytest

from kosha_connector_openai.gateway.pages import downloads as downloads_module
from kosha_connector_openai.gateway.pages.downloads import Downloads


def test_b10_one_caller_does_not_take_all_the_room(monkeypatch: pytest.MonkeyPatch):
    """Neither by bytes nor by number: whoever comes next still has room, and reads only what is theirs."""
    kept = Downloads(most=1_000)
    while kept.store(b"x" * 100, "a", "text/plain") is not None:
        pass
    found = kept.store(b"y" * 200, "b", "text/plain")
    assert found is not None
    assert kept.find(found[0], "a") is None
    assert kept.store(b"z" * 100, "c", "text/plain") is not None
    kept.close()

    monkeypatch.setattr(downloads_module, "_MOST_FILES", 8)
    many = Downloads()
    while many.store(b"", "a", "text/plain") is not None:
        pass
    assert many.store(b"", "b", "text/plain") is not None
    many.close()
