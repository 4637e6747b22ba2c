"""The command runs a folder of another provider as it runs our own: list, dry-run, run, and what is wrong with a broken one."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner, Result

from kosha_connector_openai.cli.app import make_app
from tests.contract.providers.conftest import FOLDERS
from tests.recorder import Recorder


def kosha(folder: str, *arguments: str) -> Result:
    return CliRunner().invoke(make_app(), ["--connector", str(FOLDERS / folder), *arguments], prog_name="kosha-openai")


def test_the_actions_of_a_folder_are_listed() -> None:
    """Ids that the description gives, and ids made of method and path where it gives none."""
    shown = kosha("marlow", "actions", "list", "--json")
    assert [action["id"] for action in json.loads(shown.stdout)] == [
        "getBoardsByBoardIdCards",
        "postBoardsByBoardIdCards",
        "deleteBoardsByBoardIdCardsByCardId",
    ]


def test_an_action_of_a_folder_is_run(upstream: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables as Kosha sets them are enough; inputs are typed as for any action."""
    monkeypatch.setenv("SERVER_URL", upstream.url)
    monkeypatch.setenv("BEARER_TOKEN", "lanterna-0123456789")
    shown = kosha("lanterna", "run", "PostInvoices", "customer=cus_1", "amount=5", 'metadata:={"a": "b"}')
    assert (shown.exit_code, upstream.last.body) == (0, b"customer=cus_1&amount=5&metadata%5Ba%5D=b")
    assert upstream.last.header("authorization") == "Bearer lanterna-0123456789"


@pytest.mark.parametrize(
    ("folder", "action", "inputs", "header"),
    [
        ("lanterna", "PostInvoices", '{"customer": "c"}', ["Authorization", "Bearer ********"]),
        ("marlow", "getBoardsByBoardIdCards", '{"board_id": "b"}', ["X-Marlow-Key", "********"]),
        ("ferrytown", "listTrips", "{}", ["Authorization", "Bearer ********"]),
    ],
)
def test_a_dry_run_needs_no_secret(
    folder: str, action: str, inputs: str, header: list[str], upstream: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exact request is shown with the credential masked, and nothing is sent."""
    monkeypatch.setenv("SERVER_URL", upstream.url)
    shown = kosha(folder, "dry-run", action, "--json", "--json-input", inputs)
    assert shown.exit_code == 0
    assert header in json.loads(shown.stdout)["headers"]
    assert upstream.silent


def test_a_broken_specification_names_its_lines() -> None:
    """Each fault has its place and its line; the exit code says that the description is wrong."""
    path = FOLDERS / "broken" / "connector_spec.json"
    shown = kosha("lanterna", "manifest", "--check", str(path))
    assert shown.exit_code == 10
    assert "/version: Input should be '1.0.0' or '2.0.0'. (Line 2.)" in shown.stderr
    assert "/fields/0/type: Input should be 'string' or 'password'. (Line 7.)" in shown.stderr
    assert "/fields/2/field: is not a name of letters, digits and underscores. (Line 27.)" in shown.stderr
    assert kosha("broken", "actions", "list").exit_code == 10


def test_a_specification_is_checked_and_written_back() -> None:
    """A good one is told by its folder's name, and written as version 2.0.0."""
    path = FOLDERS / "lanterna" / "connector_spec.json"
    assert "is a valid manifest: lanterna" in kosha("lanterna", "manifest", "--check", str(path)).stdout
    written = json.loads(kosha("lanterna", "manifest", "--kosha").stdout)
    assert (written["version"], [entry["field"] for entry in written["fields"]]) == ("2.0.0", ["BEARER_TOKEN", "AUTH_TYPE", "SERVER_URL"])
