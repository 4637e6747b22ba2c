"""The offline upstream: a connector's folder comes in, an HTTP server on loopback that answers its operations goes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.sandbox.__main__ import main as main
    from kosha_connector_openai.sandbox.app import App as App
    from kosha_connector_openai.sandbox.process import DEFAULT_KEY as DEFAULT_KEY
    from kosha_connector_openai.sandbox.process import Sandbox as Sandbox
    from kosha_connector_openai.sandbox.server import SandboxServer as SandboxServer
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
