"""The studio in a real browser, against the sandbox: built, filled in and run by mouse, keys and fingers; nothing of it leaves the page.

Needs Node.js, Chromium, the packages of package.json and the built page (``make e2e`` makes all of these); skipped without them.
"""

from __future__ import annotations

import csv
import json
import os
import random
import re
import shutil
import subprocess
import sys
import venv
import wave
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from kosha_connector_openai import open_connector
from kosha_connector_openai.flows import list_tasks, read_workflows, run_workflow
from kosha_connector_openai.gateway.pages import studio_assets
from kosha_connector_openai.sandbox import Sandbox
from kosha_connector_openai.text import load_yaml
from tests import arazzo_linters
from tests.canary import Canary, encodings

HERE = Path(__file__).parent
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome") or ""
DOCUMENTS = 500
SHOTS = os.environ.get("KOSHA_SHOTS")

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


LARGEST = 350_000
"""Bytes of JavaScript, compressed."""


class Studio:
    """A studio of this test's own, whose address counts once."""

    def __init__(self, folder: Path, program: Sequence[str] = (sys.executable, "-m", "kosha_connector_openai.cli"), **environ: str) -> None:
        environ = {**os.environ, "XDG_CONFIG_HOME": str(folder / "home"), **environ}
        command = [*program, "studio", "--sandbox", "--port", "0"]
        self._process = subprocess.Popen(command, env=environ, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/studio#code=[\w-]{43}", self.url)

    @property
    def origin(self) -> str:
        return self.url.partition("/studio")[0]

    def close(self) -> str:
        """Stops it; what it had to say."""
        self._process.terminate()
        return "".join(self._process.communicate(timeout=30))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(SHOTS) if SHOTS else tmp_path


@pytest.fixture
def driver() -> None:
    """What the scenarios need; skipped without it."""
    if not shutil.which("node") or not (HERE / "node_modules" / "playwright-core").is_dir():
        pytest.skip("Node.js or the packages of tests/browser/package.json are not here; `make e2e` installs the packages")
    if not CHROMIUM:
        pytest.skip("no Chromium is here")
    if not studio_assets():
        pytest.skip("the studio's page is not built; `make studio` builds it")


@pytest.fixture
def studio(tmp_path: Path, driver: None) -> Iterator[Studio]:
    running = Studio(tmp_path)
    yield running
    running.close()


def drive(name: str, studio: Studio, folder: Path, **more: Any) -> dict[str, Any]:
    """What a scenario of studio.mjs saw."""
    job = folder / f"{name}.json"
    job.write_text(json.dumps({"chromium": CHROMIUM, "folder": str(folder), "runs": {name: studio.url}, "documents": [], **more}))
    done = subprocess.run(["node", "studio.mjs", str(job)], cwd=HERE, capture_output=True, text=True, timeout=1_800, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]
    seen: dict[str, Any] = json.loads(done.stdout)[name]
    assert "failed" not in seen, seen
    return seen


def test_a_flow_is_dragged_filled_in_and_run(studio: Studio, folder: Path) -> None:
    """Found by the words people use; two actions and a task dragged, connected, branched and mapped; text grows; renamed, undone,
    reloaded, run again; the saved file passes the check and linters that are not ours, and a run of it outside gives the same. No secret
    is where a script could read it, every request goes to the studio, and axe finds nothing."""
    seen = drive("flow", studio, folder)
    assert seen["first"] == ["createTranscription", "createChatCompletion", "createImage", "summarise"]
    assert "does not run" in seen["loose"]
    assert (seen["faults"], seen["problems"], seen["violations"]) == ([], [], [])
    assert seen["pieces"] >= 3
    assert seen["again"] == seen["answer"]
    assert seen["origins"] == [studio.origin]
    hidden, code = json.dumps(seen["hidden"]), studio.url.partition("#code=")[2]
    assert (seen["hidden"]["cookie"], seen["hidden"]["url"], "sk-" in hidden, code in hidden) == (
        "",
        f"{studio.origin}/studio",
        False,
        False,
    )
    with Sandbox() as sandbox, open_connector() as connector:
        os.environ["OPENAI_API_KEY"] = sandbox.key
        connection = connector.connection({"api_key": "env:OPENAI_API_KEY", "server_url": sandbox.url})
        result = run_workflow(read_workflows(Path(seen["file"]), connector), connector, connection, {"question": "Tell me about the sea"})
    assert result.outputs == seen["answer"]
    assert [step.step for step in result.steps] == ["moderation", "answer", "translate"]
    if arazzo_linters.HERE:
        assert (arazzo_linters.spectral([seen["file"]], folder), arazzo_linters.redocly([seen["file"]], folder)) == ("", "")
    assert code not in studio.close()


def test_from_the_wheel_without_node(driver: None, tmp_path: Path) -> None:
    """Built, installed into an environment of its own and started with nothing else on the PATH, it serves the same page."""
    root, fresh = HERE.parents[1], tmp_path / "fresh"
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, root]
    subprocess.run(build, check=True, capture_output=True, timeout=300)
    venv.create(fresh, with_pip=True)
    wheel = f"{next(tmp_path.glob('*.whl'))}[studio]"
    pip = [fresh / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel]
    subprocess.run(pip, check=True, timeout=300)
    assert not shutil.which("node", path=str(fresh / "bin"))
    running = Studio(tmp_path, [str(fresh / "bin" / "kosha-openai")], PATH=str(fresh / "bin"))
    try:
        seen = drive("flow", running, tmp_path)
    finally:
        running.close()
    assert (seen["faults"], seen["problems"], seen["violations"], seen["origins"]) == ([], [], [], [running.origin])
    assert seen["answer"] == seen["again"] != {}


