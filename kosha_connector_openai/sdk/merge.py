"""Merge: the published description and the client as one description of facts; where they differ, a list of sides decides."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from kosha_connector_openai.sdk.comparison import Comparison, part_of
from kosha_connector_openai.sdk.difference import CLIENT, Difference, Precedence
from kosha_connector_openai.sdk.node import METHODS, SCHEMA_PREFIX, Node, references
from kosha_connector_openai.sdk.reader import PAGE, SOURCE, place, renamed

FOREIGN = "Client"
"""What the name of a component of the client begins with when the description has another thing of that name."""


@dataclass
class Merged:
    """The description of both, every difference with the entry that decides it, and how many facts agree."""

    document: Node
    decided: list[tuple[Difference, Precedence | None]]
    agreed: Counter[str]
    added: list[str] = field(default_factory=list)

    @property
    def undecided(self) -> list[Difference]:
        return [difference for difference, side in self.decided if side is None]

    def unused(self, sides: list[Precedence]) -> list[Precedence]:
        """Entries that decide no difference."""
        used = [side for _, side in self.decided]
        return [side for side in sides if side not in used]

    def share(self, part: str) -> float:
        """The share of facts that agree in the `request`, the `reply` or the `operation` itself."""
        differing = sum(part_of(difference.where) == part for difference, _ in self.decided)
        return self.agreed[part] / max(1, self.agreed[part] + differing)

    def report(self) -> str:
        """Every difference with the side that is right and the reason, then the operations that the client alone has."""
        lines = [
            f"{difference}\n    right: {side.right}: {side.reason}" if side else f"{difference}\n    undecided"
            for difference, side in self.decided
        ]
        return "\n".join([*lines, *(f"{name} operation-only-client" for name in self.added), ""])

    def summary(self) -> str:
        """How much agrees, and what the sides say otherwise by kind."""
        kinds = Counter((difference.kind, side.right if side else "undecided") for difference, side in self.decided)
        lines = [f"{part}: {self.agreed[part]} facts agree ({100 * self.share(part):.1f} %)" for part in ("operation", "request", "reply")]
        lines += [f"{len(self.decided)} differ; {len(self.added)} operations are the client's alone"]
        return "\n".join([*lines, *(f"{count:5} {kind}, right: {right}" for (kind, right), count in sorted(kinds.items()))])


def merge(description: Node, client: Node, sides: list[Precedence]) -> Merged:
    """Both descriptions as one; neither is changed."""
    whole, theirs = copy.deepcopy(description), copy.deepcopy(client)
    names = [f"{one['info']['title']} {one['info']['version']}" for one in (whole, theirs)]
    importer = _Importer(whole["components"]["schemas"], theirs["components"]["schemas"], names[1])
    comparison = Comparison(whole["components"]["schemas"], theirs["components"]["schemas"], importer.take)
    mine, other = _by_place(whole), _by_place(theirs)
    moves = _moved(mine, other)
    for key, placed in sorted(mine.items()):
        partner = other.get(moves.get(key, key))
        placed[2][SOURCE] = [*names] if partner else names[0]
        _compare(comparison, placed, partner)
        if partner is not None and key in moves:
            take = _mover(whole, placed[:2], partner[:2])
            comparison.differences.append(Difference("path", placed[2]["operationId"], "operation", key, moves[key], take))
    importer.partners = comparison.partners
    decided = [(difference, next((side for side in sides if side.fits(difference)), None)) for difference in comparison.differences]
    for difference, side in decided:
        if side and side.right == CLIENT:
            difference.take()
    added = [key for key in other if key not in mine and key not in moves.values()]
    for key in sorted(added):
        _add(whole, other[key], importer, names[1])
    _add_webhooks(whole, theirs, importer)
    whole[SOURCE] = [description_source(description), client[SOURCE]]
    return Merged(whole, decided, comparison.agreed, [other[key][2]["operationId"] for key in sorted(added)])


def description_source(description: Node) -> Node:
    """Title and version of the published description."""
    return {"title": description["info"]["title"], "version": description["info"]["version"]}


Placed = tuple[str, str, Node]


def _by_place(document: Node) -> dict[str, Placed]:
    """Path, method and operation by place, each operation once."""
    return {
        place(method, path): (path, method, item[method])
        for path, item in document["paths"].items()
        for method in METHODS
        if method in item
    }


def _compare(comparison: Comparison, placed: Placed, partner: Placed | None) -> None:
    """Notes where an operation of the description and the client's differ, or that the client has none; the client tells its pages."""
    path, method, operation = placed
    if partner is None:
        where = f"{method.upper()} {path}"
        comparison.differences.append(Difference("operation-only-description", operation["operationId"], "operation", where, None))
        return
    if PAGE in partner[2]:
        operation[PAGE] = partner[2][PAGE]
    comparison.operation(operation, partner[2])


