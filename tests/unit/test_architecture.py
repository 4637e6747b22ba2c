"""The house rules that a machine can see."""

from __future__ import annotations

import ast
import graphlib
import importlib
import json
import re
import subprocess
import sys
import types
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.tables import check_each

PACKAGE = Path(__file__).parents[2] / "kosha_connector_openai"
MODULES = sorted(PACKAGE.rglob("*.py"))
PROVIDERS = re.compile(r"openai|gpt|whisper|dall.?e|sora|azure|anthropic|ollama", re.IGNORECASE)
LIMIT = 330
"""Lines. Past it a second noun may have moved in, so the module says why it stays whole."""


OWN = frozenset({"__init__.py", "plugin.py", "sandbox/behaviours.py", "sandbox/facts.py"})
"""The Python that is our provider's own: the entry point, and what the sandbox plays."""
GENERAL = [path for path in MODULES if (rest := path.relative_to(PACKAGE)).parts[0] != "cli" and rest.as_posix() not in OWN]
"""The modules that serve any provider."""
PLAIN = frozenset(
    """
    agent cases credentials id live templates test traces turns vault Agent Credential Decision Environment Turn Vault
    accept alpha archive audio batch batches bucket calls cancel certificate characters compact complete content costs edits engines
    eval events extensions file files group groups images items jobs list messages model models page parts pause projects refer response
    responses resume role roles run runs search steps thread threads upload uploads usage user users validate version versions video
    sessions Metadata Project Tool ToolChoice TextContent
    Error Group Item Message Model Response Upload User AuditLog ErrorResponse file_id input_tokens key_id role_id v1
    """.split()  # noqa: SIM905 - a list of words reads better as text
)
"""Names of the API that are plain words too, or names of ours that say something else. Reviewed one by one."""


def _api_names() -> set[str]:
    """Every path segment, path parameter, operation id, schema and ``object`` value of the description."""
    document = json.loads((PACKAGE.parent / "openapi.json").read_text(encoding="utf-8"))
    names = {segment.strip("{}") for path in document["paths"] for segment in path.split("/")[1:]} | set(document["components"]["schemas"])
    queue: list[Any] = [document]
    while queue:
        value = queue.pop()
        if isinstance(value, dict):
            kind = value.get("properties", {}).get("object", {}) if isinstance(value.get("properties"), dict) else {}
            found = [*kind.get("enum", ()), kind.get("const"), value.get("operationId")]
            names |= {name for name in found if isinstance(name, str)}
        queue += value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return names


API = {name: frozenset(re.findall(r"\w+", name)) for name in sorted(_api_names() - PLAIN, key=len, reverse=True)}
"""Its names, each with its words: a text without one of them has not the name either."""
API_PATH = re.compile(rf"(?<!/kosha)/v1/(?:{'|'.join(sorted(PLAIN))})\b")


def _api_in(text: str) -> list[str]:
    """The names of the API in a text."""
    words = set(re.findall(r"\w+", text))
    names = "|".join(re.escape(name) for name, needed in API.items() if needed <= words)
    return re.findall(rf"(?<![\w.])(?:{names})(?!\w)", text) if names else []


def test_only_declared_modules_know_a_provider() -> None:
    """No provider's name, and no path, operation or schema of our provider's description; only our own package's name occurs."""

    def knows_none(path: Path) -> None:
        text = path.read_text(encoding="utf-8").replace("kosha_connector_openai", "").replace("kosha-openai", "")
        assert PROVIDERS.findall(text) + _api_in(text) + API_PATH.findall(text) == []

    check_each(GENERAL, knows_none)


def test_the_names_of_the_api_are_looked_for() -> None:
    """The test above would find a path, an operation, a schema and an object's name."""
    for name in ("chat", "embeddings", "vector_stores", "createChatCompletion", "CreateEmbeddingRequest", "vector_store.file"):
        assert _api_in(f'x = "{name}"') == [name]
    assert API_PATH.findall("/v1/files/{file_id}") == ["/v1/files"]
    assert PLAIN & {"chat", "completions"} == set()


def test_a_long_module_says_why_it_is_one() -> None:
    """A module of more than 330 lines has a reason for its length in its first docstring: "One module: ..."."""
    long = {path.name: _facts(path).docstring for path in MODULES if path.read_text(encoding="utf-8").count("\n") > LIMIT}
    assert {name for name, said in long.items() if "One module" not in said} == set()


def test_the_only_python_of_our_own_provider_is_small() -> None:
    """What is OpenAI's alone in Python fits on a page: the plugin."""
    assert len((PACKAGE / "plugin.py").read_text(encoding="utf-8").splitlines()) <= 60


def test_modules_say_what_they_are() -> None:
    """Each module begins with a docstring, if it has anything to say."""
    assert [path for path in MODULES if not (_facts(path).docstring or _facts(path).empty)] == []


IMPORTING = """
import os, sys
from importlib import import_module
bad = []
class Environ(type(os.environ)):
    def __getitem__(self, name):
        if name.startswith(("OPENAI", "KOSHA", "API_KEY", "BEARER")):
            bad.append(("environ", name))
        return super().__getitem__(name)
def hook(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.system"):
        bad.append((event, str(args)[:100]))
    if event == "open" and isinstance(args[0], str) and not args[0].endswith((".py", ".pyc", ".so")):
        if not any(part in args[0] for part in ("site-packages", "/lib", "/etc/", "/usr/", "/proc/")):
            bad.append((event, args[0]))
os.environ.__class__ = Environ
sys.addaudithook(hook)
for name in sys.argv[1:]:
    try:
        import_module(name)
    except ModuleNotFoundError as error:
        if error.name.startswith("kosha"):
            raise
print(bad)
"""