def test_pictures_sounds_files_and_the_connection(studio: Studio, folder: Path) -> None:
    """A wrong key gets its advice; a picture has its true size; a sound plays; a dropped file is transcribed; the history has the runs."""
    sound = folder / "talk.wav"
    with wave.open(str(sound), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8_000)
        file.writeframes(b"\0\0" * 8_000)
    seen = drive("media", studio, folder, sound=str(sound))
    assert "not accepted" in seen["advice"]
    assert seen["image"] == [1024, 1024]
    assert seen["audio"] > 0
    assert seen["transcript"]
    assert [row.split("\t")[1].split(" ")[0] for row in seen["history"]] == ["createTranscription", "createSpeech", "createImage"]
    assert (seen["problems"], seen["violations"]) == ([], [])
    assert set(seen["origins"]) == {studio.origin, "blob:"}


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """A page of another origin, on this machine."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>Elsewhere</title><body></body>")

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_secrets_stay_out_of_the_browser_and_other_pages_out_of_the_studio(studio: Studio, folder: Path, elsewhere: str) -> None:
    """A key that is typed, the address's code and the session's cookie are in no document, database, storage, address, header or reply, in
    no encoding. Pages of another port and of a name that leads here read nothing, do nothing, frame nothing and sign nobody in or out."""
    key = Canary().key
    seen = drive("foreign", studio, folder, key=key, elsewhere=elsewhere)
    assert [cookie["httpOnly"] and cookie["sameSite"] == "Strict" for cookie in seen["cookies"]] == [True]
    held = "\n".join(seen["held"])
    for secret in (key, studio.url.partition("#code=")[2], seen["cookies"][0]["value"]):
        assert len(secret) > 30
        assert [len(form) for form in encodings(secret) if form in held] == []
    assert len(seen["got"]) == 2
    assert all(not any(text.removeprefix("opaque") for text in got.values()) for got in seen["got"].values()), seen["got"]
    assert (seen["framed"], seen["rebound"]) == ([0, 0], [421, 0])
    public = {("GET", "/studio")}
    let_in = [each for each in seen["statuses"] if each[2] < 400 and (each[0], each[1]) not in public]
    assert (let_in, len(seen["statuses"]) > 6) == ([], True)
    assert key not in studio.close()


def test_by_keys_alone_in_the_dark(studio: Studio, folder: Path) -> None:
    """Search, add, fill in, branch, run, delete and undo without a pointer; a result takes the focus below a long form, and the chosen step
    stays in sight at any size; the dark theme passes axe."""
    seen = drive("keys", studio, folder)
    assert (seen["condition"], seen["next"]) == ("$response.body#/results/0/flagged == true", "chatCompletion")
    assert seen["answer"]
    assert seen["shown"] == {"focused": True, "seen": True}
    assert seen["sighted"] == [True, True, True]
    assert (seen["problems"], seen["violations"]) == ([], [])


def test_by_touch_on_a_small_screen(studio: Studio, folder: Path) -> None:
    """At 360 px a finger drags, types and runs, and sees the result; nothing is wider than the screen, on the pages of the docs either."""
    seen = drive("touch", studio, folder)
    assert seen["answer"]
    assert seen["shown"]["seen"]
    assert seen["wide"] == 360
    assert [width for _, width in seen["docs"]] == [360] * 4, seen["docs"]
    assert (seen["problems"], seen["violations"]) == ([], [])


def test_a_table_is_dropped_on_an_action_and_run(studio: Studio, folder: Path) -> None:
    """On the palette, on a step and by keys: columns find their fields, faults are told by line; a run is cancelled, survives reloads, goes
    on, is fetched whole and removed."""
    lines = "".join(f'{number},"How many, {number}?"\n' for number in range(1500))
    texts = {"many": f"ID,Question\n{lines}", "few": "text\none\ntwo\n", "wrong": "text\none\ntwo,more\nthree\n"}
    tables = {name: folder / f"{name}.csv" for name in texts}
    for name, path in tables.items():
        path.write_text(texts[name], encoding="utf-8")
    seen = drive("rows", studio, folder, tables={name: str(path) for name, path in tables.items()})
    assert (seen["mapped"], "All 1500 rows are fine." in seen["checked"], seen["cannot"]) == ("messages.0.content", True, True)
    assert "How many, 1?" in seen["first"]
    assert [text for text in seen["missing"] if "Content" in text]
    assert "cancelled" in seen["stopped"]
    assert "stopped" in seen["listed"]
    assert seen["ended"].startswith("1500 of 1500 done")
    with Path(seen["output"]).open(encoding="utf-8", newline="") as file:
        assert [(row["ID"], row["Question"]) for row in csv.DictReader(file)] == [(str(n), f"How many, {n}?") for n in range(1500)]
    assert (seen["lines"], seen["kept"], seen["wide"]) == (["Line 3"], "messages.0.content", 360)
    assert (seen["problems"], seen["violations"], seen["origins"]) == ([], [], [studio.origin])


def test_the_page_is_small() -> None:
    """All of its JavaScript together."""
    sizes = {name: len(asset.packed or asset.plain) for name, asset in studio_assets().items() if name.endswith(".js")}
    assert sum(sizes.values()) <= LARGEST, sizes


def test_every_form_is_drawn(studio: Studio, folder: Path) -> None:
    """Without a word on the console, and with a control for each field."""
    seen = drive("forms", studio, folder)
    assert seen["count"] > 200
    assert (seen["problems"], seen["undrawn"]) == ({}, {})


def test_every_form_can_be_filled_in(studio: Studio, folder: Path) -> None:
    """Each action's and task's full sample, typed, chosen and dropped into its form: what the page then has is the sample, no fault is
    shown, and the library's own check takes it."""
    with open_connector() as connector:
        forms = {action: (form.to_dict(), form.sample(minimal=False)) for action, form in connector.forms.items()}
        tasks = {task.name: task for task in list_tasks(connector)}
        forms |= {name: (task.drawn_form(connector), {**task.example, **_FILES.get(name, {})}) for name, task in tasks.items()}
        seen = drive("fill", studio, folder, samples={name: {"form": form, "inputs": inputs} for name, (form, inputs) in forms.items()})
        wrong = {
            name: (inputs, seen["inputs"].get(name))
            for name, (_, inputs) in forms.items()
            if _plain(inputs) != _plain(seen["inputs"].get(name))
        }
        faults = {name: faults for name, faults in seen["faults"].items() if faults}
        assert (seen["stuck"], seen["problems"], faults, wrong) == ({}, {}, {}, {})
        for name, inputs in seen["inputs"].items():
            tasks[name].form.check(inputs) if name in tasks else connector.check(name, inputs)


