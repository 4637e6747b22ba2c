"""The files by which hosts of MCP find and start the command: an ``.mcpb`` bundle (manifest 0.4), and the registry's ``server.json``."""

from __future__ import annotations

import io
import json
import re
import zipfile
from typing import Any, Final

from kosha_connector_openai import __version__
from kosha_connector_openai.connector import Connector
from kosha_connector_openai.errors import Fault, InputError
from kosha_connector_openai.manifest import ConnectionField
from kosha_connector_openai.mcp import ToolList

PACKAGE: Final = __name__.partition(".")[0].replace("_", "-")
_SCHEMA: Final = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"
_NAME: Final = re.compile(r"[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+")
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_LONGEST: Final = 100


def mcpb(connector: Connector) -> bytes:
    """The bundle: a manifest, a project that names this package, and a start; the host's uv fetches the package. Same bytes each time."""
    project = f"""[project]
name = "{connector.id}-mcp"
version = "{_version(connector)}"
requires-python = ">=3.11"
dependencies = ["{PACKAGE}[mcp]=={__version__}"]
"""
    start = (
        "import sys\n\nfrom kosha_connector_openai.cli import main\n\n"
        f'sys.argv[1:1] = ["--connector", "{connector.id}", "mcp"]\nsys.exit(main())\n'
    )
    files = {
        "manifest.json": json.dumps(_bundle(connector), indent=2, ensure_ascii=False).encode() + b"\n",
        "pyproject.toml": project.encode(),
        "server/main.py": start.encode(),
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr, entry.create_system, entry.compress_type = 0o100644 << 16, 3, zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return out.getvalue()


def server_json(connector: Connector, name: str) -> dict[str, Any]:
    """What a registry of servers lists; ``name`` is the publisher's, such as ``io.github.you/name``. Raises InputError."""
    if not _NAME.fullmatch(name):
        raise InputError("The name is wrong.", [Fault("/name", "pattern", "is no name of a server.", "Write io.github.you/name.")])
    words = ("--connector", connector.id, "mcp")
    return {
        "$schema": _SCHEMA,
        "name": name,
        "title": connector.manifest.title[:_LONGEST],
        "description": _line(connector.manifest.tagline)[:_LONGEST],
        "version": _version(connector),
        "packages": [
            {
                "registryType": "pypi",
                "identifier": PACKAGE,
                "version": __version__,
                "runtimeHint": "uvx",
                "runtimeArguments": [{"type": "named", "name": "--from", "value": f"{PACKAGE}[mcp]=={__version__}"}],
                "packageArguments": [{"type": "positional", "value": word} for word in words],
                "transport": {"type": "stdio"},
                "environmentVariables": [_variable(entry) for entry in sorted(_fields(connector), key=lambda entry: not entry.secret)],
            }
        ],
    }


def _bundle(connector: Connector) -> dict[str, Any]:
    manifest, fields = connector.manifest, _fields(connector)
    return {
        "manifest_version": "0.4",
        "name": connector.id,
        "display_name": manifest.title,
        "version": _version(connector),
        "description": manifest.tagline,
        "long_description": manifest.description or manifest.tagline,
        "author": {"name": manifest.publisher.name},
        "license": manifest.license,
        "keywords": list(manifest.keywords),
        "server": {
            "type": "uv",
            "entry_point": "server/main.py",
            "mcp_config": {
                "command": "uv",
                "args": ["run", "--directory", "${__dirname}", "server/main.py"],
                "env": {entry.env[0]: f"${{user_config.{entry.name}}}" for entry in fields},
            },
        },
        "tools": [{"name": tool.name, "description": tool.description} for tool in ToolList(connector).tools.values()],
        "tools_generated": False,
        "compatibility": {"platforms": ["darwin", "linux", "win32"], "runtimes": {"python": ">=3.11"}},
        "user_config": {entry.name: _user_setting(entry) for entry in fields},
    }


def _fields(connector: Connector) -> list[ConnectionField]:
    """The fields of the connection that a host asks for: the secrets and the server, where a variable can hold them."""
    return [entry for entry in connector.manifest.connection.fields if entry.env and (entry.secret or entry.role == "server")]


def _variable(entry: ConnectionField) -> dict[str, Any]:
    """A field as the registry lists it."""
    return {
        "name": entry.env[0],
        "description": _line(entry.help or entry.label),
        "isRequired": bool(entry.required),
        "isSecret": bool(entry.secret),
    }


def _user_setting(entry: ConnectionField) -> dict[str, Any]:
    """A field as a bundle's host asks for it."""
    return {
        "type": "string",
        "title": entry.label,
        "description": _line(entry.help or entry.label),
        "sensitive": bool(entry.secret),
        "required": bool(entry.required),
    }


def _version(connector: Connector) -> str:
    return connector.manifest.version


def _line(text: str) -> str:
    return " ".join(text.split())