def _moved(mine: dict[str, Placed], other: dict[str, Placed]) -> dict[str, str]:
    """Place in the description -> place in the client, of operations that have one id and no place in common."""
    ids = {operation["operationId"]: key for key, (_, _, operation) in other.items() if key not in mine}
    return {
        key: ids[operation["operationId"]]
        for key, (_, _, operation) in mine.items()
        if key not in other and operation["operationId"] in ids
    }


def _mover(whole: Node, old: tuple[str, str], new: tuple[str, str]) -> Callable[[], None]:
    def take() -> None:
        operation = whole["paths"][old[0]].pop(old[1])
        whole["paths"].setdefault(new[0], {})[new[1]] = operation

    return take


def _add(whole: Node, placed: Placed, importer: _Importer, source: str) -> None:
    """An operation that the client alone has, under the spelling of its path that the description has, if any."""
    path, method, operation = placed
    spelling = next((known for known in whole["paths"] if place("", known) == place("", path)), path)
    taken = importer.take_all(renamed(operation, path, spelling))
    whole["paths"].setdefault(spelling, {})[method] = {**taken, SOURCE: source}


def _add_webhooks(whole: Node, client: Node, importer: _Importer) -> None:
    """Events that the client alone has; the description names an event `batch_failed` whose type is `batch.failed`."""
    for event, item in client["webhooks"].items():
        name = event.replace(".", "_")
        if name not in whole["webhooks"]:
            whole["webhooks"][name] = {**importer.take_all(item), SOURCE: importer.source}


@dataclass
class _Importer:
    """Brings schemas of the client into the description, each component once, under a name that is free."""

    schemas: dict[str, Node]
    client_schemas: dict[str, Node]
    source: str
    partners: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def take(self, schema: Any) -> Any:
        """A copy of a schema of the client that says where it is from."""
        return {**self.take_all(schema), SOURCE: self.source}

    def take_all(self, tree: Any) -> Any:
        """A copy with the references that hold in the description."""
        for target in list(references(tree)):
            self._component(target.removeprefix(SCHEMA_PREFIX))
        return self._renamed(tree)

    def _component(self, name: str) -> None:
        if name in self.names:
            return
        partner = self.partners.get(name)
        if partner in self.schemas:
            self.names[name] = str(partner)
            return
        self.names[name] = FOREIGN + name if name in self.schemas else name
        self.schemas[self.names[name]] = {}
        self.schemas[self.names[name]].update(self.take_all(self.client_schemas[name]))

    def _renamed(self, tree: Any) -> Any:
        if isinstance(tree, dict):
            return {key: self._target(value) if _is_target(value) else self._renamed(value) for key, value in tree.items()}
        return [self._renamed(one) for one in tree] if isinstance(tree, list) else tree

    def _target(self, target: str) -> str:
        return SCHEMA_PREFIX + self.names[target.removeprefix(SCHEMA_PREFIX)]


def _is_target(value: Any) -> bool:
    """A reference, as `$ref` or in the mapping of a discriminator."""
    return isinstance(value, str) and value.startswith(SCHEMA_PREFIX)
