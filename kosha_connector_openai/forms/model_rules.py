"""What a model makes of an action's inputs: warnings with a fix, by the part ``models``. Nothing here blocks a call."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase, translate
from functools import cached_property, lru_cache
from typing import Any, Final

from kosha_connector_openai.errors import Fault
from kosha_connector_openai.manifest.parts import Models, Retirement, Rule
from kosha_connector_openai.text import escape, nearest

MODEL: Final = "model"
"""The rule that a warning of this kind names."""
_MOST_KNOWN: Final = 1_000
"""Pairs of action and model whose rules are kept at hand."""
_NAMED: Final = 6
_LONGEST: Final = 200
"""Characters of a model's name; what is longer is none."""


class ModelRules:
    """The rules, sorted by action. Safe to share; a lookup for an action without rules costs one look into a table."""

    def __init__(self, part: Models, *, today: datetime.date | None = None) -> None:
        self._part = part
        self._today = today
        self._known: dict[tuple[str, str], tuple[tuple[Fault, ...], tuple[Rule, ...]]] = {}

    @cached_property
    def _by_action(self) -> Mapping[str, tuple[Rule, ...]]:
        found: dict[str, list[Rule]] = {action: [] for family in self._part.families for action in family.actions}
        for rule in self._part.rules:
            for action in rule.actions:
                found.setdefault(action, []).append(rule)
        return {action: tuple(rules) for action, rules in found.items()}

    def advice(self, action: str, inputs: Mapping[str, Any]) -> tuple[Fault, ...]:
        """Warnings about inputs that the chosen model is known not to take, each with its fix, source and date.

        An unknown model, and an action without rules, have none. Never raises, whatever the inputs are.
        """
        if action not in self._by_action or not isinstance(inputs, Mapping):
            return ()
        given = _given(inputs)
        model = given.get(self._part.field)
        if not isinstance(model, str) or len(model) > _LONGEST:
            return ()
        about, rules = self._about(action, model)
        spoken = [fault for rule in rules if _holds(rule, given) and (fault := self._speak(rule, given))]
        return (*about, *spoken)

    def _about(self, action: str, model: str) -> tuple[tuple[Fault, ...], tuple[Rule, ...]]:
        """What there is to say of a model whatever the other inputs are, and the rules that mean it."""
        found = self._known.get((action, model))
        if found is None:
            found = ((*self._unfit(action, model), *self._retired(model)), self.rules(action, model))
            if len(self._known) < _MOST_KNOWN:
                self._known[action, model] = found
        return found

    def apply(self, action: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The inputs with the fields renamed that the model calls otherwise; nothing else is changed. Only at a caller's wish."""
        found = dict(inputs)
        model = inputs.get(self._part.field)
        for rule in self.rules(action, model) if isinstance(model, str) else ():
            name = rule.field[1:]
            if rule.do == "rename" and rule.to and name in found and rule.to not in found and _holds(rule, found):
                found = {rule.to if key == name else key: value for key, value in found.items()}
        return found

    def serves(self, model: str, action: str) -> bool | None:
        """Whether a model serves an action; None where the model is not known, or the table is silent about the action."""
        if not self.families(action):
            return None
        for family in self._part.families:
            if self._fits(model, family.models):
                return action in family.actions
        return None

    def families(self, action: str) -> tuple[str, ...]:
        """The patterns of the models that serve an action."""
        return tuple(pattern for family in self._part.families if action in family.actions for pattern in family.models)

    def rules(self, action: str, model: str | None = None) -> tuple[Rule, ...]:
        """The rules of an action, for a form: all of them, or those that mean a model."""
        found = self._by_action.get(action, ())
        return found if model is None else tuple(rule for rule in found if self._names(rule, model))

    def allowed(self, action: str, name: str, inputs: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """The values, or patterns of them, that the chosen model takes for a field; None where no rule says."""
        model = inputs.get(self._part.field)
        found = self.rules(action, model) if isinstance(model, str) else ()
        return next((rule.values for rule in found if rule.values and rule.field[1:] == name and _holds(rule, inputs)), None)

    def retirement(self, model: str) -> Retirement | None:
        """When a model goes away, or went; None where nothing is known."""
        return next((entry for entry in self._part.retirements if self._fits(model, entry.models)), None)

    def _fits(self, model: str, patterns: tuple[str, ...]) -> bool:
        fits = _matcher(patterns)
        return bool(fits(model)) or any(fits(model[len(start) :]) for start in self._part.derived if model.startswith(start))

    def _names(self, rule: Rule, model: str) -> bool:
        return self._fits(model, rule.models) and not self._fits(model, rule.but)

    def _speak(self, rule: Rule, inputs: Mapping[str, Any]) -> Fault | None:
        name = rule.field[1:]
        value = inputs.get(name)
        if (value is None) is not (rule.do == "require") or (rule.do == "hide" and value is False):
            return None  # a switch that is off is as good as left out
        if rule.do == "allow" and _is_allowed(rule, value):
            return None
        return Fault(f"/{escape(name)}", MODEL, rule.reason, f"{_fix(rule, value)} ({self._told(rule.source)})", list(rule.values) or None)

    def _told(self, source: str) -> str:
        entry = self._part.sources.get(source)
        return f"{entry.title}, {entry.date.isoformat()}" if entry else source

    def _unfit(self, action: str, model: str) -> Iterator[Fault]:
        if self.serves(model, action) is False:
            known = self.families(action)
            more = ", ..." if len(known) > _NAMED else ""
            fix = f"Models that do: {', '.join(known[:_NAMED])}{more}."
            yield Fault(f"/{self._part.field}", MODEL, "This model is known for other actions than this one.", fix)

    def _retired(self, model: str) -> Iterator[Fault]:
        entry = self.retirement(model)
        if entry is None:
            return
        today = self._today or datetime.datetime.now(datetime.UTC).date()
        when = f"went away on {entry.date.isoformat()}" if entry.date <= today else f"goes away on {entry.date.isoformat()}"
        fix = f"Use `{entry.successor}`." if entry.successor else "Choose another; the list of models has their dates."
        yield Fault(f"/{self._part.field}", "retired", f"This model {when}.", f"{fix} ({self._told(entry.source)})")

    def faults(self) -> Iterator[Fault]:
        """What the part says of sources that it does not give."""
        part = self._part
        named = [(f"/families/{index}", family.source) for index, family in enumerate(part.families)]
        named += [(f"/rules/{index}", rule.source) for index, rule in enumerate(part.rules)]
        named += [(f"/retirements/{index}", entry.source) for index, entry in enumerate(part.retirements)]
        for place, source in named:
            if source not in part.sources:
                near = nearest(source, part.sources)
                yield Fault(f"{place}/source", "unknown", "No source has this name.", f"Did you mean `{near}`?" if near else "")


@lru_cache(maxsize=1_024)
def _matcher(patterns: tuple[str, ...]) -> Callable[[str], object]:
    """Whether a name fits one of the patterns, also with the parts that a trained model's name has behind its base."""
    return re.compile("|".join(translate(text) for pattern in patterns for text in (pattern, f"{pattern}:*")) or "(?!)").match


def _holds(rule: Rule, inputs: Mapping[str, Any]) -> bool:
    return all(inputs.get(pointer[1:]) in values for pointer, values in rule.when.items())


def _given(inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    extra = inputs.get("extra_body")
    return {**inputs, **extra} if isinstance(extra, Mapping) else inputs


def _is_allowed(rule: Rule, value: Any) -> bool:
    """Whether a value is within a rule. Of a list every item must be; what the rule does not speak of is allowed."""
    if rule.most is not None and isinstance(value, (int, float)) and not isinstance(value, bool) and value > rule.most:
        return False
    if rule.longest is not None and isinstance(value, (str, list)) and len(value) > rule.longest:
        return False
    if not rule.values:
        return True
    return all(_is_listed(item, rule.values) for item in (value if isinstance(value, list) else [value]))


def _is_listed(value: Any, allowed: Sequence[Any]) -> bool:
    if isinstance(value, str):
        return any(isinstance(entry, str) and fnmatchcase(value, entry) for entry in allowed)
    return any(value == entry and isinstance(value, bool) is isinstance(entry, bool) for entry in allowed)


def _fix(rule: Rule, value: Any) -> str:
    if rule.do == "rename":
        return f"Use `{rule.to}`."
    if rule.do == "require":
        return f"Give `{rule.field[1:]}`."
    if rule.do == "hide":
        return "Leave it out, or choose another model."
    if rule.longest is not None and isinstance(value, (str, list)) and len(value) > rule.longest:
        return f"At most {rule.longest} {'characters' if isinstance(value, str) else 'items'}."
    if rule.most is not None:
        return f"At most {rule.most:g}."
    return f"It takes {', '.join(str(entry).lower() if isinstance(entry, bool) else str(entry) for entry in rule.values)}."
