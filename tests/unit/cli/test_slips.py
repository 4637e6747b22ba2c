"""A slip of the pen: what is told names the place, the rule and what to do."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from tests.tables import check_each

FLOW = """
arazzo: 1.0.1
info: {title: Models, version: 1.0.0}
sourceDescriptions: [{name: openai, url: ./openapi.json, type: openapi}]
workflows:
  - workflowId: models
    inputs: {type: object, properties: {recording: {format: binary}, language: {type: string}}}
    steps: [{stepId: list, operationId: listModels}]
"""
CONNECTIONS = {"work.yaml": "values: {api_key: env:OPENAI_API_KEY}\noption: {}\n", "flat.yaml": "api_key: env:OPENAI_API_KEY\n"}
TOKENS = "tokens: [{name: a, hash: 'kosha1:...'}]\n"
SLIPS = [
    (
        "run createTranscription model=whisper-1 fil=@talk.wav",
        3,
        "/fil: is not a known field, and its file is no text. What takes files here: file.",
    ),
    ("task run transcribe adio=@talk.wav", 3, "/adio: is not a known field, and its file is no text. Did you mean `audio`?"),
    (
        "task run ask question=hi note=@talk.wav",
        3,
        "/note: is not a known field, and its file is no text. What takes files here: no field.",
    ),
    ("task run ask question=@home", 3, """/question: cannot be read: No such file or directory. Name a file that you may read, or write"""),
    ("task run ask --input nope.json", 3, "--input: cannot be read: No such file or directory. Name a file"),
    (
        "workflow run ./flow.yaml recordin=@talk.wav",
        3,
        "/recordin: is not a known field, and its file is no text. Did you mean `recording`?",
    ),
    ("workflow run ./flow.yaml speech=x", 3, "/speech: is not a known field. Known here: recording, language."),
    ("workflow run ./flow.yaml --on tempora", 2, "Invalid value for '--on': 'tempora' is not one of 'here', 'temporal'."),
    ("run listModels --out there.json", 3, "/out: exists already. Name another one, or let it be replaced: `--force`"),
    ("run listModels --out no/where.json", 3, "/out: is in a folder that does not exist. Create it first."),
    ("jobs resume nope", 3, "No job has this name.\n`jobs list` shows their names."),
    ("bulk status nope.jsonl", 4, "/ledger: nope.jsonl.ledger is not there. Name the output or ledger of a run."),
    ("bulk run ask nope.csv --out out.csv", 3, "/input: nope.csv is not there. Name a file, a folder, or - for standard input."),
    ("package nope", 10, "/nope: is no folder. Name one."),
    ("catalogue build nope", 10, "/nope: is no folder. Build one: `package`."),
    (
        "install tides --from nope --yes",
        4,
        "/index.json: cannot be opened: No such file or directory. Name a folder that `catalogue build` made.",
    ),
    ("remove nope", 10, "/package: is not installed. Installed: nothing."),
    ("serve --check --config gateway.yaml", 4, "gateway.yaml#/tokens/0/hash: is no digest. Make one with the command `gateway token`."),
    ("trigger poll batch --state no/where.json", 3, "/state: is in a folder that does not exist. Create it first."),
    ("bulk run ask rows.csv --map question=text --out out.csv --set modle", 2, "Invalid value for --set: An input is written NAME=VALUE"),
    ("bulk run ask rows.csv --map question=text --out out.csv --ledger DSN", 4, "/ledger: is no secret reference. Give --ledger env:NAME"),
    ("run listModels --connection ./work.yaml", 4, "/option: is not a known key. Did you mean `options`?"),
    ("run listModels --connection ./flat.yaml", 4, "/api_key: is not a known key. Write `values:` with one text for each field"),
    ("manifest --check there.json", 10, "/title: is missing. Add `title`."),
    ("sandbox --port PORT", 2, "The port cannot be used: Address already in use. Give another, or 0."),
]


def test_a_slip_is_told_with_its_place_and_a_fix(cli: Any, canary: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the table: nothing is sent, and the exit code is that of its kind."""
    monkeypatch.chdir(tmp_path)
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "KOSHA_JOBS", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    for name, content in {"flow.yaml": FLOW, "gateway.yaml": TOKENS, "there.json": "{}", "rows.csv": "text\nWhy?\n", **CONNECTIONS}.items():
        Path(name).write_text(content)
    Path("talk.wav").write_bytes(b"RIFF\xff\xfe")

    def told(row: tuple[str, int, str]) -> None:
        line, code, words = row
        done = cli(*line.replace("PORT", str(taken.getsockname()[1])).split())
        assert (done.exit_code, words in done.stderr, "Value error" in done.stderr) == (code, True, False), done.output

    with socket.create_server(("127.0.0.1", 0)) as taken:
        check_each(SLIPS, told)
