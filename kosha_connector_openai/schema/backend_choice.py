"""Which JSON Schema library checks: the compiled one where it is installed."""

from __future__ import annotations

from kosha_connector_openai.schema.backend import SchemaBackend


def default_backend() -> SchemaBackend:
    """The compiled backend where it is installed, else the reference backend. Each is imported when it is asked for."""
    try:
        from kosha_connector_openai.schema.rust_backend import RustBackend
    except ModuleNotFoundError as error:
        if error.name != "jsonschema_rs":
            raise
        from kosha_connector_openai.schema.python_backend import PythonBackend

        return PythonBackend()
    return RustBackend()
