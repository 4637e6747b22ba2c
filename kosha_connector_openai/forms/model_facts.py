"""What the form of an action says of models: the rules of the part ``models`` by field, as JSON-ready values."""

from __future__ import annotations

from typing import Any

from kosha_connector_openai.manifest.parts import FactSource, Models, Rule

Facts = dict[str, Any]


class ModelFacts:
    """The rules of every action, sorted once. What it gives is shared and must not be changed."""

    def __init__(self, part: Models) -> None:
        self.head: Facts = {"field": part.field, "derived": list(part.derived)}
        """The field that names the model, and how names of trained models begin."""
        self._by_action: dict[str, dict[str, list[Facts]]] = {}
        for rule in part.rules:
            facts = _facts(rule, part.sources.get(rule.source))
            for action in rule.actions:
                self._by_action.setdefault(action, {}).setdefault(rule.field[1:], []).append(facts)

    def of(self, action: str) -> dict[str, list[Facts]]:
        """The rules about an action's fields, by field; empty where nothing is known."""
        return self._by_action.get(action, {})


def _facts(rule: Rule, source: FactSource | None) -> Facts:
    found: Facts = {"does": rule.do, "models": list(rule.models)}
    found |= {"but": list(rule.but)} if rule.but else {}
    found |= {name: value for name in ("to", "most", "longest") if (value := getattr(rule, name)) is not None}
    found |= {"values": list(rule.values)} if rule.values else {}
    if rule.when:
        found["when"] = [{"field": pointer[1:], "in": list(values)} for pointer, values in rule.when.items()]
    found |= {"reason": rule.reason, "source": source.title if source else rule.source}
    if source is not None:
        found |= ({"url": source.url} if source.url else {}) | {"date": source.date.isoformat()}
    return found