_SOUND = "data:audio/wav;name=talk.wav;base64,c2FtcGxlCg=="
_FILES = {
    "describe-image": {"image": "data:image/png;name=cat.png;base64,c2FtcGxlCg=="},
    "transcribe": {"audio": _SOUND},
    "translate-audio": {"audio": _SOUND},
}


def _plain(value: Any) -> Any:
    """A value with each file as its name and base64, however it is written; one file and a list of one are the same."""
    if isinstance(value, str) and (found := re.fullmatch(r"data:[^;,]*;name=([^;,]*);base64,(.*)", value)):
        return {"filename": found[1], "base64": found[2]}
    if isinstance(value, list):
        inner = [_plain(each) for each in value]
        return inner[0] if len(inner) == 1 and isinstance(inner[0], dict) and inner[0].keys() == {"filename", "base64"} else inner
    return {key: _plain(each) for key, each in value.items()} if isinstance(value, dict) else value


def test_documents_keep_their_value(studio: Studio, folder: Path) -> None:
    """Generated documents, with unknown keys, odd texts and large numbers, are the same after being opened and saved in the page."""
    made = random.Random(15)
    paths = {}
    for number in range(DOCUMENTS):
        path = folder / f"d{number}.arazzo.{'yaml' if number % 2 else 'json'}"
        value = _document(made)
        path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
        paths[str(path)] = value
    seen = drive("documents", studio, folder, documents=list(paths))
    assert seen.pop("problems") == []
    changed = [path for path, saved in seen.items() if load_yaml(Path(saved).read_bytes()) != paths[path]]
    assert changed == []
    orders = [path for path, saved in seen.items() if json.dumps(load_yaml(Path(saved).read_bytes())) != json.dumps(paths[path])]
    assert orders == []


