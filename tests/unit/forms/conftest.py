"""Forms of small descriptions."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from kosha_connector_openai import Connector
from kosha_connector_openai.forms import Form

Maker = Callable[..., Form]


@pytest.fixture
def make_form(tmp_path: Path) -> Iterator[Maker]:
    """Makes the form of one action with these fields in its body; other keywords are the part ``forms``."""
    opened: list[Connector] = []

    def make(
        properties: Mapping[str, Any],
        *,
        required: list[str] | None = None,
        schemas: Any = None,
        media: str = "application/json",
        **part: Any,
    ) -> Form:
        schema = {"type": "object", "properties": properties, "required": required or []}
        body = {"required": True, "content": {media: {"schema": schema}}}
        operation = {"operationId": "act", "summary": "Act", "requestBody": body, "responses": {"200": {"description": "Done."}}}
        root = {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {"/a": {"post": operation}}}
        (tmp_path / "openapi.json").write_text(json.dumps({**root, "components": {"schemas": schemas or {}}}))
        manifest = {"id": "x", "title": "X", "version": "1.0.0", "tagline": "t", "publisher": {"name": "p"}, "license": "Apache-2.0"}
        (tmp_path / "connector.yaml").write_text(json.dumps(manifest | {"parts": {"forms": part}}))
        opened.append(Connector(tmp_path))
        return opened[-1].forms["act"]

    yield make
    for connector in opened:
        connector.close()
