"""What a tool gives back, in the protocol's words: text, pictures and sound, links to files, structured values; and errors to act on."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any, Final

from mcp_types import AudioContent, CallToolResult, ContentBlock, ImageContent, ResourceLink, TextContent

from kosha_connector_openai.errors import ConnectorError
from kosha_connector_openai.flows.tasks import TaskResult
from kosha_connector_openai.mcp.backend import Backend
from kosha_connector_openai.outputs import OutputFile, ShortResult
from kosha_connector_openai.text import encode

INLINE: Final = 8 * 1024 * 1024
"""Bytes of a picture or sound in the answer itself, a larger one is kept and linked; and of a file that is read as a resource."""
_LONGEST_TEXT: Final = 20_000
"""Characters of structured values that are told as text too, for clients that read nothing else."""
_NO_ROOM: Final = "The file {name} could not be kept: there is no room."


def of_short(short: ShortResult, backend: Backend) -> CallToolResult:
    """The answer to an action."""
    structured = short.to_dict()
    text = short.result.get("text")
    told = text if isinstance(text, str) and text.strip() else _as_text(structured["result"])
    lines = [told] if short.outcome == "complete" else [f"The answer is {short.outcome}. {' '.join(short.reasons)}".strip(), told]
    content: list[ContentBlock] = [TextContent(text="\n".join(lines)), *_files(short.files, backend)]
    return CallToolResult(content=content, structured_content=structured, is_error=short.outcome == "failed")


def of_task(result: TaskResult) -> CallToolResult:
    """The answer to a task."""
    value, structured = result.value, result.to_dict()
    if value is None:
        del structured["value"]  # a tool's schema has one type for it
    text = value if isinstance(value, str) else _as_text(value)
    return CallToolResult(content=[TextContent(text=text)], structured_content=structured)


def of_values(values: Mapping[str, Any]) -> CallToolResult:
    """Structured values, and the same as text."""
    return CallToolResult(content=[TextContent(text=_as_text(values, most=10 * _LONGEST_TEXT))], structured_content=dict(values))


def of_error(error: ConnectorError) -> CallToolResult:
    """An error that the model can act on: what is wrong, where, and what to do; the same as values beside it."""
    faults = [str(fault) for fault in getattr(error, "faults", ())]
    lines = [error.message, *faults, *([error.hint] if error.hint else [])]
    return CallToolResult(content=[TextContent(text="\n".join(lines))], structured_content=error.to_dict(), is_error=True)


def _files(files: tuple[OutputFile, ...], backend: Backend) -> Iterator[ContentBlock]:
    for file in files:
        if file.data is None:
            if file.url is not None:
                yield ResourceLink(uri=file.url, name=file.name, mime_type=file.content_type)
            continue
        kind = file.content_type.partition("/")[0]
        if kind == "image" and len(file.data) <= INLINE:
            yield ImageContent(data=base64.b64encode(file.data).decode(), mime_type=file.content_type)
        elif kind == "audio" and len(file.data) <= INLINE:
            yield AudioContent(data=base64.b64encode(file.data).decode(), mime_type=file.content_type)
        else:
            uri = backend.keep(file.name, file.content_type, file.data)
            if uri is None:
                yield TextContent(text=_NO_ROOM.format(name=file.name))
            else:
                yield ResourceLink(uri=uri, name=file.name, mime_type=file.content_type, size=len(file.data))


def _as_text(value: Any, most: int = _LONGEST_TEXT) -> str:
    text = encode(value).decode() if value is not None else ""
    return text if len(text) <= most else f"{len(text)} characters of JSON, in the structured content."
