"""Comparison: the facts of an operation in the published description and in the client, one by one.

One module: the parts call each other in a circle, as the schemas that they compare do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kosha_connector_openai.sdk.alternatives import Alternative, alternatives, union_of
from kosha_connector_openai.sdk.difference import Difference
from kosha_connector_openai.sdk.node import UNIONS, Node
from kosha_connector_openai.sdk.schemas import nullable

DEPTH = 24  # deeper fields are not compared
JSON = "application/json"
FIELDS_IN_COMMON = 0.5
"""Two objects without a field that tells them are the same when they share this part of their names."""


@dataclass
class Comparison:
    """Counts the facts that agree, collects those that do not, and learns which component of the client is which of the description."""

    schemas: Mapping[str, Node]
    client_schemas: Mapping[str, Node]
    take: Callable[[Any], Any]
    """Makes a schema of the client one of the description: its references, and where it is from."""
    agreed: Counter[str] = field(default_factory=Counter)
    """How many facts agree, by `operation`, `request` and `reply`."""
    differences: list[Difference] = field(default_factory=list)
    partners: dict[str, str] = field(default_factory=dict)
    _operation: str = ""
    _seen: set[tuple[Any, ...]] = field(default_factory=set)

    def operation(self, ours: Node, theirs: Node) -> None:
        """Compare one operation: parameters, body, replies, deprecation and the key that it needs."""
        self._operation = ours["operationId"]
        self._mark("deprecated", ours, theirs, "deprecated")
        self._mark("security", ours, theirs, "security")
        self._parameters(ours, theirs)
        self._body(ours, theirs)
        self._replies(ours, theirs)

    def _mark(self, kind: str, ours: Node, theirs: Node, name: str) -> None:
        def take() -> None:
            ours.pop(name, None)
            ours.update({name: theirs[name]} if name in theirs else {})

        self._fact(kind, "operation", ours.get(name), theirs.get(name), take)

    def _fact(self, kind: str, where: str, ours: Any, theirs: Any, take: Callable[[], None]) -> None:
        if ours == theirs:
            self._agree(where)
        else:
            self.differences.append(Difference(kind, self._operation, where, ours, theirs, take))

    def _agree(self, where: str) -> None:
        self.agreed[part_of(where)] += 1

    def _parameters(self, ours: Node, theirs: Node) -> None:
        mine, other = (_by_name(one.get("parameters", [])) for one in (ours, theirs))
        for key in [*mine, *(key for key in other if key not in mine)]:
            where = f"request.{key[0]}/{key[1]}"
            if key not in other:
                self._only("parameter-only-description", where, mine[key]["name"], None)
            elif key not in mine:
                self._only("parameter-only-client", where, None, other[key]["name"], self._adder(ours, other[key]))
            elif key[0] != "path":
                self._fact("name", where, mine[key]["name"], other[key]["name"], lambda: None)
                self._required(where, mine[key], other[key])
                self._schema(where, mine[key]["schema"], other[key]["schema"], 0)
            else:
                self._agree(where)

    def _adder(self, ours: Node, parameter: Node) -> Callable[[], None]:
        def take() -> None:
            ours.setdefault("parameters", []).append({**parameter, "schema": self.take(parameter["schema"])})

        return take

    def _required(self, where: str, ours: Node, theirs: Node) -> None:
        def take() -> None:
            ours["required"] = bool(theirs.get("required"))

        self._fact("required", where, bool(ours.get("required")), bool(theirs.get("required")), take)

    def _body(self, ours: Node, theirs: Node) -> None:
        mine, other = (one.get("requestBody", {}).get("content", {}) for one in (ours, theirs))
        if bool(mine) != bool(other):
            take = (lambda: ours.update({"requestBody": self.take(theirs["requestBody"])})) if other else (lambda: None)
            self._only("body-only-client" if other else "body-only-description", "request.body", list(mine), list(other), take)
            return
        for media_type in [*mine, *(kind for kind in other if kind not in mine)]:
            if media_type not in other:
                self._only("media-type-only-description", "request.body", media_type, None)
            elif media_type not in mine:
                self._only("media-type-only-client", "request.body", None, media_type, self._filler(mine, media_type, other[media_type]))
            else:
                self._schema("request.body", mine[media_type]["schema"], other[media_type]["schema"], 0)

    def _filler(self, content: Node, media_type: str, given: Node) -> Callable[[], None]:
        return lambda: content.update({media_type: {**given, "schema": self.take(given["schema"])}})

    def _replies(self, ours: Node, theirs: Node) -> None:
        """Of the reply that went well; a client does not tell 200 from 201."""
        reply: Node = next((reply for status, reply in ours["responses"].items() if status.startswith("2")), {})
        mine, other = reply.get("content", {}), theirs["responses"]["200"].get("content", {})
        for media_type in [*mine, *(kind for kind in other if kind not in mine)]:
            if media_type not in other:
                self._only("reply-only-description", "reply", media_type, None)
            elif media_type not in mine:
                take = self._filler(reply.setdefault("content", {}), media_type, other[media_type])
                self._only("reply-only-client", "reply", None, media_type, take)
            else:
                self._schema("reply", mine[media_type]["schema"], other[media_type]["schema"], 0)

    def _only(self, kind: str, where: str, ours: Any, theirs: Any, take: Callable[[], None] = lambda: None) -> None:
        self.differences.append(Difference(kind, self._operation, where, ours, theirs, take))

    def _schema(self, where: str, ours: Node, theirs: Node, depth: int) -> None:
        mine, other = alternatives(ours, self.schemas), alternatives(theirs, self.client_schemas)
        pair = (where.startswith("request"), _identity(mine), _identity(other))
        if depth > DEPTH or pair in self._seen:
            return
        self._seen.add(pair)
        if any(one.kind == "any" for one in (*mine, *other)):
            return  # one side says nothing
        if where.startswith("request"):
            null = [any(one.kind == "null" for one in side) for side in (mine, other)]
            self._fact("null", where, null[0], null[1], lambda: self._renew(ours, nullable(ours)) if null[1] else None)
        for kind in ("string", "integer", "number", "boolean", "array", "object"):
            left, right = ([one for one in side if one.kind == kind] for side in (mine, other))
            if left and right:
                COMPARED[kind](self, where, ours, left, right, depth)
            elif left:
                self._only("type-only-description", where, kind, None)
            elif right:
                self._only("type-only-client", where, None, kind, self._brancher(ours, right))

    def _brancher(self, ours: Node, missing: list[Alternative]) -> Callable[[], None]:
        """Adds to a union of the description what the client has besides."""

        def take() -> None:
            holder = union_of(ours, self.schemas)
            known = [one for one in alternatives(holder, self.schemas) if one.kind == "object"]
            # The client has a class for what it sends and another for what it gets; the description has one for both.
            new = [one for one in missing if one.kind != "object" or self._best(one, known, only=False) is None]
            branches = [self.take(_branch(one, self.client_schemas)) for one in new]
            if not branches:
                return
            union = next((union for union in UNIONS if union in holder), None)
            if union:
                holder[union] = [*holder[union], *branches]
                _forget_mapping(holder)
            else:
                self._renew(holder, {"anyOf": [dict(holder), *branches]})

        return take

    def _renew(self, node: Node, new: Node) -> None:
        """Write a schema anew, in place, and say where what changed is from."""
        kept = {**new, **self.take({})}
        node.clear()
        node.update(kept)

    def _open_values(self, side: list[Alternative]) -> None:
        for node in (node for one in side for node in one.nodes):
            self._renew(node, {keyword: value for keyword, value in node.items() if keyword not in ("enum", "const")})

    def _name_values(self, side: list[Alternative], other: list[Alternative]) -> None:
        values = list(dict.fromkeys(value for one in other for value in one.values or ()))
        for node in (one.nodes[-1] for one in side if one.values is None):
            self._renew(node, {**node, "enum": values})

    def _scalars(self, where: str, ours: Node, mine: list[Alternative], other: list[Alternative], depth: int) -> None:
        """Whether any value may come, and the values that are named."""
        if mine[0].kind == "boolean":
            self._agree(where)
            return
        free = [any(one.values is None for one in side) for side in (mine, other)]
        self._fact("any-value", where, free[0], free[1], lambda: self._open_values(mine) if free[1] else self._name_values(mine, other))
        named = [list(dict.fromkeys(value for one in side for value in one.values or ())) for side in (mine, other)]
        if not named[0] or not named[1]:
            return
        more, fewer = ([value for value in one if value not in two] for one, two in (named, named[::-1]))
        node = next(node for one in mine for node in one.nodes if "enum" in node or "const" in node)
        if not more and not fewer:
            self._agree(where)
        if more:
            self._only("value-only-description", where, more, None)
        if fewer:
            self._only("value-only-client", where, None, fewer, lambda: self._renew(node, _with_values(node, fewer)))

    def _arrays(self, where: str, ours: Node, mine: list[Alternative], other: list[Alternative], depth: int) -> None:
        self._agree(where)
        items = [[one.items() for one in side if one.items() is not None] for side in (mine, other)]
        if items[0] and items[1]:
            left, right = (side[0] if len(side) == 1 else {"anyOf": side} for side in items)
            self._schema(f"{where}[]", left or {}, right or {}, depth + 1)

    def _objects(self, where: str, ours: Node, mine: list[Alternative], other: list[Alternative], depth: int) -> None:
        left = list(mine)
        unmatched: list[Alternative] = []
        for theirs in other:
            found = self._best(theirs, left, only=len(mine) == 1 and len(other) == 1)
            if found is None:
                unmatched.append(theirs)
                continue
            left.remove(found)
            self._agree(where)
            self._object(where, found, theirs, depth)
        for one in left:
            self._only("branch-only-description", where, one.component or sorted(one.properties), None)
        for one in unmatched:
            take = self._brancher(ours, [one])
            self._only("branch-only-client", where, None, one.component or sorted(one.properties), take)

    def _best(self, wanted: Alternative, given: list[Alternative], *, only: bool) -> Alternative | None:
        """The object that is the same thing: fixed values in common, else the most names; the only one of both sides always."""
        if only:
            return given[0] if given else None
        scores = [(score, -i, one) for i, one in enumerate(given) if (score := self._likeness(wanted, one)) >= FIELDS_IN_COMMON]
        return max(scores, key=lambda entry: entry[:2])[2] if scores else None

    def _likeness(self, theirs: Alternative, ours: Alternative) -> float:
        """0 where a field has fixed values and none in common; else the share of common names, and one for each field that tells."""
        common = theirs.properties.keys() & ours.properties.keys()
        if not theirs.properties and not ours.properties:
            return 1.0
        sides = (theirs, self.client_schemas), (ours, self.schemas)
        tags = [[_texts(side.properties[name], schemas) for side, schemas in sides] for name in sorted(common)]
        told = [(left, right) for left, right in tags if left and right]
        if any(not left & right for left, right in told):
            return 0.0
        return len(common) / max(1, min(len(theirs.properties), len(ours.properties))) + len(told)

    def _object(self, where: str, ours: Alternative, theirs: Alternative, depth: int) -> None:
        if ours.component and theirs.component:
            self.partners.setdefault(theirs.component, ours.component)
        values = ours.map_of(), theirs.map_of()
        if values[0] is not None and values[1] is not None:
            self._schema(f"{where}/*", values[0], values[1], depth + 1)
        if not ours.properties or not theirs.properties:
            return  # a map, or an object of which one side says nothing
        for name in [*ours.properties, *(name for name in theirs.properties if name not in ours.properties)]:
            place = f"{where}/{name}"
            if name not in theirs.properties:
                self._only("field-only-description", place, name, None)
            elif name not in ours.properties:
                self._only("field-only-client", place, None, name, self._field_adder(ours, theirs, name))
            else:
                self._presence(place, name, ours, theirs)
                self._schema(place, ours.properties[name], theirs.properties[name], depth + 1)

    def _field_adder(self, ours: Alternative, theirs: Alternative, name: str) -> Callable[[], None]:
        def take() -> None:
            node = next((node for node in reversed(ours.nodes) if "properties" in node), ours.nodes[-1])
            node.setdefault("properties", {})[name] = self.take(theirs.properties[name])
            if name in theirs.required and not ours.properties:
                node.setdefault("required", []).append(name)

        return take

    def _presence(self, where: str, name: str, ours: Alternative, theirs: Alternative) -> None:
        """In a request, whether a field must be there. In a reply, whether it is there and not null: a client tells these no further."""
        required = [name in ours.required, name in theirs.required]
        if where.startswith("reply"):
            for i, (side, schemas) in enumerate(((ours, self.schemas), (theirs, self.client_schemas))):
                required[i] &= all(one.kind != "null" for one in alternatives(side.properties[name], schemas))

        def take() -> None:
            for node in ours.nodes:
                if not required[1] and name in node.get("required", []):
                    node["required"] = [one for one in node["required"] if one != name]
            if required[1]:
                node = next(node for node in ours.nodes if name in node.get("properties", {}))
                node.setdefault("required", []).append(name)

        self._fact("required", where, required[0], required[1], take)


Compare = Callable[[Comparison, str, Node, list[Alternative], list[Alternative], int], None]
COMPARED: dict[str, Compare] = {
    "string": Comparison._scalars,
    "integer": Comparison._scalars,
    "number": Comparison._scalars,
    "boolean": Comparison._scalars,
    "array": Comparison._arrays,
    "object": Comparison._objects,
}


def part_of(where: str) -> str:
    """`operation`, `request` or `reply`."""
    return where.partition("/")[0].partition(".")[0].removesuffix("[]")


def _by_name(parameters: list[Node]) -> dict[tuple[str, str], Node]:
    """Parameters by place and name, a path's by its position, which is all that counts there; `ids[]` and `ids` are one name."""
    found: dict[tuple[str, str], Node] = {}
    for one in parameters:
        position = sum(place == "path" for place, _ in found)
        name = str(position) if one["in"] == "path" else one["name"].removesuffix("[]").lower()
        found[one["in"], name] = one
    return found


