"""The offline upstream: a connector's folder comes in, an HTTP server on loopback that answers its operations goes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.sandbox.__main__ import *
    from kosha_connector_openai.sandbox.app import *
    from kosha_connector_openai.sandbox.process import *
    from kosha_connector_openai.sandbox.server import *
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "__main__": "main",
            "app": "App",
            "process": "DEFAULT_KEY Sandbox",
            "server": "SandboxServer",
        },
        old={"Server": "SandboxServer"},
    )
