"""The offline upstream: a connector's folder comes in, an HTTP server on loopback that answers its operations goes out."""

from __future__ import annotations

from kosha_connector_openai.sandbox.process import DEFAULT_KEY, Sandbox

__all__ = ["DEFAULT_KEY", "Sandbox"]
