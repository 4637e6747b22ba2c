"""What is known of models stands in the forms as data: every rule at its field, with its source and date, and only when it is asked for."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from kosha_connector_openai import Connector
from kosha_connector_openai.forms.model_facts import ModelFacts
from kosha_connector_openai.manifest.parts.models import FactSource, Models, Rule


def test_every_rule_stands_at_its_field(connector: Connector) -> None:
    """In the form of each action that it speaks of, in the rules' order, told as the warnings tell it."""
    part = connector.part("models", Models)
    said = 0
    for action in connector.catalog:
        form = connector.forms[action].to_dict()
        found = {field["name"]: field["models"] for field in form["fields"] if "models" in field}
        rules = [rule for rule in part.rules if action in rule.actions and rule.field[1:] in {field["name"] for field in form["fields"]}]
        assert ("models" in form) is bool(rules), action
        for name in {rule.field[1:] for rule in rules}:
            expected = [rule for rule in rules if rule.field == f"/{name}"]
            assert [(fact["does"], fact["reason"]) for fact in found.pop(name)] == [(rule.do, rule.reason) for rule in expected]
            said += len(expected)
        assert not found
    assert said >= len(part.rules)


def test_what_a_rule_says(connector: Connector) -> None:
    """Models, what they do, source and day; the form names the field that decides."""
    form = connector.forms["createChatCompletion"].to_dict()
    assert form["models"]["field"] == "model"
    fact = next(field for field in form["fields"] if field["name"] == "max_tokens")["models"][0]
    assert (fact["does"], fact["to"]) == ("rename", "max_completion_tokens")
    assert fact["models"]
    assert date.fromisoformat(fact["date"])
    assert {fact["source"] for field in form["fields"] for fact in field.get("models", ())} <= {
        source.title for source in connector.part("models", Models).sources.values()
    }


def test_every_kind_of_rule() -> None:
    """What a rule leaves empty has no key; a condition reads as those of fields do."""
    day = date(2026, 1, 2)
    rules = (
        Rule(
            do="allow",
            actions=("a",),
            models=("m*",),
            but=("mx",),
            field="/size",
            values=(1, "x"),
            when={"/k": (True,)},
            reason="r",
            source="s",
        ),
        Rule(do="allow", actions=("a",), models=("m",), field="/size", most=2, longest=3, reason="r", source="s"),
        Rule(do="hide", actions=("a", "b"), models=("m",), field="/seed", reason="r", source="none"),
    )
    facts = ModelFacts(Models(rules=rules, sources={"s": FactSource(title="S", date=day)}, derived=("ft:",)))
    assert facts.head == {"field": "model", "derived": ["ft:"]}
    source = {"reason": "r", "source": "S", "date": "2026-01-02"}
    condition = [{"field": "k", "in": [True]}]
    assert facts.of("a")["size"] == [
        {"does": "allow", "models": ["m*"], "but": ["mx"], "values": [1, "x"], "when": condition, **source},
        {"does": "allow", "models": ["m"], "most": 2, "longest": 3, **source},
    ]
    assert facts.of("b") == {"seed": [{"does": "hide", "models": ["m"], "reason": "r", "source": "none"}]}
    assert facts.of("c") == {}


def test_fields_alone_read_no_rules(connector: Connector, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever draws the fields pays for no part that they do not hold; the whole form reads it once."""
    asked: list[str] = []
    read = connector.part

    def part(name: str, model: type) -> object:
        asked.append(name)
        return read(name, model)

    monkeypatch.setattr(connector, "part", part)
    form = connector.forms["createChatCompletion"]
    assert all("models" not in field for field in form.fields)
    assert "models" not in asked
    form.to_dict()
    connector.forms["createResponse"].to_dict()
    assert asked.count("models") == 1


def test_a_folder_without_rules(root: Path) -> None:
    """Its forms have neither key."""
    with Connector(root / "tests" / "tiny_provider") as tiny:
        for action in tiny.forms:
            form = tiny.forms[action].to_dict()
            assert "models" not in form
            assert not any("models" in field for field in form["fields"])
