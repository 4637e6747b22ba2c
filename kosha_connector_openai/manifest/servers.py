"""Servers as the manifest describes them: where the API lives, the kinds of server that offer it, and how each has its paths."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from kosha_connector_openai.manifest.part import Constraint, Field, Part, renamed

PATH: Final = "{path}"
Validation = Literal["on", "open", "warn"]
"""How strictly a body is held to the description: a fault refuses it; only a value that is not listed is let through; every fault is."""
_VARIABLE: Final = re.compile(r"\{([^{}]*)\}")
_SEGMENT: Final = r"[A-Za-z0-9_~-][A-Za-z0-9._~-]*"
_TEMPLATE: Final = rf"^(?:/(?:{_SEGMENT}|\{{[A-Za-z0-9_-]+\}}))*(?:\{{path\}})?$"
_PREFIX: Final = rf"^(?:/{_SEGMENT})*$"
_Word = Annotated[str, Constraint(min_length=1, max_length=200)]
_Line = Annotated[str, Constraint(min_length=1, max_length=2_000)]


class PathValue(Part):
    """What a variable of a path stands for: the connection field, where it is filled in, else the action's input."""

    field: _Word | None = None
    input: _Word | None = None


class PathRule(Part):
    """Where a server has some operations. ``{path}`` stands for the described path, other variables for ``values``."""

    actions: tuple[_Word, ...] = Field(default=(), description="Operation ids; none means all that no earlier rule names.")
    path: Annotated[str, Constraint(pattern=_TEMPLATE, max_length=1_000)]
    values: Mapping[str, PathValue] = Field(default_factory=dict, description="Variable -> where its value comes from.")

    def __post_init__(self) -> None:
        if set(_VARIABLE.findall(self.path.removesuffix(PATH))) != set(self.values):
            raise ValueError("the variables of the path are those of its values; {path} stands at its end")


class ServerForm(Part):
    """How one kind of server has the API, where that is not as described."""

    strip: Annotated[str, Constraint(pattern=_PREFIX)] = Field(
        default="", description="Beginning of the described paths that it does not have."
    )
    query: Mapping[str, _Word] = Field(default_factory=dict, description="Query parameter of every request -> connection field.")
    paths: tuple[PathRule, ...] = Field(default=(), description="The first rule that names the operation counts.")


class ServerKind(Part):
    """One kind of server that a connection may choose."""

    title: _Line
    help: str = ""
    values: Mapping[str, str] = Field(default_factory=dict, description="Connection field -> value, where the user gives none.")
    required: tuple[_Word, ...] = Field(default=(), description="Connection fields that this kind of server needs.")
    form: ServerForm | None = None
    validation: Validation = Field(
        default="on", description="How strictly bodies are held to the description; `open` lets values through that it does not list."
    )


class Servers(Part):
    """Where the API lives: an https origin with an optional path prefix, joined with the description's paths."""

    default: str | None = None
    override: bool = Field(default=True, description="Whether a connection may name another server.")
    kinds: Mapping[str, ServerKind] = Field(
        default_factory=dict, description="Kinds of server by name; the connection field with the role `server_kind` chooses one."
    )

    @classmethod
    def accept(cls, raw: Any) -> Any:
        """``raw`` with its kinds of server under their present name; they were ``presets`` in 0.1, which is read until 0.2."""
        return renamed(raw, "presets", "kinds")
