"""One folder: every operation's samples are checked, previewed and compared with what the judge expects of the raw description."""

from __future__ import annotations

import json
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from kosha_connector_openai import Connection, Connector
from kosha_connector_openai.core.actions import Action, action_sample
from kosha_connector_openai.errors import ConnectorError
from tools.sweep.judge import Judge, differences

SERVER = "http://127.0.0.1:9"
"""Nothing is sent: the preview is the request, byte for byte."""


@dataclass
class Row:
    """What was found in one folder; each operation is tried with the least and with all inputs."""

    name: str
    operations: int = 0
    faulty: int = 0
    unsampled: int = 0
    refused: int = 0
    wrong: int = 0
    crashed: int = 0
    right: int = 0
    findings: list[str] = field(default_factory=list)


def sweep(name: str, folder: Path) -> Row:
    """The row of a folder; never raises."""
    row = Row(name)
    try:
        _sweep(row, folder)
    except ConnectorError:  # refused as a whole, which its author is told
        row.faulty += 1
    except Exception:
        row.crashed += 1
        row.findings.append(f"crash: {traceback.format_exc(limit=-2)}")
    return row


def _sweep(row: Row, folder: Path) -> None:
    with Connector(folder) as connector:
        document = connector.catalog.document
        judge = Judge(read(folder / connector.manifest.spec.file))
        places = judge.places()
        row.operations, row.faulty = len(places), len(connector.catalog.faults())
        fields = {entry.name: SERVER for entry in connector.manifest.connection.fields if entry.role == "server"}
        kinds = {entry.name: "NONE" for entry in connector.manifest.connection.fields if entry.role == "auth_type"}
        given = {entry.name: "env:SWEEP" for entry in connector.manifest.connection.fields if entry.secret and entry.required and not kinds}
        connection = connector.connection({**fields, **kinds, **given}, environ={}, headers={})
        rules = connector.manifest.request
        for key in document:
            if key not in connector.catalog or not _is_sound(connector, key):
                continue
            action = connector.catalog[key]
            path = _key_of(action).removeprefix(judge.base)
            if (action.operation.method.lower(), path) not in places or rules.lists or rules.objects:
                continue
            for minimal in (True, False):
                _try(row, judge, connector, action, connection, places[action.operation.method.lower(), path], minimal)


def read(file: Path) -> Any:
    """A description as raw values."""
    text = file.read_text("utf-8-sig")
    if text.lstrip().startswith("{"):
        return json.loads(text)
    return json.loads(json.dumps(yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)), default=str))


def _is_sound(connector: Connector, key: str) -> bool:
    try:
        return connector.catalog[key] is not None
    except ConnectorError:
        return False


def _key_of(action: Action) -> str:
    """The path key that the operation stands under."""
    return action.operation.pointer.split("/")[2].replace("~1", "/").replace("~0", "~")


def _try(row: Row, judge: Judge, connector: Connector, action: Action, connection: Connection, place: Any, minimal: bool) -> None:
    which = "least" if minimal else "all"
    try:
        inputs = action_sample(action, minimal=minimal)
    except ConnectorError as error:
        row.unsampled += 1
        row.findings.append(f"{action.id}: no sample ({which}): {error.message}")
        return
    try:
        connector.check(action.id, inputs)
        preview = connector.preview(action.id, inputs, connection)
        body = preview.body()
    except ConnectorError as error:
        row.refused += 1
        row.findings.append(f"{action.id}: its own sample ({which}) is refused: {str(error)[:300]}")
        return
    except Exception:
        row.crashed += 1
        row.findings.append(f"{action.id}: crash: {traceback.format_exc(limit=-2)}")
        return
    headers = {name.lower(): value for name, value in preview.headers}
    found = differences(
        judge.expected(place, inputs, headers.get("content-type", "")), preview.method, preview.url.removeprefix(SERVER), headers, body
    )
    row.wrong += bool(found)
    row.right += not found
    row.findings += [f"{action.id} ({which}): {each}" for each in found]
