"""What a server's answer can do to the terminal of whoever reads it: nothing but show text."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from kosha_connector_openai.cli.app import make_app
from tests.threats.echoing import Echoing

HOSTILE = "A\x1b]0;title\x07B\x9b2JC\x1b[2JD\u202eE\x08F\rOVERG\x00H\x1bPq\x1b\\"
ACTS = re.compile("\x1b\\]|\x9b|\x1b\\[2J|\x07|\u202e|\x08|\rOVER|\x00|\x1bP")
CHAT = ("model=m", 'messages=[{"role":"user","content":"hi"}]')
COMMANDS = [
    ("body", ("run", "createChatCompletion", *CHAT)),
    ("body", ("run", "createChatCompletion", *CHAT, "--json")),
    ("body", ("run", "createChatCompletion", *CHAT, "--raw")),
    ("body", ("run", "listFiles")),
    ("body", ("actions", "options", "retrieveFile", "file_id")),
    ("body", ("task", "run", "ask", "question=x", "model=m")),
    ("error", ("run", "createChatCompletion", *CHAT)),
    ("error", ("run", "createChatCompletion", *CHAT, "--json")),
    ("events", ("run", "createChatCompletion", *CHAT, "stream:=true")),
    ("events", ("run", "createChatCompletion", *CHAT, "stream:=true", "--raw")),
    ("broken", ("run", "createChatCompletion", *CHAT)),
    ("error", ("bulk", "run", "createChatCompletion", "rows.jsonl", "--set", "model=m", "--out", "out.csv")),
    ("error", ("bulk", "status", "out.csv")),
    ("error", ("bulk", "show", "out.csv", "1")),
]


class Hostile(Echoing):
    """Says what would act, wherever an answer has room for text."""

    def __init__(self) -> None:
        super().__init__("sk-0123456789abcdefghij")
        self._said = json.dumps(HOSTILE)[1:-1]


def test_no_sequence_of_a_server_acts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Titles, cleared screens, lines that are written over, reversed text: neither from answers, errors and streams, nor from kept rows."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda _: True)
    for name, value in {"NO_COLOR": "1", "TERM": "dumb", "HOME": str(tmp_path), "OPENAI_API_KEY": "sk-0123456789abcdefghij"}.items():
        monkeypatch.setenv(name, value)
    Path("rows.jsonl").write_text(json.dumps({"messages": [{"role": "user", "content": "hi"}]}) + "\n")
    acted: list[Any] = []
    shown = ""
    with Hostile() as upstream:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{upstream.url}/v1")
        for place, words in COMMANDS:
            upstream.set(place)
            done = CliRunner().invoke(make_app(), list(words), prog_name="kosha-openai", color=True)
            acted += [words for text in (done.stdout, done.stderr) if ACTS.search(text)]
            shown += done.output
    assert acted == []
    assert shown.count("OVERG") > len(COMMANDS)
