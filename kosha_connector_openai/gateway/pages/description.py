"""The served description: the provider's operations as they are called here, and the service's own, one OpenAPI document for generators.

Paths, ids, tags and schemas stay as they are, since generated clients take their names from them; servers and security are the service's.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import orjson

from kosha_connector_openai.connector import Connector
from kosha_connector_openai.openapi import METHODS
from kosha_connector_openai.text import load_yaml

ACCESS: Final = "x-access"
"""Who may see a page: ``everyone``, ``token``, or as the setting ``docs``, ``catalog`` or ``studio`` says; or ``owner``, who started a
studio."""


@cache
def service_document() -> Mapping[str, Any]:
    """The service's own pages (``service.yaml``): an OpenAPI document whose path items say in ``x-access`` who may see them."""
    document: Mapping[str, Any] = load_yaml((Path(__file__).parents[1] / "service.yaml").read_bytes(), what="service.yaml")
    return document


_PEOPLE: Final = "people"
"""Pages for a person's browser: no client is generated for them."""


def served_document(connector: Connector, *, protected: bool, offered: Mapping[str, bool]) -> bytes:
    """The document as JSON. ``protected``: callers need a token; ``offered``: whether the pages are there that a setting has."""
    root, service = connector.catalog.document.root, service_document()
    components = root.get("components", {})
    every = service["x-every-page"]["responses"]
    own = {path: _own(item, every) for path, item in service["paths"].items() if offered.get(item[ACCESS], item[ACCESS] != _PEOPLE)}
    used = {tag for item in own.values() for operation in item.values() for tag in operation["tags"]}
    document = {
        **{name: value for name, value in root.items() if name not in ("servers", "security", "paths", "components", "tags")},
        "servers": [{"url": "/"}],
        "security": service["security"] if protected else [],
        "tags": [*root.get("tags", ()), *(tag for tag in service["tags"] if tag["name"] in used)],
        "paths": {**{path: _plain(item) for path, item in root.get("paths", {}).items()}, **own},
        "components": {
            **components,
            "securitySchemes": service["components"]["securitySchemes"],
            "schemas": {**components.get("schemas", {}), **service["components"]["schemas"]},
        },
    }
    return orjson.dumps(document)


def _own(item: Mapping[str, Any], every: Mapping[str, Any]) -> dict[str, Any]:
    """A path item of the service's own; ``every`` are the responses that each operation may have, where it names no others."""
    public: dict[str, Any] = {"security": []} if item[ACCESS] in ("everyone", "studio") else {}
    operations = {method: operation for method, operation in item.items() if method != ACCESS}
    return {method: {**public, **each, "responses": {**every, **each["responses"]}} for method, each in operations.items()}


def _plain(item: Mapping[str, Any]) -> dict[str, Any]:
    """A path item without security and servers of the provider's."""
    kept = {name: value for name, value in item.items() if name != "servers"}
    for method in METHODS:
        if isinstance(kept.get(method), Mapping):
            kept[method] = {name: value for name, value in kept[method].items() if name not in ("security", "servers")}
    return kept
