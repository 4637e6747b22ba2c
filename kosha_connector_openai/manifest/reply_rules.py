"""What replies hold: where results have what, the signs of an answer that is not whole, how streams end and fail."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from typing import Annotated, Any, Literal, Self

from kosha_connector_openai.manifest.part import Constraint, Field, Line, Name, Part
from kosha_connector_openai.text import tokens


class Carrier(Part):
    """The property that carries the result of a JSON answer: without it the answer is none.

    The first rule counts that names the action or, where a rule names none, whose property every answer has by the description.
    """

    name: Name
    actions: tuple[Name, ...] = ()
    filled: bool = Field(default=False, description="Without items it carries nothing.")
    each: tuple[str, ...] = Field(default=(), description="Paths of which each of its items must have one, not empty.")
    some: tuple[str, ...] = Field(default=(), description="Paths into its list of which one must lead to something.")
    text: bool = Field(default=False, description="An empty text is a result too.")
    end: str = Field(default="", description="What each of its items has at its end; null says that it is not whole.")
    per: tuple[str, ...] = Field(
        default=(),
        description="Pointers to inputs of which each text or list gets an item of its own; with /* at its end, whatever is in the list.",
    )
    asked: tuple[str, ...] = Field(default=(), description="Pointers to inputs that say how many items are asked for.")


class OutcomeRule(Part):
    """A sign in an answer, or in an event of a stream, that it is not the whole answer. ``at`` is a path: a JSON Pointer in which ``*``
    is every item, and ``*[name=value]`` the items that fit."""

    at: Annotated[str, Constraint(pattern=r"^/")]
    equals: str | bool | int | tuple[str, ...] | None = Field(
        default=None, description="The value, or one of several words in any case, that is the sign; without it any that is not empty."
    )
    known: tuple[str, ...] = Field(
        default=(), description="Words that are no sign, beside those of other rules: any other is one, and is told."
    )
    where: Mapping[str, str] = Field(default_factory=dict, description="Pointer -> value that must be there too.")
    unless: tuple[str, ...] = Field(default=(), description="Paths; where one leads to something, in any event, it is no sign.")
    outcome: Literal["pending", "incomplete", "refused", "filtered", "failed"]
    reason: Line
    advice: str = ""
    says: str = Field(default="", description="Path to the provider's own words, or to an error.")

    def fits(self, item: Any) -> bool:
        """Whether a value at the rule's place is the sign."""
        if self.known:
            return bool(item) and not (isinstance(item, str) and item.casefold() in self.known)
        if isinstance(self.equals, tuple):
            return isinstance(item, str) and item.casefold() in self.equals
        return bool(item) if self.equals is None else bool(item == self.equals)


@dataclass(frozen=True, slots=True)
class SignPlace:
    """The rules over one path, and of each word that they name those by which it is a sign."""

    path: str
    rules: tuple[OutcomeRule, ...]
    named: Mapping[str, tuple[OutcomeRule, ...]]
    member: str | None = None
    """What an item of a list must have, where the path leads into each item."""

    @classmethod
    def of(cls, path: str, rules: tuple[OutcomeRule, ...]) -> Self:
        """The place of these rules."""
        words = {word for rule in rules for word in (*rule.known, *(rule.equals if isinstance(rule.equals, tuple) else ()))}
        return cls(path, rules, {word: tuple(rule for rule in rules if rule.fits(word)) for word in words}, _member(path))

    def fitting(self, items: Sequence[Any]) -> tuple[OutcomeRule, ...]:
        """The rules by which one of these values may be a sign."""
        if len(items) == 1 and isinstance(items[0], str):
            return self.named.get(items[0], self.rules)
        return self.rules if items else ()