_TEXTS = ["", "no", "0o17", "1_000", "12:30:45", "2026-01-01", "~", "null", "a: b", "- x", "{$steps.a.outputs.b}", "$inputs.q", "a\n b\n", "'\"", "#", "\t", "\u2028", "ü𝄞", "<<", "=", "*a", "&a", "!t", "%", "@", "`", "1e3", ".5", "0x1F", ".inf", "true", "Yes", "\\n", "|", ">", "?", "? a", ":", "  lead"]  # fmt: skip # noqa: E501


def _value(made: random.Random, depth: int = 0) -> Any:
    kind = made.randrange(9 if depth < 4 else 6)
    if kind < 3:
        return made.choice(_TEXTS)
    if kind == 3:
        return made.choice([0, -1, 7, 10**15, 10**25, -(10**18), 12345678901234567890])
    if kind == 4:
        return made.choice([0.5, -2.25, 1e-7, 1.5e30])
    if kind == 5:
        return made.choice([True, False, None])
    if kind == 6:
        return [_value(made, depth + 1) for _ in range(made.randrange(4))]
    return {f"{made.choice(_TEXTS)}n{number}": _value(made, depth + 1) for number in range(made.randrange(4))}


def _document(made: random.Random) -> dict[str, Any]:
    ids = [f"s{number}" for number in range(made.randrange(1, 5))]
    steps: list[dict[str, Any]] = []
    for each in ids:
        step: dict[str, Any] = {"stepId": each, "operationId": "createEmbedding", "requestBody": {"payload": _value(made)}}
        if made.random() < 0.5:
            step["onSuccess"] = [
                {"name": "go", "type": "goto", "stepId": made.choice(ids), "criteria": [{"condition": "$statusCode == 200"}]}
            ]
        if made.random() < 0.3:
            step["onFailure"] = [{"reference": "$components.failureActions.again"}]
        step[made.choice(["x-own", "x-other", "note"])] = _value(made)
        steps.append(step)
    document: dict[str, Any] = {"arazzo": "1.0.1", "info": {"title": made.choice(_TEXTS), "version": "1", "x-info": _value(made)}}
    document |= {"x-top": _value(made), "sourceDescriptions": [{"name": "openai", "url": "./openapi.json", "type": "openapi"}]}
    document["workflows"] = [{"workflowId": "w", "x-flow": _value(made), "steps": steps, "outputs": {"a": "$steps.s0.outputs.a"}}]
    return document
