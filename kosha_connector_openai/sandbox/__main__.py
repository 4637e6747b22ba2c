"""``python -m kosha_connector_openai.sandbox``: runs the offline upstream until it is told to stop."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from kosha_connector_openai.errors import ConnectorError
from kosha_connector_openai.plugin import folder
from kosha_connector_openai.sandbox.app import App
from kosha_connector_openai.sandbox.process import DEFAULT_KEY
from kosha_connector_openai.sandbox.server import SandboxServer


def main(arguments: Sequence[str] | None = None, ready: Callable[[str], None] = lambda _: None) -> int:
    """Prints the address on the first line, then serves until SIGTERM or SIGINT; raises OSError where the port is taken.

    ``ready`` is called with the address once it listens.
    """
    parser = argparse.ArgumentParser(prog="python -m kosha_connector_openai.sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--key", default=DEFAULT_KEY, help="the made-up key that callers must send")
    parser.add_argument("--connector", type=Path, default=None, help="folder with connector.yaml; default: the bundled one")
    parser.add_argument("--retired", action="store_true", help="answer operations that the vendor has shut down")
    parser.add_argument("--any-id", action="store_true", help="take every id for that of an object, answered by schema")
    given = parser.parse_args(arguments)
    try:
        app = App(given.connector or folder(), key=given.key, retired=given.retired, any_id=given.any_id)
    except ConnectorError as error:
        parser.error(str(error))
    with SandboxServer(app, given.port) as server:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        ready(server.url)
        server.serve_forever(poll_interval=0.1)
        server.drain()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except OSError as error:
        sys.exit(f"The port cannot be used: {error.strerror}.")
