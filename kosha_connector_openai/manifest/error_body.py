"""Where the bodies of errors say what is wrong, and what shows that a body is an error although its status does not say so."""

from __future__ import annotations

from typing import Annotated

from kosha_connector_openai.manifest.part import Constraint, Field, Part

Path = Annotated[str, Constraint(pattern=r"^(/.*)?$", max_length=200)]


class ErrorSign(Part):
    """A value that only an error has: any that tells something or, with ``equals``, this one."""

    at: Path
    equals: str | bool | int | None = None


class ErrorBody(Part):
    """Where an error's body, or an event that is an error, holds what. Each is a list of paths; the first that finds something counts.

    ``places`` lead to what is wrong: an object, a text, or a list of both; without any of them it is the body itself. The other paths
    lead from there, and where they find nothing there, from the body.
    """

    places: tuple[Path, ...] = ("/error", "/errors")
    message: tuple[Path, ...] = ("/message", "/detail", "/msg", "/title", "/error_description")
    more: tuple[Path, ...] = Field(default=(), description="What is told besides the message: a cause, the words of another server.")
    code: tuple[Path, ...] = ("/code",)
    type: tuple[Path, ...] = ("/type",)
    param: tuple[Path, ...] = ("/param",)
    words: tuple[Path, ...] = Field(default=(), description="More words by which the error table knows an error, besides code and type.")
    status: tuple[Path, ...] = Field(
        default=("/status", "/code"),
        description="A status from 400 to 599, as number or text; it counts where the reply has none of its own.",
    )
    line: tuple[Path, ...] = Field(default=("/line",), description="The number of the line of a file that is wrong.")
    field: tuple[Path, ...] = Field(default=("/loc",), description="The field that is wrong: a name, or a list of its steps.")
    signs: tuple[ErrorSign, ...] = Field(
        default=(ErrorSign(at="/error"),), description="What shows that an answer is an error where it does not hold the result."
    )
