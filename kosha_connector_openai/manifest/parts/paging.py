"""The part ``paging``: how lists come in pages. A few named forms, recognised by an operation's shape; what does not fit is named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from kosha_connector_openai.manifest.part import Constraint, Field, Part

Name = Annotated[str, Constraint(min_length=1, max_length=200)]
Pointer = Annotated[str, Constraint(pattern=r"^(/.*)?$", max_length=200)]


class ListShape(Part):
    """What an operation that reads must have to page in a form: query parameters, and properties of its answer."""

    parameters: tuple[Name, ...] = ()
    answer: tuple[Name, ...] = ()


class PageForm(Part):
    """One way in which lists page. Pointers are JSON Pointers (RFC 6901) into an answer.

    The cursor of the next page is, by the first of these that is given: what ``cursor`` or else ``last`` finds; the values that the link
    with the relation ``link`` (RFC 8288) has for the action's own inputs; a count of pages or of items. It goes into the input ``send``.
    Without any of them a list comes whole, or ends after one page.
    """

    title: Annotated[str, Constraint(min_length=1, max_length=200)]
    when: ListShape | None = Field(default=None, description="Operations of this shape page so; without it only those that `lists` names.")
    items: Pointer = Field(default="/data", description="The page's items; an empty pointer where the answer itself is the list.")
    more: Pointer | None = Field(default=None, description="True where more pages follow; else they do while there is a cursor.")
    cursor: tuple[Pointer, ...] = Field(default=(), description="Where the next page's cursor is; the first one found counts.")
    last: Pointer | None = Field(default=None, description="Where it is in the last item, for an answer that has none beside the items.")
    link: Name | None = Field(default=None, description="The relation of the `Link` header's target, which the manifest's result keeps.")
    count: Literal["pages", "items"] | None = Field(default=None, description="The cursor is a number that counts these.")
    start: int = Field(default=0, ge=0, description="The number of the first page or item.")
    send: Name | None = Field(default=None, description="The input that takes the cursor.")
    size: Name | None = Field(default=None, description="The input that says how many items a page may have.")
    most: Annotated[int, Constraint(ge=1)] | None = Field(default=None, description="The largest page; asked for when all are wanted.")
    sparse: bool = Field(default=False, description="A page without items may be followed by others.")

    @property
    def goes_on(self) -> bool:
        """Whether there is a way to ask for a second page."""
        return bool(self.cursor or self.last or self.link or self.count)


class ListRule(Part):
    """What is special about one list: a form that its shape does not tell, another largest page."""

    form: Name | None = None
    most: Annotated[int, Constraint(ge=1)] | None = None
    reason: str = Field(default="", description="Why, for whoever reads the rule.")


class Paging(Part):
    """A whole ``paging.yaml``."""

    forms: Mapping[Name, PageForm] = Field(default_factory=dict, description="The first form whose shape fits counts.")
    lists: Mapping[Name, ListRule] = Field(default_factory=dict, description="Operation id -> what is special.")
