"""A day in the life of a process that holds a key: all kinds of calls through all engines, everything logged, reported and kept."""

from __future__ import annotations

import asyncio
import json
import logging
import pickle
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kosha_connector_openai import CallOptions, Connector, ConnectorError
from kosha_connector_openai.core.record import Record, log
from kosha_connector_openai.plugin import folder
from tests.integration.conftest import WAYS, Way
from tests.recorder import Recorder, Script, events, reply, reset, silence
from tests.threats.conftest import CHAT
from tests.threats.test_credentials import FAILURES, SEED

PART = b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n'
NOBODY = "http://127.0.0.1:9"
STREAM = {**CHAT, "stream": True}
Calls = Mapping[str, tuple[tuple[Script, ...], str, dict[str, Any], dict[str, Any]]]


def calls(out: Path) -> Calls:
    """Name -> the upstream's answers, the action, its inputs and the options of the call."""
    busy = reply(status=503, headers=[("retry-after-ms", "1")])
    many = reply(status=429, body={"error": {"message": "slow", "code": "rate_limit_exceeded"}}, headers=[("retry-after-ms", "1")])
    succeeding: Calls = {
        "models": ((reply(body={"data": []}),), "listModels", {}, {}),
        "retried": ((busy, many, reply(body={"data": []})), "listModels", {}, {}),
        "given-up": ((busy,), "listModels", {}, {}),
        "reset-get": ((reset, reply()), "listModels", {}, {}),
        "resent": ((reset, reply()), "createCompletion", SEED, {"unsafe_retries": True}),
        "stream": ((events(PART, PART, b"data: [DONE]\n\n"),), "createChatCompletion", STREAM, {}),
        "stream-closed": ((events(PART),), "createChatCompletion", STREAM, {}),
        "stream-broken": ((events(PART, end=False),), "createChatCompletion", STREAM, {}),
        "stream-late": ((events(PART, PART, PART, pause=0.2),), "createChatCompletion", STREAM, {"timeout": 0.3}),
        "upload": ((reply(body={"id": "f"}),), "createFile", {"purpose": "batch", "file": ("a.jsonl", b"{}\n" * 50_000)}, {}),
        "download": (
            (reply(body=b"x" * 50_000, content_type="audio/mpeg"),),
            "createSpeech",
            _SPEECH,
            {"out": out / "a.mp3", "overwrite": True},
        ),
        "download-cut": ((reply(body=b"x", length=9),), "createSpeech", _SPEECH, {"out": out / "b.mp3"}),
        "text": ((reply(body=b"hello", content_type="text/plain"),), "createCompletion", SEED, {}),
        "timeout": ((silence(1),), "createCompletion", SEED, {"timeout": 0.1}),
    }
    failing = {name: ((script,), "createCompletion", inputs, options) for name, (script, inputs, options) in FAILURES.items()}
    return {**succeeding, **failing, "unknown-host": ((), "createCompletion", SEED, {})}


_SPEECH = {"model": "m", "input": "hi", "voice": "alloy"}


def main(out: Path) -> None:
    """Runs everything; what is left behind is in ``out``, on the two outputs and in the temporary folder."""
    logging.basicConfig(filename=out / "debug.log", level=logging.DEBUG)
    kept: list[Record] = []

    def keep(record: Record) -> None:
        kept.append(record)
        log(record)

    with Connector(folder(), record=keep) as connector:
        for name in WAYS:
            engine, _, mode = name.partition("-")
            way = Way(connector, engine, mode == "async")
            for what, (scripts, action, inputs, options) in calls(out).items():
                with Recorder(*scripts) as upstream:
                    # Only its address goes on: what it received has the key, and the reports show variables.
                    report(out, f"{name} {what}", way, upstream.url if scripts else NOBODY, (action, inputs, options))
    (out / "records.jsonl").write_text("".join(f"{record.to_json()}\n" for record in kept))
    print(len(kept), "records")  # noqa: T201
    with Recorder(reply(status=401, body={"error": {"message": "no"}})) as upstream:
        asyncio.run(_aborted(upstream))


def report(out: Path, title: str, way: Way, url: str, call: tuple[str, dict[str, Any], dict[str, Any]]) -> None:
    """One call, and everything that a careless host does with what comes of it."""
    action, inputs, options = call
    connection = way.connection(url, retries={"base": 0.01, "attempts": 3}, limits={"reply_json": 10_000})
    print(title, repr(connection), vars(connection))  # noqa: T201
    try:
        print(way.connector.preview(action, inputs, connection))  # noqa: T201
        result = way.run(connection, action, inputs, **options)
        print(result, json.dumps(result.to_dict(), default=str))  # noqa: T201
    except ConnectorError as error:
        shown = traceback.TracebackException.from_exception(error, capture_locals=True)
        logging.getLogger("host").exception("failed")
        print("".join(shown.format()), vars(error), error.to_dict(), file=sys.stderr)  # noqa: T201
        with (out / "errors.pickle").open("ab") as file:
            pickle.dump(error, file)


async def _aborted(upstream: Recorder) -> None:
    """Ends the process with an error that nobody caught."""
    async with Connector(folder()) as connector:
        await connector.arun(
            "createCompletion", SEED, connector.connection({"server_url": upstream.url, "api_key": "env:OPENAI_API_KEY"}), CallOptions()
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
