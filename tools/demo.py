"""``make demo``: the connector at work, end to end: plugin, hooks, catalog, checks, HTTP, results, flows, gateway; each step checked.

Without a key it talks to the offline sandbox over real HTTP on loopback; with ``OPENAI_API_KEY`` set, to the configured server.
"""

from __future__ import annotations

import base64
import io
import json
import math
import os
import struct
import sys
import tempfile
import time
import wave
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kosha_connector_openai import Connection, Connector, ConnectorError, create_plugin_manager, load_connectors, plugin
from kosha_connector_openai.errors import InputError
from kosha_connector_openai.sandbox import Sandbox
from kosha_connector_openai.secrets.stores import FileStore
from tools import demo_bulk, demo_flows
from tools.demo_words import DemoError, check, say

OUT = Path(__file__).parent.parent / "out"
SEED = {"model": "text-davinci-003", "prompt": "Say this is a test", "max_tokens": 7, "temperature": 0}
LIVING = "gpt-3.5-turbo-instruct"
"""The vendor has shut the seed example's model down."""
PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Demo:
    """A connector and a connection, and one method for each step."""

    connector: Connector
    connection: Connection
    seed: Mapping[str, Any]
    environment: Mapping[str, str]
    """What a process needs to reach the same server; empty where the present one has it."""

    def complete(self) -> dict[str, Any]:
        """The seed example; its short result."""
        result = self.connector.run("createCompletion", self.seed, self.connection)
        text = result.value["choices"][0]["text"]
        check(result.status == 200 and result.kind == "json" and isinstance(text, str) and bool(text.strip()), "a completion")
        say("completion", f"{self.seed['prompt']!r} -> {text.strip()!r}")
        return self.connector.outputs.of(result).to_dict()

    def slip(self) -> None:
        """A typing mistake, told before anything is sent."""
        inputs = {**self.seed, "max_tokens": "seven"}
        try:
            self.connector.run("createCompletion", inputs, self.connection)
        except InputError as error:
            say("a slip", f"max_tokens='seven' -> {error.faults[0].pointer} {error.faults[0].message} Nothing was sent.")
        else:
            check(holds=False, what="a refused slip")

    def draw(self) -> None:
        """A picture, saved as a file."""
        inputs = {"model": "gpt-image-1-mini", "prompt": "A small lighthouse at dusk", "size": "1024x1024", "quality": "low"}
        result = self.connector.run("createImage", inputs, self.connection)
        image = base64.b64decode(result.value["data"][0]["b64_json"], validate=True)
        check(image.startswith(PNG) and image[12:16] == b"IHDR", "a PNG picture")
        width, height = struct.unpack(">II", image[16:24])
        OUT.mkdir(exist_ok=True)
        (OUT / "demo.png").write_bytes(image)
        say("image", f"{width} x {height} PNG, {len(image)} bytes -> out/demo.png")

    def transcribe(self) -> None:
        """A recording as a file upload, and the text in it."""
        sound = tone()
        inputs = {"model": "gpt-4o-mini-transcribe", "file": {"bytes": sound, "filename": "tone.wav"}}
        result = self.connector.run("createTranscription", inputs, self.connection)
        text = result.value["text"]
        check(isinstance(text, str), "a transcript")
        say("transcript", f"{len(sound)} bytes of WAV -> {text.strip()!r}")

    def chat(self) -> None:
        """An answer that is printed as it comes."""
        inputs = {
            "model": "gpt-4o-mini",
            "messages": [{"role": "user", "content": "Say hello in one short sentence."}],
            "max_completion_tokens": 40,
            "stream": True,
        }
        sys.stdout.write(f"{'chat':<13}")
        with self.connector.stream("createChatCompletion", inputs, self.connection) as stream:
            for event in stream:
                sys.stdout.write("".join(char for char in event.text if char.isprintable()))
                sys.stdout.flush()
        print(flush=True)
        result = stream.result
        check(result is not None and bool(result.text) and result.incomplete is None, "a whole stream")


def tone() -> bytes:
    """Half a second of A4 as WAV, 16 kHz mono."""
    samples = (int(8_000 * math.sin(2 * math.pi * 440 * number / 16_000)) for number in range(8_000))
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return buffer.getvalue()


def online(connector: Connector) -> Demo:
    """The configured server, under the key in the environment."""
    connection = connector.connection()
    say("server", f"{connection.server.origin}, with the key in OPENAI_API_KEY; this costs a few cents")
    return Demo(connector, connection, {**SEED, "model": LIVING}, {})


def offline(connector: Connector, stack: ExitStack) -> Demo:
    """The sandbox as a process of its own, its key in a file that only its owner can read."""
    sandbox = stack.enter_context(Sandbox())
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kosha-")))
    path = folder / "key"
    path.touch(mode=0o600)
    path.write_text(sandbox.key)
    stores = {**connector.stores, "file": FileStore([folder])}
    own = stack.enter_context(Connector(connector.folder, stores=stores.values()))
    say("server", f"the offline sandbox at {sandbox.url}; set OPENAI_API_KEY to use the real one")
    connection = own.connection({"server_url": sandbox.url, "api_key": f"file:{path}"}, environ={})
    return Demo(own, connection, SEED, {"OPENAI_API_KEY": sandbox.key, "OPENAI_BASE_URL": sandbox.url})


def steps() -> dict[str, Any]:
    """The steps one after the other; gives the short result of the first."""
    with ExitStack() as stack:
        connector = stack.enter_context(load_connectors(create_plugin_manager([plugin]))["openai"])
        say("connector", f"{connector.manifest.title} {connector.manifest.version}, {len(connector.catalog)} actions, found through pluggy")
        demo = online(connector) if os.environ.get("OPENAI_API_KEY") else offline(connector, stack)
        first = demo.complete()
        demo.slip()
        demo.draw()
        demo.transcribe()
        demo.chat()
        both = (demo.connector, demo.connection)
        demo_flows.task(*both)
        demo_flows.listing(*both, fill=bool(demo.environment))
        demo_flows.job(*both)
        demo_flows.workflow(*both)
        if demo.environment:
            demo_bulk.rows(demo.environment)
        demo_flows.gateway(demo.environment)
    return first


def main() -> int:
    """0 only where each step gave what it should."""
    started = time.monotonic()
    try:
        first = steps()
    except (ConnectorError, DemoError, RuntimeError) as error:
        say("failed", f"{error}")
        return 1
    except (LookupError, TypeError, ValueError):
        say("failed", "The answer has not the form that the description gives it.")
        return 1
    print(f"\nAll steps checked in {time.monotonic() - started:.1f} s.\nThe first result, as the next step of a workflow gets it:")
    print(json.dumps(first, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
