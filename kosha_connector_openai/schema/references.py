"""Local references: ``#/components/schemas/Pet`` -> the value there. Nothing outside is ever opened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from kosha_connector_openai.errors import DocumentError, Fault
from kosha_connector_openai.text import resolve, to_pointer, tokens

Tokens = tuple[str, ...]


def reference_tokens(reference: object, pointer: str) -> Tokens:
    """The reference tokens of a local ``$ref``: percent-decoded, then unescaped (RFC 6901, section 6).

    Raises DocumentError, naming ``pointer``, where it leaves the document or is not a JSON Pointer.
    """
    if not isinstance(reference, str):
        raise refused(pointer, "the reference is not a text")
    if not reference.startswith("#"):
        raise refused(pointer, outside(reference))
    path = unquote(reference[1:])
    if path and not path.startswith("/"):
        raise refused(pointer, "the reference is not a JSON Pointer")
    return tokens(path)


def reference_target(root: Mapping[str, Any], path: Tokens, pointer: str) -> Any:
    """The value at a path; raises DocumentError, naming ``pointer``, where nothing is there."""
    try:
        return resolve(root, path)
    except LookupError:
        raise refused(pointer, "the reference points at nothing") from None


def follow(root: Mapping[str, Any], schema: Any, pointer: str) -> Any:
    """The schema that a chain of ``$ref``s ends at; raises DocumentError where it is a circle."""
    chain: list[str] = []
    while isinstance(schema, Mapping) and "$ref" in schema:
        path = reference_tokens(schema["$ref"], pointer)
        step = "#" + to_pointer(path)
        if step in chain:
            raise circle((*chain[chain.index(step) :], step), pointer)
        chain.append(step)
        schema = reference_target(root, path, pointer)
    return schema


def outside(reference: str) -> str:
    """The sentence about a reference that leaves the document, with its name."""
    shown = "".join(char if char.isprintable() else "?" for char in reference[:200])
    return f"external reference not allowed: {shown!r} is another document; put its content into this one"


def is_flagged(root: Mapping[str, Any], schema: Any, flag: str) -> bool:
    """Whether a schema, or the one that it refers to, has ``flag: true``; a reference that leads nowhere has no flag."""
    if isinstance(schema, Mapping) and schema.get(flag) is True:
        return True
    if not isinstance(schema, Mapping) or "$ref" not in schema:
        return False
    try:
        end = follow(root, schema, "")
    except DocumentError:
        return False
    return isinstance(end, Mapping) and end.get(flag) is True


def keeps_neighbours(version: str) -> bool:
    """Whether keywords beside a ``$ref`` count: from OpenAPI 3.1 on (JSON Schema 2020-12, 8.2.3.1)."""
    return not version.startswith(("2.", "3.0"))


def circle(chain: tuple[str, ...], pointer: str) -> DocumentError:
    """The error for references that only lead back to themselves."""
    return refused(pointer, "the references form a circle: " + " -> ".join(chain))


def refused(pointer: str, message: str) -> DocumentError:
    """The error for a reference that cannot be followed."""
    text = f"{message[:1].upper()}{message[1:]}."
    return DocumentError(text, [Fault(pointer, "$ref", f"{message}.")], pointer=pointer)
