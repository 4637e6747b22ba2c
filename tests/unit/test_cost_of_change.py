"""What ARCHITECTURE.md says: the modules that it names are there, and a change of data needs the one file that its table names."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
import yaml

from kosha_connector_openai import Connector
from kosha_connector_openai.flows import list_tasks
from kosha_connector_openai.manifest.parts import Paging

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`((?:[a-z_]+/)*(?:[a-z_*]+\.(?:py|yaml|json|toml)|[a-z_]+/))`", TEXT)) - {"connector_spec.json"})


@pytest.mark.parametrize("name", NAMED)
def test_what_the_page_names_is_there(name: str) -> None:
    """Each file and folder in backticks is one of the package or of the repository."""
    assert [place for place in (ROOT, ROOT / "kosha_connector_openai") if any(place.glob(name.rstrip("/")))] != []


def test_the_page_names_every_wing() -> None:
    """A wing that is added has its row."""
    wings = {f"{path.parent.name}/" for path in (ROOT / "kosha_connector_openai").glob("*/__init__.py")}
    assert wings <= set(NAMED)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the connector's data, without any Python."""
    for name in ("connector.yaml", "openapi.json"):
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("connector", "images"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path


def change(file: Path, old: str, new: str) -> None:
    """Writes the file with the first ``old`` as ``new``."""
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_a_label_is_one_line_of_the_forms_part(folder: Path) -> None:
    """``connector/forms.yaml``: the form shows the new label."""
    part = folder / "connector" / "forms.yaml"
    data = yaml.safe_load(part.read_text(encoding="utf-8"))
    data.setdefault("actions", {}).setdefault("createCompletion", {}).setdefault("fields", {}).setdefault("prompt", {})["label"] = (
        "Your text"
    )
    part.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    with Connector(folder) as connector:
        labels = {field["name"]: field["label"] for field in connector.forms["createCompletion"].fields}
    assert labels["prompt"] == "Your text"


def test_an_operation_is_one_entry_of_the_description(folder: Path) -> None:
    """``openapi.json``: the catalog has another action, whose digest the manifest pins."""
    file = folder / "openapi.json"
    data = json.loads(file.read_bytes())
    data["paths"]["/pages"] = {"get": {"operationId": "listPages", "summary": "Pages", "responses": {"200": {"description": "ok"}}}}
    file.write_text(json.dumps(data), encoding="utf-8")
    manifest = folder / "connector.yaml"
    manifest.write_text(re.sub(r"(?m)^  sha256: .*\n", "", manifest.read_text(encoding="utf-8"), count=1), encoding="utf-8")
    with Connector(folder) as connector:
        assert connector.catalog["listPages"].operation.path == "/pages"


def test_a_kind_of_server_is_one_entry_of_the_manifest(folder: Path) -> None:
    """``connector.yaml``: a connection may name it."""
    entry = '    nearby:\n      title: Nearby\n      values: {server_url: "http://localhost:9", auth_type: NONE}\n'
    change(folder / "connector.yaml", "    compatible:\n", f"{entry}    compatible:\n")
    with Connector(folder) as connector:
        assert connector.connection({"server_kind": "nearby"}, environ={}).server.origin.port == 9


def test_a_task_is_one_entry_of_its_part(folder: Path) -> None:
    """``connector/tasks.yaml``: the list has it, with its form."""
    part = folder / "connector" / "tasks.yaml"
    found = re.search(r"(?ms)^  ask:\n.*?(?=^  \S)", part.read_text(encoding="utf-8"))
    assert found is not None
    change(part, found[0], found[0].replace("  ask:", "  ask-again:", 1) + found[0])
    with Connector(folder) as connector:
        assert "ask-again" in [info.name for info in list_tasks(connector)]


def test_an_error_s_advice_is_one_row_of_the_manifest(folder: Path) -> None:
    """``connector.yaml``: the error of a call gives the new advice."""
    change(folder / "connector.yaml", "Wait and try again.", "Come back after lunch.")
    with Connector(folder) as connector:
        assert [rule for rule in connector.manifest.errors if rule.advice.endswith("Come back after lunch.")] != []


def test_a_list_that_pages_in_its_own_way_is_one_entry_of_its_part(folder: Path) -> None:
    """``connector/paging.yaml``: what an action's pages are like is read from it."""
    change(folder / "connector" / "paging.yaml", "A token for the next page", "A word for the next page")
    with Connector(folder) as connector:
        assert connector.part("paging", Paging).forms["page_token"].title == "A word for the next page"


def test_another_provider_is_a_folder(tmp_path: Path) -> None:
    """A manifest and a description, without any Python: the example's action is checked and previewed."""
    shutil.copytree(ROOT / "examples" / "tides", tmp_path / "tides")
    with Connector(tmp_path / "tides") as connector:
        assert list(connector.catalog)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the package beside its data, to be changed and run in a process of its own."""
    for name in ("connector.yaml", "openapi.json"):
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("connector", "images", "kosha_connector_openai"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def printed(checkout: Path, code: str) -> str:
    """What the code prints, run with the copy's modules."""
    environment = {"PYTHONPATH": str(checkout), "PATH": "", "HOME": str(checkout), "XDG_CACHE_HOME": str(checkout / "cache")}
    done = subprocess.run([sys.executable, "-c", code], cwd=checkout, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_command_is_a_function_and_a_row(checkout: Path) -> None:
    """``cli/app.py`` names it; the function stands in a module of ``cli/``."""
    wing = checkout / "kosha_connector_openai" / "cli"
    wing.joinpath("greet.py").write_text('"""A greeting."""\n\n\ndef greet() -> None:\n    print("hello")\n', encoding="utf-8")
    change(wing / "app.py", '    "run": (', '    "greet": ("greet:greet", "Greets."),\n    "run": (')
    code = "import sys; sys.argv = ['kosha-openai', 'greet']; from kosha_connector_openai.cli import main; main()"
    assert printed(checkout, code) == "hello"


def test_a_secret_store_is_a_file_and_a_row(checkout: Path) -> None:
    """A class in ``secrets/stores/`` and its row in ``defaults.py``: a connection's reference is read from it."""
    stores = checkout / "kosha_connector_openai" / "secrets" / "stores"
    store = """
from kosha_connector_openai.secrets.secret import check_secret


class DeskStore:
    scheme = "desk"
    immediate = True

    def read(self, reference, context):
        return check_secret("under-the-blotter-" + reference.locator, str(reference))
"""
    stores.joinpath("desk.py").write_text(store, encoding="utf-8")
    row = "from kosha_connector_openai.secrets.stores.desk import DeskStore\n"
    change(
        stores / "defaults.py", "from kosha_connector_openai.secrets.stores.fail", f"{row}from kosha_connector_openai.secrets.stores.fail"
    )
    change(stores / "defaults.py", "    return (\n", "    return (\n        DeskStore(),\n")
    code = """
from kosha_connector_openai.secrets import SecretContext, SecretReference, SecretResolver, SecretStores
from kosha_connector_openai.secrets.stores import default_stores
store = next(store for store in default_stores(()) if store.scheme == "desk")
print(store.read(SecretReference.parse("desk:left"), None).reveal())
"""
    assert printed(checkout, code) == "under-the-blotter-left"


def test_an_auth_scheme_is_a_class_and_a_row(checkout: Path) -> None:
    """``core/connection/auth.py``: the table has it, and the manifest may name it."""
    auth = checkout / "kosha_connector_openai" / "core" / "connection" / "auth.py"
    scheme = (
        "class Cookie(Bearer):\n    def headers(self, secrets, settings, request):\n        return [('Cookie', 'k=1')]\n\n\nSCHEMES: Final"
    )
    change(auth, "SCHEMES: Final", scheme)
    change(auth, '{"bearer": Bearer(), ', '{"bearer": Bearer(), "cookie": Cookie(), ')
    code = "from kosha_connector_openai.core.connection.auth import SCHEMES; print(SCHEMES['cookie'].headers({}, {}, None))"
    assert printed(checkout, code) == "[('Cookie', 'k=1')]"


def test_a_media_type_is_a_function_and_a_row(checkout: Path) -> None:
    """``core/result/decode.py``: a body of that type is read by it."""
    decode = checkout / "kosha_connector_openai" / "core" / "result" / "decode.py"
    change(
        decode,
        '    "text/json": ("json", _read_json),\n',
        '    "text/json": ("json", _read_json),\n    "application/x-note": ("text", _read_text),\n',
    )
    code = "from kosha_connector_openai.core.result.decode import DECODERS; print(DECODERS['application/x-note'][0])"
    assert printed(checkout, code) == "text"


def test_a_page_of_the_gateway_is_a_function_and_an_entry(checkout: Path) -> None:
    """``gateway/pages/`` has the function, ``gateway/service.yaml`` the entry; an entry without a function is told at the start."""
    entry = "  /motd: {x-access: everyone, get: {operationId: motd, tags: [Service], summary: Today, responses: {}}}\n"
    change(checkout / "kosha_connector_openai" / "gateway" / "service.yaml", "paths:\n", f"paths:\n{entry}")
    pages = checkout / "kosha_connector_openai" / "gateway" / "pages" / "pages.py"
    change(pages, '            "isAlive": self._alive,\n', '            "isAlive": self._alive,\n            "motd": self._alive,\n')
    environment = {"PYTHONPATH": str(checkout), "PATH": "", "HOME": str(checkout), "OPENAI_API_KEY": "made-up-key-0123456789"}
    command = [sys.executable, "-m", "kosha_connector_openai.cli", "serve", "--port", "0"]
    with subprocess.Popen(command, cwd=checkout, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            assert process.stdout is not None
            address = next(found[0] for line in process.stdout if (found := re.search(r"http://127\.0\.0\.1:\d+", line)))
            with urllib.request.urlopen(f"{address}/motd", timeout=10) as reply:
                assert reply.status == 200
        finally:
            process.terminate()


SENTENCES = ["The inputs cannot be read.", "The connection exists.", "This action answers with a file."]


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_sentence_is_found_by_its_words(sentence: str) -> None:
    """An error's sentence stands in one module."""
    found = [path for path in (ROOT / "kosha_connector_openai").rglob("*.py") if sentence in path.read_text(encoding="utf-8")]
    assert len(found) == 1