def test_importing_does_nothing() -> None:
    """X6: no module, when it is imported, opens a file but Python's own, connects, starts a program or reads a variable of ours.

    Modules of extras that are not installed are left out.
    """
    done = subprocess.run([sys.executable, "-c", IMPORTING, *NAMES], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    assert done.stdout.strip() == "[]"


def test_importing_the_package_is_light() -> None:
    """The package itself loads no HTTP client, validator or model library until something is used."""
    heavy = "('httpx', 'aiohttp', 'pydantic', 'jsonschema', 'yaml', 'typer')"
    code = f"import sys, kosha_connector_openai; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def _module(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


NAMES = {_module(path): path for path in MODULES}
FACES = {name for name, path in NAMES.items() if path.name == "__init__.py"}


class Facts(NamedTuple):
    """What the tests look at of a module: its docstring, whether it has anything else, and its public classes; what it imports of ours."""

    docstring: str
    empty: bool
    classes: tuple[str, ...]
    imported: frozenset[str]


@cache
def _facts(path: Path) -> Facts:
    """Those of one module. Imports are those at its top and inside functions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE.name):
            imported |= {full if (full := f"{node.module}.{alias.name}") in NAMES else str(node.module) for alias in node.names}
        elif isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names if alias.name.startswith(PACKAGE.name)}
    classes = tuple(node.name for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_"))
    return Facts(ast.get_docstring(tree) or "", not tree.body, classes, frozenset(imported))


def _wing(module: str) -> str:
    return module if module in FACES else module.rpartition(".")[0]


def test_only_faces_are_imported_across_wings() -> None:
    """A module imports modules of its own folder and of the folders around it; of any other folder only the face, its ``__init__``."""

    def keeps_out(path: Path) -> None:
        home = _wing(_module(path))
        behind = {name for name in _facts(path).imported if name not in FACES and not f"{home}.".startswith(f"{_wing(name)}.")}
        assert behind == set()

    check_each(MODULES, keeps_out)


@pytest.mark.parametrize("face", sorted(FACES))
def test_a_face_says_what_comes_in_and_lists_what_it_shows(face: str) -> None:
    """Its docstring is there; type checkers follow the modules that its map names, every name can be had, and none hides a module."""
    module, tree = importlib.import_module(face), ast.parse(NAMES[face].read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    checked = [node for part in tree.body if isinstance(part, ast.If) and ast.unparse(part.test) == "TYPE_CHECKING" for node in part.body]
    followed = {str(node.module).removeprefix(f"{face}.") for node in checked if isinstance(node, ast.ImportFrom)}
    maps = [ast.literal_eval(call.args[1]) for call in ast.walk(tree) if isinstance(call, ast.Call) and ast.unparse(call.func) == "face"]
    assert followed == {home for homes in maps for home in homes}
    # Python sets a module as an attribute of its package when it is first imported, so a name like it would be one or the other by chance.
    beside = {path.stem for path in NAMES[face].parent.iterdir()}
    assert beside & set(getattr(module, "__all__", ())) == set()
    shown = {name: getattr(module, name) for name in getattr(module, "__all__", ())}
    assert [name for name, value in shown.items() if isinstance(value, types.ModuleType)] == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    """No circle of imports, those inside functions included, between modules or between folders beside each other."""
    edges = {name: {other for other in _facts(path).imported if other in NAMES and other not in FACES} for name, path in NAMES.items()}
    assert _circle(edges) == []
    wings: dict[str, set[str]] = {}
    for name, path in NAMES.items():
        home = _wing(name)
        wings.setdefault(home, set()).update(other for other in map(_wing, _facts(path).imported) if _apart(home, other))
    assert _circle(wings) == []


def _circle(edges: dict[str, set[str]]) -> list[str]:
    """A circle in a graph, as the names on it; empty where there is none."""
    try:
        graphlib.TopologicalSorter(edges).prepare()
    except graphlib.CycleError as error:
        found: list[str] = error.args[1]
        return found
    return []


def _apart(wing: str, other: str) -> bool:
    """Whether neither folder holds the other: the modules of a folder stand above and below the folders inside it."""
    return not f"{wing}.".startswith(f"{other}.") and not f"{other}.".startswith(f"{wing}.")


def test_the_largest_wing_is_a_fifth_of_the_package_at_most() -> None:
    """No top folder holds more than 20 % of the package's lines; bulk, with a ledger and a pace of its own, counts as one."""
    sizes: dict[str, int] = {}
    for path in MODULES:
        parts = path.relative_to(PACKAGE).parts
        wing = "bulk" if parts[:2] == ("flows", "bulk") else parts[0]
        sizes[wing] = sizes.get(wing, 0) + path.read_text(encoding="utf-8").count("\n")
    assert max(sizes.values()) <= sum(sizes.values()) / 5


def test_one_class_name_is_one_noun() -> None:
    """No public class name is used in two modules."""
    homes: dict[str, list[str]] = {}
    for name, path in NAMES.items():
        for found in _facts(path).classes:
            homes.setdefault(found, []).append(name)
    assert {name: places for name, places in homes.items() if len(places) > 1} == {}
