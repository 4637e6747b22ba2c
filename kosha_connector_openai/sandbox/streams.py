"""Answers as server-sent events (WHATWG HTML, section 9.2), each made when it is sent."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from kosha_connector_openai.sandbox.templates import TemplateFacts, items, render


def events(template: Mapping[str, Any], facts: TemplateFacts) -> Iterator[bytes]:
    """The events of a stream template, one piece of bytes each.

    ``same`` holds what every event has, ``named`` puts the type on a line of its own, ``split`` says that events hold their name and
    their data apart, ``sequence`` names the field that counts, ``done`` is the data of the event that closes the stream.
    """
    same = render(template.get("same", {}), facts)
    for number, event in enumerate(items(template["events"], facts)):
        counted = {template["sequence"]: number} if "sequence" in template else {}
        whole = {**same, **event, **counted}
        name, data = (whole["event"], whole["data"]) if template.get("split") else (whole.get("type", ""), whole)
        yield _event(json.dumps(data, ensure_ascii=False), name if template.get("named") or template.get("split") else "")
    if "done" in template:
        yield _event(template["done"], "done" if template.get("split") else "")


def _event(data: str, name: str) -> bytes:
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {data}\n\n".encode()
