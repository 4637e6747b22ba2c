"""``python -m tools.quality [--json] [--all]``: how well each action is described, from 0 to 100.

Six facets, each with the same weight:

- *label*: every field, those inside objects too, has one that reads like words; a test holds it to the words of the field's name.
- *help*: the action and every field say what they are; a sentence made from the name alone counts half.
- *sample*: inputs that the form's schema and our check accept.
- *output*: a schema and a sample of the answer, or its media type where it is no JSON.
- *errors*: the manifest gives each documented error, and those that any server may send, a meaning.
- *test*: the action is run against a server with every other one (half), and a test names it.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from statistics import mean
from typing import Any, Final

from kosha_connector_openai import Connector, open_connector
from kosha_connector_openai.core.actions import Action
from kosha_connector_openai.errors import ConnectorError
from kosha_connector_openai.forms import Form
from kosha_connector_openai.manifest import ErrorRule
from kosha_connector_openai.schema import SchemaValidator, sample

ROOT: Final = Path(__file__).parent.parent
_STATUSES: Final = (400, 401, 403, 404, 409, 413, 422, 429, 500, 502, 503)
_RAW: Final = re.compile(r"[_{}\[\]]|^[a-z]")
_WORST: Final = 10


@dataclass(frozen=True, slots=True)
class Score:
    """What one action has of each facet, from 0 to 1."""

    label: float
    help: float
    sample: float
    output: float
    errors: float
    test: float

    @property
    def total(self) -> float:
        """The mean of the facets, from 0 to 100."""
        values: list[float] = [*asdict(self).values()]
        return 100 * mean(values)


def scores(connector: Connector) -> dict[str, Score]:
    """The score of every action."""
    core = set(connector.forms.core)
    return {key: score(connector, action, curated=key in core) for key, action in connector.catalog.items()}


def score(connector: Connector, action: Action, *, curated: bool) -> Score:
    """The score of one action; more is asked of a ``curated`` one."""
    form = connector.forms[action.id]
    return Score(
        label=_label(form),
        help=_help(form, curated),
        sample=_sample(form),
        output=_output(action),
        errors=_errors(action, connector.manifest.errors),
        test=_test(action.id),
    )


def every_field(form: Form) -> Iterator[Mapping[str, Any]]:
    """The form's fields and those of all objects in them, each definition once."""
    waiting: list[Any] = [*form.fields, *form.definitions.values()]
    while waiting:
        shape = waiting.pop()
        if "name" in shape:
            yield shape
        waiting += [*shape.get("fields", ()), *shape.get("variants", ())]
        waiting += [shape[key] for key in ("items", "values") if key in shape]


def _label(form: Form) -> float:
    """Words with a capital first, not a name as code writes it; a test holds them to the words of the name."""
    good = [bool(field["label"]) and not _RAW.search(field["label"]) for field in every_field(form)]
    return mean(map(float, good)) if good else 1.0


def _help(form: Form, curated: bool) -> float:
    head = form.head()
    action = 1.0 if head["summary"] != head["title"] and (not curated or "help" in head) else 0.0
    weight = {"default": 0.5, "": 0.0}
    made = [
        1.0 if field.get("location") == "extra" or field["visibility"] == "internal" else weight.get(field["origin"].get("help", ""), 1.0)
        for field in every_field(form)
    ]
    return mean([action, *made])


def _sample(form: Form) -> float:
    good = []
    for minimal in (True, False):
        try:
            made = form.sample(minimal=minimal)
            form.action.check(made)
            good.append(not SchemaValidator(form.to_json_schema()).check(made).faults)
        except ConnectorError:
            good.append(False)
    return mean(map(float, good))


def _output(action: Action) -> float:
    success = action.operation.success
    if success is None:
        return 0.0
    if action.output_schema is None:  # text, bytes, or nothing where nothing is to be said
        return 1.0 if action.output_types or success.status in {"200", "201", "202", "204"} else 0.0
    try:
        made = sample(action.output_schema)
    except ConnectorError:
        return 0.5
    return 0.5 + 0.5 * (not SchemaValidator(action.output_schema).check(made).faults)


def _errors(action: Action, rules: Sequence[ErrorRule]) -> float:
    """By status alone: whether some rule gives it a meaning."""
    documented = {
        int(response.status) for response in action.operation.responses if response.status.isdecimal() and int(response.status) >= 400
    }
    wanted = {*_STATUSES, *documented}
    return mean(float(any(rule.code is None and rule.status in (status, f"{status // 100}XX") for rule in rules)) for status in wanted)


def _test(action: str) -> float:
    return 0.5 + 0.5 * bool(re.search(rf"(?<![\w-]){re.escape(action)}(?![\w-])", _tests()))


@cache
def _tests() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "tests").rglob("test_*.py")))


def report(found: Mapping[str, Score], core: Iterable[str]) -> dict[str, Any]:
    """The figures as JSON values: means of all actions and of the core set, and each action."""
    names = [facet.name for facet in fields(Score)]
    core = list(core)
    return {
        "all": {"actions": len(found), **_means(found.values(), names)},
        "core": {"actions": len(core), **_means([found[key] for key in core], names)},
        "actions": {
            key: {"total": round(one.total, 1), **{name: round(100 * getattr(one, name)) for name in names}} for key, one in found.items()
        },
    }


def _means(found: Iterable[Score], names: Iterable[str]) -> dict[str, float]:
    found = list(found)
    if not found:
        return {}
    return {"total": round(mean(one.total for one in found), 1)} | {
        name: round(100 * mean(getattr(one, name) for one in found), 1) for name in names
    }


def as_text(figures: Mapping[str, Any], *, everything: bool) -> str:
    """The figures as a table: the means, then the worst actions or all of them."""
    names = ["total", *(facet.name for facet in fields(Score))]
    rows = [("", *names)]
    rows += [(f"{key} ({figures[key]['actions']})", *(str(figures[key].get(name, "")) for name in names)) for key in ("all", "core")]
    ordered = sorted(figures["actions"].items(), key=lambda pair: pair[1]["total"])
    shown = ordered if everything else ordered[:_WORST]
    rows += [(key, *(str(one[name]) for name in names)) for key, one in shown]
    widths = [max(len(row[column]) for row in rows) for column in range(len(names) + 1)]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]) for row in rows
    ]
    lines.insert(3, "" if everything else f"\nthe {len(shown)} with the lowest totals:")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """1 where an action of the core set is not at 100."""
    with open_connector() as connector:
        found = scores(connector)
        figures = report(found, connector.forms.core)
    print(json.dumps(figures, indent=1) if "--json" in arguments else as_text(figures, everything="--all" in arguments))
    return int(figures["core"].get("total", 100) < 100)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
