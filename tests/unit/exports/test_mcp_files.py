"""The bundle and the registry's entry say how the command is started, and are the same bytes each time."""

from __future__ import annotations

import io
import json
import zipfile

import pytest

from kosha_connector_openai import Connector, __version__
from kosha_connector_openai.errors import InputError
from kosha_connector_openai.exports import mcpb, server_json


def test_the_bundle(connector: Connector) -> None:
    """A manifest of 0.4 for the host's uv, a project that pins this package, a start that chooses the connector; no key in it."""
    made = mcpb(connector)
    assert made == mcpb(connector)
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        assert f'kosha-connector-openai[mcp]=={__version__}"' in archive.read("pyproject.toml").decode()
        assert '["--connector", "openai", "mcp"]' in archive.read(manifest["server"]["entry_point"]).decode()
        compile(archive.read("server/main.py"), "main.py", "exec")
    assert (manifest["manifest_version"], manifest["server"]["type"]) == ("0.4", "uv")
    assert manifest["user_config"]["api_key"]["sensitive"] is True
    assert manifest["server"]["mcp_config"]["env"]["OPENAI_API_KEY"] == "${user_config.api_key}"


def test_the_registrys_entry(connector: Connector) -> None:
    """The package on PyPI, its version, its arguments, and which variables are secret."""
    made = server_json(connector, "io.github.someone/openai")
    package = made["packages"][0]
    assert (package["registryType"], package["identifier"], package["version"]) == ("pypi", "kosha-connector-openai", __version__)
    assert [each["value"] for each in package["packageArguments"]] == ["--connector", "openai", "mcp"]
    assert {each["name"]: each["isSecret"] for each in package["environmentVariables"]}["OPENAI_API_KEY"] is True
    assert len(made["description"]) <= 100
    with pytest.raises(InputError, match=r"io\.github"):
        server_json(connector, "no name")
