"""``validate`` and ``dry-run``: what is checked and shown without sending anything."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from tests.canary import Canary
from tests.unit.cli.conftest import Cli

SEED = ("createCompletion", "model=text-davinci-003", "prompt=Say this is a test", "max_tokens=7", "temperature=0")
BODY = {"model": "text-davinci-003", "prompt": "Say this is a test", "max_tokens": 7, "temperature": 0}


def test_valid(cli: Cli) -> None:
    """Inputs can be checked without any connection."""
    done = cli("validate", *SEED)
    assert (done.exit_code, done.stdout) == (0, "The inputs are valid.\n")


def test_invalid_for_programs(cli: Cli) -> None:
    """Faults come with pointer, rule, message and fix."""
    done = cli("validate", "createCompletion", "modle=x", "prompt=p", "--json")
    error = json.loads(done.stdout)["error"]
    assert (done.exit_code, error["code"]) == (3, "input")
    assert {"/modle", "/model"} >= {fault["pointer"] for fault in error["faults"]} != set()


def test_unknown_names_are_told(cli: Cli) -> None:
    """A name that the description does not know is let through with a warning."""
    done = cli("validate", *SEED, "brand_new_setting=1")
    assert done.exit_code == 0
    assert "/brand_new_setting" in done.stderr


def test_request(cli: Cli, canary: Canary) -> None:
    """The method, the URL, the headers with the credential masked, and the body."""
    done = cli("dry-run", *SEED, "--json")
    shown = json.loads(done.stdout)
    assert (shown["method"], shown["url"], shown["body"]) == ("POST", "https://api.openai.com/v1/completions", BODY)
    assert ["Authorization", "Bearer ********"] in shown["headers"]
    canary.scan(done.stdout, done.stderr)


def test_request_for_people(cli: Cli, canary: Canary) -> None:
    """The same as text, and then as a curl command."""
    lines = cli("dry-run", *SEED).stdout.splitlines()
    assert lines[0] == "POST https://api.openai.com/v1/completions"
    assert "Authorization: Bearer ********" in lines
    assert "curl -X POST https://api.openai.com/v1/completions \\" in lines


def test_without_a_key(cli: Cli) -> None:
    """A request can be looked at before there is a key."""
    assert cli("dry-run", *SEED).exit_code == 0


@pytest.mark.parametrize(
    ("settings", "header"),
    [
        ([], "Authorization: Bearer $OPENAI_API_KEY"),
        (["api_key=env:TEAM_KEY"], "Authorization: Bearer $TEAM_KEY"),
        (["api_key=file:/run/keys/a b"], "Authorization: Bearer $(cat '/run/keys/a b')"),
        (["api_key=vault:kv/team#key"], "Authorization: Bearer $SECRET"),
        (["auth_type=API_KEY"], "api-key: $OPENAI_API_KEY"),
    ],
)
def test_curl_names_the_secret(cli: Cli, settings: list[str], header: str) -> None:
    """The command holds what a shell replaces by the key, in double quotes, and never the key."""
    options = [word for setting in settings for word in ("--set", setting)]
    curl = json.loads(cli("dry-run", *SEED, *options, "--json").stdout)["curl"]
    assert f'-H "{header}"' in curl


def test_curl_without_credential(cli: Cli) -> None:
    """A local server that needs no key gets none."""
    options = ("--set", "auth_type=NONE", "--set", "server_url=http://127.0.0.1:9/v1")
    curl = json.loads(cli("dry-run", *SEED, *options, "--json").stdout)["curl"]
    assert curl.startswith("curl -X POST http://127.0.0.1:9/v1/completions")
    assert "$" not in curl


def test_curl_body(cli: Cli) -> None:
    """A shell gives curl the very bytes of the body, whatever quotes are in it."""
    words = shlex.split(json.loads(cli("dry-run", "createCompletion", "model=m", 'prompt=it\'s "$HOME" `x`', "--json").stdout)["curl"])
    assert words[words.index("--data-raw") + 1] == '{"model":"m","prompt":"it\'s \\"$HOME\\" `x`"}'


def test_curl_multipart(cli: Cli, tmp_path: Path) -> None:
    """Files are named by their paths, texts are sent as they are, and curl writes the boundary."""
    path = tmp_path / 'a "b".txt'
    path.write_bytes(b"hello")
    done = cli("dry-run", "createTranscription", f"file=@{path}", "model=@whisper", "prompt=a;b", "model2=x", "--json")
    assert done.exit_code == 3
    shown = json.loads(cli("dry-run", "createTranscription", f"file=@{path}", "model=whisper-1", "prompt=a;b", "--json").stdout)
    words = shlex.split(shown["curl"])
    form = words[words.index("-F") + 1]
    escaped = str(path).replace('"', '\\"')
    assert form.startswith(f'file=@"{escaped}";type=text/plain;filename=')
    assert "prompt=a;b" in words
    assert "Content-Type" not in shown["curl"]
    assert shown["body"]["parts"][1:] == [{"name": "model", "value": "whisper-1"}, {"name": "prompt", "value": "a;b"}]
    assert shown["body"]["parts"][0]["size"] == 5
