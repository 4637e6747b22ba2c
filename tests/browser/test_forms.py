"""The forms of the core set in a real browser: react-jsonschema-form draws them from what we give, and what it submits passes our check.

Needs Node.js, Chromium and the packages of package.json (``make e2e`` installs these); skipped without them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from kosha_connector_openai import Connector, open_connector
from kosha_connector_openai.errors import Fault, InputError

HERE = Path(__file__).parent
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome") or ""
PNG = {"name": "cat.png", "mimeType": "image/png", "text": "not really a picture"}
MP3 = {"name": "talk.mp3", "mimeType": "audio/mpeg", "text": "not really sound"}
BATCH_SIZE = "#root_method_dpo_hyperparameters_batch_size__anyof_select"
FILLED: dict[str, tuple[str, list[list[Any]]]] = {
    "chat": (
        "createChatCompletion",
        [
            ["fill", "#root_model", "gpt-4o-mini"],
            ["fill", "#root_messages_0_content", "What is the capital of Norway?"],
            ["open", "options"],
            ["fill", "#root_max_completion_tokens", "200"],
        ],
    ),
    "responses": (
        "createResponse",
        [
            ["fill", "#root_model", "gpt-4o-mini"],
            ["fill", "#root_input", "What is the capital of Norway?"],
            ["fill", "#root_instructions", "Answer in one sentence."],
        ],
    ),
    "image-edit": (
        "createImageEdit",
        [
            ["file", "#root_image", PNG],
            ["fill", "#root_prompt", "Put a red hat on the cat"],
            ["open", "options"],
            ["select", "#root_output_format", "WebP"],
            ["fill", "#root_output_compression", "80"],
        ],
    ),
    "transcription": (
        "createTranscription",
        [
            ["file", "#root_file", MP3],
            ["fill", "#root_model", "gpt-4o-transcribe"],
            ["fill", "#root_language", "en"],
        ],
    ),
    "fine-tuning": (
        "createFineTuningJob",
        [
            ["fill", "#root_model", "gpt-4o-mini"],
            ["fill", "#root_training_file", "file-abc123"],
            ["open", "options"],
            ["select", "#root_method_type", "DPO"],
            ["select", BATCH_SIZE, "Number"],
            ["select", BATCH_SIZE, "Auto"],
        ],
    ),
    "nothing": ("createEmbedding", [["fill", "#root_model", ""]]),
    "chat-untouched": ("createChatCompletion", [["open", "options"]]),
}
EXPECTED: dict[str, dict[str, Any]] = {
    "chat": {
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": "What is the capital of Norway?"}],
        "max_completion_tokens": 200,
    },
    "responses": {"model": "gpt-4o-mini", "input": "What is the capital of Norway?", "instructions": "Answer in one sentence."},
    "image-edit": {
        "image": "data:image/png;name=cat.png;base64,bm90IHJlYWxseSBhIHBpY3R1cmU=",
        "prompt": "Put a red hat on the cat",
        "output_format": "webp",
        "output_compression": 80,
    },
    "fine-tuning": {
        "model": "gpt-4o-mini",
        "training_file": "file-abc123",
        "method": {"type": "dpo", "dpo": {"hyperparameters": {"batch_size": "auto"}}},
    },
    "transcription": {
        "file": "data:audio/mpeg;name=talk.mp3;base64,bm90IHJlYWxseSBzb3VuZA==",
        "model": "gpt-4o-transcribe",
        "language": "en",
    },
}

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture(scope="module")
def opened() -> Iterator[Connector]:
    """The connector whose forms are drawn."""
    with open_connector() as connector:
        yield connector


@pytest.fixture(scope="module")
def page(opened: Connector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server on the loopback with the built page and the forms."""
    node = shutil.which("node")
    if not node or not (HERE / "node_modules").is_dir():
        pytest.skip("Node.js or the packages of tests/browser/package.json are not here; `make e2e` installs the packages")
    if not CHROMIUM:
        pytest.skip("no Chromium is here")
    folder = tmp_path_factory.mktemp("page")
    subprocess.run(
        ["npm", "run", "--silent", "build", "--", f"--outfile={folder / 'page.js'}"], cwd=HERE, check=True, capture_output=True, timeout=120
    )
    shutil.copy(HERE / "page" / "page.html", folder)
    (folder / "forms").mkdir()
    for action in opened.forms:
        form = opened.forms[action]
        text = json.dumps({"schema": form.to_json_schema(), "uiSchema": form.to_ui_schema()})
        (folder / "forms" / f"{action}.json").write_text(text, encoding="utf-8")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, opened, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def drawn(opened: Connector, page: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What happened to each form in one run of the browser."""
    folder = tmp_path_factory.mktemp("job")
    shots = Path(os.environ.get("KOSHA_SHOTS") or folder)
    tasks = [{"name": name, "form": form, "steps": steps, "shot": True} for name, (form, steps) in FILLED.items()]
    tasks += [{"name": action, "form": action, "steps": [], "shot": bool(os.environ.get("KOSHA_SHOTS"))} for action in opened.forms.core]
    job = folder / "job.json"
    job.write_text(json.dumps({"url": page, "chromium": CHROMIUM, "shots": str(shots), "tasks": tasks}), encoding="utf-8")
    done = subprocess.run(["node", "drive.mjs", str(job)], cwd=HERE, capture_output=True, text=True, timeout=540, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_every_form_of_the_core_set_is_drawn(opened: Connector, drawn: dict[str, Any]) -> None:
    """Without an error or a warning on the console, and with a label for each field that is not hidden."""
    assert {name: drawn[name]["problems"] for name in opened.forms.core if drawn[name]["problems"]} == {}
    empty = [name for name in opened.forms.core if opened.forms[name].fields and not drawn[name]["fields"]]
    assert empty == []


@pytest.mark.parametrize("name", EXPECTED)
def test_what_a_person_submits_passes_the_check(opened: Connector, drawn: dict[str, Any], name: str) -> None:
    """Filled in as a person would; the library's own validation lets it through, and our check too, with nothing sent along unasked."""
    result = drawn[name]
    assert (result["problems"], result["refused"]) == ([], None)
    assert result["submitted"] == EXPECTED[name]
    assert opened.check(FILLED[name][0], result["submitted"]) == ()


def test_an_empty_form_is_refused_in_the_browser(drawn: dict[str, Any]) -> None:
    """The schema's required fields are asked for before anything is submitted."""
    assert drawn["nothing"]["submitted"] is None
    assert any("is missing" in error for error in drawn["nothing"]["refused"])


def test_an_untouched_chat_form_shows_the_faults_of_the_check_and_nothing_else(opened: Connector, drawn: dict[str, Any]) -> None:
    """One line for each; the message that it begins with is a user's, and no branch of an alternative adds its own."""
    refused = drawn["chat-untouched"]["refused"]
    inputs = {"messages": [{"role": "user"}]}
    with pytest.raises(InputError) as caught:
        opened.check("createChatCompletion", inputs)
    assert sorted(refused) == sorted(f"{fault.pointer} {fault.message}" for fault in caught.value.faults)
    assert drawn["chat-untouched"]["shown"] == len(refused) == 2


def test_every_form_draws_and_every_field_has_a_control(opened: Connector, page: str, tmp_path: Path) -> None:
    """All forms, all of their parts open: no error or warning on the console, and something to fill in, choose or add in each field."""
    job = tmp_path / "job.json"
    job.write_text(json.dumps({"url": page, "chromium": CHROMIUM, "forms": list(opened.forms)}), encoding="utf-8")
    done = subprocess.run(["node", "survey.mjs", str(job)], cwd=HERE, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]
    found: dict[str, Any] = json.loads(done.stdout)
    assert found.keys() == set(opened.forms)
    assert {name: each for name, each in found.items() if each["problems"] or each["bare"]} == {}


class _Quiet(SimpleHTTPRequestHandler):
    def __init__(self, connector: Connector, *arguments: Any, **options: Any) -> None:
        self._connector = connector
        super().__init__(*arguments, **options)

    def do_POST(self) -> None:
        """What the check says of the inputs of the action that the path names."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        try:
            self._connector.check(self.path.rpartition("/")[2], body["inputs"])
            faults: tuple[Fault, ...] = ()
        except InputError as error:
            faults = error.faults
        data = json.dumps({"faults": [{"pointer": each.pointer, "message": each.message, "fix": each.fix} for each in faults]}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Says nothing."""
