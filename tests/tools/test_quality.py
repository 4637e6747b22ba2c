"""How well the actions are described, measured; the core set is whole, and the rest does not get worse."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import pytest

from kosha_connector_openai import Connector, open_connector
from tools import quality
from tools.quality import Score

FLOOR = {"label": 100.0, "help": 99.9, "sample": 100.0, "output": 100.0, "errors": 100.0, "test": 65.0, "total": 94.1}
"""What was measured over all actions when this was written."""


@pytest.fixture(scope="module")
def found() -> Iterator[Mapping[str, Score]]:
    """The score of each action of the core set."""
    with open_connector() as connector:
        yield {key: quality.score(connector, connector.catalog[key], curated=True) for key in connector.forms.core}


def test_the_core_set_is_whole(found: Mapping[str, Score]) -> None:
    """Each of its actions has everything."""
    assert len(found) == 24
    assert {key: score for key, score in found.items() if score.total < 100} == {}


@pytest.mark.slow
def test_the_whole_is_not_below_its_floor(connector: Connector) -> None:
    """No facet got worse."""
    figures = quality.report(quality.scores(connector), connector.forms.core)["all"]
    assert figures["actions"] == 395
    assert {name: figures[name] for name, floor in FLOOR.items() if figures[name] < floor} == {}


def test_a_worse_action_scores_less(connector: Connector, monkeypatch: pytest.MonkeyPatch) -> None:
    """Words that are missing and a test that does not name it are seen."""
    action, form = connector.catalog["createSpeech"], connector.forms["createSpeech"]
    whole = quality.score(connector, action, curated=True)
    spoilt = [{**field, "label": field["name"], "origin": {**field["origin"], "help": "default"}} for field in form.fields]
    monkeypatch.setattr(form, "fields", spoilt)
    monkeypatch.setattr(quality, "_tests", lambda: "createSpeechLater")
    worse = quality.score(connector, action, curated=True)
    assert (whole.total, whole.test, worse.test) == (100.0, 1.0, 0.5)
    assert worse.label < whole.label
    assert worse.help < whole.help


def test_an_error_without_a_meaning_is_seen(connector: Connector) -> None:
    """A rule for a code alone gives no status a meaning."""
    action = connector.catalog["createSpeech"]
    rules = connector.manifest.errors
    assert quality._errors(action, rules) == 1.0
    assert quality._errors(action, [rule for rule in rules if rule.status != "5XX"]) < 1.0
    assert quality._errors(action, [rule for rule in rules if rule.code]) == 0.0


def test_the_report_is_text_and_json(
    found: Mapping[str, Score], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The worst come first; the exit code tells whether the core set is whole."""
    monkeypatch.setattr(quality, "scores", lambda connector: found)
    assert quality.main(["--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["core"]["total"] == 100.0
    assert set(figures["actions"]["createSpeech"]) == {"total", "label", "help", "sample", "output", "errors", "test"}
    assert quality.main([]) == 0
    text = capsys.readouterr().out
    assert "the 10 with the lowest totals" in text
    monkeypatch.setattr(quality, "scores", lambda connector: {**found, "createSpeech": Score(0, 0, 0, 0, 0, 0)})
    assert quality.main(["--all"]) == 1
    assert capsys.readouterr().out.splitlines()[4].startswith("createSpeech")