def _identity(side: list[Alternative]) -> tuple[Any, ...]:
    return tuple(tuple(id(node) for node in one.nodes) for one in side)


def _texts(schema: Node, schemas: Mapping[str, Node]) -> set[str]:
    """The fixed texts that a field may be; empty where it may be another."""
    found = [one.values for one in alternatives(schema, schemas) if one.kind != "null"]
    return (
        set()
        if any(values is None for values in found)
        else {value for values in found for value in values or () if isinstance(value, str)}
    )


def _branch(wanted: Alternative, schemas: Mapping[str, Node]) -> Node:
    """The alternative as a schema: its component, or its own object."""
    if wanted.component and len(wanted.nodes) == 1 and schemas[wanted.component] is wanted.nodes[0]:
        return {"$ref": f"#/components/schemas/{wanted.component}"}
    node = dict(wanted.nodes[-1])
    return {**node, "type": wanted.kind} if isinstance(node.get("type"), list) else node


def _forget_mapping(holder: Node) -> None:
    """A mapping would have to name the new branches; without it, the generator makes one from what the branches show."""
    if isinstance(rule := holder.get("discriminator"), dict):
        holder["discriminator"] = {name: value for name, value in rule.items() if name != "mapping"}


def _with_values(node: Node, more: list[Any]) -> Node:
    """The schema with further values, each once, null last. A component that several operations use comes by more than once."""
    values = [node["const"]] if "const" in node else node["enum"]
    kept = {keyword: value for keyword, value in node.items() if keyword != "const"}
    named = dict.fromkeys(value for value in [*values, *more] if value is not None)
    return {**kept, "enum": [*named, *([None] if None in values else [])]}