class ResultRules(Part):
    """Where a reply holds what every result shows. Pointers are JSON Pointers into the body."""

    request_id: tuple[str, ...] = ("x-request-id",)
    model: tuple[str, ...] = ()
    usage: tuple[str, ...] = ()
    text: tuple[str, ...] = Field(default=(), description="The first pointer that finds text; * stands for every item.")
    headers: tuple[str, ...] = Field(default=(), description="Headers to keep; a final * stands for the rest.")
    rate_limit: Mapping[str, str] = Field(default_factory=dict, description="Name -> header.")
    outcomes: tuple[OutcomeRule, ...] = ()
    carriers: tuple[Carrier, ...] = ()

    @cached_property
    def signs(self) -> Mapping[str, tuple[SignPlace, ...]]:
        """The outcome rules by the property that their paths begin with, and by path. Their lists are in lower case."""
        paths: dict[str, tuple[OutcomeRule, ...]] = {}
        for rule in map(self._compiled, self.outcomes):
            paths[rule.at] = (*paths.get(rule.at, ()), rule)
        found: dict[str, tuple[SignPlace, ...]] = {}
        for path, rules in paths.items():
            head = path.split("/", 2)[1]
            found[head] = (*found.get(head, ()), SignPlace.of(path, rules))
        return found

    def _compiled(self, rule: OutcomeRule) -> OutcomeRule:
        """The rule with its words in lower case; what another rule says of the same place is known too."""
        if rule.known:
            others = (other.equals for other in self.outcomes if other.at == rule.at)
            told = chain.from_iterable(words if isinstance(words, tuple) else (str(words),) for words in others if words is not None)
            return replace(rule, known=_folded((*rule.known, *told)))
        return replace(rule, equals=_folded(rule.equals)) if isinstance(rule.equals, tuple) else rule


def _member(path: str) -> str | None:
    """The name that a path has below ``/NAME/*``."""
    head, below = tokens(path)[1:2], tokens(path)[2:3]
    return below[0] if head == ("*",) and below and not below[0].startswith("*") and not below[0].isdigit() else None


def _folded(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(str.casefold, words)))


class StreamText(Part):
    """Where an event's data holds the text that it adds, as a path like those of the part ``outputs``; with ``type``, only in events of
    that type. Several texts at one path are joined."""

    pointer: str
    type: str | None = None
    whole: bool = Field(default=False, description="A whole text: it adds none where another rule gave one before.")


class StreamItems(Part):
    """Items of a stream that end one by one: the list in an event's data, what tells them apart, and what an item has at its end."""

    name: Name
    key: Name = "index"
    end: Name
    piece: str = Field(default="", description="What holds an item's part in a stream, such as `delta`.")
    whole: str = Field(default="", description="What holds it in a whole answer, such as `message`.")


class StreamRules(Part):
    """How an event stream of this provider ends and fails."""

    done: str | None = Field(default=None, description="The data of the event that closes a stream.")
    items: StreamItems | None = Field(default=None, description="A stream is whole too where each item that began has come to its end.")
    content: tuple[str, ...] = Field(
        default=(),
        description="Paths of which one holds something in an event that brings a part of the answer; without any, all events do.",
    )
    reasoning: tuple[str, ...] = Field(
        default=(),
        description="Paths of which one holds something in an event that brings reasoning: no part of the answer, but the call has run.",
    )
    beside: tuple[str, ...] = Field(default=(), description="How the types of events begin that bring no part of the answer.")
    item: str = Field(default="", description="Pointer to an item of the carrier's list in an event's data.")
    answer: str = Field(default="", description="Pointer to a whole answer in an event's data.")
    final: tuple[str, ...] = Field(default=(), description="Event types after which a stream may end.")
    results: Mapping[str, str] = Field(default_factory=dict, description="Type of a final event -> pointer to the result that it brings.")
    failed: tuple[str, ...] = Field(default=(), description="Event types that are errors.")
    type: str = Field(default="", description="Pointer to the event's type inside its data.")
    error: str = Field(default="", description="Pointer to an error inside an event's data.")
    text: tuple[StreamText, ...] = ()
